//! Odd but legal messages are taken, and what is not understood is passed over or refused as RFC 7296 section 2.5 says.

use std::time::Duration;

use ravelin_crypto::SkCipher;

use super::craft::{Craft, child, deliver, last, request, response, sent};
use super::world::Side;
use super::*;
use crate::msg::notify::{Notify, kind};
use crate::msg::opaque::Unknown;
use crate::msg::payload::{emit_chain, number};
use crate::msg::vendor::Vendor;
use crate::msg::{ExchangeType, Header, Message, Payload};
use crate::{Discard, DownReason, Reason};

const CREATE: ExchangeType = ExchangeType::CreateChildSa;
const INFORMATIONAL: ExchangeType = ExchangeType::Informational;
/// The message ID of A's first request after the set-up.
const NEXT: u32 = 2;
/// Minor version, and the flags that are neither Initiator nor Response: V and X.
const MINOR: u8 = 0x0f;
const OTHER_FLAGS: u8 = !0x28;

/// A's IKE_AUTH, held back: its octets, and what they hold.
fn held(seed: u64, change: impl FnOnce(&mut Gateway, &mut Gateway)) -> (World, Vec<Payload>) {
    let (mut a, mut b) = (peer(), gateway());
    change(&mut a, &mut b);
    let mut w = World::new(seed, config(a), config(b));
    w.filter = Some(Box::new(|side, m| side == Side::A && m.sk().is_some()));
    w.pump();
    w.run_for(Duration::from_millis(100));
    w.filter = None;
    let payloads = last(&w, Side::A).1;
    (w, payloads)
}

/// Sets every bit of a chain that is reserved, and the critical ones: the types are all known.
fn set_reserved(first: u8, chain: &mut [u8]) {
    let (mut next, mut at) = (first, 0);
    while next != number::NONE {
        let octets = usize::from(u16::from_be_bytes([chain[at + 2], chain[at + 3]]));
        chain[at + 1] = 0xff;
        let body = at + 4;
        match next {
            number::SA => {
                // The proposal, and its first transform behind an SPI.
                let transform = body + 8 + usize::from(chain[body + 6]);
                for reserved in [body + 1, transform + 1, transform + 5] {
                    chain[reserved] = 0xff;
                }
            }
            number::KE => chain[body + 2..body + 4].fill(0xff),
            // Those of an identity are part of what AUTH covers.
            number::AUTH | number::TS_I | number::TS_R => {
                chain[body + 1..body + 4].fill(0xff);
            }
            _ => {}
        }
        next = chain[at];
        at += octets;
    }
}

/// Like [`Craft::seal`], with every reserved bit set, another minor version, and as much padding as there can be.
fn seal_odd(craft: &Craft, w: &World, payloads: &[Payload]) -> Vec<u8> {
    let header: Header = craft.header(w);
    let (cipher, _): (SkCipher, SkCipher) = w.a.endpoint.test_ciphers(header.spi_i).unwrap();
    let (first, mut plain) = emit_chain(payloads);
    set_reserved(first, &mut plain);
    let most = 255 - (plain.len() + 256) % cipher.block_len();
    plain.extend(vec![0x5a; most]);
    plain.push(u8::try_from(most).unwrap());
    let iv = vec![0xbb; cipher.iv_len()];
    let octets = 4 + iv.len() + plain.len() + cipher.icv_len();
    let mut out = header.emit(number::SK, octets);
    out[17] |= MINOR;
    out[19] |= OTHER_FLAGS;
    out.extend([first, 0xff]);
    out.extend(u16::try_from(octets).unwrap().to_be_bytes());
    let sealed = cipher.seal(&iv, &out, &plain).unwrap();
    [out, iv, sealed].concat()
}

#[test]
fn reserved_bits_minor_versions_and_padding_do_not_matter() {
    for (seed, proposal) in [(1, ike_proposal(DhGroup::Curve25519)), (2, cbc_proposal())] {
        let (mut w, auth) = held(seed, |a, b| {
            (a.proposals, b.proposals) = (vec![proposal], vec![proposal]);
            (a.dpd, b.dpd) = (None, None);
        });
        let odd = seal_odd(&request(ExchangeType::IkeAuth, 1), &w, &auth);
        deliver(&mut w, Side::A, &odd);
        w.run_for(Duration::from_millis(100));
        w.check_agreement();
        let rekeyed = w.b.plane.values().next().unwrap().install.outbound.spi;
        let selectors = ([ts("172.16.1.0/24")], [ts("10.0.0.0/8")]);
        let payloads = child((&selectors.0, &selectors.1), &[], Some(rekeyed));
        let odd = seal_odd(&request(CREATE, NEXT), &w, &payloads);
        deliver(&mut w, Side::A, &odd);
        assert_eq!(w.b.plane.len(), 2, "{}", w.explain());
        let odd = seal_odd(&request(INFORMATIONAL, NEXT + 1), &w, &[]);
        deliver(&mut w, Side::A, &odd);
        let (header, answer) = last(&w, Side::B);
        assert_eq!((header.message_id, answer), (NEXT + 1, vec![]));
        let (_, octets) = w.transcript.last().unwrap();
        assert_eq!((octets[17], octets[19]), (0x20, 0x20));
    }
    let mut w = world(3);
    w.filter = Some(Box::new(|_, _| true));
    w.run_for(Duration::from_millis(1));
    let (_, mut first) = w.transcript[0].clone();
    let next = first[16];
    set_reserved(next, &mut first[28..]);
    first[17] |= MINOR;
    first[19] |= OTHER_FLAGS;
    deliver(&mut w, Side::A, &first);
    assert!(matches!(last(&w, Side::B).1[0], Payload::Sa(_)));
}

#[test]
fn payloads_come_in_any_order() {
    let (mut w, mut auth) = held(4, |_, _| ());
    auth.reverse();
    request(ExchangeType::IkeAuth, 1).deliver(&mut w, &auth);
    w.run_for(Duration::from_millis(100));
    w.check_agreement();
    let selectors = ([ts("172.16.1.0/24")], [ts("10.0.0.0/8")]);
    let mut payloads = child((&selectors.0, &selectors.1), &[], None);
    payloads.reverse();
    request(CREATE, NEXT).deliver(&mut w, &payloads);
    assert_eq!(w.b.plane.len(), 2);
    let mut w = world(5);
    w.filter = Some(Box::new(|_, _| true));
    w.run_for(Duration::from_millis(1));
    let mut first = Message::parse(&w.transcript[0].1).unwrap();
    first.payloads.reverse();
    deliver(&mut w, Side::A, &first.emit());
    assert_eq!(w.b.endpoint.half_open(), 1);
}

fn unknown(critical: bool) -> Payload {
    Payload::Unknown(Unknown {
        kind: 99,
        critical,
        data: vec![1, 2, 3],
    })
}

/// What nobody knows, and a protocol where there is no SPI.
fn strange() -> Vec<Payload> {
    let notify = |kind| {
        Payload::Notify(Notify {
            protocol: 77,
            ..Notify::new(kind, &[9; 9])
        })
    };
    let vendor = Payload::Vendor(Vendor(b"somebody".to_vec()));
    vec![unknown(false), notify(9_000), notify(50_000), vendor]
}

#[test]
fn unknown_payloads_notifications_and_vendors_are_passed_over() {
    let (mut w, mut auth) = held(6, |_, _| ());
    auth.extend(strange());
    request(ExchangeType::IkeAuth, 1).deliver(&mut w, &auth);
    w.run_for(Duration::from_millis(100));
    w.check_agreement();
    request(INFORMATIONAL, NEXT).deliver(&mut w, &strange());
    let (header, answer) = last(&w, Side::B);
    assert_eq!((header.message_id, answer), (NEXT, vec![]));
    assert!(w.b.failures.is_empty(), "{}", w.explain());
}

/// A's rekey of its child, on its way.
fn rekeying(seed: u64) -> World {
    let mut w = world(seed);
    w.establish();
    w.filter = Some(Box::new(|side, _| side == Side::A));
    let (now, old) = (w.now, *w.a.plane.keys().next().unwrap());
    assert!(w.a.endpoint.rekey_child(old, now));
    w.pump();
    w
}

#[test]
fn an_unknown_error_in_a_response_fails_its_request_alone() {
    let mut w = rekeying(7);
    let refused = Payload::Notify(Notify::new(9_000, &[]));
    response(CREATE, NEXT).deliver(&mut w, &[refused]);
    let reason = &w.a.failures[0].reason;
    assert!(matches!(reason, Reason::Refused { number: 9_000, .. }));
    assert_eq!((w.a.up().len(), w.a.plane.len()), (1, 1));
}

#[test]
fn unknown_critical_payloads_in_responses_are_rejected() {
    let mut w = rekeying(8);
    response(CREATE, NEXT).deliver(&mut w, &[unknown(true)]);
    assert_eq!(w.a.failures[0].reason, Reason::Critical(99));
    assert_eq!(w.a.downs(), [DownReason::Protocol]);
    // Anybody can have sent the first response: the true one still counts.
    let mut w = world(9);
    w.filter = Some(Box::new(|side, _| side == Side::B));
    w.pump();
    w.run_for(Duration::from_millis(15));
    let (_, answer) = w.transcript.last().cloned().unwrap();
    let mut forged = Message::parse(&answer).unwrap();
    forged.payloads.push(unknown(true));
    w.filter = None;
    deliver(&mut w, Side::B, &forged.emit());
    assert_eq!(w.a.endpoint.stats().discarded(Discard::Malformed), 1);
    deliver(&mut w, Side::B, &answer);
    assert!(w.run_until(Duration::from_millis(500), World::is_up));
}

#[test]
fn an_unknown_critical_payload_in_the_first_message_is_named() {
    let mut w = world(10);
    w.filter = Some(Box::new(|_, _| true));
    w.run_for(Duration::from_millis(1));
    let mut first = Message::parse(&w.transcript[0].1).unwrap();
    first.payloads.push(unknown(true));
    deliver(&mut w, Side::A, &first.emit());
    let wanted = Notify::new(kind::UNSUPPORTED_CRITICAL_PAYLOAD, &[99]);
    assert_eq!(last(&w, Side::B).1, [Payload::Notify(wanted)]);
    assert_eq!(w.b.endpoint.half_open(), 0);
}

#[test]
fn a_malformed_request_is_answered_by_invalid_syntax_alone() {
    let mut w = world(11);
    w.establish();
    // A child SA without nonce and selectors.
    let payloads: Vec<_> = child((&[], &[]), &[], None).into_iter().take(1).collect();
    request(CREATE, NEXT).deliver(&mut w, &payloads);
    let wanted = Notify::new(kind::INVALID_SYNTAX, &[]);
    assert_eq!(last(&w, Side::B).1, [Payload::Notify(wanted)]);
}

#[test]
fn a_later_major_version_is_dropped_and_told_ours() {
    let mut w = world(12);
    w.establish();
    let mut later = request(INFORMATIONAL, NEXT).seal(&w, &[]);
    later[17] = 0x31;
    let before = sent(&w, Side::B);
    deliver(&mut w, Side::A, &later);
    let (_, answer) = w.transcript.last().unwrap();
    assert_eq!(answer[17], 0x20);
    let message = Message::parse(answer).unwrap();
    let wanted = Notify::new(kind::INVALID_MAJOR_VERSION, &[]);
    assert_eq!(message.payloads, [Payload::Notify(wanted)]);
    assert_eq!(message.header.message_id, NEXT);
    assert_eq!(sent(&w, Side::B), before + 1);
    // Neither a response nor version 1 gets an answer.
    later[19] |= 0x20;
    deliver(&mut w, Side::A, &later);
    (later[17], later[19]) = (0x10, 0x08);
    deliver(&mut w, Side::A, &later);
    assert_eq!(sent(&w, Side::B), before + 1);
    w.run_for(Duration::from_secs(30));
    w.check_agreement();
}

#[test]
fn a_complaint_about_an_spi_is_neither_answered_nor_believed() {
    let mut w = world(13);
    w.establish();
    let before = sent(&w, Side::B);
    let mut header = request(INFORMATIONAL, 0).header(&w);
    for known in [true, false] {
        let invalid = Notify::new(kind::INVALID_SPI, &[1, 2, 3, 4]);
        let payloads = vec![Payload::Notify(invalid)];
        deliver(&mut w, Side::A, &Message { header, payloads }.emit());
        assert_eq!(sent(&w, Side::B), before, "{known}");
        (header.spi_i, header.spi_r) = (0, 0);
    }
    w.run_for(Duration::from_secs(30));
    w.check_agreement();
}
