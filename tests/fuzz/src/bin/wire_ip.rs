//! Fuzzes the IP header parser and what is done with its result: every offset stays inside the packet, header rewrites keep
//! the packet parseable, an ICMP error about it is itself a valid packet, and clamping a SYN keeps its checksum.
//!
//! An IPv4 packet is tried as it is and with its header checksum repaired, or the checksum would hide the rest.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;
use ravelin_wire::{checksum, icmp, ip, tcp};

fuzz_target!(|data: &[u8]| {
    check(data);
    let mut repaired = data.to_vec();
    if repair_checksum(&mut repaired) {
        check(&repaired);
    }
});

fn repair_checksum(packet: &mut [u8]) -> bool {
    let header_octets = match packet.first() {
        Some(first) if first >> 4 == 4 => usize::from(first & 0x0f) * 4,
        _ => return false,
    };
    if header_octets < ip::IPV4_HEADER_OCTETS || packet.len() < header_octets {
        return false;
    }
    packet[10..12].fill(0);
    let sum = checksum::of(&packet[..header_octets]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    true
}

fn check(data: &[u8]) {
    let Ok(meta) = ip::parse(data) else { return };
    let total = usize::from(meta.total_octets);
    assert!(total <= data.len());
    assert!(usize::from(meta.payload_at) <= total);
    assert_eq!(
        meta.payload(data).len(),
        total - usize::from(meta.payload_at)
    );
    assert_eq!(meta.source.is_ipv6(), meta.destination.is_ipv6());

    let mut rewritten = data.to_vec();
    if meta.ttl > 1 {
        ip::decrement_ttl(&mut rewritten);
    }
    ip::set_ecn(&mut rewritten, 3);
    let again = ip::parse(&rewritten).map(|m| (m.payload_at, m.total_octets, m.source));
    assert_eq!(again, Ok((meta.payload_at, meta.total_octets, meta.source)));

    clamp(&mut rewritten, &meta);

    let gateway = match meta.source {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    let mut out = [0; icmp::MAX_OCTETS];
    for error in [
        icmp::IcmpError::TimeExceeded,
        icmp::IcmpError::TooBig { mtu_octets: 1400 },
    ] {
        if let Some(octets) = icmp::emit(&mut out, error, gateway, &meta, data) {
            let answer = ip::parse(&out[..octets]).map(|m| (m.total_octets, m.destination));
            assert_eq!(answer, Ok((octets as u16, meta.source)));
        }
    }
}

/// The size that a SYN announces is lowered without touching anything else: the sum over the segment stays.
fn clamp(packet: &mut [u8], meta: &ip::IpMeta) {
    let segment = &mut packet[usize::from(meta.payload_at)..usize::from(meta.total_octets)];
    if meta.protocol == ip::protocol::TCP && tcp::is_syn(segment) {
        let before = checksum::of(segment);
        tcp::clamp_mss(segment, 1200);
        assert_eq!(checksum::of(segment), before);
        assert!(!tcp::clamp_mss(segment, 1200));
    }
}
