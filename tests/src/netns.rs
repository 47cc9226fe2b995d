//! Network namespaces and the veth pairs between them.

use crate::{BenchError, Result};
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A network namespace, removed on drop.
pub struct Netns {
    name: String,
}

impl Netns {
    /// Makes a namespace whose name starts with `label`, with `lo` up.
    ///
    /// # Errors
    /// When `ip netns` fails (not root).
    pub fn new(label: &str) -> Result<Self> {
        let serial = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{label}-{}-{serial}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]))?;
        let netns = Self { name };
        // Duplicate address detection would delay every IPv6 address by a second.
        netns.sh("ip link set lo up
             sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0")?;
        Ok(netns)
    }

    /// Its name for `ip netns`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that will run inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Runs shell lines inside; the first failing line fails the whole.
    ///
    /// # Errors
    /// [`BenchError::Command`] with the output.
    pub fn sh(&self, script: &str) -> Result<String> {
        run(self.command("sh").args(["-ec", script]))
    }

    /// Runs `work` on a thread of its own inside the namespace; sockets made there belong to it.
    ///
    /// # Errors
    /// When the thread cannot enter.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<std::thread::JoinHandle<Result<T>>> {
        let path = format!("/run/netns/{}", self.name);
        let file = File::open(&path).map_err(|e| BenchError::io(format!("open {path}"), e))?;
        Ok(std::thread::spawn(move || {
            setns(&file, CloneFlags::CLONE_NEWNET)
                .map_err(|e| BenchError::io(format!("enter {path}"), e.into()))?;
            Ok(work())
        }))
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and the run's own mount namespace takes the name with it.
        drop(
            Command::new("ip")
                .args(["netns", "del", &self.name])
                .stderr(Stdio::null())
                .status(),
        );
    }
}

/// Joins two namespaces by a veth pair, both ends up, without checksum offload, so that what crosses is as on a wire.
///
/// # Errors
/// When a command fails.
pub fn veth(a: &Netns, name_a: &str, b: &Netns, name_b: &str) -> Result<()> {
    run(Command::new("ip").args([
        "link",
        "add",
        name_a,
        "netns",
        a.name(),
        "type",
        "veth",
        "peer",
        "name",
        name_b,
        "netns",
        b.name(),
    ]))?;
    for (netns, name) in [(a, name_a), (b, name_b)] {
        netns.sh(&format!(
            "ethtool -K {name} tx off tso off gso off gro off >/dev/null
             ip link set dev {name} up"
        ))?;
    }
    Ok(())
}

/// Runs a command to its end and returns what it printed.
///
/// # Errors
/// [`BenchError::Command`] when it exits with another status than 0.
pub fn run(command: &mut Command) -> Result<String> {
    let line = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| BenchError::io(format!("start {line}"), e))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(BenchError::Command {
        command: line,
        status: output.status.to_string(),
        output: format!("{text}{errors}"),
    })
}
