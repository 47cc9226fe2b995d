//! Waiting for a condition with a deadline; tests never wait a fixed time and hope.

use crate::{BenchError, Result};
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(20);

/// Calls `probe` until it yields a value or `limit` has passed.
///
/// # Errors
/// [`BenchError::Deadline`] naming `what`, or the probe's own error at once.
pub fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = probe()? {
            return Ok(value);
        }
        if start.elapsed() > limit {
            return Err(BenchError::Deadline {
                what: what.to_owned(),
                seconds: limit.as_secs(),
            });
        }
        pause(POLL);
    }
}

/// Lets `time` pass: for traffic that must run a while, never in the hope that something is ready afterwards.
pub fn pause(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end
        .checked_duration_since(Instant::now())
        .filter(|d| !d.is_zero())
    {
        std::thread::park_timeout(left);
    }
}
