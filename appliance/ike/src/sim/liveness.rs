//! Peers that vanish, NATs that forget, and what an endpoint without memory says.

use std::time::Duration;

use super::world::Side;
use super::*;
use crate::event::EventKind;
use crate::msg::notify::kind;
use crate::msg::{ExchangeType, Header, Message, Payload};
use crate::{Count, DownReason};

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn probing(mode: DpdMode, interval_s: u64, threshold: u8) -> Option<Dpd> {
    Some(Dpd {
        mode,
        interval: seconds(interval_s),
        threshold,
    })
}

/// A world whose gateway probes so, and whose peer never does.
fn probed(seed: u64, dpd: Option<Dpd>) -> World {
    let (mut a, mut b) = (peer(), gateway());
    (a.dpd, b.dpd) = (None, dpd);
    let mut w = World::new(seed, config(a), config(b));
    w.establish();
    w
}

#[test]
fn whoever_is_behind_a_nat_keeps_its_binding_alive() {
    let (mut a, mut b) = (peer(), gateway());
    (a.dpd, b.dpd) = (None, None);
    let mut w = World::new(1, config(a), config(b));
    w.link.nat = Some((address(77), 1000));
    w.establish();
    let child = *w.a.plane.keys().next().unwrap();
    w.run_for(seconds(61));
    let sent = |n: &Node| {
        let to_peer = |e: &&EventKind| matches!(e, EventKind::NatKeepalive { local, remote, .. } if (local.port(), remote.port()) == (4500, 4500));
        n.events.iter().filter(to_peer).count()
    };
    assert_eq!(
        (sent(&w.a), sent(&w.b)),
        (3, 0),
        "each 20 s, and only before the NAT"
    );
    // Traffic keeps it alive as well.
    for _ in 0..20 {
        w.run_for(seconds(3));
        let now = w.now;
        w.a.endpoint.children_sent(&[child], now);
    }
    assert_eq!(sent(&w.a), 3);
    w.run_for(seconds(25));
    assert_eq!(sent(&w.a), 4);
}

#[test]
fn optimized_probes_only_when_traffic_goes_out_and_none_comes_in() {
    let mut w = probed(2, probing(DpdMode::Optimized, 10, 2));
    let child = [*w.b.plane.keys().next().unwrap()];
    w.run_for(seconds(300));
    assert_eq!(w.b.count(Count::DpdSent), 0, "silence alone is no reason");
    for _ in 0..50 {
        w.run_for(seconds(3));
        let now = w.now;
        w.b.endpoint.children_sent(&child, now);
        w.b.endpoint.children_alive(&child, now);
    }
    assert_eq!(
        w.b.count(Count::DpdSent),
        0,
        "traffic is answered by traffic"
    );
    let now = w.now;
    w.b.endpoint.children_sent(&child, now);
    w.run_for(seconds(11));
    assert_eq!(w.b.count(Count::DpdSent), 1);
    w.run_for(seconds(60));
    assert_eq!(w.b.count(Count::DpdSent), 1, "the probe was answered");
    w.link.cut = true;
    let now = w.now;
    w.b.endpoint.children_sent(&child, now);
    w.run_for(seconds(9));
    assert!(w.b.downs().is_empty());
    w.run_for(seconds(22));
    assert_eq!(w.b.downs(), [DownReason::PeerDead]);
}

#[test]
fn probes_begin_and_end_with_the_configuration() {
    let mut w = probed(9, None);
    w.run_for(seconds(300));
    assert_eq!(w.b.count(Count::DpdSent), 0);
    let mut b = gateway();
    b.dpd = probing(DpdMode::ProbeIdle, 10, 3);
    let now = w.now;
    w.b.endpoint.set_config(config(b.clone()), now);
    w.run_for(seconds(50));
    let sent = w.b.count(Count::DpdSent);
    assert!((4..=5).contains(&sent), "{sent} probes in 50 s");
    b.dpd = None;
    let now = w.now;
    w.b.endpoint.set_config(config(b), now);
    w.run_for(seconds(300));
    assert_eq!(w.b.count(Count::DpdSent), sent);
    assert!(w.b.downs().is_empty());
}

#[test]
fn a_peer_that_vanishes_in_a_rekey_is_dead_in_the_configured_time() {
    for what in ["child", "ike"] {
        let mut w = probed(3, probing(DpdMode::ProbeIdle, 2, 2));
        let (child, ike) = (*w.b.plane.keys().next().unwrap(), w.b.up()[0].ike);
        w.link.cut = true;
        let now = w.now;
        match what {
            "child" => w.b.endpoint.rekey_child(child, now),
            _ => w.b.endpoint.rekey_ike(ike, now),
        };
        w.pump();
        w.run_for(seconds(3));
        assert!(w.b.downs().is_empty(), "{what}: not before the time");
        w.run_for(seconds(2));
        assert_eq!(w.b.downs(), [DownReason::PeerDead], "{what}");
        assert!(w.b.plane.is_empty());
    }
}

#[test]
fn traffic_holds_a_tunnel_whose_ike_path_is_gone_but_not_for_ever() {
    let mut w = probed(4, probing(DpdMode::ProbeIdle, 2, 2));
    let child = [*w.b.plane.keys().next().unwrap()];
    w.link.cut = true;
    let now = w.now;
    w.b.endpoint.rekey_child(child[0], now);
    w.pump();
    for second in 0..58 {
        w.run_for(seconds(1));
        let now = w.now;
        w.b.endpoint.children_alive(&child, now);
        assert!(w.b.downs().is_empty(), "after {second} s");
    }
    w.run_for(seconds(3));
    assert_eq!(w.b.downs(), [DownReason::PeerDead]);
}

#[test]
fn a_peer_that_returns_in_the_middle_keeps_its_tunnel() {
    let mut w = probed(5, probing(DpdMode::ProbeIdle, 5, 4));
    for _ in 0..10 {
        w.link.cut = true;
        w.run_for(seconds(15));
        w.link.cut = false;
        w.run_for(seconds(12));
    }
    assert!(w.b.downs().is_empty(), "{}", w.explain());
    assert!(w.b.count(Count::Retransmitted) > 10);
    w.check_agreement();
}

#[test]
fn half_open_sessions_end_and_the_established_ones_stay() {
    let mut w = world(6);
    w.establish();
    let mut fresh = world(66);
    // First messages of peers that never go on: whatever answer they get is lost.
    fresh.link.cut = true;
    fresh.run_for(seconds(1));
    let (_, first) = fresh.transcript[0].clone();
    for spi in 0..200u8 {
        let mut message = first.clone();
        message[0..8].copy_from_slice(&[spi | 1, spi, 3, 4, 5, 6, 7, 8]);
        let at = std::net::SocketAddr::new([198, 51, 100, spi].into(), 500);
        w.link.cut = true;
        w.inject(Side::B, at, address(2), &message);
        w.link.cut = false;
    }
    assert!(w.b.endpoint.ike_sas().count() >= 200);
    w.run_for(crate::timers::HALF_OPEN_LIFETIME + seconds(1));
    w.check_agreement();
    assert!(w.b.downs().is_empty());
}

fn stray(response: bool) -> Vec<u8> {
    let header = Header {
        spi_i: 0x1122,
        spi_r: 0x3344,
        exchange: ExchangeType::Informational,
        initiator: true,
        response,
        message_id: 9,
    };
    Message {
        header,
        payloads: vec![],
    }
    .emit()
}

#[test]
fn requests_of_unknown_ike_sas_are_answered_responses_are_not() {
    let mut w = world(7);
    w.establish();
    let before = w.transcript.len();
    w.inject(Side::B, address(5), address(2), &stray(true));
    assert_eq!(w.transcript.len(), before);
    w.inject(Side::B, address(5), address(2), &stray(false));
    let (_, answer) = w.transcript.last().unwrap();
    let message = Message::parse(answer).unwrap();
    let h = message.header;
    assert_eq!((h.spi_i, h.spi_r, h.message_id), (0x1122, 0x3344, 9));
    assert!(h.response && !h.initiator);
    assert!(
        matches!(&message.payloads[..], [Payload::Notify(n)] if n.kind == kind::INVALID_IKE_SPI)
    );
    // No faster than the limit.
    let before = w.transcript.len();
    for _ in 0..2 * crate::endpoint::MAX_INVALID_SPI_PER_S {
        w.inject(Side::B, address(5), address(2), &stray(false));
    }
    let answered = w.transcript.len() - before;
    assert!(answered < crate::endpoint::MAX_INVALID_SPI_PER_S as usize);
    w.run_for(seconds(2));
    w.inject(Side::B, address(5), address(2), &stray(false));
    assert_eq!(w.transcript.len(), before + answered + 1);
}

#[test]
fn no_peer_is_dead_because_we_are_deaf() {
    let mut w = probed(9, probing(DpdMode::ProbeIdle, 2, 2));
    w.link.cut = true;
    w.run_for(seconds(3));
    assert_eq!(w.b.count(Count::DpdSent), 1, "a probe is under way");
    let now = w.now;
    w.b.endpoint.set_passable(false, now);
    w.run_for(seconds(120));
    assert!(w.b.downs().is_empty(), "{}", w.explain());

    w.link.cut = false;
    let now = w.now;
    w.b.endpoint.set_passable(true, now);
    w.run_for(seconds(1));
    assert!(w.b.count(Count::Retransmitted) > 0, "asked at once");
    w.run_for(seconds(30));
    assert!(w.b.downs().is_empty(), "{}", w.explain());
    w.check_agreement();

    w.link.cut = true;
    w.run_for(seconds(10));
    assert_eq!(w.b.downs(), [DownReason::PeerDead], "able to hear, we tell");
}
