//! The `ravelin-mgmtd` program: arguments, logging, and the threads of `ravelin-mgmt` put together.
#![forbid(unsafe_code)]

use ravelin_ctl::{Hello, RUN_DIR, Role};
use ravelin_mgmt::{Manager, MgmtError, Pulse, Settings, Store, kernel, serve};
use ravelin_platform::notify::Notifier;
use ravelin_platform::{instance, logging};
use std::convert::Infallible;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

const CONFIGURATION: &str = "/etc/ravelin/ravelin.conf";
const FACTORY: &str = "/usr/share/ravelin/factory-default.conf";
const USAGE: &str = "usage: ravelin-mgmtd [--run-dir DIR] [--config FILE] [--factory FILE]
  --run-dir DIR   where mgmtd.sock is made (default /run/ravelin)
  --config FILE   the configuration (default /etc/ravelin/ravelin.conf)
  --factory FILE  what runs while there is none (default /usr/share/ravelin/factory-default.conf)
  --version       print the version
  RUST_LOG        what to log: error, warn, info (default), debug";

struct Arguments {
    run_dir: PathBuf,
    config: PathBuf,
    factory: PathBuf,
}

/// Why the daemon does not run.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("{0}")]
    Platform(#[from] ravelin_platform::Error),
    #[error("{0}")]
    Mgmt(#[from] MgmtError),
}

enum Command {
    Run(Arguments),
    Print(&'static str),
}

fn main() -> ExitCode {
    logging::init();
    match arguments(std::env::args().skip(1)) {
        Ok(Command::Run(arguments)) => match run(&arguments) {
            Ok(never) => match never {},
            Err(error) => {
                log::error!("{error}");
                ExitCode::FAILURE
            }
        },
        Ok(Command::Print(text)) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(argument) => {
            eprintln!("ravelin-mgmtd: unexpected argument `{argument}`\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut arguments = Arguments {
        run_dir: RUN_DIR.into(),
        config: CONFIGURATION.into(),
        factory: FACTORY.into(),
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--run-dir" => arguments.run_dir = words.next().ok_or(word)?.into(),
            "--config" => arguments.config = words.next().ok_or(word)?.into(),
            "--factory" => arguments.factory = words.next().ok_or(word)?.into(),
            "--help" | "-h" => return Ok(Command::Print(USAGE)),
            "--version" => return Ok(Command::Print(env!("CARGO_PKG_VERSION"))),
            _ => return Err(word),
        }
    }
    Ok(Command::Run(arguments))
}

fn run(arguments: &Arguments) -> Result<Infallible, RunError> {
    let hello = Hello::new(Role::Mgmtd, instance()?);
    // The socket comes first: a second mgmtd must change nothing.
    let server = serve(&arguments.run_dir, hello.clone())?;
    let orders = kernel::start()?;
    let (events, inbox) = channel();
    let store = Store::new(&arguments.config, &arguments.run_dir).with_factory(&arguments.factory);
    let mut manager = Manager::new(store, Settings::default(), hello, inbox, orders)?;
    let notifier = Arc::new(Notifier::from_environment());
    if let Some(every) = notifier.interval() {
        let notifier = Arc::clone(&notifier);
        manager.set_pulse(Pulse {
            every,
            beat: Box::new(move || notifier.alive()),
        });
    }
    let managing = thread::Builder::new().name("manager".to_owned());
    managing
        .spawn(move || manager.run())
        .map_err(MgmtError::Thread)?;
    notifier.ready();
    Ok(server.run(&events)?)
}
