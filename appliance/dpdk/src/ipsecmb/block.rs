//! Short inputs of the ciphers as blocks of 16 octets that were written by one store.
//!
//! The library loads a nonce or the additional data whole. A load that spans several stores waits until all of them are in the cache,
//! for about as long as the cipher takes for a small packet; one that lies within one store does not.

/// 16 octets in a vector register or where one was stored.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(super) struct Block(Vector);

#[cfg(target_arch = "x86_64")]
type Vector = std::arch::x86_64::__m128i;
#[cfg(not(target_arch = "x86_64"))]
type Vector = u128;

impl Block {
    #[inline(always)]
    fn new(low: u64, high: u64) -> Self {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: SSE2 is part of this architecture.
        #[allow(unused_unsafe, reason = "safe where the whole build has SSE2")]
        let vector = unsafe { std::arch::x86_64::_mm_set_epi64x(high as i64, low as i64) };
        #[cfg(not(target_arch = "x86_64"))]
        let vector = u128::from(low) | u128::from(high) << 64;
        Block(vector)
    }

    /// The octets.
    #[inline(always)]
    pub fn octets(&self) -> &[u8; 16] {
        // SAFETY: 16 plain octets, for which alignment 1 suffices.
        unsafe { &*std::ptr::from_ref(self).cast() }
    }
}

/// A nonce and four octets that nobody reads.
#[inline(always)]
pub(super) fn of(nonce: &[u8; 12]) -> Block {
    let [a, b, c, d, e, f, g, h, rest @ ..] = *nonce;
    Block::new(
        u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
        u64::from(u32::from_ne_bytes(rest)),
    )
}

/// At most 12 octets, and zeros behind them.
#[inline(always)]
pub(super) fn of_short(octets: &[u8]) -> Block {
    match *octets {
        // SPI and sequence number, of 32 or 64 bits.
        [a, b, c, d, e, f, g, h] => Block::new(u64::from_ne_bytes([a, b, c, d, e, f, g, h]), 0),
        [a, b, c, d, e, f, g, h, i, j, k, l] => of(&[a, b, c, d, e, f, g, h, i, j, k, l]),
        _ => {
            let mut whole = [0; 12];
            for (to, from) in whole.iter_mut().zip(octets) {
                *to = *from;
            }
            of(&whole)
        }
    }
}
