use super::*;

#[test]
fn classification_of_port_4500() {
    assert_eq!(classify_udp_encap(&[0xff]), UdpEncap::Keepalive);
    assert_eq!(classify_udp_encap(&[0, 0, 0, 0, 1]), UdpEncap::Ike);
    assert_eq!(
        classify_udp_encap(&[0, 0, 1, 0, 0, 0, 0, 1, 0]),
        UdpEncap::Esp
    );
    assert_eq!(classify_udp_encap(&[0xff, 0xff]), UdpEncap::Malformed);
    assert_eq!(classify_udp_encap(&[]), UdpEncap::Malformed);
    assert_eq!(classify_udp_encap(&[1; 8]), UdpEncap::Malformed);
}

#[test]
fn header_round_trip() {
    let header = EspHeader {
        spi: 0x1234_5678,
        sequence: 9,
    };
    assert_eq!(EspHeader::parse(&header.octets()), Some(header));
    assert_eq!(EspHeader::parse(&[0; 7]), None);
}

#[test]
fn responder_spi() {
    let mut message = [0u8; 28];
    message[15] = 7;
    assert_eq!(ike_responder_spi(&message), Some(7));
    assert_eq!(ike_responder_spi(&message[..15]), None);
}
