//! Checksums of the upper layer that a sender has left to its NIC, and that no NIC has filled in: what another system of the same
//! machine sends over a virtual link (Linux' `CHECKSUM_PARTIAL`, virtio's `VIRTIO_NET_HDR_F_NEEDS_CSUM`).
//!
//! Of TCP and UDP the field then holds the sum of the pseudo header, of SCTP it is zero (Linux, `skbuff.h`). A right checksum may look
//! like that, too: it is told apart by looking at the whole segment. A packet in another packet (GRE, GTP-U) is not looked at: only the
//! outermost upper layer is. Fragments are whole already, for nothing can fill in the checksum of a part.

use crate::ip::{self, IpMeta, UDP_HEADER_OCTETS, protocol};
use crate::{checksum, get_u16, tcp};

/// Where the checksums stand.
const UDP_AT: usize = 6;
const SCTP_AT: usize = 8;
/// Length of SCTP's common header (RFC 9260 section 3.1).
const SCTP_HEADER_OCTETS: usize = 12;
/// The Castagnoli polynomial, reflected (RFC 9260 appendix A).
const CASTAGNOLI: u32 = 0x82f6_3b78;
/// Remainders of all octets.
const REMAINDERS: [u32; 256] = remainders();

/// Fills in the checksum that the IP packet at the start of `packet` lacks; true when it lacked one. Anything else stays as it is.
pub fn complete(packet: &mut [u8]) -> bool {
    let Ok(meta) = ip::parse(packet) else {
        return false;
    };
    if meta.fragment.is_some() {
        return false;
    }
    let (start, end) = (usize::from(meta.payload_at), usize::from(meta.total_octets));
    let Some(segment) = packet.get_mut(start..end) else {
        return false;
    };
    match meta.protocol {
        protocol::TCP if segment.len() >= tcp::HEADER_OCTETS => {
            complete_sum(&meta, segment, tcp::CHECKSUM_AT)
        }
        protocol::UDP if segment.len() >= UDP_HEADER_OCTETS => complete_sum(&meta, segment, UDP_AT),
        protocol::SCTP if segment.len() >= SCTP_HEADER_OCTETS => complete_crc(segment),
        _ => false,
    }
}

fn complete_sum(meta: &IpMeta, segment: &mut [u8], at: usize) -> bool {
    let (source, destination) = (meta.source, meta.destination);
    let pseudo = checksum::pseudo_header(source, destination, meta.protocol, segment.len() as u32);
    let looks_partial = get_u16(segment, at) == Some(!checksum::finish(pseudo));
    if !looks_partial || checksum::finish(checksum::add(pseudo, segment)) == 0 {
        return false;
    }
    // The pseudo header is in the field, so in the sum.
    let sum = match checksum::of(segment) {
        // Zero means that there is none (RFC 768).
        0 if meta.protocol == protocol::UDP => 0xffff,
        sum => sum,
    };
    segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    true
}

fn complete_crc(segment: &mut [u8]) -> bool {
    let field = SCTP_AT..SCTP_HEADER_OCTETS;
    if segment[field.clone()] != [0; 4] {
        return false;
    }
    let crc = crc32c(segment);
    segment[field].copy_from_slice(&crc.to_le_bytes());
    crc != 0
}

/// CRC32c (RFC 9260 appendix A).
fn crc32c(data: &[u8]) -> u32 {
    let step = |crc: u32, octet: &u8| REMAINDERS[usize::from(crc as u8 ^ octet)] ^ (crc >> 8);
    !data.iter().fold(u32::MAX, step)
}

const fn remainders() -> [u32; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < table.len() {
        let mut rest = octet as u32;
        let mut bit = 0;
        while bit < 8 {
            rest = (rest >> 1) ^ (CASTAGNOLI * (rest & 1));
            bit += 1;
        }
        table[octet] = rest;
        octet += 1;
    }
    table
}

#[cfg(test)]
mod tests;
