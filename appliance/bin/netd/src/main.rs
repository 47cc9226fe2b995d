//! `ravelin-netd`: the tiny holder of the TAP and TUN twins (design decision D3).
//!
//! It makes persistent multi-queue devices on request and keeps one detached queue on each, so that carrier, addresses
//! and routes stay while planed restarts. It switches off everything by which the kernel would forward or answer for others, and
//! keeps it off. It also holds the signal routes, by which routers learn that planed forwards ([`signal`]). It moves no packets, owns
//! no addresses and reads no configuration file.
//!
//! When netd itself restarts, planed's queues keep the devices meanwhile, and planed's next `Ensure` lets netd adopt
//! them. It needs CAP_NET_ADMIN and write access to `/proc/sys/net`.
#![forbid(unsafe_code)]

mod error;
mod filter;
mod guard;
mod registry;
mod server;
mod signal;
mod sysctl;
mod watchdog;

use std::path::PathBuf;
use std::process::ExitCode;

use ravelin_platform::logging;
use ravelin_platform::notify::Notifier;

use error::Error;

const USAGE: &str = "usage: ravelin-netd [--run-dir DIR]
  --run-dir DIR   where netd.sock is made (default /run/ravelin)
  --version       print the version
  RUST_LOG        what to log: error, warn, info (default), debug";

fn main() -> ExitCode {
    logging::init();
    let run_dir = match run_dir(std::env::args().skip(1)) {
        Ok(Command::Run(dir)) => dir,
        Ok(Command::Print(text)) => {
            println!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(argument) => {
            eprintln!("ravelin-netd: unexpected argument `{argument}`\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(run_dir) {
        Ok(never) => match never {},
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(run_dir: PathBuf) -> Result<std::convert::Infallible, Error> {
    // The lock on the socket comes first: a second netd must change nothing.
    let server = server::Server::bind(&run_dir)?;
    registry::raise_descriptor_limit()?;
    guard::secure(&sysctl::Tree::system())?;
    guard::start(sysctl::Tree::system())?;
    let signals = signal::start()?;
    let notifier = Notifier::from_environment();
    notifier.ready();
    server.serve(signals, notifier)
}

enum Command {
    Run(PathBuf),
    Print(String),
}

fn run_dir(mut arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut dir = PathBuf::from(ravelin_ctl::RUN_DIR);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--run-dir" => dir = arguments.next().map(PathBuf::from).ok_or(argument)?,
            "--help" | "-h" => return Ok(Command::Print(USAGE.to_owned())),
            "--version" => return Ok(Command::Print(env!("CARGO_PKG_VERSION").to_owned())),
            _ => return Err(argument),
        }
    }
    Ok(Command::Run(dir))
}
