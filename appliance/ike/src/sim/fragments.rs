//! Long messages in fragments (RFC 7383), on good and bad links, through crashes, and from attackers.

use std::time::Duration;

use super::world::Side;
use super::*;
use crate::fragment::{MAX_DATAGRAM_OCTETS, MAX_FRAGMENTS};
use crate::msg::{Header, Message, Payload, skf};
use crate::{Count, Discard};

/// Both IKE_AUTH messages are too long for one datagram: the identities are.
fn long(seed: u64) -> World {
    let (mut a, mut b) = (peer(), gateway());
    let name = |end: &str| fqdn(&format!("{}.{end}", "x".repeat(1023 - end.len())));
    a.local_identity = Some(name("enb1.ran.example"));
    b.local_identity = Some(name("segw.example"));
    let proposal = match seed % 3 {
        0 => cbc_proposal(),
        _ => proposal(GCM256, None, Prf::HmacSha384, DhGroup::Curve25519),
    };
    a.proposals = vec![proposal];
    b.proposals = vec![proposal];
    a.remote = RemotePeer::Identities(vec![name("segw.example")]);
    World::new(seed, config(a), config(b))
}

fn fragments(w: &World, of: Side) -> Vec<(Header, skf::Skf, Vec<u8>)> {
    let sent = w.transcript.iter().filter(|(side, _)| *side == of);
    sent.filter_map(|(_, data)| {
        let message = Message::parse(data).unwrap();
        match message.payloads.last() {
            Some(Payload::Skf(skf)) => Some((message.header, skf.clone(), data.clone())),
            _ => None,
        }
    })
    .collect()
}

#[test]
fn long_messages_travel_in_fragments_both_ways() {
    let mut w = long(1);
    w.establish();
    for side in [Side::A, Side::B] {
        let sent = fragments(&w, side);
        let places: Vec<_> = sent.iter().map(|(_, s, _)| (s.number, s.total)).collect();
        assert_eq!(places, [(1, 2), (2, 2)], "{side:?}");
        assert!(
            sent.iter()
                .all(|(_, _, data)| data.len() <= MAX_DATAGRAM_OCTETS)
        );
    }
    assert_eq!((w.a.count(Count::Joined), w.b.count(Count::Joined)), (1, 1));
    assert_eq!((w.a.count(Count::Cut), w.b.count(Count::Cut)), (1, 1));
    // The successor of the IKE SA knows fragments too.
    let ike = w.a.up()[0].ike;
    let now = w.now;
    w.a.endpoint.rekey_ike(ike, now);
    w.pump();
    w.run_for(Duration::from_secs(2));
    w.check_agreement();
}

#[test]
fn they_survive_loss_duplication_reordering_and_crashes() {
    for seed in 0..12 {
        let mut w = long(seed);
        w.link = Link::BAD;
        w.crash_percent = if seed % 2 == 0 { 0 } else { 3 };
        w.pump();
        let up = w.run_until(Duration::from_secs(600), World::is_up);
        assert!(up, "seed {seed}: {}", w.explain());
        w.crash_percent = 0;
        w.link = Link::GOOD;
        w.run_for(Duration::from_secs(120));
        w.check_nonces();
        w.check_no_divergence();
        assert!(!fragments(&w, Side::A).is_empty());
    }
}

#[test]
fn a_repeated_request_is_answered_once_for_its_first_fragment() {
    let mut w = long(4);
    w.establish();
    let request = fragments(&w, Side::A);
    let answers = fragments(&w, Side::B).len();
    let (_, _, second) = &request[1];
    w.inject(Side::B, address(1), address(2), second);
    assert_eq!(fragments(&w, Side::B).len(), answers);
    assert_eq!(w.b.endpoint.stats().discarded(Discard::FragmentRepeated), 1);
    let (_, _, first) = &request[0];
    w.inject(Side::B, address(1), address(2), first);
    let all = fragments(&w, Side::B);
    assert_eq!(all.len(), answers + 2);
    assert_eq!(all[answers..], all[..2], "bit by bit");
}

/// A fragment of A's next request under the keys of its IKE SA.
fn from_a(w: &World, place: (u16, u16), piece: &[u8], iv: u8) -> Vec<u8> {
    let up = &w.a.up()[0];
    let (cipher, _) = w.a.endpoint.test_ciphers(up.spi_i).unwrap();
    let header = Header {
        spi_i: up.spi_i,
        spi_r: up.spi_r,
        exchange: crate::msg::ExchangeType::Informational,
        initiator: true,
        response: false,
        message_id: 2,
    };
    skf::seal(&header, 0, place, piece, &cipher, &[iv; 8]).unwrap()
}

#[test]
fn hostile_fragments_are_refused_and_harm_nothing() {
    let mut w = world(4);
    w.establish();
    let refused = |w: &World, why| w.b.endpoint.stats().discarded(why);
    let (from, to) = (address(1), address(2));
    // Forged: any octet of a genuine one changed.
    let genuine = from_a(&w, (1, 2), b"piece", 1);
    for at in 28..genuine.len() {
        let mut forged = genuine.clone();
        forged[at] ^= 1;
        w.inject(Side::B, from, to, &forged);
    }
    assert_eq!(w.b.count(Count::Joined), 0);
    // Beyond the bounds, and the same again.
    let many = from_a(&w, (1, MAX_FRAGMENTS + 1), b"piece", 2);
    w.inject(Side::B, from, to, &many);
    assert_eq!(refused(&w, Discard::FragmentRefused), 1);
    w.inject(Side::B, from, to, &genuine);
    w.inject(Side::B, from, to, &genuine);
    assert_eq!(refused(&w, Discard::FragmentRepeated), 1);
    // An authentic message that makes no sense once joined is answered as every such message.
    let rest = from_a(&w, (2, 2), b"more", 3);
    w.inject(Side::B, from, to, &rest);
    assert_eq!(w.b.count(Count::Joined), 1);
}

#[test]
fn fragments_are_refused_unless_both_ends_know_them() {
    let mut w = world(5);
    // A's first message loses the notification on its way, so B neither hears nor says it.
    w.filter = Some(Box::new(|side, m| {
        side == Side::A && m.header.exchange == crate::msg::ExchangeType::IkeSaInit
    }));
    w.run_for(Duration::from_millis(500));
    w.filter = None;
    let (_, first) = w.transcript[0].clone();
    let mut message = Message::parse(&first).unwrap();
    message.payloads.retain(|p| {
        !matches!(p, Payload::Notify(n) if n.kind == crate::msg::notify::kind::FRAGMENTATION_SUPPORTED)
    });
    let before = w.transcript.len();
    w.inject(Side::B, address(1), address(2), &message.emit());
    let (_, answer) = &w.transcript[before];
    let answer = Message::parse(answer).unwrap();
    let says = |p: &Payload| matches!(p, Payload::Notify(n) if n.kind == crate::msg::notify::kind::FRAGMENTATION_SUPPORTED);
    assert!(!answer.payloads.iter().any(says));
    let header = Header {
        exchange: crate::msg::ExchangeType::IkeAuth,
        response: false,
        initiator: true,
        message_id: 1,
        ..answer.header
    };
    let cipher = ravelin_crypto::SkCipher::new(GCM256, None, &[7; 36], &[]).unwrap();
    let fragment = skf::seal(&header, 35, (1, 2), b"x", &cipher, &[0; 8]).unwrap();
    w.inject(Side::B, address(1), address(2), &fragment);
    assert_eq!(w.b.endpoint.stats().discarded(Discard::Fragment), 1);
}
