//! The daemon's clock: CLOCK_BOOTTIME, the one that iked uses too.

use nix::time::{ClockId, clock_gettime};
use ravelin_types::Time;

/// Now.
pub fn now() -> Time {
    clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map(|t| {
            let seconds = u64::try_from(t.tv_sec()).unwrap_or(0);
            let nanoseconds = u64::try_from(t.tv_nsec()).unwrap_or(0);
            Time(seconds * 1_000_000 + nanoseconds / 1_000)
        })
        .unwrap_or_default()
}
