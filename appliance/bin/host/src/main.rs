//! The `ravelin-host` program: arguments, logging, and the table of subcommands.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use ravelin_host::error::Error;
use ravelin_host::root::Root;
use ravelin_host::{apply, consoles, day0, power, prepare};
use ravelin_platform::logging;

/// What a subcommand is: its name, its line of the help, and its work on the arguments behind its name.
struct Subcommand {
    name: &'static str,
    help: &'static str,
    run: fn(&Root, &[String]) -> Result<(), Error>,
}

/// In the order of the boot.
const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand {
        name: "prepare",
        help: "find NICs and crypto devices, choose and bind their drivers, reserve memory and cores",
        run: prepare::run,
    },
    Subcommand {
        name: "day0",
        help: "take the first configuration from a disk or the hypervisor, once",
        run: day0::run,
    },
    Subcommand {
        name: "apply",
        help: "host name, users and fxp0 as the configuration has them",
        run: apply::run,
    },
    Subcommand {
        name: "power",
        help: "end or restart the node as an operator asked",
        run: power::run,
    },
];

fn main() -> ExitCode {
    logging::init();
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let root = match Root::take(&mut arguments) {
        Ok(root) => root,
        Err(error) => return misused(&error),
    };
    let Some(name) = arguments.first() else {
        return misused(&Error::Missing("a subcommand"));
    };
    match name.as_str() {
        "--help" | "-h" => {
            println!("{}", usage());
            return ExitCode::SUCCESS;
        }
        "--version" => {
            println!("{}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let Some(subcommand) = SUBCOMMANDS.iter().find(|s| s.name == name) else {
        return misused(&Error::Unexpected(name.clone()));
    };
    match (subcommand.run)(&root, &arguments[1..]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ (Error::Unexpected(_) | Error::Missing(_))) => misused(&error),
        Err(error) => {
            log::error!("{error}");
            consoles::report(&root, &[format!("{}: {error}", subcommand.name)]);
            ExitCode::FAILURE
        }
    }
}

fn misused(error: &Error) -> ExitCode {
    eprintln!("ravelin-host: {error}\n{}", usage());
    ExitCode::from(2)
}

fn usage() -> String {
    let mut text = "usage: ravelin-host [--root DIR] SUBCOMMAND".to_owned();
    for subcommand in SUBCOMMANDS {
        text.push_str(&format!("\n  {:<10}{}", subcommand.name, subcommand.help));
    }
    text
}
