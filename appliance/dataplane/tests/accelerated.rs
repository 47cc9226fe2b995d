//! Crypto devices under the workers: octet for octet what the CPU makes, in order, and when a device fails nothing is lost but what it has.
#![allow(clippy::unwrap_used)]

mod device;
mod harness;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use device::*;
use dpdk_rs::cryptodev::{Fault, QUEUE_DEPTH};
use harness::{
    SLOTS, TRUST, UNTRUST, addr, config, frame, host, mac, outer, pair, prefix, udp, unit,
};
use ravelin_dataplane::control::{Neighbour, RouteTarget};
use ravelin_dataplane::engine::accelerator::Failure;
use ravelin_dataplane::engine::{Accelerated, Accelerator, Engine};
use ravelin_dataplane::io::memory::cells;
use ravelin_dataplane::packet::{Origin, Packet};
use ravelin_dataplane::tables::{IfIndex, NextHop};
use ravelin_dataplane::{Controller, DropReason, Shared, Worker};
use ravelin_esp::engine::{KeyOrder, Service, WhyCpu};
use ravelin_esp::*;
use ravelin_types::*;
use ravelin_wire::ip;

type Device = Accelerated<Packet<Frame>>;

/// Beyond 32 bits, so that the upper half of an extended number is not zero.
const LAST: u64 = 0x5_ffff_fff0;

/// One direction of an SA in both engines.
struct Both {
    out: [OutboundSa; 2],
    inn: [InboundSa; 2],
}

fn material(transform: EspTransform) -> Vec<u8> {
    (0..transform.keymat_octets())
        .map(|at| (at as u8).wrapping_mul(29) | 1)
        .collect()
}

/// Puts the keys of an SA into both engines; `None` when the CPU serves it.
fn both(
    maker: &Accelerator,
    (device, cpu): (&mut Device, &mut Engine<MemoryBuf>),
    transform: EspTransform,
    extended: bool,
) -> Option<Both> {
    let material = material(transform);
    let (keys, salt) = Keys::split(transform, &material).unwrap();
    let mut in_device = |direction| {
        let order = KeyOrder {
            transform,
            direction,
            extended,
            worker: 0,
            keys,
        };
        let (key, service) = Device::make(maker, &order).unwrap();
        let id = device.insert(key).ok().unwrap();
        match service {
            Service::Device(_) => Some(id),
            Service::Cpu(why) => {
                assert_eq!(why, WhyCpu::Algorithm, "{transform}");
                None
            }
        }
    };
    let mut on_cpu = || {
        let key = <Engine<MemoryBuf> as CryptoEngine<MemoryBuf>>::expand(transform, keys);
        cpu.insert(key.unwrap()).ok().unwrap()
    };
    let last_sequence = if extended { LAST } else { 0 };
    let out = |key| {
        let params = OutboundParams {
            spi: 0x4001_2345,
            transform,
            protocol: ravelin_types::IpsecProtocol::Esp,
            mode: ravelin_types::IpsecMode::Tunnel,
            salt,
            key,
            iv: IvPrefix::new(NodeId::new(1).unwrap(), 5).unwrap(),
            outer: OuterAddresses {
                local: addr("192.0.2.1"),
                remote: addr("192.0.2.2"),
                udp: None,
            },
            df: DfPolicy::Copy,
            dscp: None,
            last_sequence,
            ceiling: u64::MAX,
            extended,
        };
        OutboundSa::new(&params).unwrap()
    };
    let inn = |key| {
        InboundSa::new(&InboundParams {
            spi: 0x4001_2345,
            transform,
            mode: ravelin_types::IpsecMode::Tunnel,
            copy_dscp: false,
            salt,
            key,
            replay_window: 512,
            last_sequence,
            ceiling: u64::MAX,
            extended,
        })
    };
    let keys = (in_device(Direction::Encrypt), in_device(Direction::Decrypt));
    let (seal, open) = (keys.0?, keys.1?);
    Some(Both {
        out: [out(seal), out(on_cpu())],
        inn: [inn(open), inn(on_cpu())],
    })
}

fn packet(octets: &[u8]) -> Packet<Frame> {
    let any = udp(host(1, false), host(2, false), (1, 2), &[]);
    let meta = ip::parse_brief(octets).or(ip::parse_brief(&any));
    Packet {
        buf: Frame::new(octets),
        meta: meta.unwrap(),
        ingress: IfIndex(0),
        vrf: VrfId::DEFAULT,
        next_hop: NextHop::None,
        origin: Origin::Own,
        strange_source: false,
    }
}

fn run<P: PacketBuf>(engine: &mut impl CryptoEngine<P>, ops: Vec<CryptoOp<P>>) -> Vec<CryptoOp<P>> {
    let (mut ops, mut done) = (ops, Vec::new());
    let wanted = ops.len();
    for round in 0..1000 {
        engine.clock(Time(round));
        engine.submit(&mut ops);
        engine.poll(&mut done);
        if done.len() == wanted {
            break;
        }
    }
    assert_eq!(done.len(), wanted);
    done
}

/// More than the device's queue takes: what waits is not touched meanwhile.
fn waits_for_room(device: &mut Device, sa: &Both, sealed: &[Vec<u8>]) {
    let many = sealed.iter().cycle().take(3 * QUEUE_DEPTH);
    let ops: Vec<_> = many
        .map(|esp| {
            let packet = packet(esp);
            let task = sa.inn[0].prepare(&packet, 1).unwrap();
            CryptoOp::new(packet, task)
        })
        .collect();
    let numbers: Vec<_> = ops.iter().map(|op| op.task.sequence).collect();
    let done = run(device, ops);
    assert!(done.iter().all(|op| op.status == OpStatus::Done));
    assert!(done.iter().map(|op| op.task.sequence).eq(numbers));
}

fn agree(driver: &str) -> usize {
    let mut maker = Accelerator::default();
    assert!(maker.add(device(driver), 1));
    let (mut device, mut cpu) = (Device::new(512), Engine::<MemoryBuf>::new(512));
    let mut served = 0;
    for (transform, extended) in EspTransform::all().flat_map(|all| [(all, false), (all, true)]) {
        let engines = (&mut device, &mut cpu);
        let Some(mut sa) = both(&maker, engines, transform, extended) else {
            continue;
        };
        served += 1;
        let inner: Vec<Vec<u8>> = [0usize, 1, 7, 33, 512, 1400]
            .map(|octets| udp(host(1, false), host(2, false), (1, 2), &vec![9; octets]))
            .to_vec();
        let (mut in_device, mut on_cpu) = (vec![], vec![]);
        for octets in &inner {
            let (mut a, mut b) = (packet(octets), MemoryBuf::new(octets));
            let meta = a.meta;
            let task = sa.out[0].prepare(&mut a, meta, 1).unwrap();
            in_device.push(CryptoOp::new(a, task));
            let task = sa.out[1].prepare(&mut b, meta, 1).unwrap();
            on_cpu.push(CryptoOp::new(b, task));
        }
        let (in_device, on_cpu) = (run(&mut device, in_device), run(&mut cpu, on_cpu));
        let mut sealed = vec![];
        for (a, b) in in_device.iter().zip(&on_cpu) {
            assert_eq!((a.status, b.status), (OpStatus::Done, OpStatus::Done));
            assert_eq!(a.task.sequence, b.task.sequence, "in order");
            assert!(a.packet.data() == b.packet.data(), "{driver} {transform}");
            sealed.push(a.packet.data()[20..].to_vec());
        }
        if extended && transform.encr() == EspEncr::Aes256Cbc {
            waits_for_room(&mut device, &sa, &sealed);
        }
        let mut ops = vec![];
        for (number, esp) in sealed.iter().enumerate() {
            let mut forged = esp.clone();
            forged[8 + number * 3] ^= 4;
            for octets in [forged, esp.clone()] {
                let packet = packet(&octets);
                let task = sa.inn[0].prepare(&packet, 1).unwrap();
                ops.push(CryptoOp::new(packet, task));
            }
        }
        for (at, mut op) in run(&mut device, ops).into_iter().enumerate() {
            let outcome = (op.task.sequence, op.status);
            let opened =
                sa.inn[0].finish(&mut op.packet, outcome, ravelin_wire::ip::Brief::default());
            if at % 2 == 0 {
                assert_eq!(opened, Err(EspDrop::AuthFailed), "{driver} {transform}");
            } else {
                assert_eq!(opened, Ok(true), "{driver} {transform}");
                assert!(op.packet.data() == inner[at / 2], "{driver} {transform}");
            }
        }
    }
    let status = &maker.status()[0];
    assert_eq!(status.keys.0 as usize, 2 * served);
    assert_eq!((status.lost, status.errors), (0, 0));
    served
}

#[test]
fn devices_make_what_the_cpu_makes() {
    use EspEncr as E;
    let by_cpu = |encr| {
        matches!(
            encr,
            E::Aes128Gmac | E::Aes192Gmac | E::Aes256Gmac | E::DesCbc | E::TripleDesCbc
        )
    };
    let served = EspTransform::all().filter(|all| !by_cpu(all.encr()));
    // With and without extended numbers. OpenSSL's driver has no ChaCha20-Poly1305, and no AES-GCM with a short ICV.
    let all = 2 * served.count();
    assert_eq!(agree("crypto_aesni_mb1"), all);
    assert_eq!(agree("crypto_openssl1"), all - 2 * (1 + 6));
}

struct Gateway {
    controller: Controller<Accelerating>,
    worker: Worker<Accelerating>,
    ports: [Port; 2],
    now: Time,
    fault: Arc<Mutex<Option<Fault>>>,
}

impl Gateway {
    fn new(n: u8) -> Self {
        let shared = Shared::<Accelerating>::new(1, SLOTS, 64, cells(SLOTS));
        let mut controller = Controller::new(shared.clone());
        let macs = HashMap::from([
            ("ge-0/0/0".to_owned(), mac(n)),
            ("ge-0/0/1".to_owned(), mac(10 + n)),
        ]);
        let prepared = controller.prepare_config(Generation(1), &config(n), &macs);
        controller.apply_config(prepared.unwrap());
        let fault = Arc::default();
        let worker = Worker::new(0, shared, Breaking::new(&fault), Frames);
        let ports = [Port::default(), Port::default()];
        for (index, port) in (0..).zip(&ports) {
            controller.attach_port(0, index, port.clone());
        }
        for (port, net, station, to) in [
            (
                UNTRUST,
                "192.0.2.0/24".to_owned(),
                mac(3 - n),
                outer(3 - n, false),
            ),
            (TRUST, format!("10.{n}.0.0/24"), mac(20 + n), host(n, false)),
        ] {
            let interface = controller.index_of(&unit(port)).unwrap();
            let target = RouteTarget::Units(vec![(interface, None)]);
            controller.set_route(VrfId::DEFAULT, prefix(&net), Some(target));
            controller.set_neighbour(Neighbour {
                interface,
                address: to,
                mac: Some(station),
            });
        }
        Self {
            controller,
            worker,
            ports,
            now: Time(1_000_000),
            fault,
        }
    }

    fn run(&mut self) {
        self.now = Time(self.now.0 + 1000);
        self.controller.poll(self.now);
        self.worker.run_once(self.now);
    }

    fn sent(&self, port: u16) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.ports[usize::from(port)].pop()).collect()
    }

    fn drops(&self, reason: DropReason) -> u64 {
        let drops = self.controller.drops();
        (drops.iter().find(|(found, _)| *found == reason)).map_or(0, |(_, packets)| *packets)
    }
}

/// Sequence number of an ESP packet in its frame.
fn number(frame: &[u8]) -> u32 {
    u32::from_be_bytes(frame[14 + 20 + 4..14 + 20 + 8].try_into().unwrap())
}

fn iv(frame: &[u8]) -> [u8; 8] {
    frame[14 + 20 + 8..14 + 20 + 16].try_into().unwrap()
}

/// Gateway A loses its device in the midst of traffic: what is lost is counted, numbers and IVs go on and none is used twice, the SA stays.
fn fails(name: &str, fault: Fault, why: Failure) {
    let (mut a, mut b) = (Gateway::new(1), Gateway::new(2));
    assert!(a.controller.maker().add(device(name), 1));
    for (gateway, n) in [(&mut a, 1), (&mut b, 2)] {
        assert!(
            gateway.controller.install(&[pair(n, 1, false, false)])[0]
                .1
                .is_ok()
        );
        gateway.run();
    }
    let services = |gateway: &Gateway| gateway.controller.services().next().unwrap().1;
    assert!(matches!(services(&a)[0], Service::Device(_)));
    assert_eq!(services(&b)[0], Service::Cpu(WhyCpu::NoDevice));
    let (mut sent, mut delivered, mut back) = (0u64, 0u64, 0u64);
    let mut seen = Vec::new();
    for round in 0..400 {
        if round == 100 {
            *a.fault.lock().unwrap() = Some(fault);
        }
        for _ in 0..8 {
            let there = udp(host(1, false), host(2, false), (1, 2), &[7; 200]);
            a.ports[1].push(&frame(mac(11), mac(21), 100, &there));
            let here = udp(host(2, false), host(1, false), (1, 2), &[7; 200]);
            b.ports[1].push(&frame(mac(12), mac(22), 100, &here));
            sent += 1;
        }
        for _ in 0..3 {
            a.run();
            b.run();
            for esp in a.sent(UNTRUST) {
                seen.push((number(&esp), iv(&esp)));
                b.ports[0].push(&esp);
            }
            b.sent(UNTRUST).iter().for_each(|esp| a.ports[0].push(esp));
            delivered += b.sent(TRUST).len() as u64;
            back += a.sent(TRUST).len() as u64;
        }
    }
    let lost = a.drops(DropReason::DeviceLost) + a.drops(DropReason::CryptoFailed);
    assert!(lost > 0, "{fault:?}: {:?}", a.controller.drops());
    assert_eq!(
        delivered + back + lost,
        2 * sent,
        "{:?}",
        a.controller.drops()
    );
    assert_eq!(
        a.controller.drops().iter().map(|drop| drop.1).sum::<u64>(),
        lost
    );
    assert_eq!(b.controller.drops(), vec![]);
    assert_eq!(seen.last().unwrap().0, sent as u32, "the numbers go on");
    assert!(seen.is_sorted_by(|x, y| x.0 < y.0), "in order, none twice");
    assert!(seen.is_sorted_by(|x, y| x.1 < y.1), "no IV twice");
    let status = a.controller.maker().status().remove(0);
    assert_eq!((status.failure, status.serves), (Some(why), false));
    assert_eq!(status.lost, a.drops(DropReason::DeviceLost));
    // The SA is installed anew by the next rekey, and the device, which has no key then, is closed.
    let id = PairId(1);
    a.controller.remove(id, std::time::Duration::ZERO, a.now);
    for _ in 0..300 {
        a.run();
    }
    a.controller.maker().close_idle();
    assert_eq!(a.controller.maker().status(), vec![]);
}

#[test]
fn a_device_fails_under_traffic() {
    fails("crypto_openssl2", Fault::Stops, Failure::Stopped);
    fails("crypto_openssl2", Fault::Silent, Failure::Silent);
    fails("crypto_openssl2", Fault::Errs, Failure::Errors);
    fails("crypto_aesni_mb2", Fault::Silent, Failure::Silent);
}

/// A retired device serves what it has and no more; wanted again, it goes on.
#[test]
fn a_device_is_retired_and_wanted_again() {
    let mut a = Gateway::new(1);
    assert!(a.controller.maker().add(device("crypto_openssl3"), 1));
    a.controller.install(&[pair(1, 1, false, false)]);
    a.run();
    let send = |a: &mut Gateway| {
        let packet = udp(host(1, false), host(2, false), (1, 2), &[7; 64]);
        a.ports[1].push(&frame(mac(11), mac(21), 100, &packet));
        for _ in 0..3 {
            a.run();
        }
        assert_eq!(a.sent(UNTRUST).len(), 1);
        a.controller.maker().status()[0].packets
    };
    assert_eq!(send(&mut a), 1);
    a.controller.maker().want(&[]);
    assert_eq!(send(&mut a), 1, "by the CPU");
    a.controller.install(&[pair(1, 2, false, false)]);
    let services: Vec<_> = a.controller.services().collect();
    assert!(services.contains(&(PairId(2), [Service::Cpu(WhyCpu::NoDevice); 2])));
    a.controller.maker().want(&["crypto_openssl3".to_owned()]);
    a.controller.maker().close_idle();
    assert!(a.controller.maker().status()[0].serves);
}
