//! Whether planed really forwards, and the signal routes that say so (design decision D5).
//!
//! ```text
//!   control thread --beat, wanted routes--> | monitor |--Signal, every beat--> netd --> kernel
//!   workers, host path --beats------------> | thread  |   (its own connection)
//! ```
//! A thread that hangs stops beating, and the monitor lets its routes be withdrawn; a process that hangs stops telling netd, whose
//! patience ends; a process that dies ends the connection. The monitor does nothing else, so that neither a commit nor a slow netd
//! delays it. What is wanted (the phase of the start, links of the ports) is the control thread's business.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ravelin_ctl::netd::{Reply, Request, SIGNAL_BEAT};
use ravelin_ctl::{Envelope, Hello, Role, Stream, StreamError};
use ravelin_dataplane::Shared;
use ravelin_dataplane::counters::WorkerCounters;
use ravelin_platform::clock::now;
use ravelin_types::Time;

use crate::error::Error;
use crate::nic::Dpdk;

/// Silence after which a worker or the host path hangs: a thousand of its longest sleeps.
const WORKER_SILENCE: Duration = Duration::from_secs(1);
/// Silence after which the control thread hangs: more than it may wait for netd within one round.
const CONTROL_SILENCE: Duration = Duration::from_secs(6);
/// How long netd may take to answer; its routes go soon after.
const NETD_PATIENCE: Duration = Duration::from_secs(1);

/// What the monitor and the control thread share.
#[derive(Default)]
pub struct Health {
    control: AtomicU64,
    wanted: Mutex<BTreeSet<IpAddr>>,
    report: Mutex<Report>,
}

/// What the monitor last found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What hangs, or has not begun.
    pub fault: Option<Fault>,
    /// All threads ran at some time: a fault from then on is one, not the start.
    has_run: bool,
    /// Addresses that were announced once: whether they are now, and since when.
    pub signals: BTreeMap<IpAddr, (bool, Time)>,
}

/// A thread that does not beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A worker.
    #[error("worker {0} does not run")]
    Worker(usize),
    /// The host path.
    #[error("the host path does not run")]
    HostPath,
    /// The control thread.
    #[error("the control thread does not run")]
    Control,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Health {
    /// The control thread runs.
    pub fn beat(&self) {
        self.control.fetch_add(1, Ordering::Relaxed);
    }

    /// The control thread wants these routes announced while all is well.
    pub fn want(&self, addresses: BTreeSet<IpAddr>) {
        *lock(&self.wanted) = addresses;
    }

    /// What was last found.
    pub fn report(&self) -> Report {
        lock(&self.report).clone()
    }
}

/// The running monitor.
pub struct Monitor {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Monitor {
    /// Starts the thread; netd serves at `path`.
    ///
    /// # Errors
    /// When the thread cannot be made.
    pub fn start(
        health: Arc<Health>,
        shared: Arc<Shared<Dpdk>>,
        host: Arc<WorkerCounters>,
        path: PathBuf,
        hello: Hello,
    ) -> Result<Self, Error> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let work = move || {
            let mut watch = Watch::new(shared.links.len());
            let mut announcer = Announcer::new(path, hello);
            while !stopping.load(Ordering::Relaxed) {
                let workers = shared.links.iter().map(|link| &link.counters);
                let beats = Beats {
                    control: health.control.load(Ordering::Relaxed),
                    host: host.heartbeat.get(),
                    workers: workers.map(|worker| worker.heartbeat.get()).collect(),
                };
                let now = now();
                let fault = watch.fault(&beats, now);
                let wanted = match fault {
                    None => lock(&health.wanted).clone(),
                    Some(_) => BTreeSet::new(),
                };
                announcer.announce(&wanted);
                lock(&health.report).note(fault, &announcer.standing, now);
                std::thread::park_timeout(SIGNAL_BEAT);
            }
        };
        let thread = std::thread::Builder::new()
            .name("health".to_owned())
            .spawn(work)
            .map_err(|source| Error::Thread {
                name: "health".to_owned(),
                source,
            })?;
        Ok(Self { stop, thread })
    }

    /// Ends the thread, and with its connection the announcement.
    pub fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        let _ = self.thread.join();
    }
}

impl Report {
    fn note(&mut self, fault: Option<Fault>, standing: &BTreeSet<IpAddr>, now: Time) {
        if fault != self.fault {
            match fault {
                Some(fault) if self.has_run => {
                    log::error!("{fault}: signal routes are withdrawn");
                }
                Some(_) => {}
                None => log::info!("all threads run"),
            }
        }
        self.fault = fault;
        self.has_run |= fault.is_none();
        for address in standing {
            self.signals.entry(*address).or_insert((false, now));
        }
        for (address, (up, since)) in &mut self.signals {
            if *up != standing.contains(address) {
                (*up, *since) = (!*up, now);
            }
        }
    }
}

/// The threads' counts of their rounds.
struct Beats {
    control: u64,
    host: u64,
    workers: Vec<u64>,
}

/// When each thread was last seen to beat.
struct Watch {
    control: Pulse,
    host: Pulse,
    workers: Vec<Pulse>,
}

/// A count, and when it last moved; `None` before its first beat.
#[derive(Clone, Default)]
struct Pulse {
    count: u64,
    moved: Option<Time>,
}

impl Pulse {
    fn is_silent(&mut self, count: u64, limit: Duration, now: Time) -> bool {
        if count != self.count {
            self.count = count;
            self.moved = Some(now);
        }
        self.moved.is_none_or(|moved| now.since(moved) > limit)
    }
}

impl Watch {
    fn new(workers: usize) -> Self {
        Self {
            control: Pulse::default(),
            host: Pulse::default(),
            workers: vec![Pulse::default(); workers],
        }
    }

    /// The first thread that does not beat; all are looked at.
    fn fault(&mut self, beats: &Beats, now: Time) -> Option<Fault> {
        let control = self.control.is_silent(beats.control, CONTROL_SILENCE, now);
        let host = self.host.is_silent(beats.host, WORKER_SILENCE, now);
        let mut fault = None;
        for (at, (pulse, beat)) in self.workers.iter_mut().zip(&beats.workers).enumerate() {
            if pulse.is_silent(*beat, WORKER_SILENCE, now) {
                fault = fault.or(Some(Fault::Worker(at)));
            }
        }
        fault
            .or(host.then_some(Fault::HostPath))
            .or(control.then_some(Fault::Control))
    }
}

/// The connection to netd that carries the announcement.
struct Announcer {
    path: PathBuf,
    hello: Hello,
    netd: Option<Stream>,
    next_id: u32,
    /// What netd said stands.
    standing: BTreeSet<IpAddr>,
    complaint: String,
}

impl Announcer {
    fn new(path: PathBuf, hello: Hello) -> Self {
        Self {
            path,
            hello,
            netd: None,
            next_id: 1,
            standing: BTreeSet::new(),
            complaint: String::new(),
        }
    }

    /// Says it, also when nothing has changed: netd takes silence for death. Nothing to say needs no words.
    fn announce(&mut self, wanted: &BTreeSet<IpAddr>) {
        if wanted.is_empty() && (self.standing.is_empty() || self.netd.is_none()) {
            self.standing.clear();
            return;
        }
        match self.tell(wanted) {
            Ok(()) => {
                self.standing.clone_from(wanted);
                self.complaint.clear();
            }
            Err(error) => {
                // The end of the connection withdraws what stood.
                self.netd = None;
                self.standing.clear();
                let text = error.to_string();
                if text != self.complaint {
                    log::warn!("signal routes: {text}; trying again");
                    self.complaint = text;
                }
            }
        }
    }

    fn tell(&mut self, wanted: &BTreeSet<IpAddr>) -> Result<(), Error> {
        let stream = match &mut self.netd {
            Some(stream) => stream,
            None => {
                let stream = Stream::connect(&self.path, &self.hello, Role::Netd)?;
                stream.set_receive_timeout(Some(NETD_PATIENCE))?;
                self.netd.insert(stream)
            }
        };
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1).max(1);
        let body = Request::Signal(wanted.iter().copied().collect());
        stream.send(&Envelope { id, body })?;
        let answer: Envelope<Reply> = stream.receive()?;
        match answer.body {
            Reply::Done if answer.id == id => Ok(()),
            Reply::Failed(reason) => Err(Error::Signal(reason)),
            _ => Err(Error::NetdSocket(StreamError::Closed)),
        }
    }
}

#[cfg(test)]
mod tests;
