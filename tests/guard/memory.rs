//! An SA pair that nobody uses keeps little memory: what the data plane holds for it at most, both keys with their tables included.
//!
//! A node installs [`PAIRS`] usual pairs, and an allocator that keeps a ledger tells what came into use meanwhile. Tables that have
//! their size from the start (slots, recent destinations, the kept record) are not in it.
#![deny(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../appliance/dataplane/tests/harness/mod.rs"]
mod harness;
#[path = "memory/ledger.rs"]
#[expect(unsafe_code, reason = "an allocator is an unsafe trait")]
mod ledger;
#[path = "../perf/stages/platform.rs"]
#[allow(dead_code, reason = "the bench's; no packet moves here")]
mod platform;

use harness::{config, mac, pair};
use platform::{Bench, Buf, Free};
use ravelin_ctl::sa::SaPair;
use ravelin_dataplane::engine::Engine;
use ravelin_dataplane::io::memory::cells;
use ravelin_dataplane::packet::Packet;
use ravelin_dataplane::{Controller, Shared, Worker};
use ravelin_types::{Generation, Prefix, Time, TrafficSelector};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

#[global_allocator]
static ALLOCATOR: ledger::Ledger = ledger::Ledger;

/// Not long after the hash tables have doubled, as 65,536 are.
const PAIRS: u32 = 4_096;
const SLOTS: usize = PAIRS as usize + 1;
/// What one may keep.
const MOST_OCTETS: i64 = 4_096;
/// Pairs per message to the worker, and runs that take them in.
const BATCH: usize = 64;
const RUNS_PER_BATCH: usize = 4;

type Product = Bench<Engine<Packet<Buf>>>;

struct Node {
    controller: Controller<Product>,
    worker: Worker<Product>,
}

impl Node {
    fn new() -> Self {
        let shared = Shared::<Product>::new(1, SLOTS, 64, cells(SLOTS));
        let mut controller = Controller::new(shared.clone());
        let macs = HashMap::from([
            ("ge-0/0/0".to_owned(), mac(1)),
            ("ge-0/0/1".to_owned(), mac(11)),
        ]);
        let prepared = controller.prepare_config(Generation(1), &config(1), &macs);
        controller.apply_config(prepared.unwrap());
        let worker = Worker::new(0, shared, Engine::new(2 * SLOTS), Free);
        let mut node = Self { controller, worker };
        node.run();
        node
    }

    fn run(&mut self) {
        for _ in 0..RUNS_PER_BATCH {
            self.worker.run_once(Time(1));
            self.controller.poll(Time(1));
        }
    }

    fn install(&mut self, numbers: std::ops::RangeInclusive<u32>) {
        for batch in numbers.collect::<Vec<_>>().chunks(BATCH) {
            let pairs: Vec<_> = batch.iter().map(|number| usual(*number)).collect();
            for (pair, result) in self.controller.install(&pairs) {
                assert_eq!(result, Ok(()), "{pair:?}");
            }
            self.run();
        }
    }
}

/// An eNodeB's: peer and inner host of its own, AES-256-GCM.
fn usual(number: u32) -> SaPair {
    let host = |network: u32| IpAddr::V4(Ipv4Addr::from_bits(network + number));
    let mut usual = pair(1, number, false, false);
    usual.outer.remote = host(0xc612_0000);
    usual.local_ts = vec![TrafficSelector::any(false)];
    usual.remote_ts = vec![TrafficSelector::from_prefix(Prefix::host(host(
        0x0a02_0000,
    )))];
    usual
}

#[test]
fn an_idle_pair_keeps_little_memory() {
    let mut node = Node::new();
    // What grows once, and no more.
    node.install(1..=1);
    let before = ledger::balance();
    node.install(2..=PAIRS);
    let kept = ledger::balance().since(&before);
    let pairs = i64::from(PAIRS - 1);
    let total: i64 = kept.iter().map(ledger::Row::total).sum();
    for row in kept.iter().filter(|row| row.total().abs() >= pairs) {
        println!(
            "{:5.2} pieces of {} octets: {} per pair",
            row.pieces as f64 / pairs as f64,
            row.octets,
            row.total() / pairs
        );
    }
    println!("{} octets per pair", total / pairs);
    assert!(
        total <= pairs * MOST_OCTETS,
        "{} octets per pair, more than {MOST_OCTETS}",
        total / pairs
    );
    assert_eq!(node.controller.list().len(), PAIRS as usize);
}
