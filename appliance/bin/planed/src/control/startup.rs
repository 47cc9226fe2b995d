//! Where a start stands: what must be complete before transit flows (design decision D5). A state machine without I/O.
//!
//! ```text
//!             configuration            kernel's routes, twins, iked
//!   Starting ---------------> Syncing ------------------------------> Forwarding
//!                              ports run, the host path works,          |     ^
//!                              transit and ESP are discarded      iked leaves |
//!                                                                       v     |
//!                                                                       Holding
//! ```
//! Transit that flows flows on: neither iked's death nor a commit takes it back. Without a mirror or twins there is no route at all,
//! so they are waited for without bound; iked is not, because a gateway whose iked is away must still serve what it has.

use std::time::Duration;

use ravelin_types::Time;

use crate::clients::ClientId;

/// How long an iked that is away or silent is waited for: many of its attempts to connect, and a start of its own.
const IKED_PATIENCE: Duration = Duration::from_secs(10);
/// How long an iked that works is waited for: all pairs of a node, at a fraction of the measured rate of installs.
const SYNC_MOST: Duration = Duration::from_secs(60);

/// The state as operators see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// No configuration yet.
    #[default]
    Starting,
    /// Not all is there that forwarding needs.
    Syncing,
    /// Transit flows.
    Forwarding,
    /// Transit flows by the SAs that are there; iked is away.
    Holding,
}

impl Phase {
    /// Its name in `show`.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::Syncing => "syncing",
            Phase::Forwarding => "forwarding",
            Phase::Holding => "holding",
        }
    }

    /// Whether transit flows.
    pub fn forwards(self) -> bool {
        matches!(self, Phase::Forwarding | Phase::Holding)
    }
}

/// What is there, and what follows from it.
#[derive(Debug, Default)]
pub struct Startup {
    phase: Phase,
    since: Time,
    /// The configuration has gateways.
    needs_iked: bool,
    mirror: bool,
    twins: bool,
    iked: Option<ClientId>,
    /// Our pairs are those of the connected iked.
    in_step: bool,
    /// They were at some time.
    ever_in_step: bool,
    /// iked is not waited for after this.
    patience: Time,
    /// Nor after this, whatever it does.
    latest: Time,
}

impl Startup {
    /// A configuration runs, with or without gateways.
    pub fn configured(&mut self, needs_iked: bool, now: Time) {
        self.needs_iked = needs_iked;
        if self.phase == Phase::Starting {
            self.patience = now + IKED_PATIENCE;
            self.latest = now + SYNC_MOST;
            self.enter(Phase::Syncing, now);
        }
    }

    /// Whether a configuration runs.
    pub fn is_configured(&self) -> bool {
        self.phase != Phase::Starting
    }

    /// iked has connected; an older connection of it counts no more.
    pub fn iked_joined(&mut self, client: ClientId) {
        self.iked = Some(client);
        self.in_step = false;
    }

    /// A client asked for something.
    pub fn heard(&mut self, client: ClientId, now: Time) {
        if self.iked == Some(client) && self.phase == Phase::Syncing {
            self.patience = (now + IKED_PATIENCE).min(self.latest);
        }
    }

    /// A client says that our pairs are its own.
    pub fn in_step(&mut self, client: ClientId) {
        if self.iked == Some(client) {
            self.in_step = true;
            self.ever_in_step = true;
        }
    }

    /// A client has left.
    pub fn left(&mut self, client: ClientId) {
        if self.iked == Some(client) {
            self.iked = None;
            self.in_step = false;
        }
    }

    /// Looks at what is there; true when the phase is another one now.
    pub fn advance(&mut self, mirror: bool, twins: bool, now: Time) -> bool {
        (self.mirror, self.twins) = (mirror, twins);
        let alone = self.needs_iked && !self.in_step;
        let next = match self.phase {
            Phase::Starting => Phase::Starting,
            Phase::Syncing if !mirror || !twins => Phase::Syncing,
            Phase::Syncing if alone && now < self.patience => Phase::Syncing,
            _ if alone => Phase::Holding,
            _ => Phase::Forwarding,
        };
        let changed = next != self.phase;
        if changed {
            if self.phase == Phase::Syncing && alone {
                log::warn!("iked did not bring its SAs in time: forwarding without them");
            }
            self.enter(next, now);
        }
        changed
    }

    fn enter(&mut self, phase: Phase, now: Time) {
        log::info!("{}", phase.name());
        self.phase = phase;
        self.since = now;
    }

    /// The state, and since when.
    pub fn phase(&self) -> (Phase, Time) {
        (self.phase, self.since)
    }

    /// Whether this node may draw traffic: not while it has no SAs that another node might have.
    pub fn may_announce(&self) -> bool {
        self.phase.forwards() && (self.ever_in_step || !self.needs_iked)
    }

    /// What a start waits for, in words.
    pub fn waiting(&self) -> Vec<&'static str> {
        let syncing = self.phase == Phase::Syncing;
        [
            (self.phase == Phase::Starting, "configuration"),
            (syncing && !self.twins, "device holder"),
            (syncing && !self.mirror, "routes of the kernel"),
            (syncing && self.needs_iked && !self.in_step, "SAs of iked"),
        ]
        .into_iter()
        .filter_map(|(missing, name)| missing.then_some(name))
        .collect()
    }
}

#[cfg(test)]
mod tests;
