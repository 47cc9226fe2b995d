//! Waiting for a condition with a deadline; tests never wait a fixed time and hope. The harness of virtual machines waits alike.

use crate::Result;
use std::time::Duration;

pub use ravelin_qemu::wait::pause;

/// Calls `probe` until it yields a value or `limit` has passed.
///
/// # Errors
/// [`crate::BenchError::Deadline`] naming `what`, or the probe's own error at once.
pub fn wait_until<T>(
    what: &str,
    limit: Duration,
    probe: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    ravelin_qemu::wait::wait_until(what, limit, probe)
}
