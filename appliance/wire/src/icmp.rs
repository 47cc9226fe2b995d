//! ICMP (RFC 792, 1812 section 4.3) and ICMPv6 (RFC 4443) error messages about a packet the gateway could not forward.
//!
//! Builds the whole IP packet. Rate limits (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4 f) are the caller's.

pub mod too_big;

use std::net::IpAddr;

use crate::checksum;
use crate::ip::{self, IpFields, IpMeta, protocol};

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpError {
    /// TTL or hop limit reached zero in transit.
    TimeExceeded,
    /// The packet does not fit the next link and must not be fragmented; the MTU it would fit in octets.
    TooBig {
        /// MTU of the link or tunnel.
        mtu_octets: u16,
    },
    /// No route to the destination.
    NoRoute,
    /// The next hop does not answer.
    HostUnreachable,
    /// Policy forbids it.
    AdminProhibited,
}

/// Octets of an IPv4 error message at most (RFC 1812 section 4.3.2.3).
const MAX_V4_OCTETS: usize = 576;
/// Octets of an IPv6 error message at most (RFC 4443 section 2.4 c).
const MAX_V6_OCTETS: usize = ip::IPV6_MIN_MTU_OCTETS;
const ICMP_HEADER_OCTETS: usize = 8;
/// Enough for the longest message this module writes.
pub const MAX_OCTETS: usize = MAX_V6_OCTETS;

/// True if an error about this packet may be sent at all: no error about an error, a later fragment, a group or a source that is not
/// one host (RFC 1122 section 3.2.2, RFC 4443 section 2.4 e).
pub fn may_answer(meta: &IpMeta, packet: &[u8]) -> bool {
    if meta.is_later_fragment() || !is_single_host(meta.source) || !is_single_host(meta.destination)
    {
        return false;
    }
    let kind = meta.payload(packet).first().copied();
    match (meta.protocol, kind) {
        // Only the query types of ICMP may be answered by an error.
        (protocol::ICMP, Some(kind)) => matches!(kind, 0 | 8 | 13 | 14),
        (protocol::ICMPV6, Some(kind)) => kind >= 128 && kind != 137,
        (protocol::ICMP | protocol::ICMPV6, None) => false,
        _ => true,
    }
}

fn is_single_host(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast() || v4.octets()[0] == 0);
    !(address.is_multicast() || address.is_unspecified() || address.is_loopback() || broadcast)
}

/// Type, code and the second word of the ICMP header.
fn message(error: IcmpError, v6: bool) -> (u8, u8, u32) {
    match (error, v6) {
        (IcmpError::TimeExceeded, false) => (11, 0, 0),
        (IcmpError::TimeExceeded, true) => (3, 0, 0),
        (IcmpError::TooBig { mtu_octets }, false) => (3, 4, u32::from(mtu_octets)),
        (IcmpError::TooBig { mtu_octets }, true) => (2, 0, u32::from(mtu_octets)),
        (IcmpError::NoRoute, false) => (3, 0, 0),
        (IcmpError::NoRoute, true) => (1, 0, 0),
        (IcmpError::HostUnreachable, false) => (3, 1, 0),
        (IcmpError::HostUnreachable, true) => (1, 3, 0),
        (IcmpError::AdminProhibited, false) => (3, 13, 0),
        (IcmpError::AdminProhibited, true) => (1, 1, 0),
    }
}

/// Type and code of an error, as [`ip::Brief::source_port`] has them.
pub fn type_and_code(error: IcmpError, v6: bool) -> u16 {
    let (kind, code, _) = message(error, v6);
    u16::from_be_bytes([kind, code])
}

/// Writes the error message about `original`, sent by `source`, at the start of `out` and returns its length. `None` if it may not be
/// sent ([`may_answer`]), the families differ, or `out` is too short to hold it.
pub fn emit(
    out: &mut [u8],
    error: IcmpError,
    source: IpAddr,
    meta: &IpMeta,
    original: &[u8],
) -> Option<usize> {
    if !may_answer(meta, original) {
        return None;
    }
    let v6 = meta.is_v6();
    let (header_octets, limit, icmp_protocol) = if v6 {
        (ip::IPV6_HEADER_OCTETS, MAX_V6_OCTETS, protocol::ICMPV6)
    } else {
        (ip::IPV4_HEADER_OCTETS, MAX_V4_OCTETS, protocol::ICMP)
    };
    let quoted = original.get(..usize::from(meta.total_octets))?;
    let quoted = &quoted[..quoted.len().min(limit - header_octets - ICMP_HEADER_OCTETS)];
    let payload_octets = ICMP_HEADER_OCTETS + quoted.len();
    let fields = IpFields {
        source,
        destination: meta.source,
        protocol: icmp_protocol,
        ttl: 64,
        traffic_class: 0xc0, // RFC 1812 section 4.3.2.5: precedence 6
        dont_fragment: false,
        id: 0,
        payload_octets: payload_octets as u16,
    };
    let total = header_octets + payload_octets;
    let out = out.get_mut(..total)?;
    ip::emit(out, &fields)?;
    let icmp = &mut out[header_octets..];
    let (kind, code, word) = message(error, v6);
    icmp[..4].copy_from_slice(&[kind, code, 0, 0]);
    icmp[4..8].copy_from_slice(&word.to_be_bytes());
    icmp[8..].copy_from_slice(quoted);
    let pseudo = if v6 {
        checksum::pseudo_header(source, meta.source, icmp_protocol, payload_octets as u32)
    } else {
        0
    };
    let sum = checksum::finish(checksum::add(pseudo, icmp));
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    Some(total)
}

#[cfg(test)]
mod tests;
