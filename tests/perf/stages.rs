//! What ESP costs on one thread, and how near the pipeline comes to the cipher: `./x bench stages [--sas N,N] [--inner 6] [--json FILE]`.
//!
//! Three things are measured in turns, so that they meet the same weather, over the same sizes, SAs and buffers:
//!
//! * the primitive: intel-ipsec-mb called directly, nothing else; no gateway on this CPU can be faster;
//! * the pipeline: [`ravelin_dataplane::Worker::run_once`] with its real stages, selectors, routes, anti-replay window of 512,
//!   counters, and the product's engine;
//! * the stages: the same with a cipher that does nothing.
//!
//! Packets are made and taken away outside the measured time and no device is involved, so the numbers hold no I/O. A sample
//! is one burst of [`BURST`] packets, a round's value the median of its bursts, the result the median of the rounds: a
//! burst in which the thread lost the CPU does not count. Sizes are of Ethernet frames as testers count them (RFC 2544, with
//! FCS), Gbps are of the inner IP packets. Nothing is asserted about time; a packet that gets lost is an error.
#![forbid(unsafe_code)]

#[path = "stages/gateway.rs"]
mod gateway;
#[path = "mix.rs"]
mod mix;
#[path = "stages/platform.rs"]
mod platform;
#[path = "stages/primitive.rs"]
mod primitive;
#[path = "stages/report.rs"]
mod report;
#[path = "stages/traffic.rs"]
mod traffic;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use dpdk_rs::ipsecmb::Gcm;
use ravelin_dataplane::BURST;
use ravelin_dataplane::engine::Engine;
use ravelin_dataplane::packet::Packet;
use ravelin_esp::Direction;

use gateway::Gateway;
use mix::Mix;
use platform::{Buf, Null};
use primitive::Primitive;
use report::Row;
use traffic::Inner;

/// Rounds that count; one more warms up.
const ROUNDS: usize = 7;
/// Bursts of one round: enough for a median.
const BURSTS: usize = 300;
/// Numbers of SAs: everything in cache, and a gateway's usual thousand.
const SAS: [u32; 2] = [1, 1000];
const DIRECTIONS: [Direction; 2] = [Direction::Encrypt, Direction::Decrypt];

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(
        "unknown argument {0}; there are --json FILE, --mix NAME, --sas N,N, --inner 6 and --profile out|in:SAS:ROUNDS"
    )]
    Argument(String),
    #[error("the gateway refused its configuration: {0}")]
    Configuration(String),
    #[error("{refused} of {sas} SAs were refused")]
    Install { refused: usize, sas: u32 },
    #[error(
        "{came} of {sent} packets came out of the {mix} {direction:?} pipeline; drops: {drops}"
    )]
    Lost {
        mix: &'static str,
        direction: Direction,
        sent: usize,
        came: usize,
        drops: String,
    },
    #[error("the cipher refuses what it sealed itself")]
    Cipher,
    #[error("{}: {error}", path.display())]
    Write {
        path: PathBuf,
        error: std::io::Error,
    },
}

/// The three measured things for one number of SAs.
struct Rig {
    sas: u32,
    primitive: Primitive,
    pipeline: Gateway<Engine<Packet<Buf>>>,
    stages: Gateway<Null>,
}

impl Rig {
    fn new(gcm: Gcm, sas: u32, inner: Inner) -> Result<Self, Failure> {
        let keys = 2 * sas as usize;
        Ok(Self {
            sas,
            primitive: Primitive::new(gcm, sas)?,
            pipeline: Gateway::new(sas, inner, Engine::new(keys), Some(gcm))?,
            stages: Gateway::new(sas, inner, Null::default(), None)?,
        })
    }

    /// One round of every case, in nanoseconds per packet.
    fn round(&mut self, mixes: &[Mix], rows: &mut [Row]) -> Result<(), Failure> {
        let cases = mixes
            .iter()
            .flat_map(|mix| DIRECTIONS.map(|direction| (mix, direction)));
        for ((mix, direction), row) in cases.zip(rows) {
            let primitive = self.primitive.round(mix, direction, BURSTS)?;
            let pipeline = self.pipeline.round(mix, direction, BURSTS)?;
            let stages = self.stages.round(mix, direction, BURSTS)?;
            row.add([primitive, pipeline, stages]);
        }
        Ok(())
    }

    fn run(&mut self, mixes: &[Mix]) -> Result<Vec<Row>, Failure> {
        let rows = |sas| -> Vec<Row> {
            mixes
                .iter()
                .flat_map(|mix| DIRECTIONS.map(|direction| Row::new(mix, sas, direction)))
                .collect()
        };
        self.round(mixes, &mut rows(self.sas))?;
        let mut counted = rows(self.sas);
        for _ in 0..ROUNDS {
            self.round(mixes, &mut counted)?;
        }
        Ok(counted)
    }
}

/// How long `work` on one burst takes, in nanoseconds per packet.
fn per_packet_ns(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_nanos() as f64 / BURST as f64
}

/// What is asked for. Cargo adds `--bench`.
#[derive(Default)]
struct Arguments {
    /// Where the JSON goes.
    json: Option<PathBuf>,
    /// Only the mix of this name.
    mix: Option<String>,
    /// Other numbers of SAs than the usual.
    sas: Vec<u32>,
    /// Family in the tunnels.
    inner: Inner,
    /// Only the stages: this direction, this number of SAs and so many rounds, for a profiler.
    profile: Option<(Direction, u32, u32)>,
}

impl Arguments {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut arguments = arguments.filter(|argument| argument != "--bench");
        let mut asked = Self::default();
        while let Some(argument) = arguments.next() {
            let value = arguments.next();
            let known = match (argument.as_str(), value) {
                ("--json", Some(path)) => asked.json.replace(path.into()).is_none(),
                ("--mix", Some(name)) => asked.mix.replace(name).is_none(),
                ("--sas", Some(list)) => {
                    let numbers = list.split(',').map(|number| number.parse().ok());
                    asked.sas = numbers.collect::<Option<_>>().unwrap_or_default();
                    !asked.sas.is_empty()
                }
                ("--inner", Some(family)) => {
                    asked.inner = Inner::V6;
                    family == "6"
                }
                ("--profile", Some(case)) => {
                    asked.profile = profile(&case);
                    asked.profile.is_some()
                }
                _ => false,
            };
            if !known {
                return Err(Failure::Argument(argument));
            }
        }
        Ok(asked)
    }

    fn mixes(&self) -> Vec<Mix> {
        let mut mixes = Vec::from(mix::mixes());
        if let Some(name) = &self.mix {
            mixes.retain(|mix| mix.name == name);
        }
        mixes
    }
}

/// `out:1000:1` or `in:1:50`.
fn profile(case: &str) -> Option<(Direction, u32, u32)> {
    let (direction, rest) = case.split_once(':')?;
    let (sas, rounds) = rest.split_once(':')?;
    let direction = match direction {
        "out" => Direction::Encrypt,
        "in" => Direction::Decrypt,
        _ => return None,
    };
    Some((direction, sas.parse().ok()?, rounds.parse().ok()?))
}

/// Runs the stages alone, so that a profiler sees nothing else.
fn run_profile(
    mixes: &[Mix],
    inner: Inner,
    (direction, sas, rounds): (Direction, u32, u32),
) -> Result<(), Failure> {
    let mut stages: Gateway<Null> = Gateway::new(sas, inner, Null::default(), None)?;
    for mix in mixes {
        for _ in 0..rounds {
            let ns = stages.round(mix, direction, BURSTS)?;
            println!("{} {direction:?} {sas} SAs: {ns:.1} ns", mix.name);
        }
    }
    Ok(())
}

fn run() -> Result<(), Failure> {
    let asked = Arguments::parse(std::env::args().skip(1))?;
    if let Some(case) = asked.profile {
        return run_profile(&asked.mixes(), asked.inner, case);
    }
    let gcm = match Gcm::detect() {
        Ok(gcm) => gcm,
        Err(error) => {
            println!("SKIP bench-stages: {error}");
            return Ok(());
        }
    };
    let mixes = asked.mixes();
    let mut rows = vec![];
    let usual = if asked.sas.is_empty() {
        &SAS[..]
    } else {
        &asked.sas
    };
    for &sas in usual {
        rows.extend(Rig::new(gcm, sas, asked.inner)?.run(&mixes)?);
    }
    print!("{}", report::table(gcm.code(), &rows));
    if let Some(path) = asked.json {
        let text = format!("{:#}\n", report::json(gcm.code(), &rows));
        std::fs::write(&path, text).map_err(|error| Failure::Write { path, error })?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench-stages: {failure}");
            ExitCode::FAILURE
        }
    }
}
