//! The `ravelin-iked` program: reads its arguments, then runs [`ravelin_iked::runtime`].
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use ravelin_iked::runtime::{Options, run};

const USAGE: &str = "usage: ravelin-iked [--run-dir DIR] [--vault FILE] [--pki-dir DIR] [--log-dir DIR]
  --run-dir DIR   where the sockets of planed and mgmtd are (default /run/ravelin)
  --vault FILE    the vault of IKE SAs, on tmpfs (default iked.vault in the run directory)
  --pki-dir DIR   certificates and their private keys, kept for good (default `pki` beside the vault)
  --log-dir DIR   files of `traceoptions` (default `log` beside the vault)
  --version       print the version
  RUST_LOG        what to log: error, warn, info (default), debug";

enum Command {
    Run(Options),
    Print(&'static str),
}

fn main() -> ExitCode {
    ravelin_platform::logging::init();
    match parse(std::env::args().skip(1)) {
        Ok(Command::Run(options)) => match run(&options) {
            Ok(()) => ExitCode::SUCCESS,
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
            eprintln!("ravelin-iked: unexpected argument `{argument}`\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut run_dir = PathBuf::from(ravelin_ctl::RUN_DIR);
    let (mut vault, mut pki_dir, mut log_dir) = (None, None, None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--run-dir" => run_dir = arguments.next().map(PathBuf::from).ok_or(argument)?,
            "--vault" => vault = Some(arguments.next().map(PathBuf::from).ok_or(argument)?),
            "--pki-dir" => pki_dir = Some(arguments.next().map(PathBuf::from).ok_or(argument)?),
            "--log-dir" => log_dir = Some(arguments.next().map(PathBuf::from).ok_or(argument)?),
            "--help" | "-h" => return Ok(Command::Print(USAGE)),
            "--version" => return Ok(Command::Print(env!("CARGO_PKG_VERSION"))),
            _ => return Err(argument),
        }
    }
    let vault = vault.unwrap_or_else(|| run_dir.join("iked.vault"));
    let pki_dir = pki_dir.unwrap_or_else(|| vault.with_file_name("pki"));
    let log_dir = log_dir.unwrap_or_else(|| vault.with_file_name("log"));
    Ok(Command::Run(Options {
        run_dir,
        vault,
        pki_dir,
        log_dir,
    }))
}
