use super::*;

#[test]
fn a_header_reads_as_it_was_written() {
    for octets in [24, 28, 32, 48] {
        let header = AhHeader {
            next_header: 6,
            octets,
            spi: 0x0102_0304,
            sequence: 0x0506_0708,
        };
        let mut out = vec![9; octets];
        assert!(header.emit(&mut out));
        assert_eq!(out[..4], [6, (octets / 4 - 2) as u8, 0, 0]);
        assert!(out[12..].iter().all(|octet| *octet == 0));
        assert_eq!(AhHeader::parse(&out), Some(header));
        assert!(!header.emit(&mut vec![0; octets - 4]));
        for cut in 0..12 {
            assert_eq!(AhHeader::parse(&out[..cut]), None);
        }
    }
}

#[test]
fn options_of_ipv4_are_cleared_by_their_kind() {
    let mut front = vec![0xff; 20];
    front[0] = 0x4f;
    // Record route, no operation, security, router alert, timestamp that is cut short.
    let options = [
        7, 7, 4, 1, 2, 3, 4, 1, 130, 3, 9, 148, 4, 5, 6, 68, 200, 5, 6,
    ];
    front.extend(options);
    clear_mutable(&mut front);
    let mut header = [0xff; 20];
    header[0] = 0x4f;
    for at in [1, 6, 7, 8, 10, 11] {
        header[at] = 0;
    }
    assert_eq!(front[..20], header);
    let cleared = [0, 0, 0, 0, 0, 0, 0, 1, 130, 3, 9, 148, 4, 5, 6, 0, 0, 0, 0];
    assert_eq!(front[20..], cleared);
}

#[test]
fn options_of_ipv6_are_cleared_by_their_bit() {
    let mut front = vec![0xff; 40];
    front[0] = 0x6f;
    front[6] = HOP_BY_HOP;
    front.extend([ROUTING, 0, 0x3e, 2, 7, 7, 0, 0]);
    front.extend([DESTINATION, 0, 0x3e, 2, 7, 7, 0, 0]);
    front.extend([51, 0, 0x1e, 2, 7, 7, 0x3e, 200]);
    let mut cleared = front.clone();
    assert!(is_source_routed(&front));
    clear_mutable(&mut cleared);
    assert_eq!(cleared[..8], [0x60, 0, 0, 0, 0xff, 0xff, 0, 0]);
    assert_eq!(cleared[8..40], front[8..40]);
    assert_eq!(cleared[40..48], [ROUTING, 0, 0x3e, 2, 0, 0, 0, 0]);
    assert_eq!(cleared[48..], front[48..]);
}

#[test]
fn source_routes_are_found() {
    let mut plain = vec![0; 24];
    plain[0] = 0x46;
    plain[20] = 1;
    assert!(!is_source_routed(&plain));
    plain[21..24].copy_from_slice(&[131, 3, 4]);
    assert!(is_source_routed(&plain));
    let mut v6 = vec![0; 40];
    v6[0] = 0x60;
    v6[6] = 51;
    assert!(!is_source_routed(&v6));
}

#[test]
fn nothing_panics_on_cut_headers() {
    for first in [0x45, 0x60, 0] {
        for octets in 0..80 {
            let mut front = vec![first; octets];
            is_source_routed(&front);
            clear_mutable(&mut front);
            assert_eq!(front.len(), octets);
        }
    }
}
