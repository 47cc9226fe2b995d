use super::*;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, Icmpv6Repr, Ipv4Packet, Ipv6Packet};

fn original(v6: bool, payload: usize, protocol: u8) -> Vec<u8> {
    let mut packet = vec![0u8; if v6 { 40 } else { 20 } + payload];
    let (source, destination) = if v6 {
        ("2001:db8::1", "2001:db8::2")
    } else {
        ("10.0.0.1", "10.0.0.2")
    };
    let fields = IpFields {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        protocol,
        ttl: 1,
        traffic_class: 0,
        dont_fragment: true,
        id: 0,
        payload_octets: payload as u16,
    };
    ip::emit(&mut packet, &fields).unwrap();
    packet
}

#[test]
fn smoltcp_reads_our_v4_errors() {
    let packet = original(false, 1400, protocol::UDP);
    let meta = ip::parse(&packet).unwrap();
    let mut out = [0u8; MAX_OCTETS];
    let n = emit(
        &mut out,
        IcmpError::TooBig { mtu_octets: 1300 },
        "10.0.0.9".parse().unwrap(),
        &meta,
        &packet,
    )
    .unwrap();
    assert_eq!(n, MAX_V4_OCTETS);
    let outer = Ipv4Packet::new_checked(&out[..n]).unwrap();
    assert!(outer.verify_checksum());
    let icmp = Icmpv4Packet::new_checked(outer.payload()).unwrap();
    assert!(icmp.verify_checksum());
    assert_eq!(&icmp.into_inner()[4..8], &1300u32.to_be_bytes());
    let n = emit(
        &mut out,
        IcmpError::TimeExceeded,
        "10.0.0.9".parse().unwrap(),
        &meta,
        &packet,
    )
    .unwrap();
    let outer = Ipv4Packet::new_checked(&out[..n]).unwrap();
    let icmp = Icmpv4Packet::new_checked(outer.payload()).unwrap();
    assert!(icmp.verify_checksum());
    assert_eq!((u8::from(icmp.msg_type()), icmp.msg_code()), (11, 0));
    let n = emit(
        &mut out,
        IcmpError::NoRoute,
        "10.0.0.9".parse().unwrap(),
        &meta,
        &packet,
    )
    .unwrap();
    let outer = Ipv4Packet::new_checked(&out[..n]).unwrap();
    let icmp = Icmpv4Packet::new_checked(outer.payload()).unwrap();
    assert!(matches!(
        Icmpv4Repr::parse(&icmp, &ChecksumCapabilities::default()),
        Ok(Icmpv4Repr::DstUnreachable { .. }) | Err(_)
    ));
}

#[test]
fn smoltcp_reads_our_v6_errors() {
    let packet = original(true, 1400, protocol::UDP);
    let meta = ip::parse(&packet).unwrap();
    let mut out = [0u8; MAX_OCTETS];
    let source: std::net::Ipv6Addr = "2001:db8::9".parse().unwrap();
    let n = emit(
        &mut out,
        IcmpError::TooBig { mtu_octets: 1300 },
        source.into(),
        &meta,
        &packet,
    )
    .unwrap();
    assert_eq!(n, 1280);
    let outer = Ipv6Packet::new_checked(&out[..n]).unwrap();
    let icmp = Icmpv6Packet::new_checked(outer.payload()).unwrap();
    let repr = Icmpv6Repr::parse(
        &outer.src_addr(),
        &outer.dst_addr(),
        &icmp,
        &ChecksumCapabilities::default(),
    )
    .unwrap();
    assert!(matches!(repr, Icmpv6Repr::PktTooBig { mtu: 1300, .. }));
}

#[test]
fn no_error_about_errors_groups_or_later_fragments() {
    let mut packet = original(false, 64, protocol::ICMP);
    packet[20] = 3;
    let meta = ip::parse(&packet).unwrap();
    assert!(!may_answer(&meta, &packet));
    packet[20] = 8;
    assert!(may_answer(&meta, &packet));
    let mut group = meta;
    group.destination = "224.0.0.1".parse().unwrap();
    assert!(!may_answer(&group, &packet));
    let mut nobody = meta;
    nobody.source = "0.0.0.0".parse().unwrap();
    assert!(!may_answer(&nobody, &packet));
    let packet = original(true, 64, protocol::ICMPV6);
    assert!(!may_answer(&ip::parse(&packet).unwrap(), &packet));
}
