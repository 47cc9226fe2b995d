//! No packet costs an allocation: whatever comes, the workers live on the memory that they took at their start.
//!
//! Two gateways of two workers each, back to back, with [`node::SAS`] child SAs of the algorithms that matter, packets of both families
//! in random order and of every size class: those that cross, those that are cut before or after encryption and joined at the other
//! side, and those that end on the way: answered by ICMP, refused, replayed, forged, cut off, without their other fragments, for the
//! host itself. Only what the workers' threads do is counted: the control thread and the test may allocate.
#![deny(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "allocations/counter.rs"]
#[expect(unsafe_code, reason = "an allocator is an unsafe trait")]
mod counter;
#[path = "../../appliance/dataplane/tests/harness/mod.rs"]
mod harness;
#[path = "allocations/node.rs"]
mod node;
#[path = "../perf/stages/platform.rs"]
#[allow(dead_code, reason = "the cipher that does nothing is the bench's")]
mod platform;

use harness::{TRUST, UNTRUST, fragments, frame, host, mac, outer, packet, udp};
use node::{Node, SAS, inner};
use platform::Buf;
use ravelin_dataplane::{BURST, DropReason};
use std::collections::BTreeMap;

#[global_allocator]
static ALLOCATOR: counter::Counting = counter::Counting;

/// Bursts that are sent until every vector has its size, and afterwards.
const WARM_UP: usize = 300;
const BURSTS: usize = 1_600;
/// Buffers there are from the start.
const BUFFERS: usize = 16_384;
/// Of the VLAN tag on the inner links.
const VLAN: u16 = 100;
/// Octets of UDP payloads: SECGW-IMIX, and two that the outer link cannot take in one piece.
const PAYLOADS: [usize; 8] = [18, 82, 82, 210, 466, 978, 1_232, 1_372];
/// Identifications of fragments that stay alone differ.
const ALONE_OCTETS: usize = 64;

struct Dice(u64);

impl Dice {
    /// Marsaglia's xorshift64.
    fn throw(&mut self, sides: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as u32 % sides
    }
}

/// A frame on the inner link of gateway 1.
fn clear(dice: &mut Dice) -> Vec<u8> {
    let (sa, v6) = (1 + dice.throw(SAS), dice.throw(2) == 0);
    let (from, to) = (inner(1, sa, v6), inner(2, sa, v6));
    let body = vec![7; PAYLOADS[dice.throw(PAYLOADS.len() as u32) as usize]];
    let ip = match dice.throw(40) {
        0 => packet(from, to, 1, false, (7, 8), &body),
        1 => packet(from, to, 64, true, (7, 8), &[7; 1_400]),
        // No child SA has it.
        2 => udp(from, host(2, v6), (7, 8), &body),
        3 => udp(
            from,
            harness::addr(if v6 { "2001:db8:1::1" } else { "10.1.0.1" }),
            (7, 7),
            &body,
        ),
        4 => udp(
            from,
            harness::addr(if v6 { "2001:db8:77::1" } else { "203.0.113.1" }),
            (7, 7),
            &body,
        ),
        // Nobody there: it waits for an answer.
        5 => udp(
            inner(1, sa, false),
            harness::addr(&format!("192.0.2.{}", 100 + dice.throw(150))),
            (7, 7),
            &body,
        ),
        6 => packet(from, to, 64, false, (7, 8), &body)[..24].to_vec(),
        _ => udp(from, to, (7, 8), &body),
    };
    frame(mac(11), mac(21), VLAN, &ip)
}

/// What an attacker on the outer link makes of a packet of gateway 1, in addition to it.
fn hostile(dice: &mut Dice, seen: &[u8], number: u32) -> Option<Vec<u8>> {
    let mut copy = seen.to_vec();
    match dice.throw(30) {
        0 => {}
        1 => *copy.last_mut()? ^= 1,
        // Another SPI; a fragment has it at its own place, or none.
        2 => *copy.get_mut(14 + 20)? ^= 0x40,
        3 => copy.truncate(14 + 20 + 10),
        4 => {
            let whole = udp(outer(1, false), outer(2, false), (500, 500), &[0; 600]);
            let mut alone = fragments(&whole, ALONE_OCTETS).remove(1 + dice.throw(5) as usize);
            alone[4..6].copy_from_slice(&(number as u16).to_be_bytes());
            harness::refresh(&mut alone);
            copy = frame(mac(2), mac(1), 0, &alone);
        }
        5 => {
            copy = frame(
                mac(2),
                mac(1),
                0,
                &udp(outer(1, false), outer(2, false), (500, 500), &[1; 64]),
            )
        }
        _ => return None,
    }
    Some(copy)
}

/// Sends a burst from inside gateway 1 to inside gateway 2, and returns how many packets went in and how many came out.
fn burst(dice: &mut Dice, a: &mut Node, b: &mut Node, number: u32) -> (usize, usize) {
    let frames: Vec<_> = (0..BURST).map(|_| clear(dice)).collect();
    let [mut esp, _errors] = a.pass(TRUST, frames.iter().map(Vec::as_slice));
    let added: Vec<_> = (esp.iter().enumerate())
        .filter_map(|(index, seen)| hostile(dice, seen, number * 256 + index as u32))
        .collect();
    esp.extend(added);
    // Fragments overtake each other.
    for index in (1..esp.len()).rev().step_by(5) {
        esp.swap(index, index - 1);
    }
    let mut out = 0;
    for part in esp.chunks(BURST) {
        let [came, _] = b.pass(UNTRUST, part.iter().map(Vec::as_slice));
        out += came.len();
    }
    (frames.len() + esp.len(), out)
}

#[test]
fn no_packet_costs_an_allocation() {
    drop((0..BUFFERS).map(|_| Buf::new()).collect::<Vec<_>>());
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let mut dice = Dice(0x5eed);
    let (mut sent, mut came) = (0, 0);
    for number in 0..WARM_UP + BURSTS {
        if number == WARM_UP {
            (a.requests, b.requests) = (0, 0);
            (sent, came) = (0, 0);
            counter::tell();
        }
        let (went, out) = burst(&mut dice, &mut a, &mut b, number as u32);
        (sent, came) = (sent + went, came + out);
        // Fragments that stay alone time out, so that there are new ones.
        if number % 200 == 199 {
            a.wait_s(60);
            b.wait_s(60);
        }
    }
    let drops: BTreeMap<_, _> = [&a, &b]
        .iter()
        .flat_map(|node| node.controller.drops())
        .map(|(reason, count)| (format!("{reason:?}"), count))
        .collect();
    println!("{sent} packets in, {came} out, drops {drops:?}");
    // Without these it would not have been seen.
    for reason in [
        DropReason::TtlExceeded,
        DropReason::TooBig,
        DropReason::NoSa,
        DropReason::NoRoute,
        DropReason::Truncated,
        DropReason::NeighbourUnresolved,
        DropReason::ReplayDuplicate,
        DropReason::AuthFailed,
        DropReason::ReassemblyTimeout,
    ] {
        let reason = format!("{reason:?}");
        assert!(drops.contains_key(&reason), "no {reason}: {drops:?}");
    }
    assert!(sent > 100_000 && came > 80_000, "{sent} in, {came} out");
    assert_eq!(
        (a.requests, b.requests),
        (0, 0),
        "see above where they came from"
    );
}

#[test]
fn the_counter_counts() {
    let mut vector = Vec::with_capacity(1);
    assert_eq!(counter::requests_of(|| vector.push(1)), 0);
    assert_eq!(counter::requests_of(|| vector.push(2)), 1, "{vector:?}");
}
