//! `ravelin-planed`: owns the NICs and moves packets.
//!
//! ```text
//!   mgmtd --configuration--> control thread --tables, SAs--> workers <--> ports
//!   iked  --SA pairs-------->   |  ^                          |  ^
//!   kernel --rtnetlink--------> |  |                   punt rings injects
//!   netd  <--twins--------------+  +--events--           v  |
//!   netd  <--signal routes-- monitor thread            punt thread <--> TAP and TUN twins
//! ```
//! It has no private key, no configuration file and no name resolution, and it keeps forwarding while iked and mgmtd restart. The
//! pipeline is `ravelin-dataplane`; here are the threads, the sockets and the glue to DPDK and to the kernel.
#![forbid(unsafe_code)]

mod args;
mod clients;
mod control;
mod error;
mod health;
mod mgmtd;
#[cfg(feature = "misbehave")]
mod misbehave;
mod nic;
mod punt;
mod twins;
mod workers;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use dpdk_rs::shm::ShmCells;
use nix::sys::signal::{SigSet, Signal};
use ravelin_ctl::{Hello, Role};
use ravelin_dataplane::{Controller, Shared, adjacency, sa, state};
use ravelin_platform::notify::Notifier;
use ravelin_platform::{harden, instance, logging};

use args::{Args, Command};
use control::{Control, Input, Parts};
use error::Error;
use health::{Health, Monitor};
use nic::buffer::FramePool;
use nic::environment::Environment;
use nic::ports::Ports;
use nic::{Cells, Dpdk};

/// Requests that wait for the control thread; their senders wait when it is full.
const INPUTS: usize = 64;
/// SA state that survives this process. The number changes with its layout: old words must not be taken for new ones.
const STATE_FILE: &str = "planed-sa-state.2";

fn main() -> ExitCode {
    logging::init();
    let args = match args::parse(std::env::args().skip(1)) {
        Ok(Command::Run(args)) => args,
        Ok(Command::Print(text)) => {
            println!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("ravelin-planed: {error}\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    #[cfg(feature = "misbehave")]
    if let Err(error) = misbehave::begin() {
        eprintln!("{error}");
        return ExitCode::from(2);
    }
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Error> {
    harden()?;
    let (inputs, receiver) = sync_channel(INPUTS);
    watch_signals(inputs.clone())?;
    let hello = Hello::new(Role::Planed, instance()?);
    // The lock on the socket comes first: a second planed must change nothing.
    let server = clients::Server::bind(&args.run_dir, hello.clone())?;
    let environment = Environment::start(args.memory_mib)?;
    let cells = cells(args.state_dir.as_ref().unwrap_or(&args.run_dir))?;
    let shared: Arc<Shared<Dpdk>> = Shared::new(
        args.workers,
        sa::MAX_SLOTS,
        adjacency::MAX_ADJACENCIES,
        cells,
    );
    let stop = Arc::new(AtomicBool::new(false));
    let worker_pool = FramePool(environment.jumbo);
    let workers = workers::start(&shared, environment.eal, worker_pool, &stop)?;
    let punt = punt::Punt::start(Arc::clone(&shared), environment, Arc::clone(&stop))?;
    mgmtd::start(
        args.run_dir.join("mgmtd.sock"),
        hello.clone(),
        inputs.clone(),
    )?;
    server.start(inputs)?;
    let health = Arc::new(Health::default());
    let netd = args.run_dir.join("netd.sock");
    let monitor = Monitor::start(
        Arc::clone(&health),
        Arc::clone(&shared),
        Arc::clone(&punt.counters),
        netd.clone(),
        hello.clone(),
    )?;
    let mut control = Control::new(Parts {
        controller: Controller::new(shared),
        ports: Ports::new(environment, args.workers),
        twins: twins::Twins::new(netd, hello),
        punt,
        health,
        environment,
        workers: args.workers,
        inputs: receiver,
        notifier: Notifier::from_environment(),
    })?;
    control.run();
    // The announcement goes before what it announces.
    monitor.end();
    stop.store(true, Ordering::Relaxed);
    for thread in workers {
        let _ = thread.join();
    }
    control.end();
    log::info!("ended in order");
    Ok(())
}

fn cells(folder: &Path) -> Result<Cells, Error> {
    let path = folder.join(STATE_FILE);
    Ok(Cells(ShmCells::open(&path, state::words(sa::MAX_SLOTS))?))
}

/// SIGTERM and SIGINT end the control thread. Blocked here, before any other thread is made, so that all inherit it.
fn watch_signals(inputs: SyncSender<Input>) -> Result<(), Error> {
    let signals = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
    signals.thread_block().map_err(|errno| Error::System {
        what: "block signals",
        errno,
    })?;
    let work = move || {
        if let Ok(signal) = signals.wait() {
            log::info!("{signal}");
            let _ = inputs.send(Input::Stop);
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(work)
        .map(drop)
        .map_err(|source| Error::Thread {
            name: "signals".to_owned(),
            source,
        })
}
