//! Extended sequence numbers through the whole pipeline: 2^32 is passed in both directions, a restart beyond it resumes beyond it, and
//! what was captured before is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::sync::atomic::{AtomicU64, Ordering};

use harness::*;
use ravelin_ctl::sa::SaPair;
use ravelin_dataplane::DropReason;
use ravelin_types::{Numbers, PairId};

/// So many numbers before the end of 32 bits the pair begins.
const BEFORE: u64 = 5;
const START: u64 = (1 << 32) - BEFORE;
/// Numbers that are granted, far beyond what is sent here.
const GRANTED: Numbers = Numbers {
    outbound: 1 << 33,
    inbound: 1 << 33,
};

/// The pair of gateway `n`, whose record is lost: it resumes at its ceilings.
fn extended(n: u8, epoch: u32) -> SaPair {
    let mut pair = pair(n, 1, false, false);
    pair.epoch = epoch;
    pair.extended_sequence = true;
    pair.ceilings = Numbers {
        outbound: START,
        inbound: START,
    };
    pair
}

fn granted(gateway: &mut Gateway) {
    gateway.controller.grant(PairId(1), GRANTED);
    gateway.run();
}

fn send(from: &mut Gateway, (source, destination): (u8, u8), number: u16) -> Vec<u8> {
    let payload = number.to_be_bytes();
    let packet = udp(
        host(source, false),
        host(destination, false),
        (7, 8),
        &payload,
    );
    from.receive(TRUST, &packet);
    from.sent(UNTRUST).pop().expect("an ESP packet")
}

fn low_half(esp: &[u8]) -> u32 {
    u32::from_be_bytes(esp[24..28].try_into().unwrap())
}

#[test]
fn thirty_two_bits_are_passed_in_both_directions_and_by_a_restart() {
    let (mut a, mut b) = (Gateway::new(1), Gateway::new(2));
    a.install(&[extended(1, 2)]);
    b.install(&[extended(2, 2)]);
    granted(&mut a);
    granted(&mut b);
    let mut captured = Vec::new();
    for number in 0..2 * BEFORE as u16 {
        let down = send(&mut a, (1, 2), number);
        assert_eq!(low_half(&down), (START + 1 + u64::from(number)) as u32);
        b.receive(UNTRUST, &down);
        assert_eq!(b.sent(TRUST).len(), 1, "{:?}", b.drops());
        captured.push(down);
        let up = send(&mut b, (2, 1), number);
        a.receive(UNTRUST, &up);
        assert_eq!(a.sent(TRUST).len(), 1, "{:?}", a.drops());
    }
    for esp in &captured {
        b.receive(UNTRUST, esp);
    }
    assert!(b.sent(TRUST).is_empty());
    // A new planed knows the whole number from the shared words.
    let words = a.controller.shared().cells.iter();
    let words = words.map(|cell| AtomicU64::new(cell.load(Ordering::SeqCst)));
    let mut a = Gateway::with(1, 1, words.collect());
    let mut pair = extended(1, 3);
    pair.ceilings = GRANTED;
    a.install(&[pair]);
    let down = send(&mut a, (1, 2), 99);
    assert!(low_half(&down) > BEFORE as u32);
    b.receive(UNTRUST, &down);
    assert_eq!(b.sent(TRUST).len(), 1, "{:?}", b.drops());
    assert_eq!(b.drop_count(DropReason::AuthFailed), 0);
}
