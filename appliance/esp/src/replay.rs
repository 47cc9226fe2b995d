//! The anti-replay window (RFC 4303 section 3.4.3, appendix A).
//!
//! A ring of as many bits as the window has packets: the bit of number *s* is `s mod size`. *Check* runs before the cipher and
//! changes nothing; *commit* runs after the ICV proved the packet and may still find a duplicate, because an asynchronous
//! engine can hold two copies of one packet. All numbers are 64 bits wide; without extended numbers the upper half is zero.

/// Largest window in packets.
pub const MAX_REPLAY_WINDOW: u32 = 4096;
/// Smallest window in packets; RFC 4303 asks for 32 at least.
pub const MIN_REPLAY_WINDOW: u32 = 64;

/// What the window says about a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not seen before.
    Fresh,
    /// Left of the window.
    Old,
    /// Seen before.
    Duplicate,
    /// Zero, which no sender uses.
    Zero,
}

/// A single-writer replay window.
#[derive(Debug)]
pub struct ReplayWindow {
    /// Highest committed number.
    top: u64,
    /// Size in packets less one, all ones; unused when `words` is empty.
    mask: u64,
    /// Empty: no anti-replay service.
    words: Box<[u64]>,
    extended: bool,
}

impl ReplayWindow {
    /// A window of `packets`, rounded up to a power of two within 64..=4096; 0 switches the service off. Everything up to and
    /// including `top` counts as seen: 0 for a new SA, the stored right edge after a restart.
    pub fn new(packets: u32, extended: bool, top: u64) -> Self {
        let size = if packets == 0 {
            0
        } else {
            u64::from(
                packets
                    .clamp(MIN_REPLAY_WINDOW, MAX_REPLAY_WINDOW)
                    .next_power_of_two(),
            )
        };
        let seen = if top == 0 { 0 } else { u64::MAX };
        Self {
            top,
            mask: size.wrapping_sub(1),
            words: vec![seen; (size / 64) as usize].into_boxed_slice(),
            extended,
        }
    }

    /// Highest committed number.
    pub fn top(&self) -> u64 {
        self.top
    }

    /// Size in packets, 0 when off.
    pub fn size(&self) -> u64 {
        self.words.len() as u64 * 64
    }

    /// The whole number of a packet from its low 32 bits (RFC 4303 appendix A2.2).
    #[inline]
    pub fn infer(&self, low: u32) -> u64 {
        if !self.extended {
            return u64::from(low);
        }
        let size = self.size().max(u64::from(MIN_REPLAY_WINDOW));
        let (top_high, top_low) = (self.top >> 32, self.top & 0xffff_ffff);
        let low = u64::from(low);
        let high = if top_low >= size - 1 {
            // Case A: the window lies in one subspace.
            top_high + u64::from(low < top_low - (size - 1))
        } else {
            // Case B: the window spans two subspaces; numbers at its left end belong to the lower one.
            let left = (top_low + (1 << 32)) - (size - 1);
            top_high.saturating_sub(u64::from(low >= left))
        };
        high << 32 | low
    }

    /// The word that the next number in order falls into.
    #[inline]
    pub(crate) fn next_word(&self) -> Option<&u64> {
        let (word, _) = self.bit(self.top + 1);
        self.words.get(word)
    }

    #[inline]
    fn bit(&self, number: u64) -> (usize, u64) {
        let index = number & self.mask;
        ((index >> 6) as usize, 1 << (index & 63))
    }

    /// Judges a number without changing anything.
    #[inline]
    pub fn check(&self, number: u64) -> Verdict {
        if number == 0 {
            return Verdict::Zero;
        }
        if number > self.top || self.words.is_empty() {
            return Verdict::Fresh;
        }
        if self.top - number > self.mask {
            return Verdict::Old;
        }
        let (word, bit) = self.bit(number);
        match self.words.get(word) {
            Some(value) if value & bit == 0 => Verdict::Fresh,
            _ => Verdict::Duplicate,
        }
    }

    /// Judges a number again and, if it is fresh, marks it and moves the right edge.
    #[inline]
    pub fn commit(&mut self, number: u64) -> Verdict {
        let (word, bit) = self.bit(number);
        // The next in order, which is the rule: its bit is the only one that the right edge passes.
        if number == self.top + 1
            && let Some(value) = self.words.get_mut(word)
        {
            *value |= bit;
            self.top = number;
            return Verdict::Fresh;
        }
        let verdict = self.check(number);
        if verdict != Verdict::Fresh {
            return verdict;
        }
        if self.words.is_empty() {
            self.top = self.top.max(number);
            return verdict;
        }
        if number > self.top {
            self.clear_between(number);
            self.top = number;
        }
        if let Some(value) = self.words.get_mut(word) {
            *value |= bit;
        }
        verdict
    }

    /// Clears the bits of `top + 1 ..= number`, which the right edge passes.
    #[inline]
    fn clear_between(&mut self, number: u64) {
        if number - self.top > self.mask {
            self.words.fill(0);
            return;
        }
        let mut at = self.top + 1;
        while at <= number {
            let (word, _) = self.bit(at);
            let in_word = (64 - (at & 63)).min(number - at + 1);
            let ones = if in_word == 64 {
                u64::MAX
            } else {
                (1 << in_word) - 1
            };
            if let Some(value) = self.words.get_mut(word) {
                *value &= !(ones << (at & 63));
            }
            at += in_word;
        }
    }
}

#[cfg(test)]
mod tests;
