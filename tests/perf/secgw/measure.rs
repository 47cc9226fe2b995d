//! The order of things: processes for a setting, a trace for a case, rounds in which everything takes its turn.

use std::collections::BTreeMap;
use std::path::Path;

use dpdk_rs::ipsecmb::Gcm;
use ravelin_dataplane::BURST;
use ravelin_esp::Direction;
use ravelin_tests::rate::{
    Facts, MOST_SAS, Round, RouteLoad, Row, Spent, Unfair, Workers, between,
};
use ravelin_tests::{artifacts, runtime_folder};
use serde_json::{Value, json};

use crate::Failure;
use crate::arguments::Arguments;
use crate::case::{Algorithm, Case, Family, Setting};
use crate::control::Played;
use crate::limit::{self, Limit};
use crate::machine;
use crate::make;
use crate::mix;
use crate::ours::Ours;
use crate::peer::{self, Mode, PEER_BURST, Programs};
use crate::seal::Sealer;
use crate::subject::{Cpus, Files, Subject, digest};
use crate::trace::{Frames, Trace};

const DIRECTIONS: [Direction; 2] = [Direction::Encrypt, Direction::Decrypt];
/// SAs that the peer is measured with at most: so many the targets name.
const PEER_SAS_MOST: u32 = 1000;
/// What two workers are measured with; once more with one SA.
const WORKERS_SETTING: Setting = Setting {
    algorithm: Algorithm::Aes256Gcm,
    family: Family::V4,
    sas: 1000,
};
const WORKERS_ROUNDS: usize = 31;
/// Pairs that must lie between two measured sizes of planed's memory: with fewer, what it holds besides decides.
const MEMORY_PAIRS_LEAST: u32 = 10_000;
/// Passes in which planed may still learn routes of the kernel.
const SETTLE_PASSES: usize = 500;

/// Everything of a run.
pub struct Bench {
    gcm: Gcm,
    cpus: Cpus,
    files: Files,
    programs: Programs,
    floor: Subject,
    peer_floor: Subject,
    traces: u64,
    /// Command lines and digests of programs by name.
    processes: BTreeMap<&'static str, (String, String)>,
    pub rows: Vec<Row>,
    /// Two workers beside one.
    pub workers: Option<Workers>,
    /// The same with a single SA.
    pub fat_tunnel: Option<Workers>,
    /// The bare cipher on two CPUs beside one.
    pub cipher_workers: Option<Workers>,
    /// A full routing table.
    pub routes: Option<RouteLoad>,
    /// The largest number of SAs that the peer was measured with.
    pub peer_sas: u32,
    /// Octets of planed's memory by number of SAs.
    resident: BTreeMap<u32, u64>,
    /// Seconds that their installation took.
    install_s: BTreeMap<u32, f64>,
}

/// The processes of one setting.
struct Rig {
    limit: Limit,
    sealer: Sealer,
    peers: Vec<Subject>,
    ours: Ours,
}

impl Bench {
    pub fn new(gcm: Gcm) -> Result<Self, Failure> {
        let cpus = Cpus::find()?;
        cpus.go(false)?;
        let logs = artifacts("bench-esp")?;
        let programs = make::all(&logs)?;
        let files = Files {
            hook: programs.hook.clone(),
            traces: runtime_folder("traces")?,
            logs,
        };
        let floor = |burst| -> Result<Subject, Failure> {
            let mut floor = peer::start_floor(&programs.floor, burst, &files, cpus)?;
            floor.wait_ports()?;
            floor.rest();
            Ok(floor)
        };
        let (floor, peer_floor) = (floor(BURST)?, floor(PEER_BURST)?);
        let mut bench = Self {
            gcm,
            cpus,
            files,
            programs,
            floor,
            peer_floor,
            traces: 0,
            processes: BTreeMap::new(),
            rows: vec![],
            workers: None,
            fat_tunnel: None,
            cipher_workers: None,
            routes: None,
            peer_sas: 0,
            resident: BTreeMap::new(),
            install_s: BTreeMap::new(),
        };
        let line = bench.floor.command_line.clone();
        let program = bench.programs.floor.clone();
        bench.note("floor", line, &program)?;
        Ok(bench)
    }

    fn note(&mut self, name: &'static str, line: String, program: &Path) -> Result<(), Failure> {
        if !self.processes.contains_key(name) {
            self.processes.insert(name, (line, digest(program)?));
        }
        Ok(())
    }

    pub fn tsc_ghz(&self) -> Result<f64, Failure> {
        Ok(self.floor.tsc_hz()? as f64 / 1e9)
    }

    /// All cases of a setting.
    pub fn measure(&mut self, setting: Setting, arguments: &Arguments) -> Result<(), Failure> {
        let mut rig = self.start(setting)?;
        for mix in mix::mixes().iter().filter(|mix| arguments.wants(mix)) {
            for direction in DIRECTIONS {
                let case = Case {
                    setting,
                    mix,
                    direction,
                };
                let outcome = self.measure_case(&mut rig, &case, arguments.rounds(&case));
                if let Err(failure) = outcome {
                    let drops = rig.ours.drops().unwrap_or_else(|error| error.to_string());
                    let (case, failure) = (case.to_string(), Box::new(failure));
                    return Err(Failure::Case {
                        case,
                        failure,
                        drops,
                    });
                }
            }
        }
        Ok(())
    }

    fn start(&mut self, setting: Setting) -> Result<Rig, Failure> {
        let mut peers = vec![];
        if setting.sas <= PEER_SAS_MOST {
            for mode in Mode::ALL {
                let (files, cpus) = (&self.files, self.cpus);
                let mut peer = peer::start(&self.programs.secgw, mode, setting, files, cpus)?;
                peer.wait_ports()?;
                peer.rest();
                let line = peer.command_line.clone();
                let program = self.programs.secgw.clone();
                self.note(mode.name(), line, &program)?;
                peers.push(peer);
            }
            self.peer_sas = self.peer_sas.max(setting.sas);
        }
        let ours = Ours::start(setting, 1, &self.files, self.cpus)?;
        // Of the first algorithm and family that had so many.
        self.resident
            .entry(setting.sas)
            .or_insert(ours.resident_octets);
        let install_s = ours.install_time.as_secs_f64();
        self.install_s.entry(setting.sas).or_insert(install_s);
        let (line, sha256) = (ours.subject.command_line.clone(), ours.sha256.clone());
        self.processes.entry("planed").or_insert((line, sha256));
        let mut rig = Rig {
            limit: Limit::new(self.gcm, setting)?,
            sealer: Sealer::new(setting)?,
            peers,
            ours,
        };
        self.settle(setting, &mut rig.ours)?;
        Ok(rig)
    }

    fn trace(&mut self, case: &Case<'_>, frames: Frames) -> Result<Trace, Failure> {
        self.traces += 1;
        let mac = Ours::mac(case.direction);
        Trace::new(&self.files.traces, self.traces, case, mac, frames)
    }

    /// Waits until planed knows all routes of the kernel: until everything comes through.
    fn settle(&mut self, setting: Setting, ours: &mut Ours) -> Result<(), Failure> {
        let mixes = mix::mixes();
        let case = Case {
            setting,
            mix: &mixes[0],
            direction: Direction::Encrypt,
        };
        let trace = self.trace(&case, Frames::Flowing)?;
        let mut last = Played::default();
        for _ in 0..SETTLE_PASSES {
            last = ours.subject.play(&trace, case.direction, 1)?;
            // The control thread needs its turn, too.
            ours.subject.wake();
            if last.sent_packets >= trace.frames() as u64 {
                trace.end();
                return Ok(());
            }
        }
        let (sent, came) = (trace.frames() as u64, last.sent_packets);
        let failure = Box::new(Failure::Unfair {
            name: "planed",
            why: Unfair::Lost { sent, came },
        });
        let drops = ours.drops()?;
        Err(Failure::Case {
            case: "start".to_owned(),
            failure,
            drops,
        })
    }

    fn measure_case(
        &mut self,
        rig: &mut Rig,
        case: &Case<'_>,
        rounds: usize,
    ) -> Result<(), Failure> {
        let mut trace = self.trace(case, Frames::Flowing)?;
        let frames = trace.frames() as u64;
        let mut row = Row {
            algorithm: case.setting.algorithm.name(),
            family: case.setting.family.name(),
            sas: case.setting.sas,
            mix: case.mix.name,
            direction: case.direction_name(),
            inner_octets: trace.inner_octets as f64 / frames as f64,
            packets: frames,
            ..Row::default()
        };
        // The first round warms up: caches, branch predictors, the traces' pages.
        self.round(rig, case, &mut trace)?;
        let before = rig.ours.stages()?;
        for _ in 0..rounds {
            let (measured, lost) = self.round(rig, case, &mut trace)?;
            row.rounds.push(measured);
            row.lost += lost;
        }
        row.stages = between(&before, &rig.ours.stages()?);
        self.rows.push(row);
        trace.end();
        Ok(())
    }

    fn round(
        &mut self,
        rig: &mut Rig,
        case: &Case<'_>,
        trace: &mut Trace,
    ) -> Result<(Round, u64), Failure> {
        if case.direction == Direction::Decrypt {
            trace.seal(&mut rig.sealer)?;
        }
        self.cpus.go(true)?;
        let limit = rig.limit.round(case);
        self.cpus.go(false)?;
        let ns = |subject: &mut Subject| -> Result<f64, Failure> {
            Ok(per_packet_ns(&subject.measure(trace, case.direction, 1)?))
        };
        let (floor, peer_floor) = (ns(&mut self.floor)?, ns(&mut self.peer_floor)?);
        let peer = match &mut rig.peers[..] {
            [lookaside, cpu_crypto] => Some([ns(lookaside)?, ns(cpu_crypto)?]),
            _ => None,
        };
        let played = rig.ours.subject.measure(trace, case.direction, 1)?;
        let round = Round {
            limit: limit?,
            floor,
            peer_floor,
            ours: per_packet_ns(&played),
            peer,
        };
        Ok((
            round,
            (trace.frames() as u64).saturating_sub(played.sent_packets),
        ))
    }

    /// What a run has to judge beside its rows.
    pub fn facts(&self) -> Facts<'_> {
        let sizes = self
            .resident
            .first_key_value()
            .zip(self.resident.last_key_value());
        let per_pair = sizes.and_then(|((few, small), (many, large))| {
            let pairs = many
                .checked_sub(*few)
                .filter(|pairs| *pairs >= MEMORY_PAIRS_LEAST)?;
            Some(large.saturating_sub(*small) as f64 / f64::from(pairs))
        });
        Facts {
            peer_sas: self.peer_sas,
            cpus: machine::cpus(),
            workers: self.workers.as_ref(),
            fat_tunnel: self.fat_tunnel.as_ref(),
            cipher_workers: self.cipher_workers.as_ref(),
            octets_per_pair: per_pair,
            install_s: self.install_s.get(&MOST_SAS).copied(),
        }
    }

    /// How long the most SAs and a full routing table take to get into planed.
    pub fn measure_scale(&mut self) -> Result<(), Failure> {
        let setting = Setting {
            algorithm: Algorithm::Aes256Gcm,
            family: Family::V4,
            sas: MOST_SAS,
        };
        let mut ours = Ours::start(setting, 1, &self.files, self.cpus)?;
        let install_s = ours.install_time.as_secs_f64();
        self.install_s.entry(MOST_SAS).or_insert(install_s);
        self.routes = Some(ours.load_routes()?);
        Ok(())
    }

    /// How much more two workers do than one, and the bare cipher on as many CPUs.
    pub fn measure_workers(&mut self) -> Result<(), Failure> {
        let (workers, cipher) = self.two_beside_one(WORKERS_SETTING)?;
        self.workers = Some(workers);
        // On one CPU the two took turns.
        self.cipher_workers = self.cpus.are_two().then_some(cipher);
        let (fat_tunnel, _) = self.two_beside_one(Setting {
            sas: 1,
            ..WORKERS_SETTING
        })?;
        self.fat_tunnel = Some(fat_tunnel);
        Ok(())
    }

    /// Two workers beside one, and the bare cipher on as many CPUs.
    fn two_beside_one(&mut self, setting: Setting) -> Result<(Workers, Workers), Failure> {
        let mixes = mix::mixes();
        let mut one = Ours::start(setting, 1, &self.files, self.cpus)?;
        self.settle(setting, &mut one)?;
        let mut two = Ours::start(setting, 2, &self.files, self.cpus)?;
        self.settle(setting, &mut two)?;
        let line = two.subject.command_line.clone();
        self.processes
            .insert("planed-workers", (line, two.sha256.clone()));
        let mut sealers = [Sealer::new(setting)?, Sealer::new(setting)?];
        let keys = limit::gcm_keys(self.gcm, setting)?;
        let (mut workers, mut cipher) = (Workers::default(), Workers::default());
        for direction in DIRECTIONS {
            let mix = &mixes[mixes.len() - 1];
            let case = Case {
                setting,
                mix,
                direction,
            };
            let [one_queue, two_queues] =
                [1, 2].map(|queues| self.trace(&case, Frames::Ahead { queues }));
            let mut traces = [one_queue?, two_queues?];
            for round in 0..=WORKERS_ROUNDS {
                if direction == Direction::Decrypt {
                    for (trace, sealer) in traces.iter_mut().zip(&mut sealers) {
                        trace.seal(sealer)?;
                    }
                }
                let ports = spent(&mut self.floor, &traces[0], direction, 0.0)?;
                let port_ns = ports.per_packet_ns();
                let alone = spent(&mut one.subject, &traces[0], direction, port_ns)?;
                let shared = spent(&mut two.subject, &traces[1], direction, port_ns)?;
                let [one_cpu, two_cpus] = limit::beside(&keys, &case, self.cpus)?;
                if round > 0 && ports.is_whole() {
                    workers.add(case.direction_name(), alone, shared);
                    cipher.add(case.direction_name(), one_cpu, two_cpus);
                }
            }
            traces.into_iter().for_each(Trace::end);
        }
        Ok((workers, cipher))
    }

    /// Command lines and digests, for a person.
    pub fn command_lines_text(&self) -> String {
        let line = |(name, (line, sha256)): (&&str, &(String, String))| {
            format!("{name}: {line}\n  SHA-256 {sha256}\n")
        };
        self.processes.iter().map(line).collect()
    }

    pub fn processes_json(&self) -> Value {
        let process = |(name, (line, sha256)): (&&str, &(String, String))| {
            (
                (*name).to_owned(),
                json!({ "command": line, "sha256": sha256 }),
            )
        };
        self.processes
            .iter()
            .map(process)
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

/// How long the worker that sent the last packet of a pass had the CPU until then, without the `port_ns` of each frame of its queue, and
/// how many packets came out. A worker that waits for another is busy in this sense: so much later the packets are out.
fn spent(
    subject: &mut Subject,
    trace: &Trace,
    direction: Direction,
    port_ns: f64,
) -> Result<Spent, Failure> {
    let played = subject.play(trace, direction, 1)?;
    let mut until_sent_ns = 0;
    for (queue, frames) in trace.queues().enumerate() {
        let ports_ns = (port_ns * frames as f64) as u64;
        let worker_ns = subject.until_sent_ns(queue as u64)?;
        until_sent_ns = until_sent_ns.max(worker_ns.saturating_sub(ports_ns));
    }
    Ok(Spent {
        until_sent_ns,
        packets: trace.frames() as u64,
        came: played.sent_packets,
    })
}

fn per_packet_ns(played: &Played) -> f64 {
    played.cpu_ns as f64 / played.packets as f64
}
