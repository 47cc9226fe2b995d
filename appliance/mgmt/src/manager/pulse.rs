//! The manager's word to the service manager that it lives: between events and while it waits for the daemons' verdicts.

use super::{Event, Manager};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// Wait of a manager that nobody watches.
const UNWATCHED: Duration = Duration::from_secs(3600);

/// How often to say it, and how.
pub struct Pulse {
    /// Longest silence.
    pub every: Duration,
    /// Says it.
    pub beat: Box<dyn Fn() + Send>,
}

impl Manager {
    /// Says that it lives from now on.
    pub fn set_pulse(&mut self, pulse: Pulse) {
        self.pulse = Some(pulse);
    }

    /// The next event, at most until `deadline`.
    pub(super) fn next_event(&self, deadline: Option<Instant>) -> Result<Event, RecvTimeoutError> {
        loop {
            if let Some(pulse) = &self.pulse {
                (pulse.beat)();
            }
            let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
            let every = self.pulse.as_ref().map_or(UNWATCHED, |pulse| pulse.every);
            let wait = left.map_or(every, |left| left.min(every));
            match self.inbox.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout) if left.is_none_or(|left| left > wait) => {}
                outcome => return outcome,
            }
        }
    }
}
