use super::*;
use proptest::prelude::*;
use smoltcp::wire::{IpProtocol, Ipv4Packet, Ipv4Repr, Ipv6Packet, Ipv6Repr};

fn fields(source: &str, destination: &str) -> IpFields {
    IpFields {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        protocol: protocol::UDP,
        ttl: 64,
        traffic_class: 0xb9,
        dont_fragment: true,
        id: 7,
        payload_octets: 12,
    }
}

#[test]
fn smoltcp_reads_what_we_write() {
    let mut packet = [0u8; 52];
    assert_eq!(emit(&mut packet, &fields("10.0.0.1", "10.0.0.2")), Some(20));
    let repr = Ipv4Repr::parse(
        &Ipv4Packet::new_checked(&packet[..32]).unwrap(),
        &Default::default(),
    )
    .unwrap();
    assert_eq!(repr.next_header, IpProtocol::Udp);
    assert_eq!(repr.payload_len, 12);
    assert_eq!(
        emit(&mut packet, &fields("2001:db8::1", "2001:db8::2")),
        Some(40)
    );
    let repr = Ipv6Repr::parse(&Ipv6Packet::new_checked(&packet[..]).unwrap()).unwrap();
    assert_eq!(repr.hop_limit, 64);
    assert_eq!(emit(&mut packet, &fields("10.0.0.1", "2001:db8::2")), None);
}

#[test]
fn parses_both_families() {
    for (source, destination, header) in [
        ("10.0.0.1", "10.0.0.2", 20),
        ("2001:db8::1", "2001:db8::2", 40),
    ] {
        let mut packet = vec![0u8; header + 12 + 6]; // 6 octets of link padding
        let wanted = fields(source, destination);
        emit(&mut packet, &wanted).unwrap();
        packet[header..header + 4].copy_from_slice(&[0x11, 0x94, 0x01, 0xf4]);
        let meta = parse(&packet).unwrap();
        assert_eq!(meta.source, wanted.source);
        assert_eq!(meta.destination, wanted.destination);
        assert_eq!(
            (meta.source_port, meta.destination_port, meta.has_ports),
            (4500, 500, true)
        );
        assert_eq!(meta.traffic_class, 0xb9);
        assert_eq!(usize::from(meta.total_octets), header + 12);
        assert_eq!(meta.payload(&packet).len(), 12);
        assert!(meta.dont_fragment && meta.fragment.is_none());
        decrement_ttl(&mut packet);
        set_ecn(&mut packet, 3);
        let meta = parse(&packet).unwrap();
        assert_eq!((meta.ttl, meta.traffic_class), (63, 0xbb));
    }
}

#[test]
fn ipv4_refusals() {
    let mut packet = [0u8; 32];
    emit(&mut packet, &fields("10.0.0.1", "10.0.0.2")).unwrap();
    assert_eq!(parse(&packet[..31]), Err(ParseError::Truncated));
    assert_eq!(parse(&packet[..19]), Err(ParseError::Truncated));
    assert_eq!(parse(&[]), Err(ParseError::Truncated));
    let mut bad = packet;
    bad[8] ^= 1;
    assert_eq!(parse(&bad), Err(ParseError::Checksum));
    bad[0] = 0x44;
    assert_eq!(parse(&bad), Err(ParseError::HeaderLength));
    bad[0] = 0x55;
    assert_eq!(parse(&bad), Err(ParseError::Version));
}

#[test]
fn ipv4_fragments() {
    let mut packet = [0u8; 32];
    emit(&mut packet, &fields("10.0.0.1", "10.0.0.2")).unwrap();
    packet[6..8].copy_from_slice(&0x2003u16.to_be_bytes());
    packet[10..12].copy_from_slice(&[0, 0]);
    let sum = checksum::of(&packet[..20]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    let meta = parse(&packet).unwrap();
    let fragment = meta.fragment.unwrap();
    assert_eq!(
        (fragment.id, fragment.offset_octets, fragment.more),
        (7, 24, true)
    );
    assert!(meta.is_later_fragment() && !meta.has_ports);
}

#[test]
fn ipv6_extension_chain() {
    let mut packet = [0u8; 40 + 8 + 8 + 8];
    let mut header = fields("2001:db8::1", "2001:db8::2");
    header.payload_octets = 24;
    header.protocol = 0;
    emit(&mut packet, &header).unwrap();
    packet[40] = 44; // hop-by-hop, then fragment, then UDP
    packet[48] = 17;
    packet[50..52].copy_from_slice(&1u16.to_be_bytes());
    packet[52..56].copy_from_slice(&77u32.to_be_bytes());
    packet[56..60].copy_from_slice(&[0, 5, 0, 6]);
    let meta = parse(&packet).unwrap();
    let fragment = meta.fragment.unwrap();
    assert_eq!(
        (fragment.id, fragment.offset_octets, fragment.more),
        (77, 0, true)
    );
    assert_eq!((fragment.header_at, fragment.next_header_at), (48, 40));
    assert_eq!(
        (meta.protocol, meta.payload_at, meta.source_port),
        (17, 56, 5)
    );
    packet[41] = 200; // hop-by-hop header longer than the packet
    assert_eq!(parse(&packet), Err(ParseError::Truncated));
}

#[test]
fn later_fragments_keep_the_options_that_say_so() {
    let cases: [(&[u8], &[u8]); 5] = [
        // Record route goes, loose source route and security stay (RFC 791 section 3.1).
        (
            &[7, 3, 4, 131, 3, 4, 1, 130, 2, 0, 7, 9],
            &[1, 1, 1, 131, 3, 4, 1, 130, 2, 0, 7, 9],
        ),
        (&[148, 4, 0, 0], &[148, 4, 0, 0]),
        (&[68, 4, 5, 0], &[1, 1, 1, 1]),
        (&[68, 2, 7, 9], &[1, 1, 7, 9]),
        (&[68, 1, 68, 2], &[68, 1, 68, 2]),
    ];
    for (options, wanted) in cases {
        let mut kept = options.to_vec();
        keep_copied_options(&mut kept);
        assert_eq!(kept, wanted, "{options:?}");
    }
}

#[test]
fn endless_extensions_are_refused() {
    let mut packet = [0u8; 40 + 8 * 20];
    let mut header = fields("2001:db8::1", "2001:db8::2");
    header.payload_octets = 160;
    header.protocol = 60;
    emit(&mut packet, &header).unwrap();
    for at in (40..200).step_by(8) {
        packet[at] = 60;
    }
    assert_eq!(parse(&packet), Err(ParseError::Extensions));
}

proptest! {
    #[test]
    fn offsets_stay_inside(mut data in proptest::collection::vec(any::<u8>(), 0..120), six: bool) {
        if let Some(first) = data.first_mut() {
            *first = if six { 0x60 } else { 0x45 };
        }
        if data.len() > 40 && six {
            let length = (data.len() - 40) as u16;
            data[4..6].copy_from_slice(&length.to_be_bytes());
        }
        if let Ok(meta) = parse(&data) {
            prop_assert!(meta.payload_at <= meta.total_octets);
            prop_assert!(usize::from(meta.total_octets) <= data.len());
        }
    }
}
