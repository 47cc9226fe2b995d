//! One side: an endpoint with its journal, its data plane's table, and what it said.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use ravelin_crypto::Zeroizing;
use ravelin_types::{ChildId, NodeId, Spi, Time};

use crate::config::Config;
use crate::environment::{Environment, EnvironmentError, TOKEN_SECRET_OCTETS};
use crate::event::{ChildInstall, DownReason, EventKind, JournalSeq, RecordOp, Transmit};
use crate::{Datagram, Endpoint, Failure, Work};

use super::authority::TestAuthority;

/// xorshift64*: enough to drive tests from a seed.
#[derive(Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

pub(crate) fn address(host: u8) -> SocketAddr {
    SocketAddr::new([192, 0, 2, host].into(), 500)
}

pub(crate) struct Env {
    rng: Rng,
    next_slot: u32,
    pub(crate) in_use: Vec<Spi>,
    /// SPIs of IKE SAs that are given out before random ones, the last first.
    pub(crate) ike_spis: Vec<u64>,
    /// On the disk.
    tokens: [u8; TOKEN_SECRET_OCTETS],
}

impl Env {
    pub(crate) fn new(seed: u64) -> Env {
        Env {
            rng: Rng::new(seed),
            next_slot: 0x100,
            in_use: Vec::new(),
            ike_spis: Vec::new(),
            tokens: [seed as u8; TOKEN_SECRET_OCTETS],
        }
    }
}

impl Environment for Env {
    fn random(&mut self, out: &mut [u8]) -> Result<(), EnvironmentError> {
        out.iter_mut().for_each(|o| *o = self.rng.next() as u8);
        Ok(())
    }

    fn ike_spi(&mut self) -> Result<u64, EnvironmentError> {
        Ok(self.ike_spis.pop().unwrap_or(self.rng.next() | 1))
    }

    fn allocate_child_spi(&mut self) -> Result<Spi, EnvironmentError> {
        // A new life starts anywhere: also just before what an earlier one still has in use.
        loop {
            self.next_slot += 1;
            let spi = Spi::compose(NodeId::default(), self.next_slot, 7);
            let spi = spi.ok_or(EnvironmentError::NoSpi)?;
            if !self.in_use.contains(&spi) {
                self.in_use.push(spi);
                return Ok(spi);
            }
        }
    }

    fn release_child_spi(&mut self, spi: Spi) {
        let before = self.in_use.len();
        self.in_use.retain(|s| *s != spi);
        assert_eq!(before, self.in_use.len() + 1, "an SPI is released once");
    }

    fn token_secret(&mut self) -> Result<Zeroizing<[u8; TOKEN_SECRET_OCTETS]>, EnvironmentError> {
        Ok(Zeroizing::new(self.tokens))
    }
}

/// A pair in the data plane.
pub(crate) struct Installed {
    pub(crate) install: ChildInstall,
    pub(crate) active: bool,
    /// Of two that are active, the one with the higher number was activated last, and encrypts.
    pub(crate) order: u64,
}

pub(crate) struct Node {
    pub(crate) name: &'static str,
    pub(crate) endpoint: Endpoint<Env>,
    pub(crate) journal: BTreeMap<u64, Vec<Vec<u8>>>,
    durable: JournalSeq,
    pub(crate) plane: BTreeMap<ChildId, Installed>,
    pub(crate) events: Vec<EventKind>,
    pub(crate) failures: Vec<Failure>,
    /// The data plane refuses installs.
    pub(crate) refuse_installs: bool,
    /// Epochs seen for each pair: none may come twice.
    epochs: Vec<(ChildId, u32)>,
    /// Moments so far at which the process may die: before each record, event, datagram and job, and after the last of a turn.
    pub(crate) boundaries: u64,
    /// The moments at which it does, in order.
    pub(crate) cuts: VecDeque<u64>,
    /// It has died in this turn; [`Node::crash`] brings it back.
    pub(crate) died: bool,
    /// Signs and verifies.
    pub(crate) authority: Arc<TestAuthority>,
    /// Jobs are taken and not done before [`Node::work`].
    pub(crate) hold: bool,
    pub(crate) held: Vec<Work>,
    /// Why sessions ended, in all lives.
    pub(crate) all_downs: Vec<DownReason>,
}

impl Node {
    pub(crate) fn new(name: &'static str, seed: u64, config: Arc<Config>) -> Node {
        let env = Env::new(seed);
        Node {
            name,
            endpoint: Endpoint::new(config, env, Time(0)).unwrap(),
            journal: BTreeMap::new(),
            durable: JournalSeq(0),
            plane: BTreeMap::new(),
            events: Vec::new(),
            failures: Vec::new(),
            refuse_installs: false,
            epochs: Vec::new(),
            boundaries: 0,
            cuts: VecDeque::new(),
            died: false,
            authority: Arc::default(),
            hold: false,
            held: Vec::new(),
            all_downs: Vec::new(),
        }
    }

    /// One more moment; true when the process dies at it.
    fn dies(&mut self) -> bool {
        self.boundaries += 1;
        self.died = self.cuts.front() == Some(&self.boundaries);
        if self.died {
            self.cuts.pop_front();
        }
        self.died
    }

    pub(crate) fn handle(&mut self, now: Time, datagram: &Datagram<'_>) {
        self.endpoint.handle(now, datagram);
    }

    /// Does the jobs that were held back.
    pub(crate) fn work(&mut self, now: Time) {
        for work in std::mem::take(&mut self.held) {
            let result = work.job.run(&*self.authority);
            self.endpoint.complete(now, work.id, result);
        }
    }

    /// Does what the daemon does after each call; returns what leaves. What the process dies before stays undone.
    pub(crate) fn pump(&mut self, now: Time) -> Vec<Transmit> {
        let mut out = Vec::new();
        let before = self.boundaries;
        loop {
            while let Some(work) = self.endpoint.poll_work() {
                if self.hold {
                    self.held.push(work);
                    continue;
                }
                if self.dies() {
                    return out;
                }
                let result = work.job.run(&*self.authority);
                self.endpoint.complete(now, work.id, result);
            }
            while let Some(record) = self.endpoint.poll_record() {
                if self.dies() {
                    return out;
                }
                assert!(record.seq > self.durable);
                self.durable = record.seq;
                match record.op {
                    RecordOp::Put(octets) => {
                        self.journal.insert(record.subject, vec![octets.to_vec()]);
                    }
                    RecordOp::Append(octets) => {
                        let written = self.journal.get_mut(&record.subject).unwrap();
                        written.push(octets.to_vec());
                    }
                    RecordOp::Remove => {
                        self.journal.remove(&record.subject);
                    }
                }
            }
            if let Some(event) = self.endpoint.poll_event() {
                if self.dies() {
                    return out;
                }
                assert!(event.after <= self.durable);
                self.apply(now, event.kind);
                continue;
            }
            while let Some(transmit) = self.endpoint.poll_transmit() {
                assert!(transmit.after <= self.durable);
                if self.dies() {
                    return out;
                }
                if let Some(child) = transmit.after_install {
                    let asked = self.epochs.iter().any(|(c, _)| *c == child);
                    assert!(
                        asked,
                        "the install is asked for before the datagram that waits for it"
                    );
                }
                out.push(transmit);
            }
            if self.boundaries > before {
                self.dies();
            }
            return out;
        }
    }

    fn apply(&mut self, now: Time, event: EventKind) {
        match &event {
            EventKind::ChildInstall(install) => {
                let id = (install.child, install.epoch);
                assert!(!self.epochs.contains(&id), "an epoch is used once");
                self.epochs.push(id);
                if self.refuse_installs {
                    self.endpoint
                        .install_failed(install.child, "a table is full", now);
                } else {
                    let active = install.outbound_active;
                    if let Some(old) = install
                        .replaces
                        .filter(|_| active)
                        .and_then(|old| self.plane.get_mut(&old))
                    {
                        old.active = false;
                    }
                    self.plane.insert(
                        install.child,
                        Installed {
                            install: (**install).clone(),
                            active,
                            order: self.epochs.len() as u64,
                        },
                    );
                    self.endpoint.install_done(install.child, now);
                }
            }
            EventKind::ChildGrant { child, ceilings } => {
                if let Some(pair) = self.plane.get_mut(child) {
                    pair.install.ceilings = *ceilings;
                }
            }
            EventKind::IkeDown { reason, .. } => self.all_downs.push(*reason),
            EventKind::ChildActivateOutbound(child) => {
                let last = self.plane.values().map(|p| p.order).max();
                if let Some(pair) = self.plane.get_mut(child) {
                    (pair.active, pair.order) = (true, last.unwrap_or(0) + 1);
                }
            }
            EventKind::ChildRemove { child, .. } => {
                self.plane.remove(child);
            }
            EventKind::PeerMoved { children, outer } => {
                for child in children {
                    if let Some(pair) = self.plane.get_mut(child) {
                        pair.install.outer = *outer;
                    }
                }
            }
            EventKind::Failure(failure) => self.failures.push((**failure).clone()),
            _ => {}
        }
        self.events.push(event);
    }

    /// What a reboot leaves of the journal and the data plane.
    pub(crate) fn lose_memory(&mut self) {
        self.journal.clear();
        self.plane.clear();
        self.epochs.clear();
    }

    /// The process dies and comes back with its journal; the data plane lives on.
    pub(crate) fn crash(&mut self, seed: u64, config: Arc<Config>, now: Time) {
        let mut env = Env {
            rng: Rng::new(seed),
            next_slot: 0,
            in_use: Vec::new(),
            ike_spis: Vec::new(),
            tokens: self.endpoint.environment_ref().tokens,
        };
        env.next_slot = 0x1000 + (seed as u32 & 0xffff);
        let mut endpoint = Endpoint::new(Arc::clone(&config), env, now).unwrap();
        let report = endpoint.restore(self.journal.values(), now);
        assert!(report.failed.is_empty());
        assert!(
            endpoint.environment_ref().in_use.is_empty(),
            "no SPI is allocated before those in use are known"
        );
        endpoint.environment().in_use = report.child_spis.clone();
        // As the daemon does at its start.
        endpoint.set_config(config, now);
        self.endpoint = endpoint;
        self.durable = JournalSeq(0);
        self.died = false;
        self.held.clear();
        self.events.clear();
        // Reconciliation with the data plane.
        let known: Vec<_> = report.children.iter().map(|c| c.child).collect();
        self.plane.retain(|id, _| known.contains(id));
        for child in report.children.iter().filter(|c| c.active) {
            if let Some(pair) = self.plane.get_mut(&child.child) {
                pair.active = true;
            }
        }
        for held in self.endpoint.child_sas() {
            if let Some(pair) = self.plane.get_mut(&held.child) {
                pair.install.outer = held.outer;
            }
        }
        for child in known {
            if !self.plane.contains_key(&child) {
                self.endpoint.reinstall(&[child], now);
            }
        }
    }

    pub(crate) fn downs(&self) -> Vec<DownReason> {
        let reasons = self.events.iter().filter_map(|e| match e {
            EventKind::IkeDown { reason, .. } => Some(*reason),
            _ => None,
        });
        reasons.collect()
    }

    pub(crate) fn count(&self, what: crate::Count) -> u64 {
        self.endpoint.stats().count(what)
    }

    pub(crate) fn up(&self) -> Vec<crate::IkeSummary> {
        self.endpoint
            .ike_sas()
            .filter(|s| s.established && s.current && s.state == "UP")
            .collect()
    }
}
