//! Token buckets in virtual time.

use ravelin_types::Time;

/// Allows `rate_per_s` events on average and `burst` at once.
#[derive(Clone, Copy, Debug)]
pub struct Policer {
    rate_per_s: u64,
    burst: u64,
    /// Millionths of an event.
    tokens: u64,
    last: Time,
}

const UNIT: u64 = 1_000_000;

impl Policer {
    /// A full bucket.
    pub const fn new(rate_per_s: u64, burst: u64) -> Self {
        Self {
            rate_per_s,
            burst,
            tokens: burst * UNIT,
            last: Time(0),
        }
    }

    /// Takes one token; false when there is none.
    #[inline]
    pub fn allow(&mut self, now: Time) -> bool {
        let elapsed_us = now.0.saturating_sub(self.last.0);
        self.last = now;
        // One event per second is one token unit per microsecond.
        self.tokens = self
            .tokens
            .saturating_add(elapsed_us.saturating_mul(self.rate_per_s))
            .min(self.burst * UNIT);
        match self.tokens.checked_sub(UNIT) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_then_rate() {
        let mut policer = Policer::new(10, 3);
        let mut now = Time(5_000_000);
        let allowed = (0..10).filter(|_| policer.allow(now)).count();
        assert_eq!(allowed, 3);
        now = Time(now.0 + 1_000_000);
        assert_eq!(
            (0..10).filter(|_| policer.allow(now)).count(),
            3,
            "never above the burst"
        );
        let mut allowed = 0;
        for _ in 0..1000 {
            now = Time(now.0 + 10_000);
            allowed += u32::from(policer.allow(now));
        }
        assert!((98..=102).contains(&allowed), "{allowed}");
    }
}
