//! `ravelin-enb` at work, and what a round of it costs the responder.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use ravelin_tests::process::Process;
use ravelin_tests::wait::wait_until;
use serde_json::Value;

use crate::Failure;
use crate::method::{Credentials, Method};
use crate::responder::Responder;
use crate::stage::{GATEWAY, GATEWAY_ID, KEY, LOCAL, Stage, program};

/// Set-ups under way: the wire is short, so this keeps the responder busy, and is far from its limits.
const WINDOW: u32 = 128;
/// For set-ups and deletions of a loaded machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// Many eNodeBs that stay until they are told to go.
pub struct Generator {
    process: Process,
    json: PathBuf,
    wanted: u32,
    /// Of the set-up.
    pub report: Value,
}

/// What came of a round.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    pub tunnels: f64,
    /// CPU time of the responder.
    pub cpu_s: f64,
    /// Until the last tunnel was up.
    pub wall_s: f64,
    /// Of the set-up of one tunnel: p50, p90, p99, longest, in milliseconds.
    pub latency_ms: [f64; 4],
    /// Growth of the responder's memory.
    pub octets: f64,
}

impl Generator {
    /// Starts it and waits until all are up.
    pub fn start(
        stage: &Stage,
        suite: &str,
        credentials: &Credentials,
        first: u32,
        tunnels: u32,
    ) -> Result<Self, Failure> {
        let json = stage.run.join("enb.json");
        // A report of the round before would be taken for this one's.
        drop(std::fs::remove_file(&json));
        let mut command = stage.on_other_cpus();
        command
            .arg(program("ravelin-enb")?)
            .args([
                "--gateway",
                &GATEWAY.to_string(),
                "--gateway-id",
                GATEWAY_ID,
            ])
            .args(["--local", LOCAL, "--ike", suite, "--esp", "aes-256-gcm"])
            .args([
                "--count",
                &tunnels.to_string(),
                "--window",
                &WINDOW.to_string(),
            ])
            .args(["--first", &first.to_string()])
            .args(proof(stage, credentials)?)
            .args(["--hold", "100000", "--json"])
            .arg(&json);
        let mut generator = Self {
            process: Process::start("enb", &stage.logs, &mut command)?,
            json,
            wanted: tunnels,
            report: Value::Null,
        };
        wait_until("all tunnels to be up", PATIENCE, || {
            generator.process.check()?;
            generator.report = generator.read();
            Ok(generator.report["established"].is_u64().then_some(()))
        })?;
        let got = generator.report["established"].as_u64().unwrap_or(0);
        if got == u64::from(tunnels) {
            return Ok(generator);
        }
        Err(Failure::SetUp {
            got,
            wanted: tunnels,
            why: generator.report["reasons"].to_string(),
        })
    }

    fn read(&self) -> Value {
        let text = std::fs::read_to_string(&self.json).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Has all tunnels deleted; fails when one was lost before.
    pub fn stop(self) -> Result<(), Failure> {
        self.process.signal(nix::sys::signal::Signal::SIGTERM);
        wait_until("all tunnels to be deleted", PATIENCE, || {
            Ok(self.read()["end"].is_object().then_some(()))
        })?;
        let end = self.read()["end"].clone();
        let deleted = end["deleted"].as_u64().unwrap_or(0);
        if deleted == u64::from(self.wanted) {
            return Ok(());
        }
        Err(Failure::Lost {
            got: deleted,
            wanted: self.wanted,
            why: end.to_string(),
        })
    }
}

/// The options by which the eNodeBs prove who they are.
fn proof(stage: &Stage, credentials: &Credentials) -> Result<Vec<OsString>, Failure> {
    let files = match credentials.method {
        Method::Psk => {
            let key = stage.run.join("key");
            std::fs::write(&key, KEY).map_err(|error| Failure::file(&key, error))?;
            vec![("--psk-file", key)]
        }
        Method::Ecdsa | Method::Rsa => vec![
            ("--certificate", credentials.file("enb-{}.pem")),
            ("--key", credentials.file("fleet.key")),
            ("--ca", credentials.file("root.pem")),
        ],
    };
    let pairs = files.into_iter();
    Ok(pairs
        .flat_map(|(option, file)| [option.into(), file.into()])
        .collect())
}

/// Sets up so many tunnels, the first one with this number, and deletes them. Numbers that were not used before have certificates that
/// nobody has seen.
pub fn round(
    stage: &Stage,
    responder: &Responder,
    suite: &str,
    credentials: &Credentials,
    first: u32,
    tunnels: u32,
) -> Result<Round, Failure> {
    let (cpu, octets) = (responder.cpu()?, responder.resident_octets()?);
    let generator = Generator::start(stage, suite, credentials, first, tunnels)?;
    let cpu = responder.cpu()?.saturating_sub(cpu);
    let octets = responder.resident_octets()?.saturating_sub(octets);
    let latency = &generator.report["latency"];
    let ms = |key: &str| latency[key].as_f64().unwrap_or(0.0) / 1e3;
    let round = Round {
        tunnels: f64::from(tunnels),
        cpu_s: cpu.as_secs_f64(),
        wall_s: generator.report["seconds"].as_f64().unwrap_or(0.0),
        latency_ms: ["p50_us", "p90_us", "p99_us", "max_us"].map(ms),
        octets: octets as f64,
    };
    generator.stop()?;
    Ok(round)
}
