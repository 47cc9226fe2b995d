//! The `ravelin-enb` program: many eNodeBs in one process, to load, test and measure an IKEv2 gateway.
//!
//! Each eNodeB is an initiator of its own ([`ravelin_ike::Endpoint`]): identity, IKE SA, child SA, retransmissions, answers to the
//! gateway's probes and rekeys. They share a few addresses and the sockets on UDP 500 and 4500 there; what comes back finds its
//! eNodeB by our SPI.
//!
//! | file | what it does |
//! |---|---|
//! | `arguments.rs` | the command line |
//! | `plan.rs` | what each eNodeB is configured to |
//! | `proof.rs` | keys and certificates, of the eNodeBs and of whom they trust |
//! | `fleet.rs` | the eNodeBs: datagrams and time in, datagrams and outcomes out |
//! | `pace.rs` | when the next one starts, or starts anew |
//! | `network.rs` | sockets |
//! | `traffic.rs` | UDP flows in the tunnels: ESP and time in, ESP and an account out |
//! | `reflector.rs` | the other end of these flows, in the core network |
//! | `stamp.rs` | what is in their packets |
//! | `run.rs` | set-up, hold with traffic and churn, deletion |
//! | `report.rs` | what came of it, as text and JSON |
//!
//! What it does not: journal anything. Its peers are to live through its death.
#![forbid(unsafe_code)]

mod arguments;
mod environment;
mod fleet;
mod network;
mod pace;
mod plan;
mod proof;
mod reflector;
mod report;
mod run;
mod stamp;
mod traffic;

use std::process::ExitCode;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    ravelin_platform::logging::init();
    match Arguments::parse(std::env::args().skip(1)) {
        Ok(Command::Run(arguments)) => match run::run(&arguments) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("ravelin-enb: {error}");
                ExitCode::FAILURE
            }
        },
        Ok(Command::Reflect(addresses)) => match reflector::run(&addresses) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("ravelin-enb: {error}");
                ExitCode::FAILURE
            }
        },
        Ok(Command::Print(text)) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ravelin-enb: {error}; see ravelin-enb --help");
            ExitCode::from(2)
        }
    }
}
