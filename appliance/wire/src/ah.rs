//! The authentication header (RFC 4302 section 2), and the fields of the headers before it that change on the way (section 3.3.3.1).

use crate::{get_u16, get_u32};

/// Next header, length, reserved, SPI and sequence number; the ICV follows.
pub const FIXED_OCTETS: usize = 12;
/// Length of an IPv4 header without options, and of an IPv6 header.
const V4_OCTETS: usize = 20;
const V6_OCTETS: usize = 40;

/// An authentication header but for its ICV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AhHeader {
    /// What follows it.
    pub next_header: u8,
    /// Length of all of it, in octets: a multiple of 4.
    pub octets: usize,
    /// Security parameters index.
    pub spi: u32,
    /// Sequence number, its low 32 bits when extended numbers are in use.
    pub sequence: u32,
}

impl AhHeader {
    /// Reads the header at the start of `ah`, which may be cut short behind the fixed part.
    pub fn parse(ah: &[u8]) -> Option<Self> {
        let &[next_header, units, ..] = ah else {
            return None;
        };
        Some(Self {
            next_header,
            octets: 4 * (usize::from(units) + 2),
            spi: get_u32(ah, 4)?,
            sequence: get_u32(ah, 8)?,
        })
    }

    /// Writes it with an ICV and padding of zero; false if `out` is not as long as the header, or no header is.
    pub fn emit(&self, out: &mut [u8]) -> bool {
        let units = (out.len() / 4).checked_sub(2).map(u8::try_from);
        let (Some(Ok(units)), true) = (units, out.len() == self.octets) else {
            return false;
        };
        out.fill(0);
        let Some(fixed) = out.first_chunk_mut::<FIXED_OCTETS>() else {
            return false;
        };
        fixed[..2].copy_from_slice(&[self.next_header, units]);
        fixed[4..8].copy_from_slice(&self.spi.to_be_bytes());
        fixed[8..].copy_from_slice(&self.sequence.to_be_bytes());
        true
    }
}

/// Sets what changes on the way to zero, in the headers before AH; `front` holds nothing else.
pub fn clear_mutable(front: &mut [u8]) {
    if front.first().is_some_and(|first| first >> 4 == 4) {
        clear_v4(front);
    } else {
        clear_v6(front);
    }
}

/// Section 3.3.3.1.1.1: TOS, flags and offset, TTL, checksum; options by appendix A1.
fn clear_v4(front: &mut [u8]) {
    let Some((header, options)) = front.split_first_chunk_mut::<V4_OCTETS>() else {
        return;
    };
    header[1] = 0;
    header[6..9].fill(0);
    header[10..12].fill(0);
    let mut options = options;
    while let Some(kind) = options.first() {
        let stays = matches!(kind, 0 | 1 | 130 | 133 | 134 | 148 | 149);
        let (option, behind) = options.split_at_mut(option_octets_v4(options));
        if !stays {
            option.fill(0);
        }
        options = behind;
    }
}

/// Length of the first of these options of an IPv4 header. One that is malformed counts as all.
fn option_octets_v4(options: &[u8]) -> usize {
    match *options {
        [0 | 1, ..] => 1,
        [_, octets, ..] if octets >= 2 => usize::from(octets).min(options.len()),
        _ => options.len(),
    }
}

/// Section 3.3.3.1.2: traffic class, flow label, hop limit; data of the options that say so.
fn clear_v6(front: &mut [u8]) {
    let Some((header, mut rest)) = front.split_first_chunk_mut::<V6_OCTETS>() else {
        return;
    };
    header[0] = 0x60;
    header[1..4].fill(0);
    header[7] = 0;
    let mut kind = header[6];
    while let [next, units, ..] = *rest {
        let octets = (8 + 8 * usize::from(units)).min(rest.len());
        let (extension, behind) = rest.split_at_mut(octets);
        if kind == HOP_BY_HOP || kind == DESTINATION {
            clear_options(extension.get_mut(2..).unwrap_or_default());
        }
        (kind, rest) = (next, behind);
    }
}

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const DESTINATION: u8 = 60;
/// The bit of an option whose data may change on the way (RFC 8200 section 4.2).
const CHANGES: u8 = 0x20;

fn clear_options(mut options: &mut [u8]) {
    while let [kind, rest @ ..] = &*options {
        let octets = match (kind, rest.first()) {
            (0, _) => 1,
            (_, Some(octets)) => (2 + usize::from(*octets)).min(options.len()),
            (_, None) => options.len(),
        };
        let (option, behind) = options.split_at_mut(octets);
        if option[0] & CHANGES != 0 {
            option.get_mut(2..).unwrap_or_default().fill(0);
        }
        options = behind;
    }
}

/// Whether the headers before AH name nodes to be visited, so that the destination changes on the way.
pub fn is_source_routed(front: &[u8]) -> bool {
    const LOOSE: u8 = 131;
    const STRICT: u8 = 137;
    if front.first().is_some_and(|first| first >> 4 == 4) {
        let mut options = front.get(V4_OCTETS..).unwrap_or_default();
        while let Some(kind) = options.first() {
            if matches!(*kind, LOOSE | STRICT) {
                return true;
            }
            options = &options[option_octets_v4(options)..];
        }
        return false;
    }
    let mut kind = front.get(6).copied();
    let mut at = V6_OCTETS;
    while let (Some(this), Some(word)) = (kind, get_u16(front, at)) {
        if this == ROUTING {
            return true;
        }
        kind = Some((word >> 8) as u8);
        at += 8 + 8 * usize::from(word as u8);
    }
    false
}

#[cfg(test)]
mod tests;
