//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624, equation 3).

use std::net::IpAddr;

/// Adds `data` to the running one's-complement sum `sum`. An odd last octet is padded with zero, so only the last part of
/// a sum may have an odd length.
#[inline]
pub fn add(mut sum: u64, data: &[u8]) -> u64 {
    let words = data.chunks_exact(4);
    let tail = words.remainder();
    for word in words {
        sum += u64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]]));
    }
    if tail.is_empty() {
        return sum;
    }
    let mut last = [0u8; 4];
    last[..tail.len()].copy_from_slice(tail);
    sum + u64::from(u32::from_be_bytes(last))
}

/// Folds a running sum into the complemented 16-bit checksum.
#[inline]
pub fn finish(mut sum: u64) -> u16 {
    sum = (sum & 0xffff_ffff) + (sum >> 32);
    sum = (sum & 0xffff_ffff) + (sum >> 32);
    let mut folded = ((sum & 0xffff) + (sum >> 16)) as u32;
    folded = (folded & 0xffff) + (folded >> 16);
    folded = (folded & 0xffff) + (folded >> 16);
    !(folded as u16)
}

/// Checksum of one contiguous block. Zero means "correct" when the block holds its own checksum field.
#[inline]
pub fn of(data: &[u8]) -> u16 {
    finish(add(0, data))
}

/// Checksum of an IPv4 header without options: as [`of`], by whole words in the order of the machine, which the sum does not
/// depend on (RFC 1071 section 2(B)).
#[inline]
pub fn of_ipv4_header(header: &[u8; 20]) -> u16 {
    let [a, b, c, d, e, f, g, h, rest @ ..] = *header;
    let [i, j, k, l, m, n, o, p, q, r, s, t] = rest;
    let first = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
    let second = u64::from_ne_bytes([i, j, k, l, m, n, o, p]);
    let last = u64::from(u32::from_ne_bytes([q, r, s, t]));
    let (sum, carry) = first.overflowing_add(second);
    let (sum, more) = sum.overflowing_add(last + u64::from(carry));
    let sum = sum + u64::from(more);
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    u16::from_be(!(sum as u16))
}

/// Running sum of the pseudo header of RFC 793 / RFC 8200 section 8.1.
pub fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, length_octets: u32) -> u64 {
    let mut sum = u64::from(protocol) + u64::from(length_octets);
    for address in [source, destination] {
        sum = match address {
            IpAddr::V4(v4) => add(sum, &v4.octets()),
            IpAddr::V6(v6) => add(sum, &v6.octets()),
        };
    }
    sum
}

/// The checksum after one 16-bit word it covers changed from `old` to `new` (RFC 1624: HC' = ~(~HC + ~m + m')).
#[inline]
pub fn update(checksum: u16, old: u16, new: u16) -> u16 {
    finish(u64::from(!checksum) + u64::from(!old) + u64::from(new))
}

#[cfg(test)]
mod tests;
