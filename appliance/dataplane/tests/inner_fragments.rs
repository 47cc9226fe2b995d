//! Fragments inside a tunnel and the selectors (RFC 4301 section 7): a later fragment shows no ports, so that it belongs only to a
//! child SA for all ports. It never follows another way, least of all in clear.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use harness::*;
use ravelin_ctl::sa::SaPair;
use ravelin_dataplane::DropReason;
use ravelin_types::TrafficSelector;
use ravelin_wire::ip;

const UDP: u8 = 17;

/// The pair of gateway `n` for UDP to port 8 of B's host only.
fn one_port(n: u8) -> SaPair {
    let mut pair = pair(n, 1, false, false);
    let only = |selectors: &mut Vec<TrafficSelector>| {
        selectors.retain(|selector| !selector.is_ipv6());
        for selector in selectors {
            selector.protocol = UDP;
            (selector.port_first, selector.port_last) = (8, 8);
        }
    };
    only(if n == 1 {
        &mut pair.remote_ts
    } else {
        &mut pair.local_ts
    });
    pair
}

/// A datagram of A's host to B's in two fragments.
fn fragments() -> [Vec<u8>; 2] {
    let whole = udp(host(1, false), host(2, false), (7, 8), &[3; 1192]);
    let part = |at: usize, octets: usize, more: bool| {
        let mut part = whole[..20].to_vec();
        part.extend_from_slice(&whole[20 + at..20 + at + octets]);
        let total = part.len() as u16;
        part[2..4].copy_from_slice(&total.to_be_bytes());
        let field = (at / 8) as u16 | if more { 0x2000 } else { 0 };
        part[6..8].copy_from_slice(&field.to_be_bytes());
        part[10..12].copy_from_slice(&[0, 0]);
        let sum = ravelin_wire::checksum::of(&part[..20]);
        part[10..12].copy_from_slice(&sum.to_be_bytes());
        part
    };
    [part(0, 600, true), part(600, 600, false)]
}

#[test]
fn all_fragments_cross_a_child_for_all_ports() {
    let mut net = Net::new(false, false);
    for part in fragments() {
        net.a.receive(TRUST, &part);
    }
    assert_eq!(net.cable().len(), 2);
    let got = net.b.sent(TRUST);
    let offsets: Vec<u16> = got
        .iter()
        .map(|part| ip::parse(part).unwrap().fragment.unwrap().offset_octets)
        .collect();
    assert_eq!(offsets, [0, 600]);
    assert!(net.a.drops().is_empty() && net.b.drops().is_empty());
}

#[test]
fn a_later_fragment_enters_no_child_for_some_ports() {
    let mut a = Gateway::new(1);
    a.install(&[one_port(1)]);
    let [first, later] = fragments();
    a.receive(TRUST, &first);
    assert_eq!(a.sent(UNTRUST).len(), 1, "{:?}", a.drops());
    a.receive(TRUST, &later);
    assert!(a.sent(UNTRUST).is_empty(), "neither encrypted nor in clear");
    assert_eq!(a.drops(), vec![(DropReason::NoSa, 1)]);
    // Other ports do not either.
    a.receive(TRUST, &udp(host(1, false), host(2, false), (7, 9), b"x"));
    assert!(a.sent(UNTRUST).is_empty());
    assert_eq!(a.drop_count(DropReason::NoSa), 2);
}

#[test]
fn a_later_fragment_leaves_no_child_for_some_ports() {
    let mut net = Net::new(false, false);
    net.b.controller.remove(
        ravelin_types::PairId(1),
        std::time::Duration::ZERO,
        net.b.now,
    );
    net.b.install(&[one_port(2)]);
    // A sends them all: it believes the child to be for all ports.
    for part in fragments() {
        net.a.receive(TRUST, &part);
    }
    assert_eq!(net.cable().len(), 2);
    let got = net.b.sent(TRUST);
    assert_eq!(got.len(), 1);
    assert!(ip::parse(&got[0]).unwrap().fragment.unwrap().more);
    assert_eq!(net.b.drops(), vec![(DropReason::SelectorMismatch, 1)]);
}
