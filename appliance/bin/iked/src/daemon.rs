//! The one task that owns the endpoint and every table. It has no I/O of its own beyond the transport's and the kernel
//! routes' non-blocking calls, and it takes the time as an argument, so tests drive it in virtual time.
//!
//! Each turn: inputs are handled ([`Daemon::handle_datagram`] and its siblings), then [`Daemon::settle`] writes the records
//! of the whole turn in one batch and lets out what they allow, until nothing moves:
//!
//! ```text
//!   endpoint --records--> journal (one write) --durable--> events --> plane, routes
//!            --datagrams------------------------ gate ------------------> transport
//!            --work--> pool
//! ```

mod alarms;
mod events;
mod on_traffic;
mod queries;
mod show;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ravelin_ctl::sa::{self, FromPlaned, ToPlaned};
use ravelin_ctl::{Envelope, Hello, daemon as mgmt};
use ravelin_ike::{
    Datagram, Endpoint, EnvironmentError, Event, EventKind, Work, WorkId, WorkResult,
};
use ravelin_platform::clock::epoch_us;
use ravelin_types::{PairId, Time};
use ravelin_vault::Live;
use tokio::sync::mpsc;

use crate::authority::Certificates;
use crate::config::ConfigStore;
use crate::environment::DaemonEnvironment;
use crate::failures::FailureLog;
use crate::hold::{Change, Hold};
use crate::install::{Notice, Plane};
use crate::journal::{Gate, Journal};
use crate::link::LinkEvent;
use crate::names::{Found, Names};
use crate::pki::desk::Desk;
use crate::pool::Pool;
use crate::ratelimit::RateLimit;
use crate::routes::{RouteKernel, Routes};
use crate::sockets::{Inbound, SocketCounters, Transport};
use crate::tracelog::TraceLog;

/// Pause before the vault is tried again after a refusal.
const VAULT_RETRY: Duration = Duration::from_millis(100);
/// Pause before planed is asked again for a pair whose tunnel interface it does not have yet.
const PLANE_RETRY: Duration = Duration::from_millis(500);
/// How often the devices of routing instances are looked at, which come and go without us.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Operators' questions that wait for planed's counters.
const MAX_QUESTIONS: usize = 64;

/// How long such a question waits; then it is answered without counters.
const COUNTERS_PATIENCE: Duration = Duration::from_secs(2);

/// What happens on the link to planed.
pub type PlaneEvent = LinkEvent<ToPlaned, Envelope<FromPlaned>>;
/// What happens on the link to mgmtd.
pub type MgmtEvent = LinkEvent<Envelope<mgmt::Reply>, Envelope<mgmt::Request>>;
/// A finished computation.
pub type Done = (WorkId, WorkResult);

/// What runs a computation on a thread of the pool.
pub fn worker(authority: Arc<Certificates>) -> impl Fn(Work) -> Done + Clone + Send + 'static {
    move |work| (work.id, work.job.run(&*authority))
}

/// What the daemon is made of; the caller opens them.
pub struct Parts<T, K> {
    /// The vault.
    pub journal: Journal,
    /// What it held.
    pub stored: Vec<Live>,
    /// Randomness and SPIs.
    pub environment: DaemonEnvironment,
    /// Sockets.
    pub transport: T,
    /// What the sockets lost.
    pub socket_counters: Arc<SocketCounters>,
    /// Routes in the kernel.
    pub kernel: K,
    /// Threads.
    pub pool: Pool<Work>,
    /// Where orders about certificates go.
    pub desk: Desk,
    /// What the pool signs and judges by.
    pub authority: Arc<Certificates>,
    /// Where `traceoptions` writes.
    pub trace_log: TraceLog,
    /// Where questions for the addresses of host names go.
    pub resolver: mpsc::Sender<String>,
}

/// The daemon.
pub struct Daemon<T, K> {
    endpoint: Endpoint<DaemonEnvironment>,
    /// Records of the vault, until the first configuration.
    stored: Vec<Live>,
    journal: Journal,
    gate: Gate,
    /// Not acted on yet, because their records are not durable.
    events: VecDeque<Event>,
    plane: Plane,
    plane_up: Option<(Hello, mpsc::Sender<ToPlaned>)>,
    plane_was_ready: bool,
    plane_retry: Option<Time>,
    mgmt: Option<mpsc::Sender<Envelope<mgmt::Reply>>>,
    routes: Routes<K>,
    hold: Hold,
    pool: Pool<Work>,
    desk: Desk,
    authority: Arc<Certificates>,
    transport: T,
    socket_counters: Arc<SocketCounters>,
    /// When the devices of routing instances are looked at.
    look_at: Time,
    config: ConfigStore,
    rate: RateLimit,
    failures: FailureLog,
    trace_log: TraceLog,
    attempts: on_traffic::Attempts,
    names: Names,
    /// Faults of the configuration that runs, which are logged once.
    told: Vec<String>,
    /// Operators' questions that wait for counters, by our token: the request's number, and how long they wait.
    questions: BTreeMap<u64, (u32, Time)>,
    next_token: u64,
    work_under_way: usize,
}

impl<T: Transport, K: RouteKernel> Daemon<T, K> {
    /// Nothing is sent, no peer is heard and no timer runs before the first configuration, with which the sessions of the
    /// vault are taken up.
    ///
    /// # Errors
    /// When the random generator fails.
    pub fn new(parts: Parts<T, K>, now: Time) -> Result<Self, EnvironmentError> {
        let mut environment = parts.environment;
        environment.set_now(now);
        let mut endpoint = Endpoint::new(Arc::default(), environment, now)?;
        endpoint.set_passable(false, now);
        Ok(Self {
            endpoint,
            stored: parts.stored,
            journal: parts.journal,
            gate: Gate::default(),
            events: VecDeque::new(),
            plane: Plane::new(),
            plane_up: None,
            plane_was_ready: false,
            plane_retry: None,
            mgmt: None,
            routes: Routes::new(parts.kernel),
            hold: Hold::new(now),
            pool: parts.pool,
            desk: parts.desk,
            authority: parts.authority,
            transport: parts.transport,
            socket_counters: parts.socket_counters,
            look_at: Time::MAX,
            config: ConfigStore::default(),
            rate: RateLimit::default(),
            failures: FailureLog::default(),
            trace_log: parts.trace_log,
            attempts: on_traffic::Attempts::default(),
            names: Names::new(parts.resolver),
            told: Vec::new(),
            questions: BTreeMap::new(),
            next_token: 0,
            work_under_way: 0,
        })
    }

    /// A datagram came.
    pub fn handle_datagram(&mut self, inbound: &Inbound, now: Time) {
        self.endpoint.environment().set_now(now);
        let datagram = Datagram {
            vrf: inbound.vrf,
            local: inbound.local,
            remote: inbound.remote,
            data: &inbound.data,
        };
        self.endpoint.handle(now, &datagram);
    }

    /// A computation is done.
    pub fn handle_done(&mut self, (id, result): Done, now: Time) {
        self.endpoint.environment().set_now(now);
        self.work_under_way = self.work_under_way.saturating_sub(1);
        self.endpoint.complete(now, id, result);
    }

    /// The resolver has an answer.
    pub fn handle_found(&mut self, found: Found, now: Time) {
        self.names.found(found, now);
    }

    /// Something happened on the link to planed.
    pub fn handle_plane(&mut self, event: PlaneEvent, now: Time) {
        match event {
            LinkEvent::Up { peer, sender } => {
                log::info!("planed {} (pid {}) is connected", peer.software, peer.pid);
                self.plane_up = Some((peer, sender));
                self.connect_plane();
            }
            LinkEvent::Down => {
                self.plane_up = None;
                self.plane_was_ready = false;
                self.plane.disconnected();
                self.endpoint.environment().set_now(now);
                self.endpoint.set_passable(false, now);
                self.hold.gone(now);
            }
            LinkEvent::Message(Envelope {
                id,
                body: FromPlaned::Reply(reply),
            }) => {
                self.plane.handle_reply(id, reply);
            }
            LinkEvent::Message(Envelope {
                body: FromPlaned::Event(event),
                ..
            }) => {
                self.handle_plane_event(event, now);
            }
        }
    }

    /// The comparison with planed's list needs the configuration: without it our pairs would look like strangers.
    fn connect_plane(&mut self) {
        if let (Some((peer, _)), Some(_)) = (&self.plane_up, self.config.running()) {
            self.plane.connected(peer.instance);
            self.plane_was_ready = false;
        }
    }

    fn handle_plane_event(&mut self, event: sa::Event, now: Time) {
        self.endpoint.environment().set_now(now);
        match event {
            sa::Event::PeerUses(pair) => {
                self.plane.activated(pair);
                self.endpoint.child_used(pair, now);
            }
            sa::Event::PeerMoved { pair, outer } => {
                // Authenticated by ESP: the endpoint sends its own messages there too (RFC 7296 section 2.23).
                self.endpoint.peer_moved(pair, events::outer_of(outer), now);
            }
            sa::Event::Exhausting(pair) => {
                self.endpoint.child_lifetime_soft(pair, now);
            }
            sa::Event::LifeSoft(pairs) => {
                for pair in pairs {
                    self.endpoint.child_lifetime_soft(pair, now);
                }
            }
            sa::Event::LifeHard(pairs) => {
                for pair in pairs {
                    self.endpoint.child_lifetime_hard(pair, now);
                }
            }
            sa::Event::Sent(pairs) => self.endpoint.children_sent(&pairs, now),
            sa::Event::Alive(pairs) => self.endpoint.children_alive(&pairs, now),
            sa::Event::Wanted {
                tunnel_unit,
                source,
                destination,
            } => self.traffic_waits(tunnel_unit, (source, destination), now),
            sa::Event::InstallFailed {
                pair,
                epoch,
                reason,
            } => self.plane.refused_late(pair, epoch, reason),
            sa::Event::State { forwarding } => {
                self.hold.said(forwarding, now);
                // It may just have got its configuration.
                if self.plane.has_deferred() {
                    self.plane_retry = Some(now);
                }
            }
            sa::Event::CeilingWanted(asks) => {
                self.endpoint.grant(&asks, now);
            }
            sa::Event::Resumed(pairs) => {
                for pair in pairs {
                    self.endpoint.rekey_child(pair, now);
                }
            }
        }
    }

    /// Something happened on the link to mgmtd.
    pub fn handle_mgmt(&mut self, event: MgmtEvent, now: Time) {
        match event {
            LinkEvent::Up { sender, .. } => self.mgmt = Some(sender),
            LinkEvent::Down => {
                self.mgmt = None;
                self.questions.clear();
            }
            LinkEvent::Message(Envelope { id, body }) => {
                self.endpoint.environment().set_now(now);
                if let Some(reply) = self.answer(id, body, now) {
                    self.reply(id, reply);
                }
            }
        }
    }

    fn reply(&self, id: u32, body: mgmt::Reply) {
        // A queue that is full belongs to an mgmtd that does not read; it will connect anew.
        if let Some(sender) = &self.mgmt
            && sender.try_send(Envelope { id, body }).is_err()
        {
            log::warn!("an answer to mgmtd was lost");
        }
    }

    /// The time has come that [`Daemon::settle`] returned.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.config.running().is_none() {
            return;
        }
        self.endpoint.environment().set_now(now);
        self.endpoint.handle_timeout(now);
    }

    /// Lets everything out that may leave, and returns when to call [`Daemon::handle_timeout`].
    pub fn settle(&mut self, now: Time) -> Time {
        self.endpoint.environment().set_now(now);
        let names = self.names.settle(now);
        self.refresh_config(now);
        self.look_at_sockets(now);
        loop {
            let mut moved = self.drain_endpoint(now);
            self.journal.commit();
            moved |= self.act_on_events(now);
            self.release_datagrams();
            moved |= self.act_on_notices(now);
            moved |= self.retry_deferred(now);
            self.send_frames();
            if self.plane.is_ready() && !self.plane_was_ready {
                self.plane_was_ready = true;
                // The kernel may have dropped some with their devices.
                self.routes.devices_may_have_changed(now);
                self.endpoint.set_passable(true, now);
            }
            // Only now is known which routes are wanted; those left over from another life may go.
            match self.hold.poll(self.plane.is_ready(), now) {
                Some(Change::Restore) => self.routes.restore(now),
                Some(Change::Withdraw) => self.routes.withdraw(now),
                None => {}
            }
            for (pair, linger_ms) in self.routes.step(now) {
                self.plane.remove(pair, linger_ms);
                self.release_for(pair);
                moved = true;
            }
            if !moved {
                break;
            }
        }
        let traced = self.endpoint.take_traced();
        self.trace_log.write(traced, || epoch_us(now));
        let overdue = self.answer_overdue(now);
        let plane_retry = self.plane_retry.unwrap_or(Time::MAX);
        let retry = if self.journal.is_failing() {
            now + VAULT_RETRY
        } else {
            Time::MAX
        };
        let configured = self.config.running().is_some();
        let endpoint = self
            .endpoint
            .poll_timeout()
            .filter(|_| configured)
            .unwrap_or(Time::MAX);
        endpoint
            .min(self.routes.next())
            .min(self.hold.next())
            .min(self.look_at)
            .min(retry)
            .min(plane_retry)
            .min(overdue)
            .min(names)
    }

    /// Computations handed to the pool whose results have not come back.
    pub fn work_under_way(&self) -> usize {
        self.work_under_way
    }

    fn drain_endpoint(&mut self, now: Time) -> bool {
        let mut moved = false;
        while let Some(record) = self.endpoint.poll_record() {
            self.journal.push(record);
            moved = true;
        }
        while let Some(work) = self.endpoint.poll_work() {
            let urgent = work.urgent;
            // The endpoint has no more under way than the pool holds.
            if self.pool.submit(work, urgent).is_ok() {
                self.work_under_way += 1;
            } else {
                log::error!("the pool of key exchange threads is full");
            }
            moved = true;
        }
        while let Some(event) = self.endpoint.poll_event() {
            // A line for the log depends on no record, and must not pile up while the vault takes none.
            if matches!(event.kind, EventKind::Failure(_)) {
                self.act(event.kind, now);
            } else {
                self.events.push_back(event);
            }
            moved = true;
        }
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.gate.push(transmit);
            moved = true;
        }
        moved
    }

    fn release_datagrams(&mut self) {
        let (plane, transport) = (&self.plane, &self.transport);
        let send = |t: ravelin_ike::Transmit| {
            // Loss is normal for datagrams; the transport counts.
            let _: io::Result<()> = transport.send(t.vrf, t.local, t.remote, &t.data);
        };
        self.gate
            .release(self.journal.durable(), |child| plane.settled(child), send);
    }

    fn release_for(&mut self, pair: PairId) {
        let transport = &self.transport;
        self.gate.release_installed(pair, |t| {
            let _: io::Result<()> = transport.send(t.vrf, t.local, t.remote, &t.data);
        });
    }

    fn look_at_sockets(&mut self, now: Time) {
        if now >= self.look_at {
            let again = self.transport.look();
            self.look_at = if again {
                now + LOOK_INTERVAL
            } else {
                Time::MAX
            };
        }
    }

    fn send_frames(&mut self) {
        let Some((_, sender)) = &self.plane_up else {
            return;
        };
        // When the queue is full the rest waits in the plane; its answers bring us back here.
        while let Ok(permit) = sender.try_reserve() {
            let Some(frame) = self.plane.poll_frame() else {
                break;
            };
            permit.send(frame);
        }
    }

    /// Pairs whose tunnel interface planed does not have yet are tried again after a pause.
    fn retry_deferred(&mut self, now: Time) -> bool {
        if !self.plane.has_deferred() {
            self.plane_retry = None;
            return false;
        }
        let due = *self.plane_retry.get_or_insert(now + PLANE_RETRY) <= now;
        if due {
            self.plane_retry = None;
            self.plane.retry();
        }
        due
    }

    fn act_on_notices(&mut self, now: Time) -> bool {
        let mut moved = false;
        let mut lost = Vec::new();
        while let Some(notice) = self.plane.poll_notice() {
            moved = true;
            match notice {
                Notice::Installed(pair) => {
                    let config = self.config.running();
                    if let (Some(sa), Some(config)) = (self.plane.pair(pair), config)
                        && let Some(table) = config.instances.table(sa.inner_vrf)
                    {
                        self.routes.up(sa, table, now);
                    }
                    self.endpoint.install_done(pair, now);
                    self.release_for(pair);
                }
                Notice::Failed(pair, error) => {
                    self.endpoint.install_failed(pair, &error.to_string(), now);
                    self.release_for(pair);
                }
                Notice::Renew(pair) => lost.push(pair),
                Notice::Rekey(pair) => {
                    self.endpoint.rekey_child(pair, now);
                    self.release_for(pair);
                }
                Notice::Counters(token, counters) => self.counters_came(token, counters, now),
            }
        }
        for pair in self.endpoint.reinstall(&lost, now) {
            // Gone, or without an epoch left: what waits for it must not wait for ever.
            self.plane.remove(pair, 0);
            self.release_for(pair);
        }
        moved
    }
}

#[cfg(test)]
mod tests;
