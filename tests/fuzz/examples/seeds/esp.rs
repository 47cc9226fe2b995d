//! Clear packets for transport mode, packets with AH, and ESP packets of the known SA before sealing: SPI, sequence number, IV, inner packet, padding, pad length, next header.

use super::Seed;
use ravelin_types::IpsecMode;

const SPI: u32 = 0x0000_1100;
const IPV4: u8 = 4;
const IPV6: u8 = 41;
const DUMMY: u8 = 59;

fn packet(sequence: u32, inner: &[u8], next: u8) -> Vec<u8> {
    let mut out = SPI.to_be_bytes().to_vec();
    out.extend(sequence.to_be_bytes());
    out.extend(u64::from(sequence).to_be_bytes());
    out.extend(inner);
    let pad = (4 - (inner.len() + 2) % 4) % 4;
    out.extend((1..=pad).map(|octet| octet as u8));
    out.extend([pad as u8, next]);
    out
}

fn ipv4(payload: &[u8]) -> Vec<u8> {
    let total = 20 + payload.len() as u16;
    let mut out = vec![0x45, 0];
    out.extend(total.to_be_bytes());
    out.extend([0, 1, 0, 0, 64, 17, 0, 0, 10, 45, 0, 1, 198, 51, 100, 9]);
    let sum = ravelin_wire::checksum::of(&out);
    out[10..12].copy_from_slice(&sum.to_be_bytes());
    out.extend(payload);
    out
}

fn ipv6(payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x60, 0, 0, 0];
    out.extend((payload.len() as u16).to_be_bytes());
    out.extend([17, 64]);
    for last in [1, 2] {
        out.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    out.extend(payload);
    out
}

/// Hop-by-hop options, destination options, a routing header, destination options.
fn extended(payload: &[u8]) -> Vec<u8> {
    let mut out = ipv6(payload);
    out[6] = 0;
    let headers = [60, 43, 60, 17].map(|next| [next, 0, 1, 4, 0, 0, 0, 0]);
    out.splice(40..40, headers.concat());
    let octets = (out.len() - 40) as u16;
    out[4..6].copy_from_slice(&octets.to_be_bytes());
    out
}

/// Puts AH of `octets`, its ICV zero, before the upper layer of a packet.
fn with_ah(mut packet: Vec<u8>, next_header: u8, octets: usize) -> Vec<u8> {
    let mut ah = vec![next_header, (octets / 4 - 2) as u8, 0, 0];
    ah.extend(SPI.to_be_bytes());
    ah.extend(1u32.to_be_bytes());
    ah.resize(octets, 0);
    let (at, named_at) = if packet[0] >> 4 == 4 {
        (20, 9)
    } else {
        (72, 64)
    };
    packet.splice(at..at, ah);
    packet[named_at] = 51;
    let total = packet.len() as u16;
    if at == 20 {
        packet[2..4].copy_from_slice(&total.to_be_bytes());
        packet[10..12].copy_from_slice(&[0, 0]);
        let sum = ravelin_wire::checksum::of(&packet[..20]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    } else {
        packet[4..6].copy_from_slice(&(total - 40).to_be_bytes());
    }
    packet
}

pub fn seeds() -> Vec<Seed> {
    let udp = [0x1b, 0x58, 0x1b, 0x58, 0, 9, 0, 0, 42];
    let mut padded = ipv4(&udp);
    // Traffic flow confidentiality: octets after the inner packet.
    padded.extend([0; 32]);
    let accepted = vec![
        ("ipv4", packet(1, &ipv4(&udp), IPV4)),
        ("ipv6", packet(2, &ipv6(&udp), IPV6)),
        ("tfc", packet(3, &padded, IPV4)),
    ];
    for (name, octets) in &accepted {
        let inner = ravelin_esp::fuzzing::decapsulate_authentic(octets);
        assert!(inner.is_ok(), "{name}: {inner:?}");
    }
    let refused = vec![
        ("dummy", packet(4, &[0; 16], DUMMY)),
        ("empty", packet(5, &[], IPV4)),
    ];
    let transport = vec![
        ("clear-ipv4", ipv4(&udp)),
        ("clear-ipv6", ipv6(&udp)),
        ("clear-extensions", extended(&udp)),
    ];
    for (name, octets) in &transport {
        let back = ravelin_esp::fuzzing::there_and_back(octets);
        assert_eq!(back.as_ref(), Ok(octets), "{name}");
    }
    let authenticated = vec![
        ("ah-tunnel", with_ah(ipv4(&ipv4(&udp)), IPV4, 28)),
        ("ah-transport", with_ah(extended(&udp), 17, 32)),
    ];
    for (name, octets) in &authenticated {
        let tunnel = ravelin_esp::fuzzing::authenticated(octets, IpsecMode::Tunnel);
        let transport = ravelin_esp::fuzzing::authenticated(octets, IpsecMode::Transport);
        assert_eq!(tunnel.is_ok(), *name == "ah-tunnel", "{name}: {tunnel:?}");
        assert!(transport.is_ok(), "{name}: {transport:?}");
    }
    [accepted, refused, transport, authenticated].concat()
}
