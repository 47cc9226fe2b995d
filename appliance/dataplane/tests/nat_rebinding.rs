//! A NAT before the peer forgets its binding: the newest authenticated packet says where the peer is, and nothing else does
//! (RFC 7296 section 2.23).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use harness::*;
use ravelin_ctl::sa::{Event, Outer};
use ravelin_dataplane::DropReason;
use ravelin_dataplane::control::Notice;
use ravelin_dataplane::stages::crypto::MOVES_APART;
use ravelin_types::PairId;
use ravelin_wire::{checksum, ip};

/// An ESP packet of A, as it leaves.
fn esp(net: &mut Net) -> Vec<u8> {
    let packet = udp(host(1, false), host(2, false), (7, 8), b"x");
    net.a.receive(TRUST, &packet);
    net.a.sent(UNTRUST).pop().unwrap()
}

/// The packet behind another binding of the NAT.
fn from_port(mut esp: Vec<u8>, port: u16) -> Vec<u8> {
    esp[20..22].copy_from_slice(&port.to_be_bytes());
    esp
}

/// What B has told iked.
fn moves(net: &Net) -> Vec<Outer> {
    let moved = |notice: &Notice<_>| match notice {
        Notice::Sa(Event::PeerMoved { outer, .. }) => Some(*outer),
        _ => None,
    };
    net.b.notices.iter().filter_map(moved).collect()
}

fn ports(moves: &[Outer]) -> Vec<u16> {
    moves.iter().map(|outer| outer.udp.unwrap().1).collect()
}

/// A network behind a NAT in which B has heard from A.
fn net() -> Net {
    let mut net = Net::new(false, true);
    let esp = esp(&mut net);
    net.b.receive(UNTRUST, &esp);
    net.b.run();
    net
}

#[test]
fn a_move_is_reported_once_and_followed_when_told() {
    let mut net = net();
    for _ in 0..3 {
        let esp = from_port(esp(&mut net), 1024);
        net.b.receive(UNTRUST, &esp);
        net.b.advance(2);
    }
    let moved = moves(&net);
    assert_eq!(ports(&moved), [1024]);
    // An iked that comes later hears of it, until the pair has moved.
    let pending = [Event::PeerMoved {
        pair: PairId(1),
        outer: moved[0],
    }];
    assert_eq!(net.b.controller.moved(), pending);
    net.b.controller.relocate(PairId(1), moved[0]);
    assert_eq!(net.b.controller.moved(), []);
    net.b.run();
    net.b
        .receive(TRUST, &udp(host(2, false), host(1, false), (7, 8), b"x"));
    let esp = net.b.sent(UNTRUST).pop().unwrap();
    assert_eq!(ip::parse(&esp).unwrap().destination_port, 1024);
}

#[test]
fn another_address_counts_as_another_port_does() {
    let mut net = net();
    let mut esp = esp(&mut net);
    esp[15] = 77;
    esp[10..12].fill(0);
    let sum = checksum::of(&esp[..20]);
    esp[10..12].copy_from_slice(&sum.to_be_bytes());
    net.b.receive(UNTRUST, &esp);
    net.b.run();
    assert_eq!(moves(&net)[0].remote, addr("192.0.2.77"));
    assert_eq!(net.b.sent(TRUST).len(), 2, "both packets are delivered");
}

/// An ESP packet in the other encapsulation, from another address.
fn in_the_other(mut esp: Vec<u8>) -> Vec<u8> {
    let udp = esp[9] == 17;
    if udp {
        esp.drain(20..28);
    } else {
        let octets = u16::try_from(esp.len() - 20 + 8).unwrap().to_be_bytes();
        let header = [0x11, 0x94, 0x11, 0x94, octets[0], octets[1], 0, 0];
        esp.splice(20..20, header);
    }
    esp[9] = if udp { 50 } else { 17 };
    let octets = u16::try_from(esp.len()).unwrap().to_be_bytes();
    esp[2..4].copy_from_slice(&octets);
    esp[15] = 77;
    esp[10..12].fill(0);
    let sum = checksum::of(&esp[..20]);
    esp[10..12].copy_from_slice(&sum.to_be_bytes());
    esp
}

/// RFC 7296 section 2.23: devices "MUST be able to receive and process both UDP-encapsulated ESP and non-UDP-encapsulated ESP packets at
/// any time".
#[test]
fn either_encapsulation_is_taken_and_only_the_agreed_one_moves_the_peer() {
    for udp in [false, true] {
        let mut net = Net::new(false, udp);
        let other = in_the_other(esp(&mut net));
        net.b.receive(UNTRUST, &other);
        net.b.run();
        assert_eq!(net.b.sent(TRUST).len(), 1);
        assert_eq!(moves(&net), []);
        // It is protected like any other.
        net.b.receive(UNTRUST, &other);
        let mut forged = in_the_other(esp(&mut net));
        *forged.last_mut().unwrap() ^= 1;
        net.b.receive(UNTRUST, &forged);
        net.b.run();
        assert_eq!(net.b.drop_count(DropReason::ReplayDuplicate), 1);
        assert_eq!(net.b.drop_count(DropReason::AuthFailed), 1);
    }
}

#[test]
fn only_a_packet_that_moves_the_right_edge_counts() {
    let mut net = net();
    let (late, newest) = (esp(&mut net), esp(&mut net));
    net.b.receive(UNTRUST, &newest);
    // Fresh, authentic, inside the window: it may have waited on the old path.
    net.b.receive(UNTRUST, &from_port(late, 1024));
    net.b.run();
    assert_eq!(net.b.sent(TRUST).len(), 3);
    // Seen before; and ahead of the window, but changed.
    net.b.receive(UNTRUST, &from_port(newest, 1025));
    let mut forged = from_port(esp(&mut net), 1026);
    *forged.last_mut().unwrap() ^= 1;
    net.b.receive(UNTRUST, &forged);
    net.b.run();
    assert_eq!(moves(&net), []);
    assert_eq!(net.b.drop_count(DropReason::ReplayDuplicate), 1);
    assert_eq!(net.b.drop_count(DropReason::AuthFailed), 1);
    assert!(net.b.controller.moved().is_empty());
}

#[test]
fn who_sends_every_other_packet_from_elsewhere_is_slowed_down() {
    let mut net = net();
    let seconds = 10;
    for round in 0..seconds * 50u64 {
        let esp = from_port(esp(&mut net), 1024 + (round % 2) as u16);
        net.b.receive(UNTRUST, &esp);
        net.b.run();
        // iked follows each report at once.
        if let Some(Event::PeerMoved { pair, outer }) = net.b.controller.moved().pop() {
            net.b.controller.relocate(pair, outer);
        }
        net.b.now.0 += 20_000;
    }
    let reports = moves(&net).len() as u64;
    assert!((seconds - 1..=seconds + 1).contains(&reports), "{reports}");
    // Where it stays, it is found.
    net.b.now = net.b.now + MOVES_APART;
    for _ in 0..2 {
        let esp = from_port(esp(&mut net), 5000);
        net.b.receive(UNTRUST, &esp);
        net.b.run();
    }
    assert_eq!(ports(&moves(&net)).last(), Some(&5000));
    assert!(net.b.drops().is_empty(), "{:?}", net.b.drops());
}
