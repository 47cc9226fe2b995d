//! What stays in front of ESP in transport mode (RFC 4303 section 3.1.1), and what names the header behind it.
//!
//! Options of an IPv4 header stay with it. Of IPv6, the hop-by-hop options and the routing headers stay in front, for nodes on the way read
//! them, with the destination options before a routing header, which its nodes read; the destination options behind are the last node's
//! alone and are protected. At most [`MAX_EXTENSIONS`] headers are walked.

use super::{IPV4_HEADER_OCTETS, IPV6_HEADER_OCTETS, MAX_EXTENSIONS};
use crate::checksum;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const DESTINATION: u8 = 60;
/// Where an IPv4 header has the protocol, an IPv6 header the next header.
const PROTOCOL_V4: usize = 9;
const NEXT_HEADER_V6: usize = 6;

/// The front of a packet: all its headers before some offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Front {
    /// Its length, where the next header begins.
    pub octets: usize,
    /// Where the octet stands that names the next header.
    pub named_at: usize,
    /// What it says.
    pub next_header: u8,
}

/// The fronts of a packet, from the shortest: behind the IP header, and behind each extension header that follows.
fn fronts(packet: &[u8]) -> impl Iterator<Item = (Option<u8>, Front)> {
    let first = match packet.first().map(|first| first >> 4) {
        Some(4) => (usize::from(packet[0] & 0x0f) * 4, PROTOCOL_V4),
        _ => (IPV6_HEADER_OCTETS, NEXT_HEADER_V6),
    };
    let v6 = first.1 == NEXT_HEADER_V6;
    let front = move |octets, named_at| {
        let next_header = *packet.get(named_at)?;
        (octets <= packet.len()).then_some(Front {
            octets,
            named_at,
            next_header,
        })
    };
    let on = move |(_, last): &(Option<u8>, Front)| {
        let passed = last.next_header;
        if !v6 || !matches!(passed, HOP_BY_HOP | ROUTING | DESTINATION) {
            return None;
        }
        let octets = 8 + 8 * usize::from(*packet.get(last.octets + 1)?);
        let next = front(last.octets + octets, last.octets)?;
        Some((Some(passed), next))
    };
    let first = front(first.0, first.1).map(|front| (None, front));
    std::iter::successors(first, on).take(1 + MAX_EXTENSIONS)
}

/// What stays in front of ESP when this clear packet, which is no fragment, is protected. `None` when it is cut short.
pub fn before_esp(packet: &[u8]) -> Option<Front> {
    fronts(packet)
        .filter(|(passed, _)| matches!(passed, None | Some(HOP_BY_HOP | ROUTING)))
        .last()
        .map(|(_, front)| front)
}

/// The front of this length; `None` when no header ends there.
pub fn of_length(packet: &[u8], octets: usize) -> Option<Front> {
    fronts(packet)
        .map(|(_, front)| front)
        .find(|front| front.octets == octets)
}

/// Says in the headers of a packet, whose front is `front`, how long it is now and what follows the front.
pub fn rename(packet: &mut [u8], front: Front, next_header: u8) {
    let octets = packet.len();
    if let Some(name) = packet.get_mut(front.named_at) {
        *name = next_header;
    }
    match packet.get_mut(..front.octets) {
        Some(header) if front.named_at == PROTOCOL_V4 && header.len() >= IPV4_HEADER_OCTETS => {
            header[2..4].copy_from_slice(&(octets as u16).to_be_bytes());
            header[10..12].copy_from_slice(&[0, 0]);
            let sum = checksum::of(header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        Some(header) if header.len() >= IPV6_HEADER_OCTETS => {
            let payload = (octets - IPV6_HEADER_OCTETS) as u16;
            header[4..6].copy_from_slice(&payload.to_be_bytes());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
