//! The judge must find a repeat of each kind, and nothing else.

use super::*;
use std::net::Ipv4Addr;

const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);

/// An ESP packet in UDP, or native.
fn esp(from: Ipv4Addr, udp: bool, spi: u32, sequence: u32, iv: u64, text: u8) -> Captured {
    let mut payload = Vec::new();
    if udp {
        payload.extend([0x11, 0x94, 0x11, 0x94, 0, 0, 0, 0]);
    }
    payload.extend(spi.to_be_bytes());
    payload.extend(sequence.to_be_bytes());
    payload.extend(iv.to_be_bytes());
    payload.extend([text; 32]);
    let mut frame = vec![0; 12];
    frame.extend([8, 0, 0x45, 0]);
    frame.extend((20 + payload.len() as u16).to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, if udp { 17 } else { 50 }, 0, 0]);
    frame.extend(from.octets());
    frame.extend(PEER.octets());
    frame.extend(payload);
    Captured { time_ns: 0, frame }
}

fn judged(frames: &[Captured]) -> Vec<(Used, bool)> {
    let mut judge = Judge::of(BTreeSet::from([GATEWAY.into()]));
    judge.see(frames);
    judge.repeats().iter().map(|r| (r.used, r.copy)).collect()
}

#[test]
fn numbers_of_different_associations_do_not_meet() {
    let frames = [
        esp(GATEWAY, true, 7, 1, 1, 1),
        esp(GATEWAY, true, 8, 1, 1, 1),
        esp(GATEWAY, false, 9, 1, 1, 1),
        esp(GATEWAY, true, 7, 2, 2, 1),
    ];
    assert_eq!(judged(&frames), []);
}

#[test]
fn each_kind_of_repeat_is_found() {
    for udp in [false, true] {
        let first = esp(GATEWAY, udp, 7, 1, 1, 1);
        let same_iv = esp(GATEWAY, udp, 7, 2, 1, 1);
        assert_eq!(
            judged(&[first.clone(), same_iv]),
            [(Used::Iv(1), false)],
            "an IV"
        );
        let same_number = esp(GATEWAY, udp, 7, 1, 2, 1);
        assert_eq!(
            judged(&[first.clone(), same_number]),
            [(Used::Sequence(1), false)],
            "a number"
        );
        let other_text = esp(GATEWAY, udp, 7, 1, 1, 2);
        let both = [(Used::Iv(1), false), (Used::Sequence(1), false)];
        assert_eq!(judged(&[first.clone(), other_text]), both, "both");
        let copied = [(Used::Iv(1), true), (Used::Sequence(1), true)];
        assert_eq!(judged(&[first.clone(), first]), copied, "the same packet");
    }
}

#[test]
fn peers_and_later_fragments_are_not_judged() {
    let mut fragment = esp(GATEWAY, false, 7, 1, 1, 1);
    fragment.frame[21] = 5;
    let peer = esp(PEER, true, 7, 1, 1, 1);
    assert_eq!(
        judged(&[fragment.clone(), fragment, peer.clone(), peer]),
        []
    );
}

#[test]
fn a_first_fragment_is_the_packet_it_begins() {
    let whole = esp(GATEWAY, false, 7, 1, 1, 1);
    let mut long = whole.clone();
    long.frame.extend([1; 40]);
    long.frame[17] += 40;
    let mut longer = long.clone();
    longer.frame.extend([9; 8]);
    longer.frame[17] += 8;
    assert!(judged(&[long, longer]).iter().all(|(_, copy)| *copy));
}

#[test]
fn interface_addresses_are_found_in_both_syntaxes() {
    let text = "inet { address 192.0.2.1/24; } ike { gateway g { address 203.0.113.9; } }
        set interfaces ge-0/0/0 unit 0 family inet6 address 2001:db8:a::1/64\n";
    let wanted: BTreeSet<IpAddr> = [GATEWAY.into(), "2001:db8:a::1".parse().unwrap()].into();
    assert_eq!(addresses(text), wanted);
}

#[test]
fn a_fault_names_gateway_association_and_number() {
    let mut judge = Judge::of(BTreeSet::from([GATEWAY.into()]));
    judge.see(&[
        esp(GATEWAY, true, 0x1007, 1, 5, 1),
        esp(GATEWAY, true, 0x1007, 2, 5, 1),
    ]);
    assert_eq!(judge.seen(), (2, 1));
    assert_eq!(
        fault(judge.repeats()).unwrap(),
        "1 nonces repeated, first: 192.0.2.1 SPI 0x00001007: explicit IV 0x0000000000000005 was used for two packets"
    );
    assert_eq!(fault(&[]), None);
}
