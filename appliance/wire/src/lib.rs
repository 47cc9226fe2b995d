//! Header views and builders of the fast path that smoltcp lacks.
//!
//! A packet is parsed once, into a compact [`ip::IpMeta`] of offsets and selectors, and the stages work on that. This crate
//! knows nothing of interfaces, routes or security associations; it holds no state, reads no clock and never allocates.
//!
//! | module | what | source |
//! |---|---|---|
//! | [`ethernet`] | Ethernet II, 802.1Q and 802.1ad tags | IEEE 802.3, 802.1Q |
//! | [`arp`] | ARP for IPv4 over Ethernet | RFC 826 |
//! | [`ip`] | IPv4 and IPv6 with extension headers, transport ports, fragments; header builders | RFC 791, 8200 |
//! | [`esp`] | ESP header, trailer, and the classification of UDP port 4500 | RFC 4303, 3948 |
//! | [`tcp`] | the maximum segment size that a SYN announces | RFC 9293 |
//! | [`icmp`] | ICMP and ICMPv6 error messages | RFC 792, 1122, 1812, 4443 |
//! | [`checksum`] | Internet checksum, full and incremental | RFC 1071, 1624 |
//! | [`partial`] | checksums that a sender left to a NIC, of TCP, UDP and SCTP | RFC 9293, 768, 9260 |
#![forbid(unsafe_code)]

pub mod ah;
pub mod arp;
pub mod checksum;
pub mod esp;
pub mod ethernet;
pub mod icmp;
pub mod ip;
pub mod partial;
pub mod tcp;

/// Reads a big-endian `u16` at `at`, or `None` past the end.
#[inline]
pub fn get_u16(data: &[u8], at: usize) -> Option<u16> {
    let octets = data.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes([octets[0], octets[1]]))
}

/// Reads a big-endian `u32` at `at`, or `None` past the end.
#[inline]
pub fn get_u32(data: &[u8], at: usize) -> Option<u32> {
    let octets = data.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes([
        octets[0], octets[1], octets[2], octets[3],
    ]))
}
