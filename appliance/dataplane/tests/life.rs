//! The life of SAs with real packets: soft and hard limits of their volume, several inbound SAs at once, and the swap of a rekey.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use harness::*;
use ravelin_ctl::sa::{Event, Outbound, SaPair};
use ravelin_dataplane::DropReason;
use ravelin_dataplane::control::Notice;
use ravelin_types::{PairId, Time, Volume, VolumeLife};

const PACKETS: u64 = 10;

fn life(packets: u64, octets: u64) -> VolumeLife {
    let half = |limit: u64| if limit == u64::MAX { limit } else { limit / 2 };
    VolumeLife {
        soft: Volume {
            octets: half(octets),
            packets: half(packets),
        },
        hard: Volume { octets, packets },
    }
}

fn limited(life: VolumeLife) -> SaPair {
    SaPair {
        life,
        ..pair(1, 1, false, false)
    }
}

fn net(life: VolumeLife) -> Net {
    let mut net = Net {
        a: Gateway::new(1),
        b: Gateway::new(2),
    };
    net.a.install(&[limited(life)]);
    net.b.install(&[pair(2, 1, false, false)]);
    net
}

fn down(gateway: &mut Gateway, count: u64) -> usize {
    for number in 0..count {
        let inner = udp(
            host(1, false),
            host(2, false),
            (7, 8),
            &number.to_be_bytes(),
        );
        gateway.receive(TRUST, &inner);
    }
    gateway.sent(UNTRUST).len()
}

fn up(net: &mut Net, count: u64) -> usize {
    for number in 0..count {
        let inner = udp(
            host(2, false),
            host(1, false),
            (7, 8),
            &number.to_be_bytes(),
        );
        net.b.receive(TRUST, &inner);
    }
    for esp in net.b.sent(UNTRUST) {
        net.a.receive(UNTRUST, &esp);
    }
    net.a.sent(TRUST).len()
}

/// How often the soft and the hard limit were told.
fn told(gateway: &Gateway) -> (usize, usize) {
    let count = |is: fn(&Event) -> bool| {
        let of = |notice: &&Notice<_>| matches!(notice, Notice::Sa(event) if is(event));
        gateway.notices.iter().filter(of).count()
    };
    (
        count(|event| matches!(event, Event::LifeSoft(pairs) if *pairs == [PairId(1)])),
        count(|event| matches!(event, Event::LifeHard(pairs) if *pairs == [PairId(1)])),
    )
}

#[test]
fn outbound_packets_end_exactly_at_the_hard_limit() {
    let mut net = net(life(PACKETS, u64::MAX));
    assert_eq!(down(&mut net.a, PACKETS / 2 - 1), 4);
    net.a.advance(1);
    assert_eq!(told(&net.a), (0, 0));
    assert_eq!(down(&mut net.a, 1), 1);
    net.a.advance(1);
    assert_eq!(told(&net.a), (1, 0));
    assert_eq!(down(&mut net.a, PACKETS), 5, "the rest of its life");
    assert_eq!(net.a.drop_count(DropReason::LifetimeExpired), 5);
    net.a.advance(1);
    assert_eq!(told(&net.a), (1, 1));
    // A late grant takes nothing back, and the numbers themselves are not what ended.
    net.a
        .controller
        .grant(PairId(1), ravelin_types::Numbers::FIRST);
    assert_eq!(down(&mut net.a, 1), 0);
    let exhausting = |notice: &Notice<_>| matches!(notice, Notice::Sa(Event::Exhausting(_)));
    assert!(!net.a.notices.iter().any(exhausting));
    // Both directions stop.
    assert_eq!(up(&mut net, 3), 0);
    assert_eq!(net.a.drop_count(DropReason::LifetimeExpired), 6 + 3);
}

#[test]
fn inbound_packets_and_octets_stop_the_pair_when_they_are_looked_at() {
    for limits in [life(PACKETS, u64::MAX), life(u64::MAX, 500)] {
        let mut net = net(limits);
        assert_eq!(up(&mut net, 6), 6);
        net.a.advance(1);
        assert_eq!(told(&net.a), (1, 0), "{limits:?}");
        assert_eq!(up(&mut net, 6), 6);
        net.a.advance(1);
        assert_eq!(told(&net.a), (1, 1), "{limits:?}");
        assert_eq!((up(&mut net, 2), down(&mut net.a, 2)), (0, 0));
        assert_eq!(net.a.drop_count(DropReason::LifetimeExpired), 4);
    }
}

#[test]
fn an_iked_that_comes_back_hears_again_what_is_reached() {
    let mut net = net(life(PACKETS, u64::MAX));
    down(&mut net.a, PACKETS / 2);
    net.a.advance(1);
    net.a.advance(10);
    assert_eq!(told(&net.a), (1, 0));
    net.a.controller.ask_again();
    net.a.advance(1);
    assert_eq!(told(&net.a), (2, 0));
}

/// planed dies and comes back with the record that it kept.
fn restart(net: &mut Net, limits: VolumeLife) {
    let cells = net.a.controller.shared().cells.iter();
    let cells = cells.map(|cell| AtomicU64::new(cell.load(Ordering::SeqCst)));
    net.a = Gateway::with(1, 1, cells.collect());
    let again = SaPair {
        epoch: 2,
        ..limited(limits)
    };
    net.a.install(&[again]);
    net.a.advance(1);
}

#[test]
fn a_restart_gives_a_pair_no_second_life() {
    let octets = life(u64::MAX, 500);
    let mut by_octets = net(octets);
    assert_eq!(up(&mut by_octets, 6), 6);
    by_octets.a.advance(1);
    restart(&mut by_octets, octets);
    assert_eq!(told(&by_octets.a), (1, 0), "half of its octets are carried");
    assert_eq!(up(&mut by_octets, 6), 6);
    by_octets.a.advance(1);
    assert_eq!(told(&by_octets.a), (1, 1));

    let packets = life(PACKETS, u64::MAX);
    let mut net = net(packets);
    assert_eq!(down(&mut net.a, 7), 7);
    restart(&mut net, packets);
    assert_eq!(told(&net.a), (1, 0));
    assert_eq!(down(&mut net.a, 7), 3);
    assert_eq!(net.a.drop_count(DropReason::LifetimeExpired), 4);
}

/// Pairs of the same selectors, as rekeys that overlap leave them: four inbound SAs are heard at the same time, and each ends by itself.
#[test]
fn four_inbound_sas_of_one_peer_are_heard_until_each_is_removed() {
    let mut net = Net {
        a: Gateway::new(1),
        b: Gateway::new(2),
    };
    let mut captured = Vec::new();
    for slot in 1..=4 {
        let standby = SaPair {
            state: Outbound::Standby,
            ..pair(1, slot, false, false)
        };
        net.a.install(&[standby]);
        net.b.install(&[pair(2, slot, false, false)]);
        let mut of_this = Vec::new();
        for number in 0..4u8 {
            let inner = udp(
                host(2, false),
                host(1, false),
                (9, 9),
                &[slot as u8, number],
            );
            net.b.receive(TRUST, &inner);
            of_this.extend(net.b.sent(UNTRUST));
        }
        captured.push(of_this);
        net.b
            .controller
            .remove(PairId(slot.into()), Duration::ZERO, Time(0));
        net.b.run();
    }
    for packet in 0..3 {
        for of_one in &captured {
            net.a.receive(UNTRUST, &of_one[packet]);
        }
        assert_eq!(net.a.sent(TRUST).len(), 4);
    }
    // Three linger, the fourth stays.
    for slot in 1..=3u64 {
        let now = net.a.now;
        let linger = Duration::from_secs(slot);
        net.a.controller.remove(PairId(slot), linger, now);
    }
    for gone in 0..4 {
        for of_one in &captured {
            net.a.receive(UNTRUST, &of_one[3]);
        }
        let (heard, unknown) = (net.a.sent(TRUST).len(), net.a.drops());
        // Those that are left have heard their last packet in the first round.
        assert_eq!(heard, if gone == 0 { 4 } else { 0 }, "{unknown:?}");
        assert_eq!(
            net.a.drop_count(DropReason::UnknownSpi),
            [0, 1, 3, 6][gone],
            "{unknown:?}"
        );
        net.a.advance(1);
    }
}
