//! Packets through two gateways: every family combination, both encapsulations, and everything that must not get through.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use harness::*;
use ravelin_ctl::sa::{Event, InstallError, Outbound};
use ravelin_dataplane::control::Notice;
use ravelin_dataplane::io::memory::MemoryPool;
use ravelin_dataplane::{DropReason, Worker};
use ravelin_esp::engine::PortableEngine;
use ravelin_types::*;
use ravelin_wire::ip;
use std::time::Duration;

#[test]
fn there_and_back_in_all_family_combinations() {
    for inner_v6 in [false, true] {
        for outer_v6 in [false, true] {
            for nat in [false, true] {
                let mut net = Net::new(outer_v6, nat);
                let there = udp(host(1, inner_v6), host(2, inner_v6), (7, 8), b"ping");
                net.a.receive(TRUST, &there);
                let seen = net.cable();
                assert_eq!(
                    seen.len(),
                    1,
                    "inner v6 {inner_v6} outer v6 {outer_v6} nat {nat}: {:?} {:?}",
                    net.a.drops(),
                    net.b.drops()
                );
                let meta = ip::parse(&seen[0]).unwrap();
                assert_eq!(
                    (meta.source, meta.destination),
                    (outer(1, outer_v6), outer(2, outer_v6))
                );
                assert_eq!(meta.protocol, if nat { 17 } else { 50 });
                let got = net.b.sent(TRUST);
                assert_eq!(got.len(), 1, "{:?}", net.b.drops());
                let meta = ip::parse(&got[0]).unwrap();
                assert_eq!(meta.ttl, 62, "one hop at each gateway");
                assert_eq!(&got[0][got[0].len() - 4..], b"ping");
                net.b.receive(
                    TRUST,
                    &udp(host(2, inner_v6), host(1, inner_v6), (8, 7), b"pong"),
                );
                net.cable();
                assert_eq!(net.a.sent(TRUST).len(), 1);
                assert!(net.a.drops().is_empty() && net.b.drops().is_empty());
                let counters = net.a.controller.pair_counters(&[]);
                assert_eq!((counters[0].out_packets, counters[0].in_packets), (1, 1));
                assert_eq!((counters[0].out_sequence, counters[0].in_sequence), (1, 1));
            }
        }
    }
}

#[test]
fn transit_and_esp_wait_for_the_end_of_a_start_and_the_host_path_does_not() {
    let mut net = Net::new(false, false);
    let (there, back) = (
        udp(host(1, false), host(2, false), (7, 8), b"ping"),
        udp(host(2, false), host(1, false), (8, 7), b"pong"),
    );
    net.a.controller.hold_transit(true);
    net.a.run();
    net.a.receive(TRUST, &there);
    assert!(net.cable().is_empty());
    net.b.receive(TRUST, &back);
    assert_eq!(net.cable().len(), 1, "ESP to the one that starts");
    assert!(net.a.sent(TRUST).is_empty());
    assert_eq!(net.a.drops(), [(DropReason::NotSynchronised, 2)]);
    // IKE comes through: without it no start would come to its end.
    net.a.receive(
        UNTRUST,
        &udp(outer(2, false), outer(1, false), (500, 500), &[0; 64]),
    );
    net.a.run();
    assert!(net.a.controller.shared().punt.pop().is_some());

    net.a.controller.hold_transit(false);
    net.a.run();
    net.a.receive(TRUST, &there);
    assert_eq!(net.cable().len(), 1);
    assert_eq!(net.b.sent(TRUST).len(), 1);
    net.b.receive(TRUST, &back);
    net.cable();
    assert_eq!(net.a.sent(TRUST).len(), 1);
    assert_eq!(
        net.a.drops(),
        [(DropReason::NotSynchronised, 2)],
        "no old packet, and no new drop"
    );
}

#[test]
fn what_a_worker_refuses_is_told_and_forgotten() {
    let mut gateway = Gateway::new(1);
    let shared = gateway.controller.shared().clone();
    // Room for one key, and a pair has two.
    gateway.workers[0] = Worker::new(0, shared, PortableEngine::new(1), MemoryPool);
    let first = pair(1, 1, false, false);
    gateway.install(std::slice::from_ref(&first));
    let refusals = |gateway: &mut Gateway| {
        gateway.run();
        let notices = std::mem::take(&mut gateway.notices);
        let told = |notice: Notice<_>| match notice {
            Notice::Sa(Event::InstallFailed {
                pair,
                epoch,
                reason,
            }) => Some((pair, epoch, reason)),
            _ => None,
        };
        notices.into_iter().filter_map(told).collect::<Vec<_>>()
    };
    let told = refusals(&mut gateway);
    assert_eq!(told, [(first.pair, first.epoch, InstallError::TableFull)]);
    assert!(gateway.controller.list().is_empty());
    // The refusal of an installation that was replaced meanwhile says nothing about the new one.
    let second = pair(1, 2, false, false);
    let results = gateway.controller.install(std::slice::from_ref(&second));
    assert_eq!(results[0].1, Ok(()));
    let stale = ravelin_dataplane::link::Event::InstallFailed {
        pair: second.pair,
        epoch: second.epoch + 1,
        reason: InstallError::TableFull,
    };
    let queued = gateway.controller.shared().links[0].events.push(stale);
    assert!(queued.is_ok());
    gateway.notices.extend(gateway.controller.poll(gateway.now));
    assert!(gateway.notices.is_empty());
    assert_eq!(gateway.controller.list().len(), 1);
}

#[test]
fn a_burst_keeps_its_order() {
    let mut net = Net::new(false, false);
    for number in 0..200u16 {
        net.a.receive(
            TRUST,
            &udp(
                host(1, false),
                host(2, false),
                (7, 8),
                &number.to_be_bytes(),
            ),
        );
    }
    net.cable();
    let got: Vec<u16> = net
        .b
        .sent(TRUST)
        .iter()
        .map(|p| u16::from_be_bytes([p[28], p[29]]))
        .collect();
    assert_eq!(got, (0..200).collect::<Vec<_>>());
}

#[test]
fn replayed_and_forged_packets_are_dropped_and_counted() {
    let mut net = Net::new(false, false);
    net.a
        .receive(TRUST, &udp(host(1, false), host(2, false), (7, 8), b"x"));
    let esp = net.cable().pop().unwrap();
    assert_eq!(net.b.sent(TRUST).len(), 1);
    net.b.receive(UNTRUST, &esp);
    assert!(net.b.sent(TRUST).is_empty());
    assert_eq!(net.b.drop_count(DropReason::ReplayDuplicate), 1);
    let mut forged = esp.clone();
    forged[24..28].copy_from_slice(&9u32.to_be_bytes());
    net.b.receive(UNTRUST, &forged);
    net.b.run();
    assert_eq!(net.b.drop_count(DropReason::AuthFailed), 1);
    let mut unknown = esp.clone();
    unknown[20..24].copy_from_slice(&0x0000_3001u32.to_be_bytes());
    net.b.receive(UNTRUST, &unknown);
    let mut wrong_tag = esp.clone();
    wrong_tag[23] ^= 1;
    net.b.receive(UNTRUST, &wrong_tag);
    net.b.run();
    assert_eq!(net.b.drop_count(DropReason::UnknownSpi), 2);
    net.b.receive(
        UNTRUST,
        &udp(outer(1, true), outer(2, true), (4500, 4500), &esp[20..]),
    );
    net.b.run();
    assert_eq!(
        net.b.drop_count(DropReason::SaMismatch),
        1,
        "ESP over IPv6 on an SA over IPv4"
    );
    let counters = net.b.controller.pair_counters(&[])[0];
    assert_eq!(
        (
            counters.replay_drops,
            counters.auth_drops,
            counters.in_packets
        ),
        (1, 1, 1)
    );
    assert!(
        net.b.controller.shared().punt.is_empty(),
        "ESP never reaches the host"
    );
}

#[test]
fn selectors_hold_in_both_directions() {
    let mut net = Net::new(false, false);
    // B believes that A's side is narrower than A does.
    let mut narrow = pair(2, 1, false, false);
    narrow.remote_ts = vec![TrafficSelector::from_prefix(prefix("10.1.0.128/25"))];
    net.b
        .controller
        .remove(PairId(1), Duration::ZERO, net.b.now);
    net.b.install(&[narrow]);
    net.a
        .receive(TRUST, &udp(host(1, false), host(2, false), (7, 8), b"x"));
    net.cable();
    assert!(net.b.sent(TRUST).is_empty());
    assert_eq!(net.b.drop_count(DropReason::SelectorMismatch), 1);
    // And has no SA for the answer; its route in clear must not be taken either.
    net.b
        .receive(TRUST, &udp(host(2, false), host(1, false), (7, 8), b"x"));
    assert!(net.cable().is_empty());
    assert_eq!(net.b.drop_count(DropReason::NoSa), 1);
}

#[test]
fn without_an_sa_nothing_leaves_in_clear() {
    let mut a = Gateway::new(1);
    let untrust = a.index(UNTRUST);
    let default =
        ravelin_dataplane::control::RouteTarget::Units(vec![(untrust, Some(outer(2, false)))]);
    a.controller
        .set_route(VrfId::DEFAULT, prefix("0.0.0.0/0"), Some(default.clone()));
    a.controller
        .set_route(VrfId::DEFAULT, prefix("10.2.0.0/24"), Some(default));
    a.receive(TRUST, &udp(host(1, false), host(2, false), (7, 8), b"x"));
    assert!(a.sent(UNTRUST).is_empty());
    assert_eq!(a.drop_count(DropReason::NoSa), 1);
    // Whoever can establish one is told.
    let wanted = |a: &mut Gateway| {
        let told = std::mem::take(&mut a.notices).into_iter();
        let told = told.filter_map(|notice| match notice {
            Notice::Sa(Event::Wanted {
                tunnel_unit,
                source,
                destination,
            }) => Some((tunnel_unit, source, destination)),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    let packet = (0, host(1, false), host(2, false));
    assert_eq!(wanted(&mut a), [packet]);
    // The same from the host stack.
    let frame = frame(
        mac(2),
        mac(1),
        0,
        &udp(outer(1, false), host(2, false), (7, 8), b"x"),
    );
    let inject =
        ravelin_dataplane::link::Inject::Frame(untrust, ravelin_esp::MemoryBuf::new(&frame));
    assert!(a.controller.shared().links[0].injects.push(inject).is_ok());
    assert!(a.sent(UNTRUST).is_empty());
    assert_eq!(a.drop_count(DropReason::NoSa), 2);
    assert_eq!(wanted(&mut a), [(0, outer(1, false), host(2, false))]);
    // Of a flood only some.
    for _ in 0..100 {
        a.receive(TRUST, &udp(host(1, false), host(2, false), (7, 8), b"x"));
        a.run();
    }
    assert_eq!(a.drop_count(DropReason::NoSa), 102);
    let told = wanted(&mut a);
    assert!(!told.is_empty() && told.len() <= 10, "{}", told.len());
    assert!(told.iter().all(|told| *told == packet));
    // Other destinations do take the route.
    a.receive(
        TRUST,
        &udp(host(1, false), addr("198.51.100.1"), (7, 8), b"x"),
    );
    assert_eq!(a.sent(UNTRUST).len(), 1);
    // Cleartext from a protected source is refused.
    a.receive(UNTRUST, &udp(host(2, false), host(1, false), (7, 8), b"x"));
    assert!(a.sent(TRUST).is_empty());
    assert_eq!(a.drop_count(DropReason::ProtectedSource), 1);
}

#[test]
fn a_removed_pair_lingers_inbound_only() {
    let mut net = Net::new(false, false);
    net.a
        .receive(TRUST, &udp(host(1, false), host(2, false), (7, 8), b"x"));
    let late = net.a.sent(UNTRUST).pop().unwrap();
    net.b
        .controller
        .remove(PairId(1), Duration::from_secs(2), net.b.now);
    net.b.run();
    net.b
        .receive(TRUST, &udp(host(2, false), host(1, false), (7, 8), b"x"));
    assert!(net.b.sent(UNTRUST).is_empty());
    assert_eq!(net.b.drop_count(DropReason::NoSa), 1);
    net.b.receive(UNTRUST, &late);
    assert_eq!(net.b.sent(TRUST).len(), 1);
    net.b.advance(3);
    net.b.receive(UNTRUST, &late);
    net.b.run();
    assert_eq!(net.b.drop_count(DropReason::UnknownSpi), 1);
    assert!(net.b.controller.list().is_empty());
}

#[test]
fn make_before_break_rekey_loses_nothing() {
    let mut net = Net::new(false, false);
    let standby = |n: u8| {
        let mut pair = pair(n, 2, false, false);
        pair.state = Outbound::Standby;
        pair
    };
    net.b.install(&[standby(2)]);
    net.b
        .receive(TRUST, &udp(host(2, false), host(1, false), (7, 8), b"old"));
    let seen = net.cable();
    assert_eq!(
        &seen[0][20..24],
        &pair(2, 1, false, false).outbound.spi.0.to_be_bytes()
    );
    // A has the new pair active: its first packet moves B's outbound.
    net.a.install(&[pair(1, 2, false, false)]);
    net.a
        .receive(TRUST, &udp(host(1, false), host(2, false), (7, 8), b"new"));
    net.cable();
    assert!(
        net.b
            .notices
            .iter()
            .any(|n| matches!(n, Notice::Sa(Event::PeerUses(PairId(2)))))
    );
    net.b
        .receive(TRUST, &udp(host(2, false), host(1, false), (7, 8), b"new"));
    let seen = net.cable();
    assert_eq!(
        &seen[0][20..24],
        &pair(2, 2, false, false).outbound.spi.0.to_be_bytes()
    );
    assert_eq!(net.a.sent(TRUST).len(), 2);
    assert_eq!(net.b.sent(TRUST).len(), 1);
    assert!(net.a.drops().is_empty() && net.b.drops().is_empty());
}

#[test]
fn traffic_is_reported_once_outbound_before_inbound() {
    let mut net = Net::new(false, false);
    net.b.controller.poll(Time(1 << 32));
    net.a
        .receive(TRUST, &udp(host(1, false), host(2, false), (7, 8), b"x"));
    net.cable();
    net.b
        .receive(TRUST, &udp(host(2, false), host(1, false), (7, 8), b"x"));
    assert_eq!(net.b.sent(UNTRUST).len(), 1);
    let mut reported = Vec::new();
    for round in 2..=4 {
        for notice in net.b.controller.poll(Time(round << 32)) {
            if let Notice::Sa(event @ (Event::Sent(_) | Event::Alive(_))) = notice {
                reported.push(event);
            }
        }
    }
    let pairs = vec![PairId(1)];
    assert_eq!(
        reported,
        [Event::Sent(pairs.clone()), Event::Alive(pairs)],
        "each once, not again without traffic"
    );
}

#[test]
fn restart_resumes_ahead_and_refuses_the_past() {
    let mut net = Net::new(false, false);
    net.a
        .receive(TRUST, &udp(host(1, false), host(2, false), (7, 8), b"x"));
    let captured = net.cable().pop().unwrap();
    net.b
        .receive(TRUST, &udp(host(2, false), host(1, false), (7, 8), b"x"));
    net.cable();
    // B dies; the words it left are all that the next B has.
    let left = cells_of(&net.b);
    let mut b = Gateway::with(2, 1, left);
    let mut again = pair(2, 1, false, false);
    assert_eq!(
        b.controller.install(&[again.clone()])[0].1,
        Err(InstallError::StaleEpoch)
    );
    again.epoch = 2;
    b.install(&[again]);
    b.receive(UNTRUST, &captured);
    b.run();
    assert_eq!(
        b.drop_count(DropReason::ReplayDuplicate) + b.drop_count(DropReason::ReplayOld),
        1
    );
    b.receive(TRUST, &udp(host(2, false), host(1, false), (7, 8), b"x"));
    let esp = b.sent(UNTRUST).pop().unwrap();
    assert_eq!(
        u32::from_be_bytes(esp[24..28].try_into().unwrap()),
        (1 << 16) + 2
    );
    let iv = u64::from_be_bytes(esp[28..36].try_into().unwrap());
    assert_eq!(iv >> 40, 2, "new epoch");
    // Without the words and without ceilings the pair must not be used.
    let mut lost = Gateway::new(2);
    let mut again = pair(2, 1, false, false);
    again.epoch = 3;
    again.ceilings = Numbers::default();
    assert_eq!(
        lost.controller.install(&[again])[0].1,
        Err(InstallError::SequenceLost)
    );
}

fn cells_of(gateway: &Gateway) -> Box<[std::sync::atomic::AtomicU64]> {
    use std::sync::atomic::{AtomicU64, Ordering};
    gateway
        .controller
        .shared()
        .cells
        .iter()
        .map(|cell| AtomicU64::new(cell.load(Ordering::SeqCst)))
        .collect()
}

#[test]
fn installs_are_judged_one_by_one() {
    let mut a = Gateway::new(1);
    let good = pair(1, 1, false, false);
    let mut slot_taken = pair(1, 1, false, false);
    slot_taken.pair = PairId(99);
    let mut reserved = pair(1, 2, false, false);
    reserved.inbound.spi = Spi(255);
    let mut mixed = pair(1, 3, false, false);
    mixed.outer.remote = outer(2, true);
    let mut key = pair(1, 4, false, false);
    key.outbound.key = SecretBytes::new(vec![1; 35]);
    let mut tunnel = pair(1, 5, false, false);
    tunnel.tunnel_unit = 7;
    let mut outside = pair(1, 6, false, false);
    outside.remote_ts = vec![TrafficSelector::from_prefix(prefix("10.9.0.0/16"))];
    let mut empty = pair(1, 7, false, false);
    empty.local_ts.clear();
    let results: Vec<_> = a
        .controller
        .install(&[
            good.clone(),
            slot_taken,
            reserved,
            mixed,
            key,
            tunnel,
            outside,
            empty,
            good,
        ])
        .into_iter()
        .map(|(_, result)| result)
        .collect();
    use InstallError::*;
    let wanted = [
        Ok(()),
        Err(SlotInUse),
        Err(BadSpi),
        Err(BadSelectors),
        Err(BadKey),
        Err(NoTunnelInterface),
        Err(NotProtected),
        Err(BadSelectors),
        Ok(()),
    ];
    assert_eq!(results, wanted);
    assert_eq!(a.controller.list().len(), 1);
}

#[test]
fn two_workers_hand_over_to_the_owner() {
    let mut a = Gateway::with(1, 2, ravelin_dataplane::io::memory::cells(SLOTS));
    let mut b = Gateway::new(2);
    // Two pairs: the load spreads them over both workers.
    let narrow = |n: u8, slot: u32, last: u8| {
        let mut pair = pair(n, slot, false, false);
        let ts = if n == 1 {
            &mut pair.local_ts
        } else {
            &mut pair.remote_ts
        };
        *ts = vec![TrafficSelector::from_prefix(prefix(&format!(
            "10.1.0.{last}/32"
        )))];
        pair
    };
    a.install(&[narrow(1, 1, 9), narrow(1, 2, 10)]);
    b.install(&[narrow(2, 1, 9), narrow(2, 2, 10)]);
    a.neighbour(TRUST, addr("10.1.0.10"), Some(mac(30)));
    for last in [9, 10] {
        a.receive(
            TRUST,
            &udp(
                addr(&format!("10.1.0.{last}")),
                host(2, false),
                (7, 8),
                b"x",
            ),
        );
        for esp in a.sent(UNTRUST) {
            b.receive(UNTRUST, &esp);
        }
        assert_eq!(b.sent(TRUST).len(), 1);
        b.receive(
            TRUST,
            &udp(
                host(2, false),
                addr(&format!("10.1.0.{last}")),
                (7, 8),
                b"x",
            ),
        );
        for esp in b.sent(UNTRUST) {
            a.receive(UNTRUST, &esp);
        }
        assert_eq!(a.sent(TRUST).len(), 1, "{:?}", a.drops());
    }
    let owners: std::collections::BTreeSet<_> =
        [1, 2].map(|slot| a.controller.shared().owner(slot)).into();
    assert_eq!(owners.len(), 2);
}
