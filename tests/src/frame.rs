//! Says what a captured Ethernet frame is, independently of the gateway's own parsers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// ESP as IP protocol 50.
    Esp,
    /// AH as IP protocol 51.
    Ah,
    /// ESP in UDP port 4500.
    EspInUdp,
    /// IKE on UDP 500, or on 4500 behind the non-ESP marker.
    Ike,
    /// NAT keepalive.
    Keepalive,
    /// ARP, neighbour or router discovery, IGMP and multicast listener reports.
    Neighbour,
    /// Any other IP packet: cleartext where only tunnels may run.
    Cleartext,
    /// Not IP.
    Other,
}

/// The facts of a frame that checks rest on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is.
    pub kind: Kind,
    /// Source and destination of the IP header.
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// IP protocol (the last next header that is followed).
    pub protocol: u8,
    /// Payload of the IP packet.
    pub payload: &'a [u8],
    /// Whether it is a fragment other than the first.
    pub later_fragment: bool,
}

impl<'a> Frame<'a> {
    /// Classifies an Ethernet frame (one 802.1Q tag is skipped).
    pub fn parse(frame: &'a [u8]) -> Frame<'a> {
        let (ethertype, rest) = match (be16(frame, 12), be16(frame, 16)) {
            (Some(0x8100), Some(inner)) => (inner, frame.get(18..)),
            (Some(outer), _) => (outer, frame.get(14..)),
            (None, _) => (0, None),
        };
        let rest = rest.unwrap_or_default();
        match ethertype {
            0x0800 => ipv4(rest),
            0x86dd => ipv6(rest),
            0x0806 => Some(Frame::of(Kind::Neighbour)),
            _ => None,
        }
        .unwrap_or(Frame::of(Kind::Other))
    }

    /// A frame of which nothing but the kind is known.
    const fn of(kind: Kind) -> Frame<'static> {
        Frame {
            kind,
            addresses: None,
            protocol: 0,
            payload: &[],
            later_fragment: false,
        }
    }

    /// The ESP packet in an ESP frame.
    pub fn esp_octets(&self) -> Option<&'a [u8]> {
        match self.kind {
            Kind::Esp => Some(self.payload),
            Kind::EspInUdp => self.payload.get(8..),
            _ => None,
        }
    }

    /// SPI and sequence number of an ESP frame.
    pub fn esp(&self) -> Option<(u32, u32)> {
        let esp = self.esp_octets()?;
        Some((be32(esp, 0)?, be32(esp, 4)?))
    }

    /// The explicit IV of an ESP frame whose cipher is a counter mode.
    pub fn esp_iv(&self) -> Option<u64> {
        let esp = self.esp_octets()?;
        Some(u64::from(be32(esp, 8)?) << 32 | u64::from(be32(esp, 12)?))
    }

    /// Payload of a UDP datagram.
    pub fn udp_payload(&self) -> Option<&'a [u8]> {
        if self.protocol == 17 && !self.later_fragment {
            self.payload.get(8..)
        } else {
            None
        }
    }
}

fn ipv4(packet: &[u8]) -> Option<Frame<'_>> {
    let header = usize::from(packet.first()? & 15) * 4;
    let total = usize::from(be16(packet, 2)?);
    let source: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    let destination: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    let later_fragment = be16(packet, 6)? & 0x1fff != 0;
    let protocol = *packet.get(9)?;
    let payload = packet.get(header..total.min(packet.len()))?;
    let addresses = (
        Ipv4Addr::from(source).into(),
        Ipv4Addr::from(destination).into(),
    );
    Some(finish(addresses, protocol, payload, later_fragment))
}

fn ipv6(packet: &[u8]) -> Option<Frame<'_>> {
    let source: [u8; 16] = packet.get(8..24)?.try_into().ok()?;
    let destination: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
    let length = usize::from(be16(packet, 4)?);
    let mut protocol = *packet.get(6)?;
    let mut payload = packet.get(40..(40 + length).min(packet.len()))?;
    let mut later_fragment = false;
    loop {
        let skip = match protocol {
            0 | 43 | 60 => usize::from(*payload.get(1)?) * 8 + 8,
            44 => {
                later_fragment = be16(payload, 2)? & 0xfff8 != 0;
                8
            }
            _ => break,
        };
        protocol = *payload.first()?;
        payload = payload.get(skip..)?;
    }
    let addresses = (
        Ipv6Addr::from(source).into(),
        Ipv6Addr::from(destination).into(),
    );
    Some(finish(addresses, protocol, payload, later_fragment))
}

fn finish(
    addresses: (IpAddr, IpAddr),
    protocol: u8,
    payload: &[u8],
    later_fragment: bool,
) -> Frame<'_> {
    let kind = match protocol {
        50 => Kind::Esp,
        51 => Kind::Ah,
        2 => Kind::Neighbour,
        58 if matches!(payload.first(), Some(130..=137 | 143)) => Kind::Neighbour,
        17 if !later_fragment => udp(payload),
        _ => Kind::Cleartext,
    };
    Frame {
        kind,
        addresses: Some(addresses),
        protocol,
        payload,
        later_fragment,
    }
}

fn udp(datagram: &[u8]) -> Kind {
    let (Some(source), Some(destination)) = (be16(datagram, 0), be16(datagram, 2)) else {
        return Kind::Cleartext;
    };
    let body = datagram.get(8..).unwrap_or_default();
    match (source, destination) {
        (500, _) | (_, 500) => Kind::Ike,
        (4500, _) | (_, 4500) => match body {
            [0xff] => Kind::Keepalive,
            [0, 0, 0, 0, ..] => Kind::Ike,
            _ => Kind::EspInUdp,
        },
        _ => Kind::Cleartext,
    }
}

fn be16(octets: &[u8], at: usize) -> Option<u16> {
    octets
        .get(at..at + 2)?
        .try_into()
        .ok()
        .map(u16::from_be_bytes)
}

fn be32(octets: &[u8], at: usize) -> Option<u32> {
    octets
        .get(at..at + 4)?
        .try_into()
        .ok()
        .map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests;
