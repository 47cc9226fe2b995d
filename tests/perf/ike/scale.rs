//! 65,536 tunnels on one iked: how long they take, what they keep, what they cost while idle, and how fast a restart has them again.

use std::time::{Duration, Instant};

use ravelin_tests::wait::wait_until;

use crate::Failure;
use crate::SUITES;
use crate::generator::Generator;
use crate::method::{Credentials, Method};
use crate::ours::Ours;
use crate::stage::Stage;

/// A full gateway.
pub const TUNNELS: u32 = 65_536;
/// Intervals of probes, in seconds, at which the idle tunnels are looked at.
pub const DPD_S: [u16; 2] = [30, 10];
/// How many intervals the look takes, after one in which the probes find their rhythm.
const INTERVALS: u32 = 2;

/// What came of it.
pub struct Scale {
    pub wall_s: f64,
    pub cpu_s: f64,
    /// Growth of iked's memory.
    pub octets: f64,
    pub vault_octets: f64,
    /// CPU time over wall time at each of [`DPD_S`].
    pub idle: [f64; 2],
    pub restart_s: f64,
    pub restart_cpu_s: f64,
    /// Memory after it, of the whole process.
    pub restarted_octets: f64,
}

/// Measures.
pub fn run() -> Result<Scale, Failure> {
    let stage = Stage::new("scale")?;
    let credentials = Credentials::make(Method::Psk, stage.run.join("certificates"), TUNNELS)?;
    let mut ours = Ours::start(&stage, SUITES[0].1, &credentials, None)?;
    eprintln!("bench-ike: {TUNNELS} tunnels");
    let (cpu, octets) = (ours.responder.cpu()?, ours.responder.resident_octets()?);
    let generator = Generator::start(&stage, SUITES[0].1, &credentials, 1, TUNNELS)?;
    let cpu = ours.responder.cpu()?.saturating_sub(cpu);
    let octets = ours.responder.resident_octets()?.saturating_sub(octets);
    let vault_octets = ours.vault_octets()?;
    let mut idle = [0.0; 2];
    for (interval_s, idle) in DPD_S.into_iter().zip(&mut idle) {
        eprintln!("bench-ike: idle, probes every {interval_s} s");
        ours.probe(Some(interval_s))?;
        let interval = Duration::from_secs(interval_s.into());
        pass(interval)?;
        let (start, before) = (Instant::now(), ours.responder.cpu()?);
        pass(interval * INTERVALS)?;
        let spent = ours.responder.cpu()?.saturating_sub(before);
        *idle = spent.as_secs_f64() / start.elapsed().as_secs_f64();
    }
    eprintln!("bench-ike: restart");
    let installed = ours.stand_ins.installed();
    let start = Instant::now();
    ours.restart(&stage, Some(DPD_S[0]))?;
    let restart_s = start.elapsed().as_secs_f64();
    let restart_cpu_s = ours.responder.cpu()?.as_secs_f64();
    let restarted_octets = ours.responder.resident_octets()? as f64;
    let (kept, again) = (
        ours.stand_ins.pairs(),
        ours.stand_ins.installed() - installed,
    );
    if kept != TUNNELS as usize || again != 0 {
        return Err(Failure::Lost {
            got: kept as u64,
            wanted: TUNNELS,
            why: format!("{again} pairs were installed anew"),
        });
    }
    let wall_s = generator.report["seconds"].as_f64().unwrap_or(0.0);
    // The eNodeBs must not have noticed: each deletes its tunnel as if nothing had been.
    generator.stop()?;
    Ok(Scale {
        wall_s,
        cpu_s: cpu.as_secs_f64(),
        octets: octets as f64,
        vault_octets: vault_octets as f64,
        idle,
        restart_s,
        restart_cpu_s,
        restarted_octets,
    })
}

/// Lets this much time pass, with nothing to wait for.
fn pass(time: Duration) -> Result<(), Failure> {
    let start = Instant::now();
    let over = || Ok((start.elapsed() >= time).then_some(()));
    Ok(wait_until("the end of an interval", time * 2, over)?)
}
