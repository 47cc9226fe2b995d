use super::*;
use crate::ip;

/// An IPv6 packet with these extension headers, each with its length in units of 8 octets, and 16 octets of protocol 253.
fn v6(chain: &[(u8, u8)]) -> Vec<u8> {
    let mut packet = vec![0; IPV6_HEADER_OCTETS];
    packet[0] = 0x60;
    let kinds = chain.iter().map(|(kind, _)| *kind).chain([253]);
    let mut kinds = kinds.collect::<Vec<_>>().into_iter();
    packet[NEXT_HEADER_V6] = kinds.next().unwrap_or(253);
    for (next, (_, units)) in kinds.zip(chain) {
        let octets = 8 * usize::from(*units);
        packet.extend([next, units - 1]);
        packet.resize(packet.len() + octets - 2, 0);
    }
    packet.extend([0xab; 16]);
    let octets = (packet.len() - IPV6_HEADER_OCTETS) as u16;
    packet[4..6].copy_from_slice(&octets.to_be_bytes());
    packet
}

fn found(front: Option<Front>) -> Option<(usize, usize, u8)> {
    front.map(|front| (front.octets, front.named_at, front.next_header))
}

#[test]
fn headers_of_nodes_on_the_way_stay_in_front() {
    for (chain, wanted) in [
        (&[][..], (40, 6, 253)),
        (&[(0, 1)], (48, 40, 253)),
        (&[(60, 2)], (40, 6, 60)),
        (&[(0, 1), (60, 2)], (48, 40, 60)),
        (&[(0, 1), (43, 3)], (72, 48, 253)),
        (&[(0, 1), (60, 1), (43, 3), (60, 2)], (80, 56, 60)),
    ] {
        let packet = v6(chain);
        assert_eq!(found(before_esp(&packet)), Some(wanted), "{chain:?}");
    }
}

#[test]
fn options_of_ipv4_stay_in_front() {
    for units in 5..=15u8 {
        let mut packet = vec![1; 64];
        packet[0] = 0x40 | units;
        packet[PROTOCOL_V4] = 47;
        let octets = usize::from(units) * 4;
        assert_eq!(found(before_esp(&packet)), Some((octets, 9, 47)));
    }
}

#[test]
fn a_front_ends_where_a_header_ends() {
    let packet = v6(&[(0, 1), (60, 2), (43, 1)]);
    let ends: Vec<_> = (0..=packet.len())
        .filter_map(|octets| found(of_length(&packet, octets)))
        .collect();
    assert_eq!(
        ends,
        [(40, 6, 0), (48, 40, 60), (64, 48, 43), (72, 64, 253)]
    );
    assert_eq!(of_length(&[], 0), None);
}

#[test]
fn a_chain_that_is_cut_short_has_no_more_fronts() {
    let packet = v6(&[(0, 4)]);
    assert_eq!(found(before_esp(&packet[..71])), Some((40, 6, 0)));
    assert_eq!(before_esp(&packet[..39]), None);
    let endless = v6(&[(0, 1); 20]);
    let walked = before_esp(&endless).map(|front| front.octets);
    assert_eq!(walked, Some(40 + 8 * MAX_EXTENSIONS));
}

#[test]
fn a_renamed_packet_parses() {
    let mut packet = v6(&[(0, 1), (60, 1)]);
    packet.extend([0; 9]);
    let front = before_esp(&packet).unwrap();
    rename(&mut packet, front, 50);
    let meta = ip::parse(&packet).unwrap();
    assert_eq!((meta.protocol, meta.payload_at), (50, 48));
    assert_eq!(usize::from(meta.total_octets), packet.len());

    let mut packet = vec![1; 77];
    packet[0] = 0x48;
    packet[6..8].copy_from_slice(&[0, 0]);
    let front = before_esp(&packet).unwrap();
    rename(&mut packet, front, 50);
    let meta = ip::parse(&packet).unwrap();
    assert_eq!((meta.protocol, meta.payload_at), (50, 32));
    assert_eq!(usize::from(meta.total_octets), packet.len());
}
