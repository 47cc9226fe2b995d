//! Classification of hand-made frames.

use super::*;

fn v4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([8, 0, 0x45, 0]);
    frame.extend((20 + payload.len() as u16).to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(payload);
    frame.extend([0; 9]); // Ethernet padding is no payload
    frame
}

fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    frame.extend((payload.len() as u16).to_be_bytes());
    frame.extend([next, 64]);
    frame.extend([1; 32]);
    frame.extend(payload);
    frame
}

fn udp(source: u16, destination: u16, body: &[u8]) -> Vec<u8> {
    [
        &source.to_be_bytes()[..],
        &destination.to_be_bytes(),
        &[0; 4],
        body,
    ]
    .concat()
}

#[test]
fn kinds() {
    let esp = [0, 0, 1, 0, 0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8];
    assert_eq!(Frame::parse(&v4(50, &esp)).esp(), Some((256, 7)));
    assert_eq!(
        Frame::parse(&v6(50, &esp)).esp_iv(),
        Some(0x0102_0304_0506_0708)
    );
    let natt = udp(4500, 4500, &esp);
    assert_eq!(Frame::parse(&v4(17, &natt)).kind, Kind::EspInUdp);
    assert_eq!(Frame::parse(&v4(17, &natt)).esp(), Some((256, 7)));
    assert_eq!(
        Frame::parse(&v4(17, &udp(4500, 4500, &[0; 8]))).kind,
        Kind::Ike
    );
    assert_eq!(
        Frame::parse(&v4(17, &udp(4500, 40000, &[0xff]))).kind,
        Kind::Keepalive
    );
    assert_eq!(Frame::parse(&v6(17, &udp(500, 500, &[1]))).kind, Kind::Ike);
    assert_eq!(Frame::parse(&v4(1, &[8, 0])).kind, Kind::Cleartext);
    assert_eq!(Frame::parse(&v6(58, &[135, 0])).kind, Kind::Neighbour);
    assert_eq!(Frame::parse(&v6(58, &[128, 0])).kind, Kind::Cleartext);
    assert_eq!(Frame::parse(&[0; 5]).kind, Kind::Other);
}

#[test]
fn udp_payload_stops_at_the_ip_length() {
    let frame = v4(17, &udp(7, 9, b"data"));
    assert_eq!(Frame::parse(&frame).udp_payload(), Some(&b"data"[..]));
}

#[test]
fn every_truncation_is_handled() {
    let frame = v6(0, &[17, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 8, 0, 0]);
    for end in 0..frame.len() {
        Frame::parse(&frame[..end]);
    }
}
