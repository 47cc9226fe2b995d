//! A worker with its control side: two ports, one peer, one child SA per host behind it.

use std::collections::HashMap;

use dpdk_rs::ipsecmb::Gcm;
use ravelin_ctl::plane::{Device, PlaneConfig, PortConfig, TunnelConfig, UnitConfig};
use ravelin_ctl::sa::{DfBit, Outbound, Outer, SaHalf, SaPair};
use ravelin_dataplane::control::{Neighbour, RouteTarget};
use ravelin_dataplane::io::memory::cells;
use ravelin_dataplane::packet::Packet;
use ravelin_dataplane::{BURST, Controller, Shared, Worker};
use ravelin_esp::{CryptoEngine, Direction};
use ravelin_types::numbers::LAST_SEQUENCE;
use ravelin_types::{
    EspTransform, Generation, Numbers, PairId, Prefix, SecretBytes, Spi, Time, TrafficSelector,
    UnitName, VrfId,
};

use crate::mix::Mix;
use crate::platform::{Bench, Buf, Free, Port};
use crate::traffic::{self, Inner, MAC, NEIGHBOUR, OURS, PEER, Traffic};
use crate::{Failure, per_packet_ns, report};

const ACCESS_PORT: &str = "ge-0/0/0";
const CORE_PORT: &str = "ge-0/0/1";
/// A full frame must fit the tunnel whole: fragments are another benchmark.
const PORT_MTU_OCTETS: u16 = 1600;
const TUNNEL_MTU_OCTETS: u16 = 1500;
const REPLAY_WINDOW: u32 = 512;
/// Neighbours there is room for.
const ADJACENCIES: usize = 64;
/// SAs per message to the worker, and runs that take them in.
const BATCH: usize = 1024;
const RUNS_PER_BATCH: usize = 64;
/// How far the worker's clock moves from burst to burst.
const BURST_US: u64 = 10;

/// The pipeline with the engine `E`.
pub struct Gateway<E: CryptoEngine<Packet<Buf>> + Send + 'static> {
    controller: Controller<Bench<E>>,
    worker: Worker<Bench<E>>,
    access: Port,
    core: Port,
    traffic: Traffic,
    now: Time,
}

impl<E: CryptoEngine<Packet<Buf>> + Send + 'static> Gateway<E> {
    /// `seals` is what the peer seals with; without it the packets carry no proof.
    pub fn new(sas: u32, inner: Inner, engine: E, seals: Option<Gcm>) -> Result<Self, Failure> {
        let slots = sas as usize + 2;
        let shared = Shared::<Bench<E>>::new(1, slots, ADJACENCIES, cells(slots));
        let mut gateway = Self {
            controller: Controller::new(shared.clone()),
            worker: Worker::new(0, shared, engine, Free),
            access: Port::default(),
            core: Port::default(),
            traffic: Traffic::new(sas, inner, seals)?,
            now: Time(1),
        };
        gateway.configure(inner)?;
        gateway.install(sas, inner)?;
        Ok(gateway)
    }

    fn configure(&mut self, inner: Inner) -> Result<(), Failure> {
        let refused = |why: String| Failure::Configuration(why);
        let macs = HashMap::from([ACCESS_PORT, CORE_PORT].map(|name| (name.to_owned(), MAC)));
        let prepared = self
            .controller
            .prepare_config(Generation(1), &config(), &macs)
            .map_err(|error| refused(error.to_string()))?;
        self.controller.apply_config(prepared);
        let sides = [
            (ACCESS_PORT, &self.access, PEER.into()),
            (CORE_PORT, &self.core, inner.core()),
        ];
        for (index, (name, port, host)) in sides.into_iter().enumerate() {
            self.controller.attach_port(0, index as u16, port.clone());
            let interface = self
                .controller
                .index_of(&UnitName::new(name, 0))
                .ok_or_else(|| refused(format!("{name} has no index")))?;
            let target = RouteTarget::Units(vec![(interface, None)]);
            self.controller
                .set_route(VrfId::DEFAULT, Prefix::host(host), Some(target));
            self.controller.set_neighbour(Neighbour {
                interface,
                address: host,
                mac: Some(NEIGHBOUR),
            });
        }
        Ok(())
    }

    fn install(&mut self, sas: u32, inner: Inner) -> Result<(), Failure> {
        let pairs: Vec<SaPair> = (0..sas).map(|sa| pair(sa, inner)).collect();
        let mut refused = 0;
        for batch in pairs.chunks(BATCH) {
            let results = self.controller.install(batch);
            refused += results.iter().filter(|(_, result)| result.is_err()).count();
            for _ in 0..RUNS_PER_BATCH {
                self.worker.run_once(self.now);
                self.controller.poll(self.now);
            }
        }
        if refused > 0 {
            return Err(Failure::Install { refused, sas });
        }
        Ok(())
    }

    /// The median burst of `bursts`, in nanoseconds per packet.
    pub fn round(
        &mut self,
        mix: &Mix,
        direction: Direction,
        bursts: usize,
    ) -> Result<f64, Failure> {
        let mut samples = Vec::with_capacity(bursts);
        let mut came = 0;
        let (from, to) = match direction {
            Direction::Encrypt => (self.core.clone(), self.access.clone()),
            Direction::Decrypt => (self.access.clone(), self.core.clone()),
        };
        for _ in 0..bursts {
            match direction {
                Direction::Encrypt => self.traffic.clear(mix, &mut from.queues().waiting),
                Direction::Decrypt => self.traffic.sealed(mix, &mut from.queues().waiting),
            }
            self.now = Time(self.now.0 + BURST_US);
            samples.push(self.burst());
            came += to.queues().sent.drain(..).count();
        }
        self.controller.poll(self.now);
        let sent = bursts * BURST;
        if came != sent {
            let drops = self.controller.drops();
            return Err(Failure::Lost {
                mix: mix.name,
                direction,
                sent,
                came,
                drops: format!("{drops:?}"),
            });
        }
        Ok(report::median(&mut samples))
    }

    fn burst(&mut self) -> f64 {
        per_packet_ns(|| {
            self.worker.run_once(self.now);
        })
    }
}

fn pair(sa: u32, inner: Inner) -> SaPair {
    let half = |spi| SaHalf {
        spi,
        key: SecretBytes::new(traffic::keymat(sa)),
    };
    SaPair {
        pair: PairId(u64::from(sa) + 1),
        epoch: 1,
        outer: Outer {
            vrf: VrfId::DEFAULT,
            local: OURS.into(),
            remote: PEER.into(),
            udp: None,
        },
        transform: EspTransform::AES_256_GCM,
        protocol: ravelin_types::IpsecProtocol::Esp,
        mode: ravelin_types::IpsecMode::Tunnel,
        extended_sequence: false,
        inbound: half(traffic::spi(sa)),
        outbound: half(Spi(0x4000_0000 + sa)),
        state: Outbound::Active,
        // Nobody grants more while the measurement runs.
        life: ravelin_types::VolumeLife::default(),
        ceilings: Numbers {
            outbound: LAST_SEQUENCE,
            inbound: LAST_SEQUENCE,
        },
        inner_vrf: VrfId::DEFAULT,
        tunnel_unit: 0,
        local_ts: vec![TrafficSelector::any(inner == Inner::V6)],
        remote_ts: vec![TrafficSelector::from_prefix(Prefix::host(inner.remote(sa)))],
        replay_window: REPLAY_WINDOW,
        df_bit: DfBit::Clear,
        outer_dscp: None,
        copy_outer_dscp: false,
        tfc_padding: None,
        tunnel_mtu_octets: None,
    }
}

fn config() -> PlaneConfig {
    let port = |name: &str, address: [u8; 4]| PortConfig {
        name: name.into(),
        device: Device::Vdev("net_null0".into()),
        mtu_octets: PORT_MTU_OCTETS,
        units: vec![UnitConfig {
            name: UnitName::new(name, 0),
            vlan: None,
            inner_vlan: None,
            vrf: VrfId::DEFAULT,
            addresses: vec![(address.into(), 24)],
        }],
    };
    PlaneConfig {
        ports: vec![
            port(ACCESS_PORT, OURS.octets()),
            port(CORE_PORT, [172, 16, 0, 1]),
        ],
        tunnels: vec![TunnelConfig {
            unit: 0,
            vrf: VrfId::DEFAULT,
            mtu_octets: TUNNEL_MTU_OCTETS,
            addresses: vec![],
            protected: vec![],
        }],
        ike_addresses: vec![],
        signals: vec![],
        tcp_mss: None,
        acceleration: vec![],
        instances: vec![],
    }
}
