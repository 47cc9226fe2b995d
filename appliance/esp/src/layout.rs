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

    /// Fills padding and trailer (section 2.4).
    #[inline]
    pub(crate) fn write_trailer(self, trailer: &mut [u8], next_header: u8) {
        match trailer {
            // Blocks of 4 octets, which the counter modes have.
            [length, next] => [*length, *next] = [0, next_header],
            [a, length, next] => [*a, *length, *next] = [1, 1, next_header],
            [a, b, length, next] => [*a, *b, *length, *next] = [1, 2, 2, next_header],
            [a, b, c, length, next] => {
                [*a, *b, *c, *length, *next] = [1, 2, 3, 3, next_header];
            }
            [filler @ .., length, next] => {
                [*length, *next] = [filler.len() as u8, next_header];
                for (value, octet) in (1u8..).zip(filler) {
                    *octet = value;
                }
            }
            _ => {}
        }
    }

    /// Whether a received packet may have this much text.
    #[inline]
    pub(crate) fn fits(self, text_octets: usize) -> bool {
        text_octets >= TRAILER_OCTETS && text_octets & usize::from(self.mask) == 0
    }
}
