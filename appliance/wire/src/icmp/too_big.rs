//! Reads "too big" messages about ESP packets of ours: fragmentation needed (RFC 792, RFC 1191 section 4) and packet too big
//! (RFC 4443 section 3.2).
//!
//! A quotation without the SPI (only the ports of ESP in UDP, or a later fragment) is not read: nothing in it would show that
//! its author has seen the packet (RFC 4301 section 8.2.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::esp::{EspHeader, PROTOCOL_ESP, UDP_ENCAP_PORT, UdpEncap, classify_udp_encap};
use crate::ip::{IPV4_HEADER_OCTETS, IPV6_HEADER_OCTETS, IpMeta, UDP_HEADER_OCTETS, protocol};
use crate::{checksum, get_u16, get_u32};

/// Somebody on the path says that an ESP packet was too big.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooBigReport {
    /// MTU of the next link in octets; 0 when the router does not say.
    pub mtu_octets: u16,
    /// Octets of the packet that was too big.
    pub packet_octets: u16,
    /// Its source.
    pub source: IpAddr,
    /// Its destination.
    pub destination: IpAddr,
    /// Its UDP ports, source and destination; `None` for protocol 50.
    pub udp: Option<(u16, u16)>,
    /// Its SPI.
    pub spi: u32,
}

const ICMP_HEADER_OCTETS: usize = 8;
const FRAGMENT_HEADER_OCTETS: usize = 8;
/// Type and code of "fragmentation needed and DF set".
const FRAGMENTATION_NEEDED: [u8; 2] = [3, 4];
/// Type and code of "packet too big".
const PACKET_TOO_BIG: [u8; 2] = [2, 0];

/// The report in this packet, if it is one about ESP and its checksum is right.
pub fn parse(meta: &IpMeta, packet: &[u8]) -> Option<TooBigReport> {
    if meta.fragment.is_some() {
        return None;
    }
    let icmp = meta.payload(packet);
    let (kind, quotation) = (icmp.first_chunk::<2>()?, icmp.get(ICMP_HEADER_OCTETS..)?);
    match (meta.protocol, *kind) {
        (protocol::ICMP, FRAGMENTATION_NEEDED) => {
            let right = checksum::of(icmp) == 0;
            right.then(|| quoted_v4(quotation, get_u16(icmp, 6)?))?
        }
        (protocol::ICMPV6, PACKET_TOO_BIG) => {
            let octets = icmp.len() as u32;
            let pseudo =
                checksum::pseudo_header(meta.source, meta.destination, meta.protocol, octets);
            let right = checksum::finish(checksum::add(pseudo, icmp)) == 0;
            let mtu_octets = get_u32(icmp, 4)?.min(u32::from(u16::MAX)) as u16;
            right.then(|| quoted_v6(quotation, mtu_octets))?
        }
        _ => None,
    }
}

fn quoted_v4(quotation: &[u8], mtu_octets: u16) -> Option<TooBigReport> {
    let header: &[u8; IPV4_HEADER_OCTETS] = quotation.first_chunk()?;
    let header_octets = usize::from(header[0] & 0x0f) * 4;
    let later_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x1fff != 0;
    if header[0] >> 4 != 4 || header_octets < IPV4_HEADER_OCTETS || later_fragment {
        return None;
    }
    let address = |at: usize| -> IpAddr {
        Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]).into()
    };
    let (udp, spi) = quoted_esp(header[9], quotation.get(header_octets..)?)?;
    Some(TooBigReport {
        mtu_octets,
        packet_octets: u16::from_be_bytes([header[2], header[3]]),
        source: address(12),
        destination: address(16),
        udp,
        spi,
    })
}

fn quoted_v6(quotation: &[u8], mtu_octets: u16) -> Option<TooBigReport> {
    let header: &[u8; IPV6_HEADER_OCTETS] = quotation.first_chunk()?;
    if header[0] >> 4 != 6 {
        return None;
    }
    let address = |at: usize| -> IpAddr {
        let mut octets = [0u8; 16];
        octets.copy_from_slice(&header[at..at + 16]);
        Ipv6Addr::from(octets).into()
    };
    let mut upper = quotation.get(IPV6_HEADER_OCTETS..)?;
    let mut next_header = header[6];
    // What we fragmented ourselves for a path that now takes even less.
    if next_header == protocol::IPV6_FRAGMENT {
        let first = get_u16(upper, 2)? & 0xfff8 == 0;
        next_header = *upper.first().filter(|_| first)?;
        upper = upper.get(FRAGMENT_HEADER_OCTETS..)?;
    }
    let (udp, spi) = quoted_esp(next_header, upper)?;
    Some(TooBigReport {
        mtu_octets,
        packet_octets: get_u16(header, 4)?.saturating_add(IPV6_HEADER_OCTETS as u16),
        source: address(8),
        destination: address(24),
        udp,
        spi,
    })
}

/// Ports and SPI of a quoted ESP packet. The quotation may end right behind them.
fn quoted_esp(protocol: u8, upper: &[u8]) -> Option<(Option<(u16, u16)>, u32)> {
    match protocol {
        PROTOCOL_ESP => Some((None, get_u32(upper, 0)?)),
        protocol::UDP if get_u16(upper, 0)? == UDP_ENCAP_PORT => {
            let ports = (get_u16(upper, 0)?, get_u16(upper, 2)?);
            let esp = upper.get(UDP_HEADER_OCTETS..)?;
            let spi = EspHeader::parse(esp)?.spi;
            // A zero SPI is the non-ESP marker: IKE's own packets are the kernel's concern.
            (classify_udp_encap(esp) != UdpEncap::Ike).then_some((Some(ports), spi))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
