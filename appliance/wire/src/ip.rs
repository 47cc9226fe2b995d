//! IPv4 and IPv6: one parse into [`IpMeta`], and the header fields the gateway rewrites or builds.
//!
//! The IPv6 chain is walked over hop-by-hop, routing, destination and fragment headers up to [`MAX_EXTENSIONS`] of them; AH,
//! ESP and everything unknown count as the upper layer. Payloads are not validated.

mod brief;
pub mod front;

use std::net::IpAddr;

use crate::{checksum, get_u16, get_u32};

pub use brief::Brief;

/// Length of an IPv4 header without options.
pub const IPV4_HEADER_OCTETS: usize = 20;
/// Length of an IPv6 header.
pub const IPV6_HEADER_OCTETS: usize = 40;
/// Length of a UDP header.
pub const UDP_HEADER_OCTETS: usize = 8;
/// Smallest MTU of an IPv6 link (RFC 8200 section 5).
pub const IPV6_MIN_MTU_OCTETS: usize = 1280;
/// Extension headers walked before a packet is refused: more than any legitimate packet carries, few enough to bound the work.
pub const MAX_EXTENSIONS: usize = 8;

/// IP protocol numbers the gateway looks at.
pub mod protocol {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 fragment header.
    pub const IPV6_FRAGMENT: u8 = 44;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// OSPF.
    pub const OSPF: u8 = 89;
    /// VRRP.
    pub const VRRP: u8 = 112;
    /// SCTP.
    pub const SCTP: u8 = 132;
    /// UDP-Lite.
    pub const UDPLITE: u8 = 136;
}

/// Why a packet cannot be an IP packet of the version it claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Shorter than its header or than its length field says.
    #[error("truncated packet")]
    Truncated,
    /// Neither version 4 nor 6, or not the version its carrier announced.
    #[error("wrong IP version")]
    Version,
    /// Header length below 20 octets or beyond the packet.
    #[error("bad IP header length")]
    HeaderLength,
    /// The IPv4 header checksum is wrong.
    #[error("bad IPv4 header checksum")]
    Checksum,
    /// More IPv6 extension headers than [`MAX_EXTENSIONS`].
    #[error("too many IPv6 extension headers")]
    Extensions,
}

/// The fragment fields of a packet that is a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Identification, 16 bits for IPv4 and 32 for IPv6.
    pub id: u32,
    /// Offset of this fragment's payload in the original payload, in octets.
    pub offset_octets: u16,
    /// More fragments follow.
    pub more: bool,
    /// IPv6: where the fragment header starts. IPv4: the header length.
    pub header_at: u16,
    /// IPv6: where the next-header octet that announces the fragment header stands. IPv4: 9, the protocol octet.
    pub next_header_at: u16,
}

/// Everything that is asked of an IP packet, relative to the first octet of its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpMeta {
    /// Source address.
    pub source: IpAddr,
    /// Destination address, of the same family.
    pub destination: IpAddr,
    /// Fragment fields, if it is one.
    pub fragment: Option<Fragment>,
    /// Octets of the packet according to its header; the buffer may hold link padding behind it.
    pub total_octets: u16,
    /// Offset of the upper layer.
    pub payload_at: u16,
    /// Upper-layer source port; ICMP type and code (RFC 7296 section 3.13.1); 0 if the packet has none.
    pub source_port: u16,
    /// Upper-layer destination port, as above.
    pub destination_port: u16,
    /// The two ports are real. False for non-first fragments, truncated transport headers and protocols without ports.
    pub has_ports: bool,
    /// Upper-layer protocol.
    pub protocol: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// DSCP and ECN: the TOS or traffic-class octet.
    pub traffic_class: u8,
    /// IPv4 don't-fragment; true for IPv6, whose routers never fragment.
    pub dont_fragment: bool,
    /// The same without what the packet itself tells as fast.
    pub brief: Brief,
}

impl IpMeta {
    /// True for IPv6.
    pub const fn is_v6(&self) -> bool {
        self.brief.is_v6()
    }

    /// Source and destination port, as [`Brief::ports`].
    pub fn ports(&self) -> Option<(u16, u16)> {
        self.has_ports
            .then_some((self.source_port, self.destination_port))
    }

    /// The upper-layer part of `packet`, without link padding.
    pub fn payload<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        packet
            .get(usize::from(self.payload_at)..usize::from(self.total_octets))
            .unwrap_or(&[])
    }

    /// True for the second and later fragments, which hold no transport header.
    #[inline]
    pub fn is_later_fragment(&self) -> bool {
        self.fragment.is_some_and(|f| f.offset_octets != 0)
    }
}

/// Source and destination of the packet at the start of `data`, read without any check of the rest.
#[inline]
pub fn addresses(data: &[u8]) -> Option<(IpAddr, IpAddr)> {
    if data.first()? >> 4 == 6 {
        let header: &[u8; IPV6_HEADER_OCTETS] = data.first_chunk()?;
        let address = |at: usize| -> Option<IpAddr> {
            let octets: [u8; 16] = header[at..at + 16].try_into().ok()?;
            Some(IpAddr::from(octets))
        };
        Some((address(8)?, address(24)?))
    } else {
        let header: &[u8; IPV4_HEADER_OCTETS] = data.first_chunk()?;
        let address =
            |at: usize| IpAddr::from([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        Some((address(12), address(16)))
    }
}

/// Parses the IP packet at the start of `data`. Every offset in the result is within `data`.
pub fn parse(data: &[u8]) -> Result<IpMeta, ParseError> {
    let brief = parse_brief(data)?;
    let (source, destination) = addresses(data).ok_or(ParseError::Truncated)?;
    let fragment = if brief.is_fragment() {
        fragment(data)?
    } else {
        None
    };
    let ports = brief.ports(data);
    let (source_port, destination_port) = ports.unwrap_or_default();
    Ok(IpMeta {
        source,
        destination,
        fragment,
        total_octets: brief.total_octets(),
        payload_at: brief.payload_at(),
        source_port,
        destination_port,
        has_ports: ports.is_some(),
        protocol: brief.protocol(),
        ttl: brief.ttl(),
        traffic_class: brief.traffic_class(),
        dont_fragment: brief.dont_fragment(),
        brief,
    })
}

/// As [`parse`], without addresses, ports and fragment fields.
#[inline(always)]
pub fn parse_brief(data: &[u8]) -> Result<Brief, ParseError> {
    match data.first().ok_or(ParseError::Truncated)? {
        0x45 => parse_v4(data),
        // Taken apart, so that the result of the rule stays in registers.
        first => parse_other(data, *first).map(|(brief,)| brief),
    }
}

#[inline(never)]
fn parse_other(data: &[u8], first: u8) -> Result<(Brief,), ParseError> {
    let brief = match first >> 4 {
        4 => parse_v4_options(data),
        6 => parse_v6(data),
        _ => Err(ParseError::Version),
    };
    brief.map(|brief| (brief,))
}

/// A header without options, which is the rule.
#[inline(always)]
fn parse_v4(data: &[u8]) -> Result<Brief, ParseError> {
    let header: &[u8; IPV4_HEADER_OCTETS] = data.first_chunk().ok_or(ParseError::Truncated)?;
    let total_octets = u16::from_be_bytes([header[2], header[3]]);
    if usize::from(total_octets) < IPV4_HEADER_OCTETS {
        return Err(ParseError::HeaderLength);
    }
    if usize::from(total_octets) > data.len() {
        return Err(ParseError::Truncated);
    }
    if checksum::of_ipv4_header(header) != 0 {
        return Err(ParseError::Checksum);
    }
    Ok(brief_v4(header, total_octets, IPV4_HEADER_OCTETS))
}

fn parse_v4_options(data: &[u8]) -> Result<Brief, ParseError> {
    let header: &[u8; IPV4_HEADER_OCTETS] = data.first_chunk().ok_or(ParseError::Truncated)?;
    let header_octets = usize::from(header[0] & 0x0f) * 4;
    let total_octets = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header_octets < IPV4_HEADER_OCTETS || total_octets < header_octets {
        return Err(ParseError::HeaderLength);
    }
    let packet = data.get(..total_octets).ok_or(ParseError::Truncated)?;
    if checksum::of(&packet[..header_octets]) != 0 {
        return Err(ParseError::Checksum);
    }
    Ok(brief_v4(header, total_octets as u16, header_octets))
}

#[inline(always)]
fn brief_v4(header: &[u8; IPV4_HEADER_OCTETS], total_octets: u16, header_octets: usize) -> Brief {
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    let flags = flag(fragment & 0x4000 != 0, brief::DONT_FRAGMENT)
        | flag(fragment & 0x3fff != 0, brief::FRAGMENTED)
        | flag(fragment & 0x1fff != 0, brief::LATER);
    Brief::new(
        (total_octets, header_octets as u16),
        (header[9], header[8], header[1]),
        flags,
    )
}

fn parse_v6(data: &[u8]) -> Result<Brief, ParseError> {
    let header: &[u8; IPV6_HEADER_OCTETS] = data.first_chunk().ok_or(ParseError::Truncated)?;
    let total = IPV6_HEADER_OCTETS + usize::from(u16::from_be_bytes([header[4], header[5]]));
    // A jumbogram has length 0 and no place here: it parses as an empty packet and finds no extension header.
    let total_octets = u16::try_from(total).map_err(|_| ParseError::HeaderLength)?;
    let packet = data.get(..total).ok_or(ParseError::Truncated)?;
    let chain = walk_extensions(packet, header[6])?;
    let mut flags = brief::V6 | brief::DONT_FRAGMENT;
    if let Some(fragment) = chain.fragment {
        flags |= brief::FRAGMENTED;
        if fragment.offset_octets != 0 {
            flags |= brief::LATER;
        }
    }
    let traffic_class = header[0] << 4 | header[1] >> 4;
    Ok(Brief::new(
        (total_octets, chain.at as u16),
        (chain.protocol, header[7], traffic_class),
        flags,
    ))
}

/// The fragment fields of a packet that was parsed.
#[cold]
fn fragment(data: &[u8]) -> Result<Option<Fragment>, ParseError> {
    if data.first().is_some_and(|first| first >> 4 == 6) {
        let header: &[u8; IPV6_HEADER_OCTETS] = data.first_chunk().ok_or(ParseError::Truncated)?;
        return Ok(walk_extensions(data, header[6])?.fragment);
    }
    let header: &[u8; IPV4_HEADER_OCTETS] = data.first_chunk().ok_or(ParseError::Truncated)?;
    let flags = u16::from_be_bytes([header[6], header[7]]);
    Ok(Some(Fragment {
        id: u32::from(u16::from_be_bytes([header[4], header[5]])),
        offset_octets: (flags & 0x1fff) << 3,
        more: flags & 0x2000 != 0,
        header_at: u16::from(header[0] & 0x0f) * 4,
        next_header_at: 9,
    }))
}

struct Chain {
    protocol: u8,
    at: usize,
    fragment: Option<Fragment>,
}

#[inline]
fn walk_extensions(packet: &[u8], first: u8) -> Result<Chain, ParseError> {
    let chain = Chain {
        protocol: first,
        at: IPV6_HEADER_OCTETS,
        fragment: None,
    };
    match first {
        0 | 43 | 60 | protocol::IPV6_FRAGMENT => walk_on(packet, chain),
        _ => Ok(chain),
    }
}

fn walk_on(packet: &[u8], mut chain: Chain) -> Result<Chain, ParseError> {
    let mut next_header_at = 6;
    for _ in 0..MAX_EXTENSIONS {
        let octets = match chain.protocol {
            0 | 43 | 60 => {
                let units = *packet.get(chain.at + 1).ok_or(ParseError::Truncated)?;
                8 + usize::from(units) * 8
            }
            protocol::IPV6_FRAGMENT => {
                let field = get_u16(packet, chain.at + 2).ok_or(ParseError::Truncated)?;
                let fragment = Fragment {
                    id: get_u32(packet, chain.at + 4).ok_or(ParseError::Truncated)?,
                    offset_octets: field & 0xfff8,
                    more: field & 1 != 0,
                    header_at: chain.at as u16,
                    next_header_at,
                };
                // An atomic fragment (RFC 6946) is a whole packet, but keeps its header until reassembly strips it.
                chain.fragment = Some(fragment);
                8
            }
            _ => return Ok(chain),
        };
        if packet.len() < chain.at + octets {
            return Err(ParseError::Truncated);
        }
        next_header_at = chain.at as u16;
        chain.protocol = packet[chain.at];
        chain.at += octets;
        if chain.fragment.is_some_and(|f| f.offset_octets != 0) {
            return Ok(chain);
        }
    }
    match chain.protocol {
        0 | 43 | 60 | protocol::IPV6_FRAGMENT => Err(ParseError::Extensions),
        _ => Ok(chain),
    }
}

/// Source and destination port, or what counts as both (RFC 7296 section 3.13.1).
#[inline(always)]
fn read_ports(packet: &[u8], protocol: u8, payload_at: usize) -> Option<(u16, u16)> {
    match protocol {
        protocol::TCP | protocol::UDP | protocol::SCTP | protocol::UDPLITE => {
            let ports: &[u8; 4] = packet.get(payload_at..)?.first_chunk()?;
            let [a, b, c, d] = *ports;
            Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
        }
        protocol::ICMP | protocol::ICMPV6 => {
            // Type in the upper octet, code in the lower, for both ends.
            let both = get_u16(packet, payload_at)?;
            Some((both, both))
        }
        _ => None,
    }
}

/// Takes one from the TTL or hop limit of the packet and repairs the IPv4 checksum. The caller has checked that it is above 1.
#[inline(always)]
pub fn decrement_ttl(packet: &mut [u8]) {
    match packet.first().map(|first| first >> 4) {
        Some(4) if packet.len() >= IPV4_HEADER_OCTETS => {
            // RFC 1141: one less in the upper octet of its word is one more in that of the sum, with the carry added at the
            // other end. A sum of 0xffff stands for the same as 0 but is never written.
            let (sum, carry) = u16::from_be_bytes([packet[10], packet[11]]).overflowing_add(0x0100);
            let sum = sum + u16::from(carry);
            let sum = if sum == 0xffff { 0 } else { sum };
            packet[8] = packet[8].wrapping_sub(1);
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        Some(6) if packet.len() >= IPV6_HEADER_OCTETS => packet[7] = packet[7].wrapping_sub(1),
        _ => {}
    }
}

/// Sets the TOS or traffic-class octet of the packet and repairs the IPv4 checksum.
pub fn set_traffic_class(packet: &mut [u8], traffic_class: u8) {
    match packet.first().map(|first| first >> 4) {
        Some(4) if packet.len() >= IPV4_HEADER_OCTETS => {
            let old = u16::from_be_bytes([packet[0], packet[1]]);
            packet[1] = traffic_class;
            let new = u16::from_be_bytes([packet[0], packet[1]]);
            let sum = checksum::update(u16::from_be_bytes([packet[10], packet[11]]), old, new);
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        Some(6) if packet.len() >= IPV6_HEADER_OCTETS => {
            packet[0] = packet[0] & 0xf0 | traffic_class >> 4;
            packet[1] = packet[1] & 0x0f | traffic_class << 4;
        }
        _ => {}
    }
}

/// Sets the two ECN bits of the packet and repairs the IPv4 checksum.
#[inline]
pub fn set_ecn(packet: &mut [u8], ecn: u8) {
    match packet.first().map(|first| first >> 4) {
        Some(4) if packet.len() >= IPV4_HEADER_OCTETS => {
            let old = u16::from_be_bytes([packet[0], packet[1]]);
            packet[1] = packet[1] & !3 | ecn & 3;
            let new = u16::from_be_bytes([packet[0], packet[1]]);
            let sum = checksum::update(u16::from_be_bytes([packet[10], packet[11]]), old, new);
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        Some(6) if packet.len() >= IPV6_HEADER_OCTETS => {
            packet[1] = packet[1] & !0x30 | (ecn & 3) << 4
        }
        _ => {}
    }
}

/// Makes the options of an IPv4 header those of a later fragment: what is not copied into it becomes "no operation", so that the header
/// keeps its length (RFC 791 section 3.1). What follows a malformed option is left as it is.
pub fn keep_copied_options(mut options: &mut [u8]) {
    const NO_OPERATION: u8 = 1;
    const COPIED: u8 = 0x80;
    loop {
        let octets = match *options {
            [] | [0, ..] => return,
            [NO_OPERATION, ..] => 1,
            [_, octets, ..] if octets >= 2 && usize::from(octets) <= options.len() => {
                usize::from(octets)
            }
            _ => return,
        };
        let (option, rest) = options.split_at_mut(octets);
        if option[0] & COPIED == 0 {
            option.fill(NO_OPERATION);
        }
        options = rest;
    }
}

/// The fields of a header the gateway writes itself.
#[derive(Clone, Copy, Debug)]
pub struct IpFields {
    /// Source and destination, of the same family.
    pub source: IpAddr,
    /// Destination.
    pub destination: IpAddr,
    /// Upper-layer protocol.
    pub protocol: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// Set the IPv4 don't-fragment flag.
    pub dont_fragment: bool,
    /// IPv4 identification.
    pub id: u16,
    /// Octets behind the header.
    pub payload_octets: u16,
}

/// Writes a header without options or extensions at the start of `out` and returns its length; `None` if `out` is too short, the
/// families differ or the packet would pass 65,535 octets.
pub fn emit(out: &mut [u8], fields: &IpFields) -> Option<usize> {
    match (fields.source, fields.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let header: &mut [u8; IPV4_HEADER_OCTETS] = out.first_chunk_mut()?;
            let total = fields
                .payload_octets
                .checked_add(IPV4_HEADER_OCTETS as u16)?;
            *header = [0; IPV4_HEADER_OCTETS];
            header[0] = 0x45;
            header[1] = fields.traffic_class;
            header[2..4].copy_from_slice(&total.to_be_bytes());
            header[4..6].copy_from_slice(&fields.id.to_be_bytes());
            header[6] = if fields.dont_fragment { 0x40 } else { 0 };
            header[8] = fields.ttl;
            header[9] = fields.protocol;
            header[12..16].copy_from_slice(&source.octets());
            header[16..20].copy_from_slice(&destination.octets());
            let sum = checksum::of_ipv4_header(header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            Some(IPV4_HEADER_OCTETS)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let header: &mut [u8; IPV6_HEADER_OCTETS] = out.first_chunk_mut()?;
            header[0] = 0x60 | fields.traffic_class >> 4;
            header[1] = fields.traffic_class << 4;
            header[2..4].copy_from_slice(&[0, 0]);
            header[4..6].copy_from_slice(&fields.payload_octets.to_be_bytes());
            header[6] = fields.protocol;
            header[7] = fields.ttl;
            header[8..24].copy_from_slice(&source.octets());
            header[24..40].copy_from_slice(&destination.octets());
            Some(IPV6_HEADER_OCTETS)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
