//! TCP connections through tunnels announce no larger segments than cross in one piece: both families, both directions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use harness::*;
use ravelin_ctl::plane::MssClamp;
use ravelin_types::VrfId;
use ravelin_wire::icmp::{self, IcmpError};
use ravelin_wire::{checksum, ip};

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
/// What st0.0 of the test network takes.
const TUNNEL_MTU_OCTETS: u16 = 1400;
const ETHERNET_MSS_OCTETS: u16 = 1460;

/// A TCP segment from A's host, its size option at an odd place.
fn segment(v6: bool, flags: u8, mss_octets: u16) -> Vec<u8> {
    let [high, low] = mss_octets.to_be_bytes();
    let tcp = [
        &[
            0x9c,
            0x40,
            0,
            80,
            0,
            0,
            0,
            1,
            0,
            0,
            0,
            0,
            8 << 4,
            flags,
            0xff,
            0xff,
            0,
            0,
            0,
            0,
        ][..],
        &[1, 2, 4, high, low, 1, 3, 3, 7, 4, 2, 0],
        b"hello",
    ]
    .concat();
    let mut packet = udp(host(1, v6), host(2, v6), (0, 0), &tcp[8..]);
    let at = packet.len() - tcp.len();
    packet[if v6 { 6 } else { 9 }] = ip::protocol::TCP;
    packet[at..].copy_from_slice(&tcp);
    if !v6 {
        packet[10..12].fill(0);
        let sum = checksum::of(&packet[..20]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    }
    let sum = residue(&packet);
    packet[at + 16..at + 18].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// The TCP checksum over all of it: zero when it is right.
fn residue(packet: &[u8]) -> u16 {
    let meta = ip::parse(packet).unwrap();
    let tcp = meta.payload(packet);
    let octets = tcp.len() as u32;
    let pseudo = checksum::pseudo_header(meta.source, meta.destination, ip::protocol::TCP, octets);
    checksum::finish(checksum::add(pseudo, tcp))
}

fn announced(packet: &[u8]) -> u16 {
    assert_eq!(residue(packet), 0);
    let meta = ip::parse(packet).unwrap();
    let tcp = meta.payload(packet);
    u16::from_be_bytes([tcp[23], tcp[24]])
}

/// A network where only one gateway clamps: A, which encrypts, or B, which decrypts.
fn net(at_a: bool, outer_v6: bool, clamp: Option<MssClamp>) -> Net {
    let mut net = Net::new(outer_v6, false);
    let gateway = if at_a { &mut net.a } else { &mut net.b };
    let mut configuration = config(gateway.n);
    configuration.tcp_mss = clamp;
    gateway.configure(2, &configuration);
    net
}

/// What B's host is told by a segment from A's.
fn crosses(net: &mut Net, packet: &[u8]) -> Vec<u8> {
    net.a.receive(TRUST, packet);
    net.cable();
    let got = net.b.sent(TRUST);
    assert_eq!(got.len(), 1, "{:?} {:?}", net.a.drops(), net.b.drops());
    got[0].clone()
}

fn headers(v6: bool) -> u16 {
    if v6 { 60 } else { 40 }
}

#[test]
fn what_opens_a_connection_announces_what_the_tunnel_takes() {
    for at_a in [true, false] {
        for v6 in [true, false] {
            for flags in [SYN, SYN | ACK] {
                let packet = segment(v6, flags, ETHERNET_MSS_OCTETS);
                let mut net = net(at_a, !v6, Some(MssClamp::Tunnel));
                let got = announced(&crosses(&mut net, &packet));
                assert_eq!(got, TUNNEL_MTU_OCTETS - headers(v6), "{at_a} {v6}");
            }
        }
    }
}

#[test]
fn the_configured_size_holds_unless_the_tunnel_takes_less() {
    for at_a in [true, false] {
        for v6 in [true, false] {
            let most = TUNNEL_MTU_OCTETS - headers(v6);
            for (configured, wanted) in [(1200, 1200), (9000, most)] {
                let mut net = net(at_a, v6, Some(MssClamp::Octets(configured)));
                let packet = segment(v6, SYN, ETHERNET_MSS_OCTETS);
                assert_eq!(announced(&crosses(&mut net, &packet)), wanted);
            }
        }
    }
}

#[test]
fn everything_else_keeps_its_octets() {
    let ttl_at = |v6: bool| if v6 { 7 } else { 8 };
    let payload_at = |v6: bool| if v6 { 40 } else { 20 };
    let tunnel = Some(MssClamp::Tunnel);
    for at_a in [true, false] {
        for v6 in [true, false] {
            for (clamp, flags, mss) in [
                (None, SYN, ETHERNET_MSS_OCTETS),
                (tunnel, ACK, ETHERNET_MSS_OCTETS),
                (tunnel, SYN, 536),
            ] {
                let packet = segment(v6, flags, mss);
                let got = crosses(&mut net(at_a, v6, clamp), &packet);
                assert_eq!(got[payload_at(v6)..], packet[payload_at(v6)..]);
                assert_eq!(got[ttl_at(v6)], packet[ttl_at(v6)] - 2);
            }
        }
    }
}

#[test]
fn a_path_that_was_found_narrow_lowers_the_size() {
    let mut net = net(true, false, Some(MssClamp::Tunnel));
    net.a.receive(
        TRUST,
        &udp(host(1, false), host(2, false), (7, 8), &[1; 1300]),
    );
    let esp = net.a.sent(UNTRUST).pop().unwrap();
    let meta = ip::parse(&esp).unwrap();
    let mut message = vec![0; icmp::MAX_OCTETS];
    let router = addr("203.0.113.1");
    let error = IcmpError::TooBig { mtu_octets: 1000 };
    let octets = icmp::emit(&mut message, error, router, &meta, &esp).unwrap();
    net.a.receive(UNTRUST, &message[..octets]);
    net.a.run();
    let packet = segment(false, SYN, ETHERNET_MSS_OCTETS);
    let announced = announced(&crosses(&mut net, &packet));
    // ESP with AES-GCM over IPv4: 20 + 8 + 8 + 2 + 16, in blocks of 4 octets.
    assert_eq!(announced, (1000 - 20 - 8 - 8 - 16) / 4 * 4 - 2 - 40);
    // To the last octet: what this size allows crosses in one piece.
    net.a
        .receive(TRUST, &packet_of(usize::from(announced) + 40));
    assert_eq!(net.a.sent(UNTRUST).len(), 1);
    net.a
        .receive(TRUST, &packet_of(usize::from(announced) + 41));
    assert_eq!(net.a.sent(UNTRUST).len(), 2);
}

fn packet_of(octets: usize) -> Vec<u8> {
    let payload = vec![3; octets - 28];
    udp(host(1, false), host(2, false), (7, 8), &payload)
}

#[test]
fn a_peer_without_a_route_still_gets_the_configured_size() {
    let mut net = net(false, false, Some(MssClamp::Octets(1200)));
    let untrust = prefix("192.0.2.0/24");
    net.b.controller.set_route(VrfId::DEFAULT, untrust, None);
    let peer = outer(1, false);
    net.b.neighbour(UNTRUST, peer, None);
    net.b.run();
    let packet = segment(false, SYN, ETHERNET_MSS_OCTETS);
    assert_eq!(announced(&crosses(&mut net, &packet)), 1200);
}
