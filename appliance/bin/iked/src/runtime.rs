//! Puts the daemon together: opens what it needs, and runs its one task.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use ravelin_ctl::{Hello, Role};
use ravelin_ike::EnvironmentError;
use ravelin_ike::work::MAX_WORK;
use ravelin_platform::notify::Notifier;
use ravelin_platform::{clock, harden, instance};
use ravelin_routing::{AriRoutes, RoutingError};
use ravelin_types::{NodeId, Time};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Duration, sleep};

use crate::authority::Certificates;
use crate::daemon::{Daemon, Done, MgmtEvent, Parts, PlaneEvent, worker};
use crate::environment::DaemonEnvironment;
use crate::journal::Journal;
use crate::link;
use crate::names::{Found, MAX_NAMES, resolve};
use crate::pki::desk::Desk;
use crate::pki::{Pki, wall_clock};
use crate::pool::Pool;
use crate::routes::RouteKernel;
use crate::sockets::{Queues, SocketCounters, Transport, UdpTransport};
use crate::tracelog::TraceLog;

/// Threads for key exchanges; the data plane owns most cores of an appliance.
const MAX_THREADS: usize = 4;
/// Inputs of one turn: their records are written together, and their answers wait for each other at most this long.
const MAX_INPUTS_PER_TURN: usize = 256;
/// Timers are looked at this often at most: what is due about the same time, as probes of thousands of peers, goes through the vault and
/// out at once.
const TIMER_SLACK: Duration = Duration::from_millis(20);
/// The longest sleep, so that a clock that jumps does no lasting harm.
const MAX_SLEEP: Duration = Duration::from_secs(60);

/// Where things are.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder of the control sockets.
    pub run_dir: PathBuf,
    /// The vault, on tmpfs.
    pub vault: PathBuf,
    /// Certificates and their keys, on a disk.
    pub pki_dir: PathBuf,
    /// Files of `traceoptions`.
    pub log_dir: PathBuf,
}

/// Why the daemon does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The vault.
    #[error("{0}")]
    Vault(#[from] ravelin_vault::Error),
    /// The folder of certificates.
    #[error("certificates: {0}")]
    Pki(#[from] ravelin_pki::StoreError),
    /// Randomness.
    #[error("{0}")]
    Environment(#[from] EnvironmentError),
    /// Something that every daemon needs: protections of the process, randomness.
    #[error("{0}")]
    Platform(#[from] ravelin_platform::Error),
    /// Routes.
    #[error("{0}")]
    Routes(#[from] RoutingError),
    /// Threads, signals.
    #[error("{0}")]
    System(#[from] io::Error),
}

/// What the task reads.
struct Inputs {
    queues: Queues,
    done: mpsc::Receiver<Done>,
    plane: mpsc::Receiver<PlaneEvent>,
    mgmt: mpsc::Receiver<MgmtEvent>,
    found: mpsc::Receiver<Found>,
}

/// Runs until a signal ends it. The SAs stay: planed keeps them, and the vault brings them back.
///
/// # Errors
/// When something that the daemon cannot do without is missing.
pub fn run(options: &Options) -> Result<(), RunError> {
    harden()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(serve(options));
    // A name that is being looked up is not waited for.
    runtime.shutdown_background();
    outcome
}

async fn serve(options: &Options) -> Result<(), RunError> {
    let (journal, stored) = Journal::open(&options.vault)?;
    log::info!(
        "vault {}: {} records",
        options.vault.display(),
        stored.len()
    );
    let pki = Pki::open(&options.pki_dir, wall_clock())?;
    pki.start_fetching()?;
    let contents = pki.contents();
    log::info!(
        "certificates in {}: {} local, {} CA profiles",
        options.pki_dir.display(),
        contents.locals.len(),
        contents.profiles.len()
    );
    let socket_counters = Arc::new(SocketCounters::default());
    let (transport, queues) = UdpTransport::new(Arc::clone(&socket_counters));
    let threads = thread::available_parallelism().map_or(1, |n| n.get().min(MAX_THREADS));
    let (results, done) = mpsc::channel(MAX_WORK);
    let authority = Arc::new(Certificates::new(pki.clone()));
    let (resolver, names) = mpsc::channel(MAX_NAMES);
    let (answers, found) = mpsc::channel(link::EVENT_QUEUE);
    tokio::spawn(resolve(names, answers));
    let parts = Parts {
        journal,
        stored,
        environment: DaemonEnvironment::new(NodeId::default(), pki.token_secret()?)?,
        transport,
        socket_counters,
        kernel: AriRoutes::open()?,
        pool: Pool::start(threads, MAX_WORK, worker(Arc::clone(&authority)), &results)?,
        desk: Desk::open(pki)?,
        authority,
        trace_log: TraceLog::new(options.log_dir.clone()),
        resolver,
    };
    let daemon = Daemon::new(parts, clock::now())?;

    let hello = Hello::new(Role::Iked, instance()?);
    let (plane_events, plane) = mpsc::channel(link::EVENT_QUEUE);
    let (mgmt_events, mgmt) = mpsc::channel(link::EVENT_QUEUE);
    tokio::spawn(link::run(
        options.run_dir.join("planed.sock"),
        hello.clone(),
        Role::Planed,
        plane_events,
    ));
    tokio::spawn(link::run(
        options.run_dir.join("mgmtd.sock"),
        hello,
        Role::Mgmtd,
        mgmt_events,
    ));
    let notifier = Notifier::from_environment();
    notifier.ready();
    turns(
        daemon,
        &notifier,
        Inputs {
            queues,
            done,
            plane,
            mgmt,
            found,
        },
    )
    .await
}

async fn turns<T: Transport, K: RouteKernel>(
    mut daemon: Daemon<T, K>,
    notifier: &Notifier,
    mut inputs: Inputs,
) -> Result<(), RunError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let beat = notifier.interval();
    let mut next_beat = Time::default();
    let mut next_timers = Time::default();
    loop {
        let deadline = daemon.settle(clock::now());
        let now = clock::now();
        if beat.is_some() && now >= next_beat {
            notifier.alive();
            next_beat = now + beat.unwrap_or(MAX_SLEEP);
        }
        let pause = deadline.max(next_timers).since(now);
        let pause = pause.min(beat.unwrap_or(MAX_SLEEP));
        // Existing SAs before new ones: a flood of first messages must not delay a rekey or a probe.
        tokio::select! {
            biased;
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            Some(event) = inputs.mgmt.recv() => daemon.handle_mgmt(event, clock::now()),
            Some(event) = inputs.plane.recv() => daemon.handle_plane(event, clock::now()),
            Some(found) = inputs.found.recv() => daemon.handle_found(found, clock::now()),
            Some(done) = inputs.done.recv() => daemon.handle_done(done, clock::now()),
            Some(inbound) = inputs.queues.existing.recv() => daemon.handle_datagram(&inbound, clock::now()),
            Some(inbound) = inputs.queues.new.recv() => daemon.handle_datagram(&inbound, clock::now()),
            () = sleep(pause) => {
                next_timers = clock::now() + TIMER_SLACK;
                daemon.handle_timeout(clock::now());
            }
        }
        take_more(&mut daemon, &mut inputs, clock::now());
    }
}

/// Whatever else has come belongs to the same turn, up to a bound.
fn take_more<T: Transport, K: RouteKernel>(
    daemon: &mut Daemon<T, K>,
    inputs: &mut Inputs,
    now: Time,
) {
    for _ in 0..MAX_INPUTS_PER_TURN {
        if let Ok(event) = inputs.plane.try_recv() {
            daemon.handle_plane(event, now);
        } else if let Ok(found) = inputs.found.try_recv() {
            daemon.handle_found(found, now);
        } else if let Ok(done) = inputs.done.try_recv() {
            daemon.handle_done(done, now);
        } else if let Ok(inbound) = inputs.queues.existing.try_recv() {
            daemon.handle_datagram(&inbound, now);
        } else if let Ok(inbound) = inputs.queues.new.try_recv() {
            daemon.handle_datagram(&inbound, now);
        } else {
            break;
        }
    }
}
