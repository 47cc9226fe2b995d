//! Tunnels whose ends move (RFC 4555).

use std::net::SocketAddr;
use std::time::Duration;

use super::world::Side;
use super::*;
use crate::event::{DownReason, EventKind, Outer};
use crate::msg::notify::{Notify, kind};
use crate::msg::{ExchangeType, Header, Message, Payload, sk};
use crate::{Count, Reason};

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn mobile(gateway: Gateway) -> Gateway {
    let mobike = true;
    Gateway { mobike, ..gateway }
}

/// The peer with this address of its own.
fn peer_at(host: u8) -> Gateway {
    let local_addresses = vec![address(host).ip()];
    let peer = mobile(peer());
    Gateway {
        local_addresses,
        ..peer
    }
}

fn mobile_world(seed: u64) -> World {
    let mut w = World::new(seed, config(peer_at(1)), config(mobile(gateway())));
    w.establish();
    w
}

/// A's address changes by its configuration.
fn move_a(w: &mut World, host: u8) {
    let config = config(peer_at(host));
    w.configs[0] = Arc::clone(&config);
    let now = w.now;
    w.a.endpoint.set_config(config, now);
    w.pump();
}

fn outer(w: &World, side: Side) -> Outer {
    let node = if side == Side::A { &w.a } else { &w.b };
    let first = node.plane.values().next().expect("a pair");
    assert!(
        node.plane
            .values()
            .all(|p| p.install.outer == first.install.outer)
    );
    first.install.outer
}

/// Where both ends' data planes believe A to be.
fn a_is_at(w: &World) -> (std::net::IpAddr, std::net::IpAddr) {
    (outer(w, Side::A).local, outer(w, Side::B).remote)
}

/// Payloads of the last message of that side, of A's IKE SA.
fn last_of(w: &World, side: Side) -> Vec<Payload> {
    let (_, data) = w.transcript.iter().rfind(|(s, _)| *s == side).unwrap();
    let message = Message::parse(data).unwrap();
    let ciphers = w.a.endpoint.test_ciphers(message.header.spi_i).unwrap();
    let cipher = if side == Side::A {
        &ciphers.0
    } else {
        &ciphers.1
    };
    message.sk().unwrap().open(data, cipher).unwrap()
}

fn kinds(payloads: &[Payload]) -> Vec<u16> {
    let kinds = payloads.iter().filter_map(|p| match p {
        Payload::Notify(n) => Some(n.kind),
        _ => None,
    });
    kinds.collect()
}

/// A request or response of A to B, protected.
fn from_a(w: &World, response: bool, message_id: u32, payloads: &[Payload]) -> Vec<u8> {
    let up = &w.a.up()[0];
    let header = Header {
        spi_i: up.spi_i,
        spi_r: up.spi_r,
        exchange: ExchangeType::Informational,
        initiator: true,
        response,
        message_id,
    };
    let (cipher, _) = w.a.endpoint.test_ciphers(up.spi_i).unwrap();
    sk::seal(&header, payloads, &cipher, &[0xaa; 8]).unwrap()
}

fn notify(kind: u16, data: &[u8]) -> Payload {
    Payload::Notify(Notify::new(kind, data))
}

fn at_4500(host: u8) -> SocketAddr {
    SocketAddr::new(address(host).ip(), 4500)
}

#[test]
fn it_is_agreed_on_by_both_or_not_at_all() {
    for (a, b) in [(true, true), (true, false), (false, true), (false, false)] {
        let (mut peer, mut gateway) = (peer(), gateway());
        (peer.mobike, gateway.mobike) = (a, b);
        let mut w = World::new(1, config(peer), config(gateway));
        w.establish();
        for node in [&w.a, &w.b] {
            assert_eq!(node.up()[0].mobike, a && b);
            // RFC 4555 section 3.3: port 4500 from IKE_AUTH on, and no encapsulation without a NAT.
            assert_eq!(node.up()[0].local.port(), if a { 4500 } else { 500 });
        }
        assert_eq!(outer(&w, Side::B).udp, None);
    }
}

#[test]
fn an_initiator_takes_its_tunnels_along() {
    let mut w = mobile_world(2);
    let spis = |w: &World| (w.a.up()[0].spi_i, w.b.up()[0].spi_r);
    let before = spis(&w);
    for host in [5, 6, 1] {
        move_a(&mut w, host);
        w.run_for(seconds(1));
        let at = address(host).ip();
        assert_eq!(a_is_at(&w), (at, at), "{}", w.explain());
        assert_eq!(w.b.up()[0].remote, at_4500(host));
    }
    // By an IKE SA that was rekeyed by the responder, the initiator is still who it was.
    let (ike, now) = (w.b.up()[0].ike, w.now);
    w.b.endpoint.rekey_ike(ike, now);
    w.pump();
    w.run_for(seconds(1));
    assert_ne!(spis(&w), before);
    move_a(&mut w, 7);
    w.run_for(seconds(1));
    assert_eq!(a_is_at(&w), (address(7).ip(), address(7).ip()));
    w.check_agreement();
    assert!(w.a.failures.is_empty() && w.b.failures.is_empty());
}

#[test]
fn children_move_only_to_a_proven_address() {
    let mut w = mobile_world(3);
    // What B sends to the new place gets lost, so that nobody there answers.
    w.filter = Some(Box::new(|side, m| side == Side::B && !m.header.response));
    move_a(&mut w, 5);
    w.run_for(seconds(3));
    assert_eq!(w.b.up()[0].remote, at_4500(5), "the IKE SA is there");
    assert_eq!(outer(&w, Side::B).remote, address(1).ip());
    // A child of meanwhile is where the others are.
    let (child, now) = (*w.b.plane.keys().next().unwrap(), w.now);
    w.a.endpoint
        .rekey_child(*w.a.plane.keys().next().unwrap(), now);
    w.pump();
    w.run_for(seconds(1));
    assert!(!w.b.plane.contains_key(&child));
    assert_eq!(outer(&w, Side::B).remote, address(1).ip());
    w.filter = None;
    w.run_for(seconds(6));
    assert_eq!(outer(&w, Side::B).remote, address(5).ip());
}

#[test]
fn a_proof_for_an_address_left_meanwhile_proves_nothing() {
    let mut w = mobile_world(4);
    w.filter = Some(Box::new(|side, m| side == Side::B && !m.header.response));
    move_a(&mut w, 5);
    w.run_for(seconds(1));
    move_a(&mut w, 6);
    w.run_for(seconds(1));
    assert_eq!(outer(&w, Side::B).remote, address(1).ip());
    w.filter = None;
    w.run_for(seconds(6));
    assert_eq!(a_is_at(&w), (address(6).ip(), address(6).ip()));
    // Back where it was proven to be there is nothing left to prove.
    w.link.cut = true;
    move_a(&mut w, 7);
    w.link.cut = false;
    move_a(&mut w, 6);
    w.run_for(seconds(8));
    assert_eq!(a_is_at(&w), (address(6).ip(), address(6).ip()));
}

#[test]
fn whoever_repeats_the_wrong_cookie_is_not_served_any_more() {
    let mut w = mobile_world(5);
    w.filter = Some(Box::new(|side, m| {
        side == Side::A && m.header.response && m.header.message_id == 0
    }));
    move_a(&mut w, 5);
    w.run_for(seconds(1));
    let asked = last_of(&w, Side::B);
    assert_eq!(kinds(&asked), [kind::COOKIE2]);
    let wrong = from_a(&w, true, 0, &[notify(kind::COOKIE2, &[7; 16])]);
    w.filter = None;
    w.inject(Side::B, at_4500(5), at_4500(2), &wrong);
    w.run_for(seconds(2));
    assert_eq!(w.b.downs(), [DownReason::Protocol]);
}

#[test]
fn a_nat_on_the_way_comes_and_goes() {
    let mut w = mobile_world(6);
    assert_eq!(outer(&w, Side::B).udp, None);
    w.link.nat = Some((address(77), 1000));
    // The next probe of the initiator finds out (RFC 4555 section 3.8): twice, because the first one sets the mark.
    w.run_for(seconds(25));
    let (a, b) = (outer(&w, Side::A), outer(&w, Side::B));
    assert_eq!((b.remote, b.udp), (address(77).ip(), Some((4500, 5500))));
    assert_eq!(a.udp, Some((4500, 4500)));
    // The NAT forgets, and says another port.
    w.link.nat = Some((address(77), 2000));
    w.run_for(seconds(25));
    assert_eq!(outer(&w, Side::B).udp, Some((4500, 6500)));
    w.link.nat = None;
    w.run_for(seconds(25));
    let (a, b) = (outer(&w, Side::A), outer(&w, Side::B));
    assert_eq!((a.udp, b.udp), (None, None));
    assert_eq!(b.remote, address(1).ip());
}

#[test]
fn nothing_but_the_update_moves_it() {
    let mut w = mobile_world(7);
    w.link.nat = Some((address(77), 1000));
    w.run_for(seconds(25));
    let before = (w.b.up()[0].remote, outer(&w, Side::B));
    let child = *w.b.plane.keys().next().unwrap();
    let (now, mut elsewhere) = (w.now, before.1);
    elsewhere.remote = address(9).ip();
    w.b.endpoint.peer_moved(child, elsewhere, now);
    let request = from_a(&w, false, 40, &[]);
    w.inject(Side::B, at_4500(9), at_4500(2), &request);
    w.run_for(seconds(1));
    assert_eq!((w.b.up()[0].remote, outer(&w, Side::B)), before);
}

#[test]
fn addresses_that_cannot_be_are_refused() {
    let mut w = mobile_world(8);
    let update = [notify(kind::UPDATE_SA_ADDRESSES, &[])];
    let here = "[2001:db8::1]:4500".parse().unwrap();
    let cases: [(&str, SocketAddr); 3] = [
        ("0.0.0.0:4500", at_4500(2)),
        ("192.0.2.5:4500", at_4500(3)),
        ("[2001:db8::2]:4500", here),
    ];
    for (at, (from, to)) in (2..).zip(cases) {
        let request = from_a(&w, false, at, &update);
        w.inject(Side::B, from.parse().unwrap(), to, &request);
        let answer = last_of(&w, Side::B);
        assert_eq!(kinds(&answer), [kind::UNACCEPTABLE_ADDRESSES], "{from}");
        assert_eq!(w.b.up()[0].remote, at_4500(1));
    }
    // RFC 4555 section 3.9: addresses and ports as they were sent.
    let data = [192, 0, 2, 5, 192, 0, 2, 2, 0x11, 0x94, 0x11, 0x94];
    let forbidding = [update[0].clone(), notify(kind::NO_NATS_ALLOWED, &data)];
    let request = from_a(&w, false, 5, &forbidding);
    w.inject(Side::B, at_4500(6), at_4500(2), &request);
    assert_eq!(
        kinds(&last_of(&w, Side::B)),
        [kind::UNEXPECTED_NAT_DETECTED]
    );
    assert_eq!(w.b.up()[0].remote, at_4500(1));
    let request = from_a(&w, false, 6, &forbidding);
    w.inject(Side::B, at_4500(5), at_4500(2), &request);
    assert_eq!(w.b.up()[0].remote, at_4500(5));
    let why: Vec<_> = w.b.failures.iter().map(|f| &f.reason).collect();
    assert!(why.len() == 4 && why.iter().all(|r| matches!(r, Reason::Moved(_))));
}

#[test]
fn a_responder_does_not_move_the_initiator() {
    let mut w = mobile_world(9);
    let up = &w.b.up()[0];
    let header = Header {
        spi_i: up.spi_i,
        spi_r: up.spi_r,
        exchange: ExchangeType::Informational,
        initiator: false,
        response: false,
        message_id: 0,
    };
    let (_, cipher) = w.b.endpoint.test_ciphers(up.spi_i).unwrap();
    let payloads = [
        notify(kind::UPDATE_SA_ADDRESSES, &[]),
        notify(kind::COOKIE2, &[3; 64]),
        notify(kind::NAT_DETECTION_SOURCE_IP, &[0; 20]),
    ];
    let request = sk::seal(&header, &payloads, &cipher, &[0xaa; 8]).unwrap();
    w.inject(Side::A, at_4500(9), at_4500(1), &request);
    assert_eq!(w.a.up()[0].remote, at_4500(2));
    let answer = last_of(&w, Side::A);
    assert_eq!(answer[0], notify(kind::COOKIE2, &[3; 64]));
    assert_eq!(
        kinds(&answer).len(),
        3,
        "the cookie and both NAT detections"
    );
}

#[test]
fn a_responder_that_is_gone_is_found_at_its_further_address() {
    let mut b = mobile(gateway());
    b.local_addresses.push(address(3).ip());
    let mut w = World::new(10, config(peer_at(1)), config(b));
    w.establish();
    w.unreachable = Some(address(2).ip());
    w.run_for(seconds(40));
    assert_eq!(w.a.up()[0].remote, at_4500(3), "{}", w.explain());
    assert_eq!(w.b.up()[0].local, at_4500(3));
    let (a, b) = (outer(&w, Side::A), outer(&w, Side::B));
    assert_eq!((a.remote, b.local), (address(3).ip(), address(3).ip()));
    assert!(w.a.downs().is_empty() && w.b.downs().is_empty());
    // And back, by the list that now has the other one.
    w.unreachable = Some(address(3).ip());
    w.run_for(seconds(40));
    assert_eq!(w.a.up()[0].remote, at_4500(2), "{}", w.explain());
}

#[test]
fn further_addresses_are_told_when_they_change() {
    let mut w = mobile_world(11);
    let mut b = mobile(gateway());
    b.local_addresses.push(address(3).ip());
    let now = w.now;
    w.b.endpoint.set_config(config(b.clone()), now);
    w.pump();
    assert_eq!(kinds(&last_of(&w, Side::B)), [kind::ADDITIONAL_IP4_ADDRESS]);
    w.run_for(seconds(1));
    w.b.endpoint.set_config(config(mobile(gateway())), now);
    w.pump();
    assert_eq!(
        kinds(&last_of(&w, Side::B)),
        [kind::NO_ADDITIONAL_ADDRESSES]
    );
}

#[test]
fn a_forbidden_nat_ends_the_set_up() {
    let mut w = World::new(12, config(peer_at(1)), config(mobile(gateway())));
    w.pump();
    w.filter = Some(Box::new(|side, m| side == Side::A && m.sk().is_some()));
    w.run_for(Duration::from_millis(200));
    let (_, raw) = w
        .transcript
        .iter()
        .rfind(|(s, _)| *s == Side::A)
        .cloned()
        .unwrap();
    let message = Message::parse(&raw).unwrap();
    let (cipher, _) = w.a.endpoint.test_ciphers(message.header.spi_i).unwrap();
    let mut payloads = message.sk().unwrap().open(&raw, &cipher).unwrap();
    payloads.push(notify(kind::NO_NATS_ALLOWED, &[0; 12]));
    let data = sk::seal(&message.header, &payloads, &cipher, &[9; 8]).unwrap();
    w.inject(Side::B, at_4500(1), at_4500(2), &data);
    assert_eq!(
        kinds(&last_of(&w, Side::B)),
        [kind::UNEXPECTED_NAT_DETECTED]
    );
    assert!(w.b.up().is_empty() && w.b.plane.is_empty());
}

#[test]
fn a_move_outlives_crashes_on_a_bad_link() {
    for seed in 20..40 {
        let mut w = mobile_world(seed);
        w.link = Link::BAD;
        w.crash_percent = 10;
        move_a(&mut w, 5);
        w.run_for(seconds(5));
        move_a(&mut w, 6);
        w.run_for(seconds(20));
        (w.link, w.crash_percent) = (Link::GOOD, 0);
        w.run_for(seconds(60));
        assert_eq!(
            a_is_at(&w),
            (address(6).ip(), address(6).ip()),
            "{}",
            w.explain()
        );
        w.check_nonces();
        w.check_no_divergence();
        assert!(w.a.all_downs.is_empty() && w.b.all_downs.is_empty());
    }
}

#[test]
fn a_tunnel_without_mobike_is_set_up_anew() {
    let mut w = world(13);
    w.establish();
    let mut a = peer();
    a.local_addresses = vec![address(5).ip()];
    let now = w.now;
    w.a.endpoint.set_config(config(a), now);
    w.pump();
    w.run_for(seconds(20));
    assert_eq!(w.a.downs(), [DownReason::Closed]);
    assert_eq!(outer(&w, Side::A).local, address(5).ip());
    let moves =
        w.b.events
            .iter()
            .filter(|e| matches!(e, EventKind::PeerMoved { .. }));
    assert_eq!((moves.count(), w.b.count(Count::PeerMoved)), (0, 0));
}
