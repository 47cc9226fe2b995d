//! Waiting for a condition with a deadline; tests never wait a fixed time and hope. The one file that lets time pass.

use std::time::{Duration, Instant};
use thiserror::Error;

const POLL: Duration = Duration::from_millis(20);

/// Something did not happen in time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not within {seconds} s: {what}")]
pub struct Deadline {
    /// What was awaited.
    pub what: String,
    /// How long.
    pub seconds: u64,
}

/// Calls `probe` until it yields a value or `limit` has passed.
///
/// # Errors
/// [`Deadline`] naming `what`, or the probe's own error at once.
pub fn wait_until<T, E: From<Deadline>>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Result<Option<T>, E>,
) -> Result<T, E> {
    let start = Instant::now();
    loop {
        if let Some(value) = probe()? {
            return Ok(value);
        }
        if start.elapsed() > limit {
            return Err(E::from(Deadline {
                what: what.to_owned(),
                seconds: limit.as_secs(),
            }));
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

#[cfg(test)]
mod tests;
