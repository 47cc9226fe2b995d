//! The clock of the daemons: CLOCK_BOOTTIME, which runs on through a restart of a process and is the same for all of them.

use std::time::{SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use ravelin_types::Time;

/// Now. Journalled times stay comparable across restarts of the process; a vault never outlives the machine's boot.
pub fn now() -> Time {
    clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map(|t| {
            let seconds = u64::try_from(t.tv_sec()).unwrap_or(0);
            let nanoseconds = u64::try_from(t.tv_nsec()).unwrap_or(0);
            Time(seconds * 1_000_000 + nanoseconds / 1_000)
        })
        .unwrap_or_default()
}

/// Microseconds since 1970 at the zero of our clock, of which `now` is the present; moves when the wall clock is set.
pub fn epoch_us(now: Time) -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since_us = since.map_or(0, |since| since.as_micros());
    u64::try_from(since_us).unwrap_or(0).saturating_sub(now.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_goes_back() {
        let first = now();
        assert!(first > Time::default());
        assert!(now() >= first);
    }
}
