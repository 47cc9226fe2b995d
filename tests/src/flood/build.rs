//! Headers of the packets of a flood: Ethernet, IP, UDP, with right checksums.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A station's address.
pub type Mac = [u8; 6];

const TYPE_IPV4: u16 = 0x0800;
const TYPE_ARP: u16 = 0x0806;
const TYPE_IPV6: u16 = 0x86dd;
const UDP: u8 = 17;
const IPV6_FRAGMENT: u8 = 44;

/// Reproducible numbers (SplitMix64): a flood is the same in each run.
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound.max(1)
    }

    /// Octets.
    pub fn octets(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.roll() as u8).collect()
    }

    /// A locally administered station.
    pub fn mac(&mut self) -> Mac {
        let [a, b, c, d, e, ..] = self.roll().to_be_bytes();
        [0x02, a, b, c, d, e]
    }

    /// An address that a stranger may have: `100.64.0.0/10` or `2001:db8:f::/48`.
    pub fn stranger(&mut self, v6: bool) -> IpAddr {
        let number = self.roll();
        if v6 {
            let prefix = 0x2001_0db8_000f_0000_u128 << 64;
            Ipv6Addr::from(prefix | u128::from(number | 0x100)).into()
        } else {
            Ipv4Addr::from(0x6440_0000 | (number as u32 & 0x003f_ffff)).into()
        }
    }
}

/// The Internet checksum of these parts put together; each but the last has an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum: u64 = 0;
    for part in parts {
        for pair in part.chunks(2) {
            let high = u64::from(pair.first().copied().unwrap_or(0)) << 8;
            sum += high | u64::from(pair.get(1).copied().unwrap_or(0));
        }
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// A UDP datagram with its checksum.
pub fn udp(from: (IpAddr, u16), to: (IpAddr, u16), payload: &[u8]) -> Vec<u8> {
    let length = (8 + payload.len()) as u16;
    let mut datagram = Vec::with_capacity(usize::from(length));
    datagram.extend(from.1.to_be_bytes());
    datagram.extend(to.1.to_be_bytes());
    datagram.extend(length.to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    let pseudo = [0, UDP, (length >> 8) as u8, length as u8];
    let sum = checksum(&[&octets(from.0), &octets(to.0), &pseudo, &datagram]);
    // RFC 768: a sum of zero is sent as all ones.
    let sum = if sum == 0 { 0xffff } else { sum };
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    datagram
}

/// Which part of a datagram a packet carries.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// Identification.
    pub id: u32,
    /// Offset in octets.
    pub offset: u16,
    /// More follow.
    pub more: bool,
}

/// An IP packet, or one fragment of it.
pub fn ip(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8], part: Option<Part>) -> Vec<u8> {
    let mut packet = Vec::with_capacity(48 + payload.len());
    if from.is_ipv4() {
        let (id, field) = part.map_or((0, 0), |p| {
            (
                p.id as u16,
                (p.offset / 8) | if p.more { 0x2000 } else { 0 },
            )
        });
        packet.extend([0x45, 0]);
        packet.extend(((20 + payload.len()) as u16).to_be_bytes());
        packet.extend(id.to_be_bytes());
        packet.extend(field.to_be_bytes());
        packet.extend([64, protocol, 0, 0]);
        packet.extend(octets(from));
        packet.extend(octets(to));
        let sum = checksum(&[&packet]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    } else {
        let extension = if part.is_some() { 8 } else { 0 };
        packet.extend([0x60, 0, 0, 0]);
        packet.extend(((payload.len() + extension) as u16).to_be_bytes());
        packet.extend([part.map_or(protocol, |_| IPV6_FRAGMENT), 64]);
        packet.extend(octets(from));
        packet.extend(octets(to));
        if let Some(p) = part {
            packet.extend([protocol, 0]);
            packet.extend((p.offset & 0xfff8 | u16::from(p.more)).to_be_bytes());
            packet.extend(p.id.to_be_bytes());
        }
    }
    packet.extend(payload);
    packet
}

/// A frame around an IP packet.
pub fn ip_frame(to: Mac, from: Mac, packet: &[u8]) -> Vec<u8> {
    let v6 = packet.first().is_some_and(|first| first >> 4 == 6);
    frame(to, from, if v6 { TYPE_IPV6 } else { TYPE_IPV4 }, packet)
}

fn frame(to: Mac, from: Mac, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(14 + payload.len());
    frame.extend(to);
    frame.extend(from);
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

/// An ARP packet (RFC 826), to everybody.
pub fn arp(operation: u16, sender: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr)) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4];
    packet.extend(operation.to_be_bytes());
    packet.extend(sender.0);
    packet.extend(sender.1.octets());
    packet.extend(target.0);
    packet.extend(target.1.octets());
    frame([0xff; 6], sender.0, TYPE_ARP, &packet)
}
