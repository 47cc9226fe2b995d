//! Packets that come to one worker and belong to another.
#![allow(clippy::unwrap_used)]

mod harness;

use harness::*;
use ravelin_dataplane::{BURST, DropReason};
use ravelin_types::Time;

const SLOT: u32 = 1;

/// A gateway with two workers, and which of them does not own the pair.
fn gateway(n: u8) -> (Gateway, usize) {
    let mut gateway = Gateway::with(n, 2, ravelin_dataplane::io::memory::cells(SLOTS));
    gateway.install(&[pair(n, SLOT, false, false)]);
    let owner = gateway.controller.shared().owner(SLOT).unwrap();
    (gateway, usize::from(1 - owner))
}

fn push(gateway: &Gateway, worker: usize, port: u16, packet: &[u8]) {
    let n = gateway.n;
    let frame = match port {
        UNTRUST => frame(mac(n), mac(3 - n), 0, packet),
        _ => frame(mac(10 + n), mac(20 + n), 100, packet),
    };
    gateway.ports[worker][usize::from(port)].push(&frame);
}

fn clear(count: usize) -> Vec<Vec<u8>> {
    let payload = |n: usize| (n as u32).to_be_bytes();
    let packet = |n| udp(host(1, false), host(2, false), (1, 2), &payload(n));
    (0..count).map(packet).collect()
}

#[test]
fn packets_reach_the_owner_in_order_both_ways() {
    let ((mut a, stranger_a), (mut b, stranger_b)) = (gateway(1), gateway(2));
    let clear = clear(3 * BURST + 7);
    for packet in &clear {
        push(&a, stranger_a, TRUST, packet);
    }
    let esp = a.sent(UNTRUST);
    assert_eq!(esp.len(), clear.len());
    for packet in &esp {
        push(&b, stranger_b, UNTRUST, packet);
    }
    let inner = b.sent(TRUST);
    assert_eq!(inner.len(), clear.len());
    for (inner, clear) in inner.iter().zip(&clear) {
        assert_eq!(inner[20..], clear[20..]);
    }
    assert_eq!((a.drops(), b.drops()), (vec![], vec![]));
    // Workers that helped each other stay up a little longer.
    a.advance(1);
    assert_eq!(a.workers.iter().map(|w| w.waiting()).sum::<usize>(), 0);
}

#[test]
fn what_an_owner_does_not_take_is_bounded_and_counted() {
    let (mut a, stranger) = gateway(1);
    let runs = 60;
    for packet in clear(runs * BURST) {
        push(&a, stranger, TRUST, &packet);
    }
    for _ in 0..runs {
        a.now = Time(a.now.0 + 10);
        a.workers[stranger].run_once(a.now);
    }
    let dropped = a.drop_count(DropReason::HandoffFull);
    // Of 60 bursts 32 are in the ring and 8 wait for it.
    assert_eq!(dropped, 20 * BURST as u64);
    assert_eq!(a.workers[stranger].waiting(), 8 * BURST);
    for _ in 0..20 {
        a.run();
    }
    let sent = a.sent(UNTRUST).len() as u64;
    assert_eq!(sent + dropped, (runs * BURST) as u64);
    a.advance(1);
    assert_eq!(a.workers[stranger].waiting(), 0);
}
