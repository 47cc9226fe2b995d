//! The endpoint: every session of a shard, and the way from a datagram to the session it belongs to.
//!
//! Each public call is one step: it takes the session out of the table, lets its state handle what came, records it when it
//! changed, and only then releases datagrams and events (see [`crate::event`]). Parts: [`dispatch`] (datagrams),
//! [`half_open`] (first messages, cookies), [`complete`] (results of jobs), [`commands`], [`configuration`], [`reauth`], [`restore`],
//! [`show`].

mod commands;
mod complete;
mod configuration;
mod dispatch;
mod half_open;
mod reauth;
mod restore;
mod show;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ravelin_types::{ChildId, Time};

pub use dispatch::MAX_INVALID_SPI_PER_S;
pub use restore::{RestoreReport, RestoredChild};
pub use show::{ChildSummary, IkeSummary};

use crate::config::Config;
use crate::crash::TokenSecret;
use crate::environment::{Environment, EnvironmentError};
use crate::error::{Fault, Stage};
use crate::event::{DownReason, Event, EventKind, Record, RecordOp, SessionId, Transmit};
use crate::outbox::{Contact, Ctx, Outbox};
use crate::record;
use crate::sa::{ahead, child, established, liveness, tasks};
use crate::session::{FirstMessage, Session};
use crate::stats::{Count, Stats};
use crate::timers::{RECONNECT_FIRST, RECONNECT_MOST};
use crate::work::Work;

/// Sessions of one identity at one gateway: a peer that reconnects without INITIAL_CONTACT leaves one behind each time
/// until liveness detection finds it; beyond this the oldest goes.
pub const MAX_SESSIONS_PER_PEER: usize = 4;

/// Records of steps behind a whole one: together they are about as large as that, so a journal is at most twice its sessions.
const MAX_STEPS: usize = 16;

/// Ended IKE SAs whose last response can still be repeated: those of one burst of deletes.
pub const MAX_TOMBSTONES: usize = 4096;

/// How long they can: longer than a peer retransmits.
const TOMBSTONE_LIFETIME: Duration = Duration::from_secs(60);

/// A sans-IO IKEv2 endpoint.
pub struct Endpoint<E> {
    config: Arc<Config>,
    env: E,
    out: Outbox,
    stats: Stats,
    /// Boxed: each step takes one out and puts it back, and half of the table is empty.
    sessions: HashMap<u64, Box<Session>>,
    by_spi: HashMap<u64, u64>,
    by_child: HashMap<ChildId, u64>,
    first_messages: HashMap<FirstMessage, u64>,
    initiated: HashMap<String, u64>,
    wanted: BTreeMap<String, Wanted>,
    /// Where the last set-up with a static gateway failed, or its session ended for want of answers.
    failed: HashMap<String, IpAddr>,
    timers: BTreeSet<(Time, u64)>,
    half_open: usize,
    passage: liveness::Passage,
    cookies: half_open::Cookies,
    tombstones: HashMap<u64, Tombstone>,
    graves: VecDeque<(Time, u64)>,
    strays: dispatch::Strays,
    /// Some gateway gives its peers tokens of quick crash detection.
    gives_tokens: bool,
}

fn gives_tokens(config: &Config) -> bool {
    config.gateways.iter().any(|g| g.quick_crash_detection)
}

/// Brings a table up to date with the keys that a session has now; most steps change none.
fn reindex<K: Copy + Eq + Hash>(
    table: &mut HashMap<K, u64>,
    session: u64,
    indexed: &mut Vec<K>,
    keys: impl Iterator<Item = K> + Clone,
) {
    if keys.clone().eq(indexed.iter().copied()) {
        return;
    }
    for gone in std::mem::take(indexed) {
        table.remove(&gone);
    }
    indexed.extend(keys);
    table.extend(indexed.iter().map(|key| (*key, session)));
}

/// A static gateway that is to be up.
struct Wanted {
    next_at: Time,
    delay: Duration,
}

/// The last answer of an IKE SA that is gone, for a peer that did not get it.
struct Tombstone {
    request: [u8; 32],
    answer: Transmit,
}

impl<E: Environment> Endpoint<E> {
    /// An endpoint without sessions. Call [`Endpoint::restore`] next, when there is a journal.
    pub fn new(config: Arc<Config>, mut env: E, now: Time) -> Result<Self, EnvironmentError> {
        let cookies = half_open::Cookies::new(&mut env, now)?;
        let tokens = TokenSecret(env.token_secret()?);
        let mut endpoint = Endpoint {
            config: Arc::clone(&config),
            env,
            out: Outbox::new(tokens),
            stats: Stats::default(),
            sessions: HashMap::new(),
            by_spi: HashMap::new(),
            by_child: HashMap::new(),
            first_messages: HashMap::new(),
            initiated: HashMap::new(),
            wanted: BTreeMap::new(),
            failed: HashMap::new(),
            timers: BTreeSet::new(),
            half_open: 0,
            passage: liveness::Passage::default(),
            cookies,
            tombstones: HashMap::new(),
            graves: VecDeque::new(),
            strays: dispatch::Strays::default(),
            gives_tokens: false,
        };
        endpoint.want_static(now);
        endpoint.gives_tokens = gives_tokens(&endpoint.config);
        Ok(endpoint)
    }

    /// The injected environment.
    pub fn environment(&mut self) -> &mut E {
        &mut self.env
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The next record to store. Records come before what depends on them.
    pub fn poll_record(&mut self) -> Option<Record> {
        self.out.records.pop_front()
    }

    /// The next datagram; see [`Transmit`] for when it may leave.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.transmits.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.out.pop_event()
    }

    /// The next job.
    pub fn poll_work(&mut self) -> Option<Work> {
        self.out.works.pop_front()
    }

    /// When [`Endpoint::handle_timeout`] is to be called, if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<Time> {
        let wanted = self
            .wanted
            .iter()
            .filter(|(name, _)| !self.initiated.contains_key(*name));
        let wanted = wanted.map(|(_, w)| w.next_at).min();
        let timer = self.timers.first().map(|(at, _)| *at);
        timer.into_iter().chain(wanted).min()
    }

    /// Does everything that is due.
    pub fn handle_timeout(&mut self, now: Time) {
        // Each session once: what is due again at once waits for the next call, so that the results of jobs come between.
        let due: Vec<(Time, u64)> = self.timers.range(..=(now, u64::MAX)).copied().collect();
        for (at, id) in due {
            // The step of an earlier one may have ended this session or moved its timer.
            if !self.timers.remove(&(at, id)) {
                continue;
            }
            if let Some(session) = self.sessions.get_mut(&id) {
                session.volatile.scheduled = None;
            }
            self.with_session(now, id, tasks::on_timeout);
        }
        let due: Vec<String> = self
            .wanted
            .iter()
            .filter(|(name, w)| w.next_at <= now && !self.initiated.contains_key(*name))
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            if let Some(w) = self.wanted.get_mut(&name) {
                w.next_at = now + w.delay;
                w.delay = w.delay.saturating_mul(2).min(RECONNECT_MOST);
            }
            self.connect(&name, None, now);
        }
    }

    /// One step on one session; an unknown session is nothing to do.
    fn with_session(
        &mut self,
        now: Time,
        id: u64,
        step: impl FnOnce(&mut Ctx<'_>, &mut Session) -> Result<(), Fault>,
    ) -> bool {
        let Some(session) = self.sessions.remove(&id) else {
            return false;
        };
        self.step(now, session, step);
        true
    }

    fn step(
        &mut self,
        now: Time,
        mut session: Box<Session>,
        step: impl FnOnce(&mut Ctx<'_>, &mut Session) -> Result<(), Fault>,
    ) {
        self.out.trace.set_now(now);
        let config = Arc::clone(&self.config);
        let mut ctx = Ctx {
            now,
            config: &config,
            env: &mut self.env,
            out: &mut self.out,
            stats: &mut self.stats,
            spis: &self.by_spi,
        };
        let outcome =
            step(&mut ctx, &mut session).and_then(|()| established::go_on(&mut ctx, &mut session));
        match outcome {
            Ok(()) => {}
            Err(Fault::Discard(reason)) => {
                let text = || format!("discarded: {}", reason.name());
                ctx.out.trace.note(session.path.remote, text);
                ctx.stats.discard(reason);
            }
            Err(fault) => {
                let remote = session.path.remote;
                if let Some(reason) = fault.reason() {
                    ctx.failure(&session, remote, Stage::Informational, reason);
                }
                session.end(DownReason::Internal);
            }
        }
        self.finish(now, session);
    }

    /// Ends a step: tables, record, release of what was staged; then what the step means for other sessions.
    fn finish(&mut self, now: Time, mut session: Box<Session>) {
        let id = session.id;
        session.volatile.passage = self.passage;
        if self.out.sends() {
            session.volatile.sent_at = Some(now);
        }
        let waits = session.predecessor.is_some();
        let early = ahead::next(&mut session);
        if let Some(reason) = session.volatile.over {
            self.hand_over(&mut session);
            self.tear_down(now, &mut session, reason);
        } else {
            self.keep(session);
        }
        self.out.commit();
        for contact in std::mem::take(&mut self.out.authenticated) {
            self.authenticated(now, &contact);
        }
        for (other, reason) in std::mem::take(&mut self.out.ending) {
            self.with_session(now, other, |_, session| {
                session.end(reason);
                Ok(())
            });
        }
        for old in std::mem::take(&mut self.out.reauthenticating) {
            self.reauthenticate(now, old);
        }
        if waits {
            self.take_over(now, id);
        }
        for request in early {
            self.take(now, &request.datagram());
        }
    }

    /// Puts a session into the tables, and records it when it changed.
    fn keep(&mut self, mut session: Box<Session>) {
        self.index(&mut session);
        self.out.trace.session(&session);
        self.store(&mut session);
        self.schedule(&mut session);
        self.sessions.insert(session.id, session);
    }

    /// Records what changed.
    fn store(&mut self, session: &mut Session) {
        let volatile = &mut session.volatile;
        let step = volatile.stepped.take();
        let whole = std::mem::take(&mut volatile.dirty) || step.is_some() && !volatile.recorded;
        // Encoding into memory fails only when the format cannot hold a value, which no session has.
        match step.filter(|_| !whole && volatile.steps < MAX_STEPS) {
            Some((ike, side)) => {
                if let Ok(octets) = record::encode_step(session, ike, side) {
                    self.out.record(session.id, RecordOp::Append(octets));
                    session.volatile.steps += 1;
                }
            }
            None if whole || step.is_some() => {
                if let Ok(octets) = record::encode_session(session) {
                    self.out.record(session.id, RecordOp::Put(octets));
                    session.volatile.recorded = true;
                    session.volatile.steps = 0;
                }
            }
            None => {}
        }
    }

    /// Brings the tables up to date with the session.
    fn index(&mut self, session: &mut Session) {
        let volatile = &mut session.volatile;
        let spis = (session.ikes.iter().map(crate::session::IkeSa::local_spi)).filter(|s| *s != 0);
        reindex(&mut self.by_spi, session.id, &mut volatile.indexed, spis);
        let children = session.children.iter().map(|c| c.id);
        let indexed = &mut volatile.indexed_children;
        reindex(&mut self.by_child, session.id, indexed, children);
        let half_open = session.is_half_open();
        if half_open != session.volatile.half_open {
            self.half_open = if half_open {
                self.half_open + 1
            } else {
                self.half_open.saturating_sub(1)
            };
            session.volatile.half_open = half_open;
            if let Some(key) = session.volatile.first_message.take_if(|_| !half_open) {
                self.first_messages.remove(&key);
            }
        }
        if !session.volatile.listed && session.established_at.is_some() {
            self.out.connections.enter(session);
            if let Some(w) = session
                .gateway
                .as_ref()
                .and_then(|g| self.wanted.get_mut(g))
            {
                w.delay = RECONNECT_FIRST;
            }
        }
    }

    fn schedule(&mut self, session: &mut Session) {
        let deadline = tasks::deadline(&self.config, session);
        if deadline == session.volatile.scheduled {
            return;
        }
        if let Some(at) = session.volatile.scheduled.take() {
            self.timers.remove(&(at, session.id));
        }
        if let Some(at) = deadline {
            self.timers.insert((at, session.id));
            session.volatile.scheduled = Some(at);
        }
    }

    /// Removes every trace of a session that is over.
    fn tear_down(&mut self, now: Time, session: &mut Session, reason: DownReason) {
        let config = Arc::clone(&self.config);
        let mut ctx = Ctx {
            now,
            config: &config,
            env: &mut self.env,
            out: &mut self.out,
            stats: &mut self.stats,
            spis: &self.by_spi,
        };
        let children: Vec<_> = session.children.iter().map(|c| c.id).collect();
        session.children.iter_mut().for_each(|c| c.replaces = None);
        children
            .into_iter()
            .for_each(|id| child::remove(&mut ctx, session, id));
        crate::sa::followup::forget(&mut ctx, session);
        for spi in session
            .ikes
            .iter()
            .filter_map(crate::session::IkeSa::requested_child_spi)
        {
            ctx.env.release_child_spi(spi);
        }
        if session.established_at.is_some() || session.initiator {
            ctx.stats.add(Count::IkeDown);
            ctx.event(EventKind::IkeDown {
                session: SessionId(session.id),
                gateway: session.gateway.as_deref().map(Arc::from),
                peer: session
                    .peer
                    .clone()
                    .filter(|_| session.established_at.is_some()),
                vrf: session.path.vrf,
                remote: session.path.remote,
                reason,
            });
        }
        if let Some(peer) = &session.peer {
            for lease in session.leases.drain(..) {
                let leases = &mut self.out.leases;
                leases.release(&lease.pool, lease.address, session.id, peer);
            }
        }
        for spi in session.volatile.indexed.drain(..) {
            self.by_spi.remove(&spi);
        }
        for child in session.volatile.indexed_children.drain(..) {
            self.by_child.remove(&child);
        }
        if let Some(at) = session.volatile.scheduled.take() {
            self.timers.remove(&(at, session.id));
        }
        if session.volatile.half_open {
            self.half_open = self.half_open.saturating_sub(1);
        }
        if let Some(key) = session.volatile.first_message.take() {
            self.first_messages.remove(&key);
        }
        self.unlist(now, session, reason);
        if session.volatile.recorded {
            self.out.record(session.id, RecordOp::Remove);
        }
    }

    fn unlist(&mut self, now: Time, session: &Session, reason: DownReason) {
        self.out.connections.strike(session);
        let Some(gateway) = session.gateway.as_ref().filter(|_| session.initiator) else {
            return;
        };
        if self.initiated.get(gateway) != Some(&session.id) {
            return;
        }
        self.initiated.remove(gateway);
        let successor = session.volatile.successor;
        if let Some(successor) = successor.filter(|id| self.sessions.contains_key(id)) {
            self.initiated.insert(gateway.clone(), successor);
            return;
        }
        if reason.is_of_the_path() {
            let address = session.path.remote.ip();
            self.failed.insert(gateway.clone(), address);
        } else {
            self.failed.remove(gateway);
        }
        let found = self.config.gateways.named(gateway);
        let next = found.and_then(|found| self.next_path(found));
        let untried = next.is_some_and(|(_, all_tried)| !all_tried) && reason.is_of_the_path();
        if let Some(w) = self.wanted.get_mut(gateway) {
            if untried {
                // At once, and pauses get longer with each round only.
                w.next_at = now;
                w.delay = (w.delay / 2).max(RECONNECT_FIRST);
            } else {
                w.next_at = now + w.delay;
                w.delay = w.delay.saturating_mul(2).min(RECONNECT_MOST);
            }
        }
    }

    /// A peer was authenticated: RFC 7296 section 2.4 lets INITIAL_CONTACT end its other sessions.
    fn authenticated(&mut self, now: Time, contact: &Contact) {
        let Some(session) = self.sessions.get(&contact.session) else {
            return;
        };
        let (Some(gateway), Some(peer)) = (&session.gateway, &session.peer) else {
            return;
        };
        let listed = self.out.connections.of_peer(gateway, peer).iter();
        let others = listed.map(|(id, _)| *id);
        let others: Vec<u64> = others.filter(|id| *id != contact.session).collect();
        let exceed = self.config.gateways.named(gateway).is_some_and(|g| {
            let address = session.path.remote.ip();
            // One that reauthenticates is done with its other session soon.
            let later = session.predecessor.is_some() || session.volatile.beside;
            !later && self.out.connections.exceed(g, address)
        });
        let (count, reason) = if contact.initial {
            (others.len(), DownReason::InitialContact)
        } else if exceed {
            (others.len(), DownReason::TooManySessions)
        } else {
            (
                (others.len() + 1).saturating_sub(MAX_SESSIONS_PER_PEER),
                DownReason::TooManySessions,
            )
        };
        for id in others.into_iter().take(count) {
            self.with_session(now, id, |_, session| {
                session.end(reason);
                Ok(())
            });
        }
    }
}
