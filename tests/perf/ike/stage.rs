//! Where a responder and its generator meet: two namespaces joined by a veth pair, and which CPU belongs to whom.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use ravelin_tests::netns::{Netns, veth};
use ravelin_tests::{artifacts, runtime_folder};

use crate::Failure;

/// The responder's address.
pub const GATEWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
/// Its identity, as the test CA certifies it.
pub const GATEWAY_ID: &str = "gw1.enb.example";
/// The generator's address.
pub const LOCAL: &str = "192.0.2.10";
/// What the eNodeBs' identities end in.
pub const SUFFIX: &str = "enb.example";
/// The key of all of them.
pub const KEY: &str = "backhaul-secret";

/// A stage.
pub struct Stage {
    pub responder: Netns,
    pub generator: Netns,
    /// Logs.
    pub logs: PathBuf,
    /// Sockets and state, on tmpfs.
    pub run: PathBuf,
}

impl Stage {
    pub fn new(name: &str) -> Result<Self, Failure> {
        let (responder, generator) = (Netns::new(name)?, Netns::new("enb")?);
        veth(&responder, "resp0", &generator, "enb0")?;
        responder.sh(&format!("ip addr add {GATEWAY}/24 dev resp0"))?;
        generator.sh(&format!("ip addr add {LOCAL}/24 dev enb0"))?;
        let run = runtime_folder(responder.name())?;
        Ok(Self {
            logs: artifacts(&format!("bench-ike-{name}"))?,
            responder,
            generator,
            run,
        })
    }

    /// A command that will run in the responder's namespace, on its CPU. Its process id stays the command's.
    pub fn on_responder_cpu(&self) -> Command {
        let mut command = self.responder.command("taskset");
        command.args(["-c", &responder_cpu().to_string()]);
        command
    }

    /// A command that will run in the generator's namespace, on the other CPUs.
    pub fn on_other_cpus(&self) -> Command {
        let mut command = self.generator.command("taskset");
        command.args(["-c", &other_cpus()]);
        command
    }
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The last one: interrupts prefer the first.
fn responder_cpu() -> usize {
    cpus() - 1
}

fn other_cpus() -> String {
    match cpus() {
        1 => "0".to_owned(),
        n => format!("0-{}", n - 2),
    }
}

/// A released program: beside this one, one folder up.
pub fn program(name: &'static str) -> Result<PathBuf, Failure> {
    let exe = std::env::current_exe().map_err(|e| Failure::file(Path::new("/proc/self/exe"), e))?;
    let mut folders = exe.ancestors().skip(1).take(2);
    let found = folders.find(|folder| folder.join(name).exists());
    found
        .map(|folder| folder.join(name))
        .ok_or(Failure::NotBuilt(name))
}
