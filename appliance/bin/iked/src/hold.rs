//! The hold time of the `ari-ts` routes (design decision D5). A state machine without I/O.
//!
//! ```text
//!   planed forwards ---lost---> hold time ---over---> routes withdrawn
//!        ^                          |                       |
//!        +--- planed forwards ------+                       |
//!        +--- planed forwards, and its pairs are ours ------+
//! ```
//! planed forwards as long as it says so ([`Event::State`]); the end of the connection, another word, or silence is its loss. A restart
//! of iked itself is no loss: the routes of its former life stay, and count as held until planed is heard of.
//!
//! [`Event::State`]: ravelin_ctl::sa::Event::State

use std::time::Duration;

use ravelin_ctl::ike::DEFAULT_HOLD_S;
use ravelin_ctl::sa::STATE_SILENCE;
use ravelin_types::Time;

/// What is to be done about the routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// They go.
    Withdraw,
    /// They come back, or are compared for the first time.
    Restore,
}

/// Where the hold time stands.
#[derive(Debug)]
pub struct Hold {
    length: Duration,
    /// planed said that it forwards, last at this time.
    heard: Option<Time>,
    /// Without a planed that forwards since.
    lost: Option<Time>,
    /// The kernel's routes are compared with what is wanted.
    kept: bool,
    withdrawn: bool,
}

impl Hold {
    /// A start at `now`: planed may forward, and has not been heard yet.
    pub fn new(now: Time) -> Self {
        Self {
            length: Duration::from_secs(DEFAULT_HOLD_S.into()),
            heard: None,
            lost: Some(now),
            kept: false,
            withdrawn: false,
        }
    }

    /// The configured time.
    pub fn set_length(&mut self, seconds: u32) {
        self.length = Duration::from_secs(seconds.into());
    }

    /// planed says whether it forwards.
    pub fn said(&mut self, forwarding: bool, now: Time) {
        if forwarding {
            self.heard = Some(now);
            self.lost = None;
        } else {
            self.gone(now);
        }
    }

    /// The connection to planed has ended.
    pub fn gone(&mut self, now: Time) {
        self.heard = None;
        self.lost = self.lost.or(Some(now));
    }

    /// What is due; `in_step` when planed's pairs are ours.
    pub fn poll(&mut self, in_step: bool, now: Time) -> Option<Change> {
        if let Some(heard) = self.heard.filter(|heard| *heard + STATE_SILENCE <= now) {
            log::warn!("planed is silent: it counts as lost");
            self.heard = None;
            self.lost = Some(heard + STATE_SILENCE);
        }
        match self.lost {
            Some(lost) if !self.withdrawn && lost + self.length <= now => {
                log::warn!(
                    "planed has not forwarded for {} s: ari-ts routes are withdrawn",
                    self.length.as_secs()
                );
                self.withdrawn = true;
                self.kept = false;
                Some(Change::Withdraw)
            }
            None if in_step && !self.kept => {
                if self.withdrawn {
                    log::info!("planed forwards: ari-ts routes return");
                }
                self.withdrawn = false;
                self.kept = true;
                Some(Change::Restore)
            }
            _ => None,
        }
    }

    /// When to poll again.
    pub fn next(&self) -> Time {
        let over = self.lost.filter(|_| !self.withdrawn);
        let over = over.map_or(Time::MAX, |lost| lost + self.length);
        let silent = self.heard.map_or(Time::MAX, |heard| heard + STATE_SILENCE);
        over.min(silent)
    }
}

#[cfg(test)]
mod tests;
