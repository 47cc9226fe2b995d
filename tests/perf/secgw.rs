//! Our gateway beside DPDK's ipsec-secgw and the bare cipher, in one run: `./x bench esp [--targets|--quick|--workers|--scale] [--json FILE]`. Beside
//! FILE comes a plot with the same name and the ending `.svg`.
//!
//! | measured | what it is |
//! |---|---|
//! | limit | intel-ipsec-mb called directly, in place, over warm buffers, keys prefetched; on two CPUs, too |
//! | ports | a loop that receives and sends the same frames (`floor.c`) |
//! | peer | ipsec-secgw of Debian's dpdk-doc, both its modes, one worker, anti-replay off |
//! | ours | the released planed, one worker: routes of the kernel, selectors, anti-replay window of 512, counters |
//!
//! All but the limit are processes with the same ports: DPDK's net_null, fed with frames from a file by `hook.c`, which also takes
//! the CPU time of the thread that works on them. So nothing of a gateway is simulated, all pay the same for their ports, and time
//! in which another process had the CPU does not count. They take turns, one awake at a time, round by round; a result is the median
//! of its rounds. Sizes are of Ethernet frames as testers count them (RFC 2544, with FCS), Gbps are of the inner IP packets.
//!
//! A process that loses packets, or a planed that is not the one just built, fails the run. A peer that is far slower than it is
//! known to be makes it invalid. Nothing fails because a target is not met; beside a target about many SAs or two workers stands what the
//! limit reaches there, and where the limit reaches no more than ours does, the target is out of reach of this machine.
#![forbid(unsafe_code)]

#[path = "secgw/arguments.rs"]
mod arguments;
#[path = "secgw/case.rs"]
mod case;
#[path = "secgw/control.rs"]
mod control;
#[path = "secgw/failure.rs"]
mod failure;
#[path = "secgw/limit.rs"]
mod limit;
#[path = "secgw/machine.rs"]
mod machine;
#[path = "secgw/make.rs"]
mod make;
#[path = "secgw/measure.rs"]
mod measure;
#[path = "mix.rs"]
mod mix;
#[path = "secgw/ours.rs"]
mod ours;
#[path = "secgw/packets.rs"]
mod packets;
#[path = "secgw/peer.rs"]
mod peer;
#[path = "secgw/seal.rs"]
mod seal;
#[path = "secgw/subject.rs"]
mod subject;
#[path = "secgw/trace.rs"]
mod trace;

use std::process::ExitCode;

use dpdk_rs::ipsecmb::Gcm;
use ravelin_tests::rate::{self, RouteLoad, Verdict, Workers};

use arguments::Arguments;
use failure::Failure;
use measure::Bench;

fn run() -> Result<(), Failure> {
    let arguments = Arguments::read(std::env::args().skip(1))?;
    let gcm = match Gcm::detect() {
        Ok(gcm) => gcm,
        Err(error) => {
            println!("SKIP bench-esp: {error}");
            return Ok(());
        }
    };
    let mut bench = Bench::new(gcm)?;
    let settings = arguments.settings();
    for (at, setting) in settings.iter().enumerate() {
        eprintln!("bench-esp: {} of {}: {setting}", at + 1, settings.len());
        bench.measure(*setting, &arguments)?;
    }
    if arguments.wants_workers() {
        eprintln!("bench-esp: two workers");
        bench.measure_workers()?;
    }
    if arguments.wants_scale() {
        eprintln!("bench-esp: scale");
        bench.measure_scale()?;
    }
    let ghz = bench.tsc_ghz()?;
    let verdict = Verdict::new(&bench.rows, &bench.facts());
    print!("{}", machine::text(gcm.code(), ghz));
    println!("{}", bench.command_lines_text());
    println!("{}", rate::table(&bench.rows, ghz));
    println!("{}", rate::stages_table(&bench.rows));
    println!("{}", rate::bars(&bench.rows, ghz));
    print!("{}", verdict.text());
    if let Some(routes) = &bench.routes {
        print!("{}", routes.text());
    }
    if let Some(path) = &arguments.json {
        let mut value = verdict.json();
        value["machine"] = machine::json(gcm.code(), ghz);
        value["processes"] = bench.processes_json();
        value["fat_tunnel"] = bench.fat_tunnel.as_ref().map(Workers::json).into();
        value["workers"] = bench.workers.as_ref().map(Workers::json).into();
        value["cipher_workers"] = bench.cipher_workers.as_ref().map(Workers::json).into();
        value["routes"] = bench.routes.as_ref().map(RouteLoad::json).into();
        value["rows"] = rate::rows_json(&bench.rows, ghz).into();
        let written = std::fs::write(path, format!("{value:#}\n"));
        written.map_err(|error| Failure::File {
            path: path.clone(),
            error,
        })?;
        let title = format!(
            "AES-256-GCM, IPv4, IMIX: {}",
            machine::text(gcm.code(), ghz).trim()
        );
        let path = path.with_extension("svg");
        let written = std::fs::write(&path, rate::svg(&bench.rows, ghz, &title));
        written.map_err(|error| Failure::File { path, error })?;
    }
    match verdict.invalid {
        Some(why) => Err(Failure::SlowPeer(why)),
        None => Ok(()),
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench-esp: {failure}");
            ExitCode::FAILURE
        }
    }
}
