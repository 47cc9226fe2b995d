//! TCP (RFC 9293), as far as a gateway touches it: the maximum segment size that the segments which open a connection announce.

use crate::{checksum, get_u16};

/// Length of a TCP header without options.
pub const HEADER_OCTETS: usize = 20;

/// Where the flags stand, and the one that opens a connection.
const FLAGS_AT: usize = 13;
const SYN: u8 = 0x02;
/// Where the checksum stands.
pub(crate) const CHECKSUM_AT: usize = 16;
/// Options (RFC 9293 section 3.2).
const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MAXIMUM_SEGMENT_SIZE: u8 = 2;
const MAXIMUM_SEGMENT_SIZE_OCTETS: u8 = 4;

/// Whether a segment opens a connection or answers one that does: no other may announce a segment size.
#[inline]
pub fn is_syn(segment: &[u8]) -> bool {
    segment.get(FLAGS_AT).is_some_and(|flags| flags & SYN != 0)
}

/// Lowers the maximum segment size that a SYN announces to `most_octets`; true when it was larger. A SYN that announces none is left
/// alone: what it means is 536 or 1,220 octets (RFC 9293 section 3.7.1). `segment` may be cut short behind the options.
pub fn clamp_mss(segment: &mut [u8], most_octets: u16) -> bool {
    let Some(at) = mss_at(segment) else {
        return false;
    };
    let (Some(announced), Some(sum)) = (get_u16(segment, at), get_u16(segment, CHECKSUM_AT)) else {
        return false;
    };
    if announced <= most_octets {
        return false;
    }
    // An option may start anywhere: a word at an odd place counts with its octets exchanged (RFC 1071 section 2(B)).
    let word = |value: u16| {
        if at % 2 == 0 {
            value
        } else {
            value.swap_bytes()
        }
    };
    let sum = checksum::update(sum, word(announced), word(most_octets));
    segment[at..at + 2].copy_from_slice(&most_octets.to_be_bytes());
    segment[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&sum.to_be_bytes());
    true
}

/// Where the value of the first option of that kind stands. The walk ends with the header, after 40 octets at the most.
fn mss_at(segment: &[u8]) -> Option<usize> {
    let header_octets = usize::from(segment.get(FLAGS_AT - 1)? >> 4) * 4;
    let header = segment.get(..header_octets)?;
    let mut at = HEADER_OCTETS;
    loop {
        match *header.get(at)? {
            END => return None,
            NO_OPERATION => at += 1,
            kind => {
                let octets = *header.get(at + 1)?;
                if kind == MAXIMUM_SEGMENT_SIZE {
                    let whole = octets == MAXIMUM_SEGMENT_SIZE_OCTETS && at + 4 <= header_octets;
                    return whole.then_some(at + 2);
                }
                if octets < 2 {
                    return None;
                }
                at += usize::from(octets);
            }
        }
    }
}

#[cfg(test)]
mod tests;
