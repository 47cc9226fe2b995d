//! Our IKE responder beside strongSwan's, in one run: `./x bench ike [--quick|--scale] [--json FILE]`.
//!
//! | measured | what it is |
//! |---|---|
//! | ours | the released iked, its vault on tmpfs, its routes in the kernel, warnings logged |
//! | peer | charon of Debian's strongSwan: OpenSSL first, no logging, no limits on half-open IKE SAs, no routes, tables for 65,536 IKE SAs |
//!
//! Both answer the same `ravelin-enb` with the same suites and certificates, on the same CPU, in turns, round by round; the generator
//! has the other CPUs. Certificates are from the test CA, with an intermediate CA that each eNodeB sends; those of a round's eNodeBs were
//! not seen before, so that no cache of theirs helps. Neither looks for revocation. Signatures are what each chooses: RSASSA-PSS here,
//! PKCS #1 v1.5 there, ECDSA.
//! A result is the median of its rounds. CPU time is that of all threads of the responder, user and system, so time in which
//! another process had the CPU does not count; wall time does.
//!
//! Neither has a data plane here, which would cost noise. iked's planed and mgmtd are played by this program: the socket, its messages
//! and the wait for the answer are there. charon's requests for SAs and policies go to the kernel, which mostly has no ESP; a
//! hook (`xfrm.c`) makes its refusals look like successes.
//!
//! A set-up that fails fails the run. Nothing fails because a target is not met.
#![forbid(unsafe_code)]

#[path = "ike/arguments.rs"]
mod arguments;
#[path = "ike/charon.rs"]
mod charon;
#[path = "ike/failure.rs"]
mod failure;
#[path = "ike/generator.rs"]
mod generator;
#[path = "ike/method.rs"]
mod method;
#[path = "ike/ours.rs"]
mod ours;
#[path = "ike/report.rs"]
mod report;
#[path = "ike/responder.rs"]
mod responder;
#[path = "ike/scale.rs"]
mod scale;
#[path = "ike/stage.rs"]
mod stage;
#[path = "ike/standin.rs"]
mod standin;

use std::process::ExitCode;

use arguments::Arguments;
use charon::Charon;
use failure::Failure;
use generator::{Round, round};
use method::{Credentials, Method};
use ours::Ours;
use report::Report;
use stage::Stage;

/// Suites of the IKE SA, each with AES-256-GCM for the child SA: as ravelin-enb and as strongSwan write them.
const SUITES: [(&str, &str, &str); 2] = [
    (
        "x25519",
        "aes-256-gcm/sha-256/group31",
        "aes256gcm16-prfsha256-x25519",
    ),
    (
        "ecp256",
        "aes-256-gcm/sha-256/group19",
        "aes256gcm16-prfsha256-ecp256",
    ),
];

/// Certificates need only one suite: what they cost does not depend on it.
fn rows() -> impl Iterator<Item = (Method, [&'static str; 3])> {
    let all = |method| SUITES.into_iter().map(move |suite| (method, suite.into()));
    let one = |method| all(method).take(1);
    all(Method::Psk)
        .chain(one(Method::Ecdsa))
        .chain(one(Method::Rsa))
}

fn compare(arguments: &Arguments, report: &mut Report) -> Result<(), Failure> {
    for (method, [name, suite, proposal]) in rows() {
        let stages = [Stage::new("ours")?, Stage::new("peer")?];
        let (rounds, tunnels) = (arguments.rounds(), arguments.tunnels());
        let folder = stages[0].run.join("certificates");
        let credentials = Credentials::make(method, folder, rounds * tunnels)?;
        let ours = Ours::start(&stages[0], suite, &credentials, None)?;
        let peer = Charon::start(&stages[1], proposal, &credentials)?;
        let mut measured: [Vec<Round>; 2] = [vec![], vec![]];
        for number in 0..rounds {
            eprintln!(
                "bench-ike: {method} {name}: round {} of {rounds}",
                number + 1
            );
            let first = number * tunnels + 1;
            let responders = [&ours.responder, &peer.responder];
            for ((stage, responder), measured) in stages.iter().zip(responders).zip(&mut measured) {
                measured.push(round(
                    stage,
                    responder,
                    suite,
                    &credentials,
                    first,
                    tunnels,
                )?);
            }
        }
        report.compared(method, name, &measured);
    }
    Ok(())
}

fn run() -> Result<(), Failure> {
    let arguments = Arguments::read(std::env::args().skip(1))?;
    let mut report = Report::default();
    if arguments.wants_comparison() {
        compare(&arguments, &mut report)?;
    }
    if arguments.wants_scale() {
        report.scaled(scale::run()?);
    }
    print!("{}", report.text());
    if let Some(path) = &arguments.json {
        let text = format!("{:#}\n", report.json());
        std::fs::write(path, text).map_err(|error| Failure::file(path, error))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench-ike: {failure}");
            ExitCode::FAILURE
        }
    }
}
