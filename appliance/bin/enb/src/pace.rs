//! When the next of many may begin: so many per second, evenly, without catching up in bursts.

use std::time::Duration;

use ravelin_types::Time;

/// What was missed is made up for this long at most.
const MAX_DEBT: Duration = Duration::from_millis(100);

/// An even pace.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// `None`: as fast as asked.
    interval: Option<Duration>,
    next_at: Time,
}

impl Pace {
    /// So many per second from now on, or without a bound.
    pub fn new(per_second: Option<f64>, now: Time) -> Self {
        Self {
            interval: per_second.map(|rate| Duration::from_secs_f64(1.0 / rate)),
            next_at: now,
        }
    }

    /// Takes one's turn, if it has come.
    pub fn take(&mut self, now: Time) -> bool {
        let Some(interval) = self.interval else {
            return true;
        };
        if now < self.next_at {
            return false;
        }
        self.next_at = self.next_at.max(now - MAX_DEBT) + interval;
        true
    }

    /// When the next turn comes; `None` when it is there.
    pub fn next_at(&self) -> Option<Time> {
        self.interval.map(|_| self.next_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_kept_and_a_pause_is_not_made_up_for() {
        let mut now = Time(1_000_000);
        let mut pace = Pace::new(Some(100.0), now);
        let mut taken = 0;
        for _ in 0..1000 {
            taken += u32::from(pace.take(now));
            now = now + Duration::from_millis(1);
        }
        assert_eq!(taken, 100);
        now = now + Duration::from_secs(10);
        let burst = (0..1000).filter(|_| pace.take(now)).count();
        assert_eq!(burst, 11);
    }

    #[test]
    fn without_a_rate_every_turn_has_come() {
        let mut pace = Pace::new(None, Time(0));
        assert!((0..1000).all(|_| pace.take(Time(0))));
        assert_eq!(pace.next_at(), None);
    }
}
