//! One tunnel on two workers: whatever the second one does, numbers leave in order, a peer with the smallest window takes all, and inner
//! flows keep their order.
#![allow(clippy::unwrap_used)]

mod harness;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness::*;
use proptest::prelude::*;
use ravelin_dataplane::{BURST, DropReason};
use ravelin_types::Time;
use ravelin_wire::ethernet;

const SLOT: u32 = 1;
/// The smallest window there is (RFC 4303 section 3.4.3); one of ours is raised to 64.
const WINDOW: u32 = 32;

fn gateway(n: u8, workers: u8) -> Gateway {
    let mut gateway = Gateway::with(n, workers, ravelin_dataplane::io::memory::cells(SLOTS));
    let mut pair = pair(n, SLOT, false, false);
    pair.replay_window = WINDOW;
    gateway.install(&[pair]);
    // The workers find out that they have nothing to do.
    for _ in 0..4 {
        gateway.run();
    }
    gateway
}

fn owner(gateway: &Gateway) -> usize {
    usize::from(gateway.controller.shared().owner(SLOT).unwrap())
}

/// Packets of four flows in turn; the first octets of each count within its flow.
fn clear(count: usize) -> Vec<Vec<u8>> {
    let one = |n: usize| {
        let mut payload = vec![n as u8; 8 + n * 37 % 600];
        payload[..4].copy_from_slice(&(n as u32 / 4).to_be_bytes());
        let ports = (1000 + n as u16 % 4, 2000);
        udp(host(1, false), host(2, false), ports, &payload)
    };
    (0..count).map(one).collect()
}

fn framed(n: u8, port: u16, packet: &[u8]) -> Vec<u8> {
    match port {
        UNTRUST => frame(mac(n), mac(3 - n), 0, packet),
        _ => frame(mac(10 + n), mac(20 + n), 100, packet),
    }
}

fn unframed(frame: &[u8]) -> Vec<u8> {
    frame[ethernet::parse(frame).unwrap().header_octets..].to_vec()
}

fn helped(gateway: &Gateway) -> u64 {
    let links = &gateway.controller.shared().links;
    links.iter().map(|link| link.counters.helped.get()).sum()
}

fn assert_numbered(esp: &[Vec<u8>], count: usize) {
    let numbers = esp
        .iter()
        .map(|packet| u32::from_be_bytes(packet[24..28].try_into().unwrap()));
    let numbers: Vec<u32> = numbers.collect();
    let in_order: Vec<u32> = (1..=count as u32).collect();
    assert_eq!(numbers, in_order);
}

fn assert_in_flow_order(packets: &[Vec<u8>], count: usize) {
    assert_eq!(packets.len(), count);
    let mut next = [0u32; 4];
    for packet in packets {
        let flow = u16::from_be_bytes(packet[20..22].try_into().unwrap()) - 1000;
        let number = u32::from_be_bytes(packet[28..32].try_into().unwrap());
        assert_eq!(number, next[usize::from(flow)], "flow {flow}");
        next[usize::from(flow)] += 1;
    }
}

/// Puts packets on the owner's queue in bursts of `burst` and lets the workers run in the order that `turns` says: true is the owner.
fn drive(
    gateway: &mut Gateway,
    (port, out): (u16, u16),
    packets: &[Vec<u8>],
    burst: usize,
    turns: &[bool],
) -> Vec<Vec<u8>> {
    let (n, owner) = (gateway.n, owner(gateway));
    let mut bursts = packets.chunks(burst);
    let mut sent = Vec::new();
    // The port brings a burst per run at most.
    let runs_after = 4 + packets.len() / BURST;
    let mut quiet = 0;
    for turn in turns.iter().cycle() {
        gateway.now = Time(gateway.now.0 + 10);
        if *turn {
            let burst = bursts.next().unwrap_or_default();
            for packet in burst {
                gateway.ports[owner][usize::from(port)].push(&framed(n, port, packet));
            }
            quiet = if burst.is_empty() { quiet + 1 } else { 0 };
            gateway.workers[owner].run_once(gateway.now);
        } else {
            gateway.workers[1 - owner].run_once(gateway.now);
        }
        while let Some(frame) = gateway.ports[owner][usize::from(out)].pop() {
            sent.push(unframed(&frame));
        }
        if quiet > runs_after && gateway.workers[owner].waiting() == 0 {
            return sent;
        }
    }
    sent
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn order_is_kept_whatever_the_helper_does(
        count in 1usize..600,
        burst in 1usize..3 * BURST,
        turns in proptest::collection::vec(prop::bool::weighted(0.6), 8..64),
    ) {
        let mut turns = turns;
        turns.push(true);
        let (mut a, mut b) = (gateway(1, 2), gateway(2, 2));
        let clear = clear(count);
        let esp = drive(&mut a, (TRUST, UNTRUST), &clear, burst, &turns);
        assert_numbered(&esp, count);
        let inner = drive(&mut b, (UNTRUST, TRUST), &esp, burst, &turns);
        assert_in_flow_order(&inner, count);
        prop_assert_eq!(a.drops(), vec![]);
        prop_assert_eq!(b.drops(), vec![]);
    }
}

#[test]
fn idle_workers_help_both_ways() {
    let (mut a, mut b) = (gateway(1, 2), gateway(2, 2));
    let clear = clear(8 * BURST);
    let turns = [true, false, false];
    let esp = drive(&mut a, (TRUST, UNTRUST), &clear, BURST, &turns);
    assert_numbered(&esp, clear.len());
    assert!(helped(&a) >= clear.len() as u64 / 2, "{}", helped(&a));
    let inner = drive(&mut b, (UNTRUST, TRUST), &esp, BURST, &turns);
    assert_in_flow_order(&inner, clear.len());
    assert!(helped(&b) >= clear.len() as u64 / 2, "b {}", helped(&b));
}

#[test]
fn few_packets_are_done_on_the_spot() {
    let mut a = gateway(1, 2);
    let clear = clear(BURST);
    let esp = drive(&mut a, (TRUST, UNTRUST), &clear, BURST / 2, &[true, false]);
    assert_numbered(&esp, clear.len());
    assert_eq!(helped(&a), 0);
}

#[test]
fn after_a_rush_few_packets_are_done_on_the_spot_again() {
    let mut a = gateway(1, 2);
    let owner = owner(&a);
    let clear = clear(4 * BURST);
    drive(&mut a, (TRUST, UNTRUST), &clear, BURST, &[true, false]);
    let before = helped(&a);
    assert!(before > 0);
    for packet in &clear[..8] {
        a.ports[owner][usize::from(TRUST)].push(&framed(1, TRUST, packet));
        a.now = Time(a.now.0 + 10);
        a.workers[owner].run_once(a.now);
        let sent = a.ports[owner][usize::from(UNTRUST)].pop();
        assert!(sent.is_some(), "in the same run");
        a.workers[1 - owner].run_once(a.now);
    }
    assert_eq!(helped(&a), before);
}

#[test]
fn what_a_sleeping_helper_does_not_take_is_taken_back() {
    let mut a = gateway(1, 2);
    let clear = clear(8 * BURST);
    let esp = drive(&mut a, (TRUST, UNTRUST), &clear, BURST, &[true]);
    assert_numbered(&esp, clear.len());
    assert_eq!((helped(&a), a.drops()), (0, vec![]));
}

#[test]
fn forged_packets_among_them_are_refused_alone() {
    let (mut a, mut b) = (gateway(1, 2), gateway(2, 2));
    let clear = clear(4 * BURST);
    let turns = [true, false, false];
    let mut esp = drive(&mut a, (TRUST, UNTRUST), &clear, BURST, &turns);
    for packet in esp.iter_mut().step_by(10) {
        *packet.last_mut().unwrap() ^= 1;
    }
    let inner = drive(&mut b, (UNTRUST, TRUST), &esp, BURST, &turns);
    let forged = clear.len().div_ceil(10);
    assert_eq!(inner.len(), clear.len() - forged);
    assert_eq!(b.drops(), vec![(DropReason::AuthFailed, forged as u64)]);
}

#[test]
fn packets_of_a_removed_sa_are_dropped_and_counted() {
    let (mut a, mut b) = (gateway(1, 2), gateway(2, 2));
    let clear = clear(4 * BURST);
    let esp = drive(&mut a, (TRUST, UNTRUST), &clear, BURST, &[true, false]);
    let owner = owner(&b);
    for packet in &esp[..BURST] {
        b.ports[owner][usize::from(UNTRUST)].push(&framed(2, UNTRUST, packet));
    }
    b.now = Time(b.now.0 + 10);
    b.workers[owner].run_once(b.now);
    assert!(b.workers[owner].waiting() > 0, "some are offered");
    let pair = ravelin_types::PairId(u64::from(SLOT));
    b.controller.remove(pair, Duration::ZERO, b.now);
    let inner = b.sent(TRUST).len() as u64;
    let dropped = b.drop_count(DropReason::UnknownSpi);
    assert_eq!(inner + dropped, BURST as u64, "{:?}", b.drops());
    assert!(dropped > 0);
}

/// The same with threads: nothing is lost between them.
#[test]
fn threads_lose_nothing() {
    let mut a = gateway(1, 2);
    let owner = owner(&a);
    let clear = clear(6_000);
    let stop = AtomicBool::new(false);
    let workers = std::mem::take(&mut a.workers);
    let start = a.now;
    let mut esp = Vec::new();
    std::thread::scope(|scope| {
        for mut worker in workers {
            let stop = &stop;
            scope.spawn(move || {
                let mut now = start;
                while !stop.load(Ordering::Relaxed) {
                    now = Time(now.0 + 1);
                    worker.run_once(now);
                    std::thread::yield_now();
                }
            });
        }
        let port = &a.ports[owner];
        for packet in &clear {
            port[usize::from(TRUST)].push(&framed(1, TRUST, packet));
        }
        let dropped = || a.drops().iter().map(|(_, count)| count).sum::<u64>() as usize;
        while esp.len() + dropped() < clear.len() {
            esp.extend(
                port[usize::from(UNTRUST)]
                    .pop()
                    .map(|frame| unframed(&frame)),
            );
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(a.drops(), vec![]);
    assert_numbered(&esp, clear.len());
    assert!(helped(&a) > 0);
}
