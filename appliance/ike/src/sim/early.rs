//! Several requests of the peer at once (RFC 7296 section 2.3).

use std::time::Duration;

use super::craft::{child, deliver, request, sent};
use super::world::Side;
use super::*;
use crate::Discard;
use crate::msg::ke::Ke;
use crate::msg::notify::kind;
use crate::msg::{ExchangeType, Message, Payload};

const CREATE: ExchangeType = ExchangeType::CreateChildSa;
const INFORMATIONAL: ExchangeType = ExchangeType::Informational;
/// The message ID of A's first request after the set-up.
const NEXT: u32 = 2;

/// The default pair without probes, set up; the gateway takes so many requests at once.
fn wide(seed: u64, request_window: u8, change: impl FnOnce(&mut Gateway)) -> World {
    let (mut a, mut b) = (peer(), gateway());
    (a.dpd, b.dpd) = (None, None);
    b.request_window = request_window;
    change(&mut b);
    let mut w = World::new(seed, config(a), config(b));
    w.establish();
    w
}

/// The IKE SAs, by the initiator's SPI, of which B has told A its window, and how wide that is.
fn told(w: &World) -> Vec<(u64, Vec<u8>)> {
    let of_b = w.transcript.iter().filter(|(side, _)| *side == Side::B);
    let mut told = Vec::new();
    for (_, data) in of_b {
        let message = Message::parse(data).unwrap();
        let h = &message.header;
        let (Some(sk), Some((from_i, from_r))) = (message.sk(), w.a.endpoint.test_ciphers(h.spi_i))
        else {
            continue;
        };
        let cipher = if h.initiator { from_i } else { from_r };
        for payload in sk.open(data, &cipher).unwrap_or_default() {
            match payload {
                Payload::Notify(n) if n.kind == kind::SET_WINDOW_SIZE => {
                    told.push((h.spi_i, n.data));
                }
                _ => {}
            }
        }
    }
    told
}

#[test]
fn they_are_answered_in_the_order_of_their_ids() {
    let mut w = wide(1, 3, |_| ());
    assert_eq!(told(&w).len(), 1);
    assert_eq!(told(&w)[0].1, [0, 0, 0, 3]);
    let before = sent(&w, Side::B);
    let requests: Vec<_> = (NEXT..NEXT + 4)
        .map(|id| request(INFORMATIONAL, id).seal(&w, &[]))
        .collect();
    // The third before its turn, and once more; the fourth is beyond the window.
    for early in [2, 1, 2, 3] {
        deliver(&mut w, Side::A, &requests[early]);
    }
    assert_eq!(sent(&w, Side::B), before);
    let discarded = |w: &World, why| w.b.endpoint.stats().discarded(why);
    assert_eq!(discarded(&w, Discard::OutsideWindow), 1);
    assert_eq!(discarded(&w, Discard::BeingAnswered), 1);
    deliver(&mut w, Side::A, &requests[0]);
    let answers: Vec<_> = (w.transcript.iter())
        .filter(|(side, _)| *side == Side::B)
        .skip(before)
        .map(|(_, data)| Message::parse(data).unwrap().header.message_id)
        .collect();
    assert_eq!(answers, [NEXT, NEXT + 1, NEXT + 2]);
}

#[test]
fn answers_of_the_whole_window_are_repeated_also_after_a_crash_and_what_waited_comes_again() {
    let mut w = wide(2, 3, |_| ());
    let requests: Vec<_> = (NEXT..NEXT + 6)
        .map(|id| request(INFORMATIONAL, id).seal(&w, &[]))
        .collect();
    for answered in &requests[..4] {
        deliver(&mut w, Side::A, answered);
    }
    deliver(&mut w, Side::A, &requests[5]);
    w.crash(Side::B);
    let before = sent(&w, Side::B);
    for repeated in &requests[1..4] {
        deliver(&mut w, Side::A, repeated);
    }
    assert_eq!(sent(&w, Side::B), before + 3);
    // The first is as old as the window is wide; the one that waited is forgotten.
    deliver(&mut w, Side::A, &requests[0]);
    deliver(&mut w, Side::A, &requests[4]);
    assert_eq!(sent(&w, Side::B), before + 4);
    deliver(&mut w, Side::A, &requests[5]);
    assert_eq!(sent(&w, Side::B), before + 5);
}

#[test]
fn one_that_came_early_waits_for_the_key_exchange_of_the_one_before() {
    let mut w = wide(3, 2, |b| b.vpns[0].pfs = Some(DhGroup::Curve25519));
    w.b.hold = true;
    let before = sent(&w, Side::B);
    let (remote, local) = ([ts("172.16.1.0/24")], [ts("10.0.0.0/8")]);
    let mut payloads = child((&remote, &local), &[31], None);
    payloads.push(Payload::Ke(Ke {
        group: 31,
        public: vec![9; 32],
    }));
    request(CREATE, NEXT).deliver(&mut w, &payloads);
    request(INFORMATIONAL, NEXT + 1).deliver(&mut w, &[]);
    assert_eq!((sent(&w, Side::B), w.b.held.len()), (before, 1));
    w.b.hold = false;
    let now = w.now;
    w.b.work(now);
    w.pump();
    assert_eq!(sent(&w, Side::B), before + 2);
}

#[test]
fn the_window_of_an_ike_sa_that_a_rekey_made_is_told_again() {
    for side in [Side::A, Side::B] {
        let mut w = wide(4, 4, |_| ());
        let (now, old) = (w.now, w.node(side).up().remove(0));
        assert!(w.node(side).endpoint.rekey_ike(old.ike, now));
        w.pump();
        w.run_for(Duration::from_secs(5));
        w.check_agreement();
        let new = w.a.up().remove(0);
        assert_ne!(new.spi_i, old.spi_i);
        assert!(
            told(&w).contains(&(new.spi_i, vec![0, 0, 0, 4])),
            "{side:?}"
        );
    }
}

#[test]
fn what_waits_is_bounded() {
    let mut w = wide(5, 16, |_| ());
    let long = Payload::Notify(crate::msg::notify::Notify::new(40_000, &[1; 3000]));
    for id in NEXT + 1..NEXT + 9 {
        request(INFORMATIONAL, id).deliver(&mut w, std::slice::from_ref(&long));
    }
    // 16 KiB take five.
    let discarded = w.b.endpoint.stats().discarded(Discard::OutsideWindow);
    assert_eq!(discarded, 3);
}
