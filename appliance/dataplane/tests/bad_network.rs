//! Ports behind a bad network: frames are lost, damaged, doubled and overtaken, by seeds. Each packet comes out once or ends under
//! exactly one reason; what the replay window covers loses nothing; nothing comes out twice.
//! `RAVELIN_CHAOS_SEED` repeats one run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use harness::*;
use ravelin_dataplane::control::{Neighbour, RouteTarget};
use ravelin_dataplane::io::chaos::{Chaos, ChaosPort, Faults, Tally};
use ravelin_dataplane::io::memory::{MemoryPool, MemoryPort, cells};
use ravelin_dataplane::packet::Packet;
use ravelin_dataplane::{Controller, DropReason, Platform, Shared, Worker};
use ravelin_esp::MemoryBuf;
use ravelin_esp::engine::PortableEngine;
use ravelin_types::*;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Packets of one run.
const PACKETS: u32 = 4_000;
/// Packets put in before the gateways run: a burst that no ring of theirs refuses.
const BURST: u32 = 40;
/// The replay window of the pairs.
const WINDOW: u16 = 512;

enum Bad {}

impl Platform for Bad {
    type Buf = MemoryBuf;
    type Pool = MemoryPool;
    type Port = ChaosPort<MemoryBuf, MemoryPort, MemoryPool>;
    type Engine = PortableEngine<Packet<MemoryBuf>>;
    type Cells = Box<[AtomicU64]>;
}

/// A gateway with two workers whose outer ports receive through a bad network.
struct Node {
    controller: Controller<Bad>,
    workers: Vec<Worker<Bad>>,
    ports: Vec<[MemoryPort; 2]>,
    tallies: Vec<Arc<Tally>>,
    now: Time,
}

impl Node {
    fn new(n: u8, seed: u64, faults: Faults, mtu_octets: u16) -> Self {
        let shared = Shared::<Bad>::new(2, SLOTS, 64, cells(SLOTS));
        let mut controller = Controller::new(shared.clone());
        let macs = HashMap::from([
            ("ge-0/0/0".to_owned(), mac(n)),
            ("ge-0/0/1".to_owned(), mac(10 + n)),
        ]);
        let mut plane = config(n);
        plane.ports[0].mtu_octets = mtu_octets;
        let prepared = controller.prepare_config(Generation(1), &plane, &macs);
        controller.apply_config(prepared.unwrap());
        let mut node = Self {
            controller,
            workers: vec![],
            ports: vec![],
            tallies: vec![],
            now: Time(1_000_000),
        };
        for id in 0..2u8 {
            let engine = PortableEngine::new(2 * SLOTS);
            node.workers
                .push(Worker::new(id, shared.clone(), engine, MemoryPool));
            let ports = [MemoryPort::default(), MemoryPort::default()];
            for (index, port) in ports.iter().enumerate() {
                let faults = if index == usize::from(UNTRUST) {
                    faults
                } else {
                    Faults::default()
                };
                let inbound = Chaos::new(seed ^ u64::from(id) << 32, faults);
                if index == usize::from(UNTRUST) {
                    node.tallies.push(inbound.tally());
                }
                let outbound = Chaos::new(1, Faults::default());
                let io = ChaosPort::new(port.clone(), MemoryPool, inbound, outbound);
                node.controller.attach_port(id, index as u16, io);
            }
            node.ports.push(ports);
        }
        node.neighbourhood(n);
        node
    }

    fn neighbourhood(&mut self, n: u8) {
        let index = |node: &Self, port| node.controller.index_of(&unit(port)).unwrap();
        let (untrust, trust) = (index(self, UNTRUST), index(self, TRUST));
        for v6 in [false, true] {
            let (link, inside) = if v6 {
                ("2001:db8::/64".to_owned(), format!("2001:db8:{n}::/64"))
            } else {
                ("192.0.2.0/24".to_owned(), format!("10.{n}.0.0/24"))
            };
            for (text, interface) in [(link, untrust), (inside, trust)] {
                let target = RouteTarget::Units(vec![(interface, None)]);
                self.controller
                    .set_route(VrfId::DEFAULT, prefix(&text), Some(target));
            }
            for (interface, address, station) in [
                (untrust, outer(3 - n, v6), mac(3 - n)),
                (trust, host(n, v6), mac(20 + n)),
            ] {
                self.controller.set_neighbour(Neighbour {
                    interface,
                    address,
                    mac: Some(station),
                });
            }
        }
    }

    fn run(&mut self, rounds: usize) {
        for _ in 0..rounds {
            self.now = Time(self.now.0 + 100);
            self.controller.poll(self.now);
            for worker in &mut self.workers {
                worker.run_once(self.now);
            }
        }
    }

    fn drain(&self, port: u16) -> Vec<Vec<u8>> {
        let ports = self.ports.iter().map(|ports| &ports[usize::from(port)]);
        ports
            .flat_map(|port| std::iter::from_fn(|| port.pop()))
            .collect()
    }

    fn sum(&self, of: impl Fn(&Tally) -> u64) -> u64 {
        self.tallies.iter().map(|tally| of(tally)).sum()
    }

    fn dropped(&self, reasons: &[DropReason]) -> u64 {
        let drops = self.controller.drops();
        let counted =
            |(reason, _): &&(DropReason, u64)| reasons.is_empty() || reasons.contains(reason);
        drops.iter().filter(counted).map(|(_, n)| n).sum()
    }
}

/// What a run left behind.
struct Outcome {
    b: Node,
    /// Numbers in the order of their arrival at B's host.
    arrived: Vec<u32>,
}

/// Sends numbered packets from A's host to B's, through a bad network in front of B.
fn cross(seed: u64, faults: Faults, mtu_octets: u16, payload: usize, queues: u32) -> Outcome {
    let outer_v6 = seed % 2 == 0;
    let mut a = Node::new(1, 1, Faults::default(), mtu_octets);
    let mut b = Node::new(2, seed, faults, mtu_octets);
    assert!(
        a.controller.install(&[pair(1, 1, outer_v6, false)])[0]
            .1
            .is_ok()
    );
    assert!(
        b.controller.install(&[pair(2, 1, outer_v6, false)])[0]
            .1
            .is_ok()
    );
    a.run(2);
    b.run(2);
    let (mut arrived, mut queue) = (Vec::new(), 0);
    let mut collect = |b: &mut Node, rounds| {
        b.run(rounds);
        for frame in b.drain(TRUST) {
            let at = 18 + 48;
            let body = &frame[at..];
            assert!(body[4..].iter().all(|octet| *octet == 9), "damaged inside");
            arrived.push(u32::from_be_bytes([body[0], body[1], body[2], body[3]]));
        }
    };
    for number in 0..PACKETS {
        let mut body = vec![9; payload];
        body[..4].copy_from_slice(&number.to_be_bytes());
        let inner = udp(host(1, true), host(2, true), (7, 8), &body);
        a.ports[0][1].push(&frame(mac(11), mac(21), 100, &inner));
        if number % BURST != BURST - 1 {
            continue;
        }
        a.run(3);
        for esp in a.drain(UNTRUST) {
            // Bursts take one queue or the other, as a NIC spreads flows.
            b.ports[queue][0].push(&esp);
        }
        queue = (number / BURST % queues) as usize;
        // Fragments that stay alone make room.
        b.now = Time(b.now.0 + 1_000_000);
        collect(&mut b, 4);
    }
    assert_eq!(a.dropped(&[]), 0, "{:?}", a.controller.drops());
    // Idle rounds move what is held back.
    collect(&mut b, 3_000);
    b.now = Time(b.now.0 + 20_000_000);
    collect(&mut b, 3);
    Outcome { b, arrived }
}

fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("RAVELIN_CHAOS_SEED") {
        Ok(text) => vec![text.parse().unwrap()],
        Err(_) => (1..=count).collect(),
    }
}

fn distinct(arrived: &[u32]) -> usize {
    arrived.iter().collect::<BTreeSet<_>>().len()
}

#[test]
fn doubled_and_overtaken_inside_the_window_nothing_is_lost() {
    for seed in seeds(6) {
        let faults = Faults {
            doubled: 200,
            delayed: 300,
            overtaken_by: WINDOW - 2,
            ..Faults::default()
        };
        let Outcome { b, arrived } = cross(seed, faults, 1500, 64, 1);
        let drops = b.controller.drops();
        assert_eq!(arrived.len(), PACKETS as usize, "seed {seed}: {drops:?}");
        assert_eq!(distinct(&arrived), arrived.len(), "seed {seed}: twice");
        let doubled = b.sum(|tally| tally.doubled.get());
        assert!(doubled > u64::from(PACKETS) / 10, "seed {seed}: {doubled}");
        let replayed = [DropReason::ReplayDuplicate, DropReason::ReplayOld];
        assert_eq!(b.dropped(&replayed), doubled, "seed {seed}: {drops:?}");
        assert_eq!(b.dropped(&[]), doubled, "seed {seed}: {drops:?}");
        assert_ne!(arrived, (0..PACKETS).collect::<Vec<_>>(), "no reordering");
    }
}

#[test]
fn whatever_the_network_does_each_packet_has_one_end() {
    for seed in seeds(6) {
        let faults = Faults {
            lost: 50,
            damaged: 50,
            doubled: 100,
            delayed: 200,
            overtaken_by: 4 * WINDOW,
        };
        let Outcome { b, arrived } = cross(seed, faults, 1500, 200, 2);
        let drops = b.controller.drops();
        assert_eq!(distinct(&arrived), arrived.len(), "seed {seed}: twice");
        let given = b.sum(|tally| tally.given.get());
        assert_eq!(
            given,
            b.sum(|t| t.taken.get() - t.lost.get() + t.doubled.get()),
            "seed {seed}"
        );
        // A damaged header may make a packet somebody else's: that has a reason too, or is the host's.
        let mut punted = 0;
        while b.controller.shared().punt.pop().is_some() {
            punted += 1;
        }
        assert_eq!(
            given,
            arrived.len() as u64 + b.dropped(&[]) + punted,
            "seed {seed}: {drops:?}"
        );
        for reason in [DropReason::AuthFailed, DropReason::ReplayOld] {
            assert!(b.dropped(&[reason]) > 0, "seed {seed}: {drops:?}");
        }
        assert!(
            arrived.len() > PACKETS as usize / 2,
            "seed {seed}: {drops:?}"
        );
    }
}

#[test]
fn fragments_of_encrypted_packets_are_joined_out_of_any_disorder() {
    for seed in seeds(4) {
        let faults = Faults {
            lost: 20,
            doubled: 50,
            delayed: 200,
            overtaken_by: 30,
            ..Faults::default()
        };
        // 1,280 octets inside, which a link of 1,280 takes in two parts.
        let Outcome { b, arrived } = cross(seed, faults, 1280, 1280 - 48, 2);
        let drops = b.controller.drops();
        assert_eq!(distinct(&arrived), arrived.len(), "seed {seed}: twice");
        assert!(
            arrived.len() > PACKETS as usize * 9 / 10,
            "seed {seed}: {} of {PACKETS}, {drops:?}",
            arrived.len()
        );
        let of_fragments = [
            DropReason::FragmentOverlap,
            DropReason::FragmentBad,
            DropReason::ReassemblyTimeout,
            DropReason::ReassemblyFull,
        ];
        let alone = b.dropped(&of_fragments);
        let whole = arrived.len() as u64 + b.dropped(&[]) - alone;
        let given = b.sum(|tally| tally.given.get());
        assert_eq!(given, alone + 2 * whole, "seed {seed}: {drops:?}");
    }
}
