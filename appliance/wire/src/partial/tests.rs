use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::ip::IpFields;

const PROTOCOLS: [(u8, usize, usize); 3] = [
    (protocol::TCP, tcp::HEADER_OCTETS, tcp::CHECKSUM_AT),
    (protocol::UDP, UDP_HEADER_OCTETS, UDP_AT),
    (protocol::SCTP, SCTP_HEADER_OCTETS, SCTP_AT),
];

fn addresses(v6: bool) -> (IpAddr, IpAddr) {
    if v6 {
        (
            "2001:db8::1".parse().unwrap(),
            "2001:db8:45::2".parse().unwrap(),
        )
    } else {
        ([192, 0, 2, 1].into(), [10, 45, 0, 2].into())
    }
}

/// A packet whose checksum is left to the NIC, and as it should be: by sums of its own, octet pair by octet pair.
fn packets(v6: bool, which: usize, payload: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (protocol, header_octets, at) = PROTOCOLS[which];
    let (source, destination) = addresses(v6);
    let mut segment = vec![0x11; header_octets];
    segment.extend_from_slice(payload);
    segment[12.min(header_octets - 1)] = 0x50;
    let octets = segment.len();
    let mut packet = vec![0; 40 + octets];
    let fields = IpFields {
        source,
        destination,
        protocol,
        payload_octets: octets as u16,
        ttl: 64,
        traffic_class: 0,
        id: 7,
        dont_fragment: true,
    };
    let start = ip::emit(&mut packet, &fields).unwrap();
    packet.truncate(start + octets);
    let [mut partial, mut whole] = [segment.clone(), segment];
    if protocol == protocol::SCTP {
        partial[at..at + 4].fill(0);
        whole[at..at + 4].fill(0);
        let crc = bitwise_crc(&whole);
        whole[at..at + 4].copy_from_slice(&crc.to_le_bytes());
    } else {
        let pseudo = checksum::pseudo_header(source, destination, protocol, octets as u32);
        whole[at..at + 2].fill(0);
        let right = checksum::finish(checksum::add(pseudo, &whole));
        let right = if right == 0 && protocol == protocol::UDP {
            0xffff
        } else {
            right
        };
        whole[at..at + 2].copy_from_slice(&right.to_be_bytes());
        let left = !checksum::finish(pseudo);
        partial[at..at + 2].copy_from_slice(&left.to_be_bytes());
    }
    let with = |segment: &[u8]| [&packet[..start], segment].concat();
    (with(&partial), with(&whole))
}

fn bitwise_crc(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for octet in data {
        crc ^= u32::from(*octet);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ CASTAGNOLI
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

#[test]
fn the_crc_is_castagnolis() {
    // RFC 3720 appendix B.4.
    assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    let rising: Vec<u8> = (0..32).collect();
    assert_eq!(crc32c(&rising), 0x46dd_794e);
}

proptest! {
    #[test]
    fn what_was_left_out_is_filled_in_and_what_is_right_stays(
        v6: bool,
        which in 0..PROTOCOLS.len(),
        payload in proptest::collection::vec(any::<u8>(), 0..200),
        padding in 0..10_usize,
    ) {
        let (partial, mut whole) = packets(v6, which, &payload);
        prop_assume!(partial != whole);
        let mut packet = partial;
        // Of the link, behind the packet.
        packet.resize(packet.len() + padding, 0xee);
        whole.resize(whole.len() + padding, 0xee);
        prop_assert!(complete(&mut packet));
        prop_assert_eq!(&packet, &whole);
        prop_assert!(!complete(&mut packet));
        prop_assert_eq!(&packet, &whole);
    }

    #[test]
    fn a_wrong_checksum_stays_wrong(
        v6: bool,
        which in 0..PROTOCOLS.len(),
        payload in proptest::collection::vec(any::<u8>(), 1..200),
    ) {
        let (partial, mut whole) = packets(v6, which, &payload);
        *whole.last_mut().unwrap() ^= 1;
        let same_field = partial[..partial.len() - payload.len()] == whole[..whole.len() - payload.len()];
        prop_assume!(!same_field);
        let before = whole.clone();
        prop_assert!(!complete(&mut whole));
        prop_assert_eq!(before, whole);
    }

    #[test]
    fn nothing_that_comes_makes_it_fail(mut packet in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Some(first) = packet.first_mut() {
            *first = if *first & 1 == 0 { 0x45 } else { 0x60 };
        }
        complete(&mut packet);
    }
}

/// A segment whose right checksum is what a sender leaves there, and one whose right checksum of UDP would be zero.
#[test]
fn rare_values_are_told_apart() {
    for (protocol, which) in [(protocol::TCP, 0), (protocol::UDP, 1)] {
        let (_, _, at) = PROTOCOLS[which];
        let (mut partial, _) = packets(false, which, &[0; 8]);
        let last = partial.len() - 2;
        // What the sum of the whole lacks to be right with the field as it is.
        let (source, destination) = addresses(false);
        let octets = partial.len() - 20;
        let pseudo = checksum::pseudo_header(source, destination, protocol, octets as u32);
        let lacks = checksum::finish(checksum::add(pseudo, &partial[20..]));
        partial[last..].copy_from_slice(&lacks.to_be_bytes());
        let before = partial.clone();
        assert!(!complete(&mut partial), "it is right already");
        assert_eq!(before, partial);

        let (mut partial, _) = packets(false, which, &[0; 8]);
        let lacks = checksum::of(&partial[20..]);
        partial[last..].copy_from_slice(&lacks.to_be_bytes());
        assert!(complete(&mut partial));
        let sum = get_u16(&partial, 20 + at);
        let zero = if protocol == protocol::UDP { 0xffff } else { 0 };
        assert_eq!(sum, Some(zero));
    }
}

#[test]
fn no_checksum_and_fragments_stay() {
    let (mut none, _) = packets(false, 1, b"payload");
    none[26..28].fill(0);
    let before = none.clone();
    assert!(!complete(&mut none), "UDP without a checksum");
    assert_eq!(before, none);

    let (mut fragment, _) = packets(false, 1, b"payload.");
    fragment[6] = 0x20;
    fragment[10..12].fill(0);
    let sum = checksum::of(&fragment[..20]);
    fragment[10..12].copy_from_slice(&sum.to_be_bytes());
    let before = fragment.clone();
    assert!(!complete(&mut fragment), "a first fragment");
    assert_eq!(before, fragment);
}
