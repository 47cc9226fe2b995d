//! A run: set-up of all, hold with traffic and churn, deletion; each phase ends when nothing of it is under way.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use ravelin_ike::EnvironmentError;
use ravelin_platform::clock;
use ravelin_types::Time;

use crate::arguments::Arguments;
use crate::fleet::Fleet;
use crate::network::{Arrival, BindError, Network};
use crate::pace::Pace;
use crate::plan;
use crate::proof::{FileError, Proofs};
use crate::report::Report;
use crate::traffic::{Summary, Traffic};

/// The longest sleep.
const MAX_SLEEP: Duration = Duration::from_secs(1);
/// A gateway that does not confirm deletions is not waited for longer than this after the last one that it did.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);

/// Answers that come later than this after the last packet are lost.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);

/// Why there was no run, or it was cut short.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Keys and certificates.
    #[error(transparent)]
    Proof(#[from] FileError),
    /// An address.
    #[error("{0}")]
    Bind(#[from] BindError),
    /// An address to reflect on.
    #[error("cannot use {local}: {source}")]
    Reflector {
        /// Which.
        local: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Randomness.
    #[error("{0}")]
    Environment(#[from] EnvironmentError),
    /// Sockets, signals.
    #[error("{0}")]
    System(#[from] io::Error),
}

/// Runs; true when all that was wanted was set up, nothing was lost, and what was to be deleted was.
///
/// # Errors
/// What cannot be done at all.
pub fn run(arguments: &Arguments) -> Result<bool, RunError> {
    let mut proofs = Proofs::new(arguments)?;
    let members = (0..arguments.count).map(|index| {
        let proof = proofs.of(plan::number(arguments, index))?;
        Ok((plan::config(arguments, &proof, index), proof.authority))
    });
    let members = members.collect::<Result<Vec<_>, FileError>>()?;
    let addresses = arguments.local.iter().enumerate();
    let addresses = addresses.map(|(place, local)| (plan::believed(arguments, place), *local));
    let raw = arguments.load.is_some() && !arguments.nat;
    let network = Network::open(&addresses.collect::<Vec<_>>(), raw)?;
    let load = arguments.load.as_ref();
    let mut run = Run {
        fleet: Fleet::new(members, clock::now())?,
        network,
        traffic: load.map(|load| Traffic::new(arguments, load)),
        signals: signals()?,
        interrupted: false,
    };
    let mut report = Report::new(arguments);
    run.set_up(arguments)?;
    report.set_up(&run.fleet, clock::now());
    print!("{}", report.set_up_text());
    write(&report, arguments.json.as_deref())?;
    run.hold(arguments)?;
    run.end_traffic()?;
    if !arguments.leave {
        run.close_all(arguments)?;
    }
    report.end(&run.fleet, run.network.unsent);
    if let Some(traffic) = &run.traffic {
        report.traffic(Summary::new(traffic, arguments));
    }
    print!("{}", report.end_text());
    write(&report, arguments.json.as_deref())?;
    Ok(report.is_success(arguments))
}

struct Run {
    fleet: Fleet,
    network: Network,
    traffic: Option<Traffic>,
    signals: SignalFd,
    interrupted: bool,
}

impl Run {
    fn set_up(&mut self, arguments: &Arguments) -> Result<(), RunError> {
        let mut pace = Pace::new(arguments.rate, clock::now());
        let mut next = 0;
        loop {
            let now = clock::now();
            let window = arguments.window as usize;
            let mut wake = None;
            while next < self.fleet.len() && self.fleet.standing().setting_up < window {
                if !pace.take(now) {
                    wake = pace.next_at();
                    break;
                }
                self.fleet.start(next, now);
                next += 1;
            }
            let done = next == self.fleet.len() && self.fleet.standing().setting_up == 0;
            if done || self.interrupted {
                return Ok(());
            }
            self.turn(wake)?;
        }
    }

    fn hold(&mut self, arguments: &Arguments) -> Result<(), RunError> {
        let until = clock::now() + arguments.hold;
        if let Some(traffic) = &mut self.traffic {
            traffic.begin(clock::now());
        }
        let mut pace = Pace::new(arguments.churn, clock::now());
        let mut next = 0;
        let mut restarting = Vec::new();
        loop {
            let now = clock::now();
            if now >= until || self.interrupted {
                return Ok(());
            }
            let mut wake = until;
            if arguments.churn.is_some() {
                if pace.take(now) {
                    if self.fleet.close(next, now) {
                        restarting.push(next);
                    }
                    next = (next + 1) % self.fleet.len().max(1);
                }
                wake = pace.next_at().map_or(until, |at| at.min(until));
                restarting.retain(|index| !self.fleet.start(*index, now));
            }
            self.turn(Some(wake))?;
        }
    }

    /// Waits for the last answers.
    fn end_traffic(&mut self) -> Result<(), RunError> {
        let until = clock::now() + ANSWER_PATIENCE;
        if let Some(traffic) = &mut self.traffic {
            traffic.end(clock::now());
        }
        while self.traffic.as_ref().is_some_and(|t| t.unanswered() > 0)
            && clock::now() < until
            && !self.interrupted
        {
            self.turn(Some(until))?;
        }
        Ok(())
    }

    fn close_all(&mut self, arguments: &Arguments) -> Result<(), RunError> {
        self.interrupted = false;
        let mut next = 0;
        let mut progress = (self.fleet.outcome().deleted, clock::now());
        loop {
            let now = clock::now();
            while next < self.fleet.len()
                && self.fleet.standing().closing < arguments.window as usize
            {
                self.fleet.close(next, now);
                next += 1;
            }
            let deleted = self.fleet.outcome().deleted;
            if deleted != progress.0 {
                progress = (deleted, now);
            }
            let over = next == self.fleet.len() && self.fleet.standing().closing == 0;
            if over || self.interrupted || now.since(progress.1) > CLOSE_PATIENCE {
                return Ok(());
            }
            self.turn(None)?;
        }
    }

    /// Sends what is to be sent, waits for something to happen, and lets the eNodeBs handle it.
    fn turn(&mut self, wake: Option<Time>) -> Result<(), RunError> {
        self.send();
        let now = clock::now();
        let traffic = self.traffic.as_ref().and_then(Traffic::next_at);
        let timers = self.fleet.next_timeout().into_iter().chain(traffic);
        let wake = timers.chain(wake).min();
        let pause = wake.map_or(MAX_SLEEP, |at| at.since(now).min(MAX_SLEEP));
        self.wait(pause)?;
        if self
            .signals
            .read_signal()
            .map_err(io::Error::from)?
            .is_some()
        {
            self.interrupted = true;
        }
        self.receive()?;
        self.fleet.handle_timeout(clock::now());
        self.send();
        if let Some(traffic) = &mut self.traffic {
            let network = &mut self.network;
            traffic.send(clock::now, |outer, packet| network.send_esp(outer, packet));
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<(), RunError> {
        let Self { fleet, traffic, .. } = self;
        self.network.receive(|arrival| match arrival {
            Arrival::Ike {
                local,
                remote,
                message,
            } => fleet.handle(local, remote, message, clock::now()),
            Arrival::Esp(packet) => {
                let now = clock::now();
                let used = traffic.as_mut().and_then(|t| t.receive(packet, now));
                if let Some((index, child)) = used {
                    fleet.used(index, child, now);
                }
            }
        })?;
        Ok(())
    }

    /// Heeds what has become of the child SAs first: what is sent tells the gateway of them.
    fn send(&mut self) {
        for (index, change) in self.fleet.take_changes() {
            if let Some(traffic) = &mut self.traffic {
                traffic.apply(index, change, clock::now());
            }
        }
        for transmit in self.fleet.take_transmits() {
            self.network.send(&transmit);
        }
    }

    fn wait(&self, pause: Duration) -> Result<(), RunError> {
        let sockets = self.network.descriptors().chain([self.signals.as_fd()]);
        let mut polled: Vec<PollFd<'_>> = sockets
            .map(|socket| PollFd::new(socket, PollFlags::POLLIN))
            .collect();
        // Rounded up, so that what waits for the time does not spin.
        let millis = u16::try_from(pause.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        match poll(&mut polled, PollTimeout::from(millis)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(io::Error::from(error).into()),
        }
    }
}

/// SIGINT and SIGTERM as something to read.
///
/// # Errors
/// The kernel's.
pub fn signals() -> io::Result<SignalFd> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGINT);
    set.add(Signal::SIGTERM);
    set.thread_block()?;
    Ok(SignalFd::with_flags(
        &set,
        SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC,
    )?)
}

/// Whoever waits for the file finds it whole.
fn write(report: &Report, path: Option<&Path>) -> Result<(), RunError> {
    let Some(path) = path else {
        return Ok(());
    };
    let new = path.with_extension("new");
    let text = format!("{:#}\n", report.json());
    std::fs::write(&new, text)
        .and_then(|()| std::fs::rename(&new, path))
        .map_err(|source| file(path, source))
}

fn file(path: &Path, source: io::Error) -> RunError {
    RunError::File {
        path: path.display().to_string(),
        source,
    }
}
