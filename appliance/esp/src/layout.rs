//! Sizes of an SA's packets, from its transform: what differs between algorithms before and after the cipher.

use ravelin_types::EspTransform;
use ravelin_wire::esp::{HEADER_OCTETS, TRAILER_OCTETS};

/// The unique IV that ESP itself writes: 64 bits, the explicit IV of the counter modes.
pub(crate) const UNIQUE_IV_OCTETS: usize = 8;

/// Sizes in octets, small enough to lie in the SA's own cache line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// ESP header and IV.
    front: u8,
    icv: u8,
    block: u8,
    /// What the text of a received packet must be a multiple of, minus one.
    mask: u8,
    /// The IV on the wire is the unique one; else the engine writes it, or there is none.
    pub(crate) plain_iv: bool,
}

impl Layout {
    pub(crate) fn new(transform: EspTransform) -> Self {
        let block = transform.block_octets();
        Self {
            front: (HEADER_OCTETS + transform.iv_octets()) as u8,
            icv: transform.icv_octets() as u8,
            block: block as u8,
            // Only a block cipher cannot take what does not fill its blocks (RFC 4303 section 2.4 binds the sender).
            mask: if transform.is_iv_unpredictable() {
                block as u8 - 1
            } else {
                0
            },
            plain_iv: transform.iv_octets() == UNIQUE_IV_OCTETS && !transform.is_iv_unpredictable(),
        }
    }

    /// ESP header and IV.
    #[inline]
    pub(crate) fn front(self) -> usize {
        usize::from(self.front)
    }

    #[inline]
    pub(crate) fn icv(self) -> usize {
        usize::from(self.icv)
    }

    /// Octets of the IV that AH has in its ICV field (RFC 4543 section 4).
    #[inline]
    pub(crate) fn ah_iv(self) -> usize {
        if self.plain_iv { UNIQUE_IV_OCTETS } else { 0 }
    }

    /// Octets of padding behind a payload (section 2.4).
    #[inline]
    pub(crate) fn padding(self, payload_octets: usize) -> usize {
        // Blocks are powers of two.
        (payload_octets + TRAILER_OCTETS).wrapping_neg() & (usize::from(self.block) - 1)
    }

    /// Largest payload of an ESP packet of `octets`.
    pub(crate) fn largest_payload(self, octets: usize) -> usize {
        let text = octets.saturating_sub(self.front() + self.icv());
        (text & !(usize::from(self.block) - 1)).saturating_sub(TRAILER_OCTETS)
    }

    /// Fills padding and trailer (section 2.4). `tail` is all that follows the payload; the ICV behind the trailer is not written yet.
    #[inline(always)]
    pub(crate) fn write_trailer(tail: &mut [u8], padding: usize, next_header: u8) {
        match tail.first_chunk_mut::<8>() {
            // Blocks of 4 octets, which the counter modes have, by one store and without a branch on the length of the packet.
            Some(all) if padding < SHORT_TRAILERS.len() => {
                let next = u64::from(next_header) << (8 * (padding + 1));
                *all = (SHORT_TRAILERS[padding] | next).to_le_bytes();
            }
            _ => write_any_trailer(tail, padding, next_header),
        }
    }

    /// Whether a received packet may have this much text.
    #[inline]
    pub(crate) fn fits(self, text_octets: usize) -> bool {
        text_octets >= TRAILER_OCTETS && text_octets & usize::from(self.mask) == 0
    }
}

/// Padding of 0 to 3 octets and its length, as little-endian numbers.
const SHORT_TRAILERS: [u64; 4] = [0, 0x0101, 0x02_0201, 0x0303_0201];

#[inline(never)]
fn write_any_trailer(tail: &mut [u8], padding: usize, next_header: u8) {
    let Some((filler, rest)) = tail.split_at_mut_checked(padding) else {
        return;
    };
    for (value, octet) in (1u8..).zip(filler) {
        *octet = value;
    }
    if let [length, next, ..] = rest {
        [*length, *next] = [padding as u8, next_header];
    }
}
