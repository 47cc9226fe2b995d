//! Fuzzes the whole pipeline with frames on both ports of a gateway that has an SA: every frame is sent, punted, dropped under one
//! reason, or waits in a bounded table. A capture and the flight recorder watch it all, and the CLI shows what they saw.
#![no_main]

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use ravelin_ctl::capture::{CaptureInterface, Captured, End, Filter, Step, Test};
use ravelin_ctl::flight::FlightChoice;
use ravelin_ctl::plane::{Device, MssClamp, PlaneConfig, PortConfig, TunnelConfig, UnitConfig};
use ravelin_ctl::sa::{DfBit, Outbound, Outer, SaHalf, SaPair};
use ravelin_dataplane::control::{Neighbour, RouteTarget};
use ravelin_dataplane::io::memory::{Memory, MemoryPool, MemoryPort, cells};
use ravelin_dataplane::watch::Watch;
use ravelin_dataplane::watch::capture::{Capture, Record, Tap};
use ravelin_dataplane::watch::recorder::{RECORDS, Recorder};
use ravelin_dataplane::{Controller, Shared, Worker, held, reassembly};
use ravelin_esp::engine::PortableEngine;
use ravelin_types::{
    EspTransform, Generation, PairId, Prefix, SecretBytes, Spi, Time, TrafficSelector, UnitName,
    VrfId,
};

const SLOTS: usize = 16;
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

struct Gateway {
    controller: Controller<Memory>,
    worker: Worker<Memory>,
    ports: [MemoryPort; 2],
    now: Time,
    received: u64,
    left: u64,
    capture: Arc<Capture>,
    recorder: Arc<Recorder>,
}

/// Watches both ports and the tunnel.
fn watch(controller: &mut Controller<Memory>) -> (Arc<Capture>, Arc<Recorder>) {
    let tunnel = controller.index_of(&UnitName::new("st0", 0));
    let taps = [
        Tap::Port(0, None),
        Tap::Port(1, None),
        Tap::Tunnel(tunnel.unwrap_or_default()),
    ];
    let filter = [
        Step::Test(Test::Esp),
        Step::Test(Test::Port(End::Either, 53)),
        Step::Not,
        Step::Or,
    ];
    let capture = Arc::new(Capture::new(&taps, Filter(filter.to_vec()), 128, 1));
    let selection = controller.selection(FlightChoice::Pair(PairId(1)));
    let selection = selection.map(|(selection, _)| selection);
    let recorder = Arc::new(Recorder::new(selection.unwrap_or_default(), 1));
    controller.set_watch(Some(Watch {
        captures: vec![Arc::clone(&capture)],
        recorder: Some(Arc::clone(&recorder)),
    }));
    (capture, recorder)
}

/// The line of a packet: short, and without anything that a terminal acts upon.
fn show(record: &Record) {
    let interface = CaptureInterface {
        name: "x".to_owned(),
        ethernet: record.tap < 2,
    };
    let packet = Captured {
        time_us: record.time.0,
        interface: record.tap,
        outbound: record.outbound,
        octets: record.octets,
        esp: record.esp,
        data: record.data.clone(),
    };
    let line = ravelin_cli::fuzzing::line(&packet, &interface);
    assert!(
        line.len() < 300 && line.bytes().all(|b| (0x20..0x7f).contains(&b)),
        "{line}"
    );
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap_or_else(|_| unreachable!("a constant"))
}

fn port(name: &str, vlan: Option<u16>, address: [u8; 4]) -> PortConfig {
    PortConfig {
        name: name.into(),
        device: Device::Vdev("net_null0".into()),
        mtu_octets: 1500,
        units: vec![UnitConfig {
            name: UnitName::new(name, 0),
            vlan,
            inner_vlan: None,
            vrf: VrfId::DEFAULT,
            addresses: vec![(address.into(), 24)],
        }],
    }
}

fn pair() -> SaPair {
    let half = |spi: u32| SaHalf {
        spi: Spi(spi),
        key: SecretBytes::new(vec![7; EspTransform::AES_128_GCM.keymat_octets()]),
    };
    SaPair {
        pair: PairId(1),
        epoch: 1,
        outer: Outer {
            vrf: VrfId::DEFAULT,
            local: [192, 0, 2, 1].into(),
            remote: [192, 0, 2, 2].into(),
            udp: None,
        },
        transform: EspTransform::AES_128_GCM,
        protocol: ravelin_types::IpsecProtocol::Esp,
        mode: ravelin_types::IpsecMode::Tunnel,
        extended_sequence: false,
        inbound: half(0x1101),
        outbound: half(0x2202),
        state: Outbound::Active,
        life: ravelin_types::VolumeLife::default(),
        ceilings: ravelin_types::Numbers::FIRST,
        inner_vrf: VrfId::DEFAULT,
        tunnel_unit: 0,
        local_ts: vec![TrafficSelector::any(false), TrafficSelector::any(true)],
        remote_ts: vec![TrafficSelector::from_prefix(prefix("10.2.0.0/16"))],
        replay_window: 512,
        df_bit: DfBit::Copy,
        outer_dscp: None,
        copy_outer_dscp: false,
        tfc_padding: None,
        tunnel_mtu_octets: None,
    }
}

impl Gateway {
    fn new() -> Self {
        let shared = Shared::<Memory>::new(1, SLOTS, 64, cells(SLOTS));
        let mut controller = Controller::new(shared.clone());
        let config = PlaneConfig {
            ports: vec![
                port("ge-0/0/0", None, [192, 0, 2, 1]),
                port("ge-0/0/1", Some(100), [10, 1, 0, 1]),
            ],
            tunnels: vec![TunnelConfig {
                unit: 0,
                vrf: VrfId::DEFAULT,
                mtu_octets: 1400,
                addresses: vec![],
                protected: vec![prefix("10.2.0.0/16")],
            }],
            ike_addresses: vec![(VrfId::DEFAULT, [192, 0, 2, 1].into())],
            signals: vec![],
            tcp_mss: Some(MssClamp::Tunnel),
            acceleration: vec![],
            instances: vec![],
        };
        let macs = HashMap::from(["ge-0/0/0", "ge-0/0/1"].map(|name| (name.to_owned(), MAC)));
        if let Ok(prepared) = controller.prepare_config(Generation(1), &config, &macs) {
            controller.apply_config(prepared);
        }
        let ports = [MemoryPort::default(), MemoryPort::default()];
        for (index, port) in ports.iter().enumerate() {
            controller.attach_port(0, index as u16, port.clone());
            let Some(interface) = controller.index_of(&UnitName::new(format!("ge-0/0/{index}"), 0))
            else {
                continue;
            };
            let subnet = if index == 0 {
                "192.0.2.0/24"
            } else {
                "10.1.0.0/24"
            };
            let target = RouteTarget::Units(vec![(interface, None)]);
            controller.set_route(VrfId::DEFAULT, prefix(subnet), Some(target));
            let address = if index == 0 {
                [192, 0, 2, 2]
            } else {
                [10, 1, 0, 9]
            };
            controller.set_neighbour(Neighbour {
                interface,
                address: address.into(),
                mac: Some([2; 6]),
            });
        }
        assert!(
            controller
                .install(&[pair()])
                .iter()
                .all(|(_, result)| result.is_ok())
        );
        let (capture, recorder) = watch(&mut controller);
        let worker = Worker::new(0, shared, PortableEngine::new(2 * SLOTS), MemoryPool);
        Self {
            controller,
            worker,
            ports,
            now: Time(1),
            received: 0,
            left: 0,
            capture,
            recorder,
        }
    }

    fn frame(&mut self, port: usize, frame: &[u8]) {
        self.ports[port].push(frame);
        self.received += 1;
        for _ in 0..2 {
            self.now = Time(self.now.0 + 1_000);
            self.worker.run_once(self.now);
            self.controller.poll(self.now);
        }
        self.capture.take(usize::MAX, show);
        assert_eq!(self.capture.lost(), 0, "all was taken");
        assert!(self.recorder.take().count() <= RECORDS);
        for port in &self.ports {
            while port.pop().is_some() {
                self.left += 1;
            }
        }
        while self.controller.shared().punt.pop().is_some() {
            self.left += 1;
        }
        let dropped: u64 = self
            .controller
            .drops()
            .iter()
            .map(|(_, packets)| packets)
            .sum();
        let waiting =
            held::MAX_HOPS * held::PER_HOP + reassembly::MAX_DATAGRAMS * reassembly::MAX_FRAGMENTS;
        assert!(
            self.received <= self.left + dropped + waiting as u64,
            "a frame vanished"
        );
    }
}

thread_local! {
    static GATEWAY: RefCell<Gateway> = RefCell::new(Gateway::new());
}

fuzz_target!(|data: &[u8]| {
    GATEWAY.with_borrow_mut(|gateway| {
        for port in 0..2 {
            gateway.frame(port, data);
        }
    });
});
