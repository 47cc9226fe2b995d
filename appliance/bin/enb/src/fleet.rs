//! The eNodeBs: datagrams and time in, datagrams and outcomes out. No socket and no clock.
//!
//! ```text
//!   idle --start--> setting up --child SA--> up --close--> closing --> idle
//!                        |                    |                          ^
//!                        +--(failed)----------+--(lost)------------------+
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ravelin_ike::{
    Authority, ChildInstall, Config, Count, Datagram, Endpoint, EnvironmentError, Event, EventKind,
    Outer, SessionId, Transmit,
};
use ravelin_types::{ChildId, Time, VrfId};

use crate::environment::{EnbEnvironment, addressee};
use crate::plan::GATEWAY;

/// Different reasons kept of failures and losses; a gateway chooses its words, so their number is bounded.
const MAX_REASONS: usize = 32;

/// How an eNodeB stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    /// So many child SAs are there.
    SettingUp {
        since: Time,
        children: usize,
    },
    Up(SessionId),
    Closing,
}

struct Enb {
    endpoint: Endpoint<EnbEnvironment>,
    authority: Arc<dyn Authority>,
    /// Child SAs of a tunnel: one for each pair of selectors.
    children: usize,
    phase: Phase,
    session: Option<SessionId>,
    /// What its endpoint last said was wrong.
    complaint: Option<String>,
    timer: Option<Time>,
}

/// How many eNodeBs stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Set-ups under way.
    pub setting_up: usize,
    /// Established.
    pub up: usize,
    /// Deletions under way.
    pub closing: usize,
}

/// What has happened so far.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Set-ups begun.
    pub started: u64,
    /// How long each that succeeded took, in microseconds.
    pub latencies_us: Vec<u32>,
    /// Set-ups that failed.
    pub failed: u64,
    /// Established ones that ended without our wish.
    pub lost: u64,
    /// Deletions of ours that the gateway has confirmed.
    pub deleted: u64,
    /// Why set-ups failed and tunnels were lost, with how often.
    pub reasons: BTreeMap<String, u64>,
    /// Datagrams for none of us.
    pub stray: u64,
}

/// What traffic has to know of the child SAs of an eNodeB.
pub enum Change {
    /// There is one more; it receives from now on.
    Installed(Box<ChildInstall>),
    /// Outbound traffic moves to it.
    Activated(ChildId),
    /// Outbound traffic leaves it; for so long it receives.
    Removed(ChildId, Duration),
    /// The outer addresses are others.
    Moved(Vec<ChildId>, Outer),
}

/// All eNodeBs.
pub struct Fleet {
    enbs: Vec<Enb>,
    timers: BTreeSet<(Time, usize)>,
    outcome: Outcome,
    standing: Standing,
    out: Out,
}

/// What has come of steps and was not taken yet.
#[derive(Default)]
struct Out {
    transmits: Vec<Transmit>,
    changes: Vec<(usize, Change)>,
}

impl Fleet {
    /// Idle ones with these configurations, and with who signs and judges for them.
    ///
    /// # Errors
    /// When the random generator fails.
    pub fn new(
        members: impl IntoIterator<Item = (Config, Arc<dyn Authority>)>,
        now: Time,
    ) -> Result<Self, EnvironmentError> {
        let make = |(index, (config, authority)): (u32, (Config, Arc<dyn Authority>))| {
            let environment = EnbEnvironment::new(index);
            let vpns = config.gateways.iter().flat_map(|gateway| &gateway.vpns);
            Ok(Enb {
                children: vpns.map(|vpn| vpn.selectors.len()).sum(),
                endpoint: Endpoint::new(Arc::new(config), environment, now)?,
                authority,
                phase: Phase::Idle,
                session: None,
                complaint: None,
                timer: None,
            })
        };
        Ok(Self {
            enbs: (0..).zip(members).map(make).collect::<Result<_, _>>()?,
            timers: BTreeSet::new(),
            outcome: Outcome::default(),
            standing: Standing::default(),
            out: Out::default(),
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.enbs.len()
    }

    /// How they stand.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// What has happened so far.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// How often this has happened to all of them.
    pub fn count(&self, what: Count) -> u64 {
        let counts = self.enbs.iter().map(|enb| enb.endpoint.stats().count(what));
        counts.sum()
    }

    /// What is to be sent.
    pub fn take_transmits(&mut self) -> std::vec::Drain<'_, Transmit> {
        self.out.transmits.drain(..)
    }

    /// Which eNodeB's child SAs have changed how; to be heeded before anything is sent.
    pub fn take_changes(&mut self) -> std::vec::Drain<'_, (usize, Change)> {
        self.out.changes.drain(..)
    }

    /// The gateway was seen using a pair that stood by.
    pub fn used(&mut self, index: usize, child: ChildId, now: Time) {
        self.step(index, now, |enb, _| {
            enb.endpoint.child_used(child, now);
        });
    }

    /// When [`Fleet::handle_timeout`] is to be called.
    pub fn next_timeout(&self) -> Option<Time> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Begins the set-up of an idle one; another is left as it is, and the answer is false.
    pub fn start(&mut self, index: usize, now: Time) -> bool {
        if self.enbs.get(index).map(|enb| enb.phase) != Some(Phase::Idle) {
            return false;
        }
        self.step(index, now, |enb, outcome| {
            outcome.started += 1;
            let setting_up = Phase::SettingUp {
                since: now,
                children: 0,
            };
            (enb.phase, enb.complaint) = (setting_up, None);
            enb.endpoint.initiate(GATEWAY, None, now);
        });
        true
    }

    /// Begins the deletion of an established one; another is left as it is, and the answer is false.
    pub fn close(&mut self, index: usize, now: Time) -> bool {
        let Some(Phase::Up(session)) = self.enbs.get(index).map(|enb| enb.phase) else {
            return false;
        };
        self.step(index, now, |enb, _| {
            enb.phase = Phase::Closing;
            enb.endpoint.close(session, now);
        });
        true
    }

    /// A datagram came, without its non-ESP marker.
    pub fn handle(&mut self, local: SocketAddr, remote: SocketAddr, data: &[u8], now: Time) {
        let found = addressee(data).filter(|index| *index < self.enbs.len());
        let Some(index) = found else {
            self.outcome.stray += 1;
            return;
        };
        let datagram = Datagram {
            vrf: VrfId::DEFAULT,
            local,
            remote,
            data,
        };
        self.step(index, now, |enb, _| enb.endpoint.handle(now, &datagram));
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        let due: Vec<_> = self
            .timers
            .range(..=(now, usize::MAX))
            .map(|(_, index)| *index)
            .collect();
        for index in due {
            self.step(index, now, |enb, _| enb.endpoint.handle_timeout(now));
        }
    }

    /// One step of one eNodeB, with all that follows from it at once: there is nothing to journal, and its computations are
    /// done here.
    fn step(&mut self, index: usize, now: Time, step: impl FnOnce(&mut Enb, &mut Outcome)) {
        let Some(enb) = self.enbs.get_mut(index) else {
            return;
        };
        let before = enb.phase;
        step(enb, &mut self.outcome);
        while enb.settle((index, now), &mut self.outcome, &mut self.out) {}
        self.standing.moved(before, enb.phase);
        let timer = enb.endpoint.poll_timeout();
        if timer != enb.timer {
            if let Some(at) = std::mem::replace(&mut enb.timer, timer) {
                self.timers.remove(&(at, index));
            }
            self.timers.extend(timer.map(|at| (at, index)));
        }
    }
}

impl Standing {
    fn moved(&mut self, from: Phase, to: Phase) {
        let mut add = |phase, by: isize| {
            let count = match phase {
                Phase::Idle => return,
                Phase::SettingUp { .. } => &mut self.setting_up,
                Phase::Up(_) => &mut self.up,
                Phase::Closing => &mut self.closing,
            };
            *count = count.saturating_add_signed(by);
        };
        add(from, -1);
        add(to, 1);
    }
}

impl Enb {
    /// Takes what the endpoint has; false when that was nothing.
    fn settle(
        &mut self,
        (index, now): (usize, Time),
        outcome: &mut Outcome,
        out: &mut Out,
    ) -> bool {
        let mut moved = false;
        while self.endpoint.poll_record().is_some() {}
        while let Some(work) = self.endpoint.poll_work() {
            let result = work.job.run(&*self.authority);
            self.endpoint.complete(now, work.id, result);
            moved = true;
        }
        while let Some(event) = self.endpoint.poll_event() {
            let change = self.act(event, now, outcome);
            out.changes.extend(change.map(|change| (index, change)));
            moved = true;
        }
        while let Some(transmit) = self.endpoint.poll_transmit() {
            out.transmits.push(transmit);
            moved = true;
        }
        moved
    }

    fn act(&mut self, event: Event, now: Time, outcome: &mut Outcome) -> Option<Change> {
        match event.kind {
            EventKind::IkeUp(up) => self.session = Some(up.session),
            EventKind::ChildInstall(install) => {
                self.endpoint.install_done(install.child, now);
                if let (Phase::SettingUp { since, children }, Some(session)) =
                    (&mut self.phase, self.session)
                {
                    *children += 1;
                    if *children == self.children {
                        outcome.latencies_us.push(micros(now.since(*since)));
                        self.phase = Phase::Up(session);
                    }
                }
                return Some(Change::Installed(install));
            }
            EventKind::ChildActivateOutbound(child) => return Some(Change::Activated(child)),
            EventKind::ChildRemove { child, linger_ms } => {
                let linger = Duration::from_millis(linger_ms.into());
                return Some(Change::Removed(child, linger));
            }
            EventKind::PeerMoved { children, outer } => {
                return Some(Change::Moved(children, outer));
            }
            EventKind::Failure(failure) => {
                let reason = format!("{}: {}", failure.stage, failure.reason);
                log::debug!("{failure}");
                // Without its child SA a tunnel is not set up.
                if let (Phase::SettingUp { .. }, Some(session)) = (self.phase, self.session) {
                    self.endpoint.close(session, now);
                }
                self.complaint = Some(reason);
            }
            EventKind::IkeDown { reason, .. } => {
                let mut why = || self.complaint.take().unwrap_or_else(|| reason.to_string());
                match self.phase {
                    Phase::SettingUp { .. } => {
                        outcome.failed += 1;
                        outcome.note(why());
                    }
                    Phase::Up(_) => {
                        outcome.lost += 1;
                        outcome.note(why());
                    }
                    Phase::Closing => outcome.deleted += 1,
                    Phase::Idle => {}
                }
                (self.phase, self.session) = (Phase::Idle, None);
            }
            _ => {}
        }
        None
    }
}

impl Outcome {
    fn note(&mut self, reason: String) {
        if self.reasons.len() < MAX_REASONS || self.reasons.contains_key(&reason) {
            *self.reasons.entry(reason).or_default() += 1;
        } else {
            *self.reasons.entry("other reasons".to_owned()).or_default() += 1;
        }
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
pub mod tests;
