//! An engine that delays, reorders and refuses, two workers, garbage between good packets: nothing is lost without a reason and no
//! packet is counted twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::collections::HashMap;

use harness::*;
use proptest::prelude::*;
use ravelin_dataplane::control::RouteTarget;
use ravelin_dataplane::io::memory::{MemoryPool, MemoryPort, cells};
use ravelin_dataplane::packet::Packet;
use ravelin_dataplane::{Controller, Platform, Shared, Worker};
use ravelin_esp::engine::{PortableEngine, PortableKey};
use ravelin_esp::{CryptoEngine, CryptoOp, KeyError, KeyId, Keys, MemoryBuf};
use ravelin_types::*;

type Op = CryptoOp<Packet<MemoryBuf>>;

/// Holds completed operations back and returns them in another order; accepts only a few at once.
struct ChaosEngine {
    inner: PortableEngine<Packet<MemoryBuf>>,
    held: Vec<Op>,
    seed: u64,
}

/// What a small device queue takes at once.
const QUEUE: usize = 24;

impl ChaosEngine {
    fn random(&mut self, below: usize) -> usize {
        // Marsaglia's xorshift64.
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed % below as u64) as usize
    }
}

impl CryptoEngine<Packet<MemoryBuf>> for ChaosEngine {
    type Key = PortableKey;
    type Maker = ();

    fn expand(transform: EspTransform, keys: Keys<'_>) -> Result<PortableKey, KeyError> {
        <PortableEngine<Packet<MemoryBuf>> as CryptoEngine<_>>::expand(transform, keys)
    }

    fn insert(&mut self, key: PortableKey) -> Result<KeyId, PortableKey> {
        self.inner.insert(key)
    }

    fn remove(&mut self, id: KeyId) -> Option<PortableKey> {
        self.inner.remove(id)
    }

    fn submit(&mut self, ops: &mut Vec<Op>) {
        let room = (QUEUE - self.held.len().min(QUEUE)).min(ops.len());
        let mut accepted: Vec<Op> = ops.drain(..room).collect();
        self.inner.submit(&mut accepted);
        self.inner.poll(&mut self.held);
    }

    fn poll(&mut self, done: &mut Vec<Op>) {
        for _ in 0..self.random(QUEUE + 1) {
            if self.held.is_empty() {
                return;
            }
            let at = self.random(self.held.len());
            done.push(self.held.swap_remove(at));
        }
    }
}

enum Chaos {}

impl Platform for Chaos {
    type Buf = MemoryBuf;
    type Pool = MemoryPool;
    type Port = MemoryPort;
    type Engine = ChaosEngine;
    type Cells = Box<[std::sync::atomic::AtomicU64]>;
}

struct Box2 {
    controller: Controller<Chaos>,
    workers: Vec<Worker<Chaos>>,
    ports: Vec<[MemoryPort; 2]>,
    now: Time,
}

fn gateway(n: u8, seed: u64) -> Box2 {
    let shared = Shared::<Chaos>::new(2, SLOTS, 64, cells(SLOTS));
    let mut controller = Controller::new(shared.clone());
    let macs = HashMap::from([
        ("ge-0/0/0".to_owned(), mac(n)),
        ("ge-0/0/1".to_owned(), mac(10 + n)),
    ]);
    let prepared = controller
        .prepare_config(Generation(1), &config(n), &macs)
        .unwrap();
    controller.apply_config(prepared);
    let (mut workers, mut all_ports) = (vec![], vec![]);
    for id in 0..2u8 {
        let engine = ChaosEngine {
            inner: PortableEngine::new(64),
            held: vec![],
            seed: seed + 1 + u64::from(id),
        };
        workers.push(Worker::new(id, shared.clone(), engine, MemoryPool));
        let ports = [MemoryPort::default(), MemoryPort::default()];
        for (index, port) in ports.iter().enumerate() {
            controller.attach_port(id, index as u16, port.clone());
        }
        all_ports.push(ports);
    }
    let index = |controller: &Controller<Chaos>, port| controller.index_of(&unit(port)).unwrap();
    let (untrust, trust) = (index(&controller, UNTRUST), index(&controller, TRUST));
    for (text, interface) in [
        ("192.0.2.0/24".to_owned(), untrust),
        (format!("10.{n}.0.0/24"), trust),
    ] {
        controller.set_route(
            VrfId::DEFAULT,
            prefix(&text),
            Some(RouteTarget::Units(vec![(interface, None)])),
        );
    }
    for (interface, address, station) in [
        (untrust, outer(3 - n, false), mac(3 - n)),
        (trust, host(n, false), mac(20 + n)),
    ] {
        controller.set_neighbour(ravelin_dataplane::control::Neighbour {
            interface,
            address,
            mac: Some(station),
        });
    }
    Box2 {
        controller,
        workers,
        ports: all_ports,
        now: Time(1_000_000),
    }
}

impl Box2 {
    fn run(&mut self, rounds: usize) {
        for _ in 0..rounds {
            self.now = Time(self.now.0 + 1000);
            self.controller.poll(self.now);
            for worker in &mut self.workers {
                worker.run_once(self.now);
            }
        }
    }

    fn drain(&self, port: u16) -> Vec<Vec<u8>> {
        let mut frames = vec![];
        for ports in &self.ports {
            while let Some(frame) = ports[usize::from(port)].pop() {
                frames.push(frame);
            }
        }
        frames
    }

    fn punted(&self) -> u64 {
        let mut count = 0;
        while self.controller.shared().punt.pop().is_some() {
            count += 1;
        }
        count
    }

    fn dropped(&self) -> u64 {
        self.controller
            .drops()
            .iter()
            .map(|(_, packets)| packets)
            .sum()
    }
}

#[derive(Clone, Debug)]
enum Input {
    /// A packet for the tunnel, to this worker's queue.
    Good(bool, u16),
    /// The last ESP packet again, with one octet changed.
    Corrupt(bool, usize, u8),
    /// The last ESP packet again.
    Replay(bool),
    /// Anything, behind a valid Ethernet header.
    Garbage(bool, Vec<u8>),
    /// An IPv4 header to us in front of anything.
    ToUs(bool, u8, Vec<u8>),
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..80);
    let one = prop_oneof![
        6 => (any::<bool>(), 0u16..1300).prop_map(|(w, n)| Input::Good(w, n)),
        1 => (any::<bool>(), 0usize..200, 1u8..).prop_map(|(w, at, x)| Input::Corrupt(w, at, x)),
        1 => any::<bool>().prop_map(Input::Replay),
        1 => (any::<bool>(), bytes.clone()).prop_map(|(w, b)| Input::Garbage(w, b)),
        1 => (any::<bool>(), prop_oneof![Just(50u8), Just(51), Just(17), any::<u8>()], bytes).prop_map(|(w, p, b)| Input::ToUs(w, p, b)),
    ];
    proptest::collection::vec(one, 1..150)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_packet_is_accounted_for_once(inputs in inputs(), seed in 1u64..u64::MAX - 9) {
        let (mut a, mut b) = (gateway(1, seed), gateway(2, seed ^ 0x5555));
        prop_assert!(a.controller.install(&[pair(1, 1, false, false)])[0].1.is_ok());
        prop_assert!(b.controller.install(&[pair(2, 1, false, false)])[0].1.is_ok());
        a.run(2);
        b.run(2);
        let (mut a_in, mut b_in, mut good) = (0u64, 0u64, 0u64);
        let mut last: Option<Vec<u8>> = None;
        let mut delivered = 0;
        for input in inputs {
            match input {
                Input::Good(worker, octets) => {
                    let packet = udp(host(1, false), host(2, false), (7, octets), &vec![1; usize::from(octets)]);
                    a.ports[usize::from(worker)][1].push(&frame(mac(11), mac(21), 100, &packet));
                    a_in += 1;
                    good += 1;
                }
                Input::Corrupt(worker, at, x) => if let Some(esp) = &last {
                    let mut frame = esp.clone();
                    let at = 34 + at % (frame.len() - 34);
                    frame[at] ^= x;
                    b.ports[usize::from(worker)][0].push(&frame);
                    b_in += 1;
                },
                Input::Replay(worker) => if let Some(esp) = &last {
                    b.ports[usize::from(worker)][0].push(esp);
                    b_in += 1;
                },
                Input::Garbage(worker, octets) => {
                    let mut garbage = vec![0; 14];
                    garbage[..6].copy_from_slice(&mac(2));
                    garbage[12..14].copy_from_slice(&[8, 0]);
                    garbage.extend_from_slice(&octets);
                    b.ports[usize::from(worker)][0].push(&garbage);
                    b_in += 1;
                }
                Input::ToUs(worker, protocol, octets) => {
                    let mut packet = udp(outer(1, false), outer(2, false), (4500, 4500), &octets);
                    packet[9] = protocol;
                    packet[10..12].copy_from_slice(&[0, 0]);
                    let sum = ravelin_wire::checksum::of(&packet[..20]);
                    packet[10..12].copy_from_slice(&sum.to_be_bytes());
                    b.ports[usize::from(worker)][0].push(&frame(mac(2), mac(1), 0, &packet));
                    b_in += 1;
                }
            }
            a.run(1);
            for esp in a.drain(UNTRUST) {
                b.ports[esp.len() % 2][0].push(&esp);
                b_in += 1;
                last = Some(esp);
            }
            b.run(1);
            delivered += b.drain(TRUST).len() as u64;
        }
        for _ in 0..40 {
            a.run(2);
            for esp in a.drain(UNTRUST) {
                b.ports[esp.len() % 2][0].push(&esp);
                b_in += 1;
            }
            b.run(2);
            delivered += b.drain(TRUST).len() as u64;
        }
        prop_assert_eq!(a_in, good);
        prop_assert_eq!(a.dropped(), 0);
        prop_assert_eq!(delivered, good, "what A encrypted came out of B once: {:?}", b.controller.drops());
        prop_assert_eq!(b_in, delivered + b.dropped() + b.punted(), "{:?}", b.controller.drops());
    }
}
