//! Token buckets in virtual time: one worker's own, and one that all workers share.

use std::sync::atomic::{AtomicU64, Ordering};

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

/// A token bucket for several workers: the generic cell rate algorithm (ITU-T I.371), whose whole state is one word. Under a flood
/// it is mostly read, because only what passes changes it.
#[derive(Debug)]
pub struct SharedPolicer {
    interval_ns: u64,
    /// How far ahead of the clock the word may be.
    ahead_ns: u64,
    /// When the next event would be due if all came evenly, in nanoseconds.
    due_ns: AtomicU64,
}

impl SharedPolicer {
    /// A full bucket.
    pub const fn new(rate_per_s: u64, burst: u64) -> Self {
        let interval_ns = 1_000_000_000 / rate_per_s;
        Self {
            interval_ns,
            ahead_ns: interval_ns * (burst - 1),
            due_ns: AtomicU64::new(0),
        }
    }

    /// Takes one token; false when there is none.
    #[inline]
    pub fn allow(&self, now: Time) -> bool {
        let now_ns = now.0.saturating_mul(1_000);
        let next = |due_ns: u64| {
            let from = due_ns.max(now_ns);
            (from - now_ns <= self.ahead_ns).then_some(from + self.interval_ns)
        };
        (self.due_ns)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_burst_then_rate() {
        let policer = SharedPolicer::new(10, 3);
        let now = Time(5_000_000);
        assert_eq!((0..10).filter(|_| policer.allow(now)).count(), 3);
        assert!(!policer.allow(Time(now.0 + 99_999)));
        assert!(policer.allow(Time(now.0 + 100_000)));
        assert!(!policer.allow(Time(now.0 + 100_000)));
        let later = Time(now.0 + 60_000_000);
        assert_eq!((0..10).filter(|_| policer.allow(later)).count(), 3);
        let allowed = (0..1000u64)
            .filter(|n| policer.allow(Time(later.0 + n * 10_000)))
            .count();
        assert!((98..=102).contains(&allowed), "{allowed}");
        // A worker whose clock was read a little earlier takes nothing that is not there.
        assert!(!policer.allow(later));
    }

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
