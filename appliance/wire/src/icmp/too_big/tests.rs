use super::*;
use crate::icmp::{self, IcmpError};
use crate::ip::{self, IpFields};

/// An ESP packet of ours, as it left.
fn esp(v6: bool, udp: bool, spi: u32) -> Vec<u8> {
    let mut upper = Vec::new();
    if udp {
        upper.extend_from_slice(&[0x11, 0x94, 0x04, 0, 0, 0, 0, 0]);
    }
    upper.extend_from_slice(&spi.to_be_bytes());
    upper.resize(1300, 7);
    let mut packet = vec![0; if v6 { 40 } else { 20 }];
    let (source, destination) = if v6 {
        ("2001:db8::1", "2001:db8::2")
    } else {
        ("192.0.2.1", "192.0.2.2")
    };
    let fields = IpFields {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        protocol: if udp { protocol::UDP } else { PROTOCOL_ESP },
        ttl: 63,
        traffic_class: 0,
        dont_fragment: true,
        id: 0,
        payload_octets: upper.len() as u16,
    };
    ip::emit(&mut packet, &fields).unwrap();
    packet.extend_from_slice(&upper);
    packet
}

/// The router's message about a packet.
fn message(packet: &[u8], mtu_octets: u16) -> Vec<u8> {
    let meta = ip::parse(packet).unwrap();
    let router = if meta.is_v6() {
        "2001:db8::ff"
    } else {
        "192.0.2.254"
    };
    let mut out = vec![0; icmp::MAX_OCTETS];
    let error = IcmpError::TooBig { mtu_octets };
    let octets = icmp::emit(&mut out, error, router.parse().unwrap(), &meta, packet).unwrap();
    out.truncate(octets);
    out
}

fn read(message: &[u8]) -> Option<TooBigReport> {
    parse(&ip::parse(message).unwrap(), message)
}

#[test]
fn reports_of_both_families_and_encapsulations() {
    for v6 in [false, true] {
        for udp in [false, true] {
            let packet = esp(v6, udp, 0xc0ff_ee01);
            let meta = ip::parse(&packet).unwrap();
            let report = read(&message(&packet, 1280)).unwrap();
            let wanted = TooBigReport {
                mtu_octets: 1280,
                packet_octets: packet.len() as u16,
                source: meta.source,
                destination: meta.destination,
                udp: udp.then_some((4500, 1024)),
                spi: 0xc0ff_ee01,
            };
            assert_eq!(report, wanted);
        }
    }
}

#[test]
fn a_quotation_of_eight_octets_is_enough_for_protocol_50_only() {
    for (udp, known) in [(false, true), (true, false)] {
        let packet = esp(false, udp, 0xc0ff_ee01);
        let mut short = message(&packet, 1280);
        short.truncate(20 + 8 + 20 + 8);
        let total = short.len() as u16;
        short[2..4].copy_from_slice(&total.to_be_bytes());
        for (range, at) in [(0..20, 10), (20..short.len(), 22)] {
            short[at..at + 2].copy_from_slice(&[0, 0]);
            let sum = checksum::of(&short[range]);
            short[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        }
        assert_eq!(read(&short).is_some(), known);
    }
}

#[test]
fn what_is_no_report_about_esp() {
    // IKE behind the non-ESP marker.
    assert_eq!(read(&message(&esp(false, true, 0), 1280)), None);
    // A later fragment shows no SPI.
    let mut later = message(&esp(false, false, 0xc0ff_ee01), 1280);
    later[20 + 8 + 7] = 9;
    later[22..24].copy_from_slice(&[0, 0]);
    let sum = checksum::of(&later[20..]);
    later[22..24].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(read(&later), None);
    // A wrong checksum.
    for v6 in [false, true] {
        let mut wrong = message(&esp(v6, false, 0xc0ff_ee01), 1280);
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(read(&wrong), None);
    }
    // Cut anywhere, it is refused and nothing worse.
    let whole = message(&esp(true, true, 0xc0ff_ee01), 1280);
    let mut meta = ip::parse(&whole).unwrap();
    for octets in 40..whole.len() {
        meta.total_octets = octets as u16;
        assert_eq!(parse(&meta, &whole[..octets]), None);
    }
}
