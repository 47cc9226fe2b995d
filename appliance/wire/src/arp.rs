//! ARP for IPv4 over Ethernet (RFC 826). Other protocols and hardware are refused.

use std::net::Ipv4Addr;

use crate::ethernet::{Mac, TYPE_IPV4};
use crate::get_u16;

/// Operation of a request.
pub const REQUEST: u16 = 1;
/// Operation of a reply.
pub const REPLY: u16 = 2;
/// Hardware type Ethernet.
const ETHERNET: u16 = 1;
/// Lengths of the two kinds of addresses.
const LENGTHS: u16 = 0x0604;

/// What an ARP packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// [`REQUEST`] or [`REPLY`].
    pub operation: u16,
    /// The sender's station.
    pub station: Mac,
    /// The sender's address.
    pub sender: Ipv4Addr,
    /// The address asked for, or of whom the answer is for.
    pub target: Ipv4Addr,
}

/// Parses the payload of an ARP frame; `None` when it is cut short or not IPv4 over Ethernet.
pub fn parse(packet: &[u8]) -> Option<Arp> {
    let kind = [
        get_u16(packet, 0)?,
        get_u16(packet, 2)?,
        get_u16(packet, 4)?,
    ];
    let operation = get_u16(packet, 6)?;
    if kind != [ETHERNET, TYPE_IPV4, LENGTHS] || !matches!(operation, REQUEST | REPLY) {
        return None;
    }
    let address = |at: usize| -> Option<Ipv4Addr> {
        let octets: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
        Some(octets.into())
    };
    Some(Arp {
        operation,
        station: packet.get(8..14)?.try_into().ok()?,
        sender: address(14)?,
        target: address(24)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_requests_and_replies_and_nothing_else() {
        let mut packet = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9, 192, 0, 2, 9];
        packet.extend([0, 0, 0, 0, 0, 0, 192, 0, 2, 1]);
        let arp = Arp {
            operation: REQUEST,
            station: [2, 0, 0, 0, 0, 9],
            sender: [192, 0, 2, 9].into(),
            target: [192, 0, 2, 1].into(),
        };
        assert_eq!(parse(&packet), Some(arp));
        for cut in 0..packet.len() {
            assert_eq!(parse(&packet[..cut]), None);
        }
        for (at, octet) in [(1, 6), (2, 0x86), (4, 8), (5, 16), (7, 3)] {
            let mut other = packet.clone();
            other[at] = octet;
            assert_eq!(parse(&other), None, "octet {at}");
        }
    }
}
