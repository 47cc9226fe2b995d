//! A Ravelin gateway in a namespace: its four daemons, its configuration, and its CLI.

use crate::netns::{Netns, run};
use crate::process::Process;
use crate::wait::wait_until;
use crate::{BenchError, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const READY_LIMIT: Duration = Duration::from_secs(60);

/// The daemons, in the order of a normal start.
pub const DAEMONS: [&str; 4] = ["netd", "planed", "iked", "mgmtd"];

/// A running gateway.
pub struct Gateway {
    netns_name: String,
    folder: PathBuf,
    run_folder: PathBuf,
    binaries: PathBuf,
    daemons: Vec<(String, Process)>,
    fault: Option<String>,
}

/// planed with faults on purpose, and the variable that names the one it has (`appliance/bin/planed/src/misbehave.rs`).
const MISBEHAVING: (&str, &str) = ("ravelin-planed-misbehaving", "RAVELIN_MISBEHAVE");

impl Gateway {
    /// Starts all daemons in `netns` with `configuration`, files and logs in `folder`.
    ///
    /// # Errors
    /// When a daemon does not start.
    pub fn start(netns: &Netns, folder: &Path, configuration: &str) -> Result<Self> {
        Self::start_some(netns, folder, configuration, &DAEMONS)
    }

    /// Starts these daemons only.
    ///
    /// # Errors
    /// When a daemon does not start.
    pub fn start_some(
        netns: &Netns,
        folder: &Path,
        configuration: &str,
        daemons: &[&str],
    ) -> Result<Self> {
        let folder = folder.join(format!("gateway-{}", netns.name()));
        std::fs::create_dir_all(&folder)
            .map_err(|e| BenchError::io("make the gateway's folder", e))?;
        std::fs::write(folder.join("ravelin.conf"), configuration)
            .map_err(|e| BenchError::io("write ravelin.conf", e))?;
        crate::nonces::watch(configuration);
        let mut gateway = Self {
            netns_name: netns.name().to_owned(),
            folder,
            run_folder: crate::runtime_folder(netns.name())?,
            binaries: binaries()?,
            daemons: Vec::new(),
            fault: None,
        };
        for daemon in daemons {
            gateway.start_daemon(daemon)?;
        }
        Ok(gateway)
    }

    /// Starts all daemons, with a planed that has this fault on purpose.
    ///
    /// # Errors
    /// When a daemon does not start.
    pub fn start_with_fault(
        netns: &Netns,
        folder: &Path,
        configuration: &str,
        fault: &str,
    ) -> Result<Self> {
        let mut gateway = Self::start_some(netns, folder, configuration, &[])?;
        gateway.fault = Some(fault.to_owned());
        std::fs::write(gateway.folder.join(crate::nonces::EXCUSED), fault)
            .map_err(|e| BenchError::io("note the fault", e))?;
        for daemon in DAEMONS {
            gateway.start_daemon(daemon)?;
        }
        Ok(gateway)
    }

    /// Starts one daemon (again).
    ///
    /// # Errors
    /// When its binary is missing.
    pub fn start_daemon(&mut self, daemon: &str) -> Result<()> {
        self.start_daemon_under(daemon, &[])
    }

    /// Starts one daemon (again) under a wrapper that becomes it by execve(2): the process id stays the daemon's.
    ///
    /// # Errors
    /// When its binary or the wrapper is missing.
    pub fn start_daemon_under(&mut self, daemon: &str, wrapper: &[String]) -> Result<()> {
        let mut command = match &self.fault {
            Some(fault) if daemon == "planed" => {
                let mut command = self.command_under(MISBEHAVING.0, wrapper);
                command.env(MISBEHAVING.1, fault);
                command
            }
            _ => self.command_under(&format!("ravelin-{daemon}"), wrapper),
        };
        if daemon == "mgmtd" {
            command
                .arg("--config")
                .arg(self.folder.join("ravelin.conf"));
        }
        let process = Process::start(daemon, &self.folder, &mut command)?;
        self.daemons.retain(|(name, _)| name != daemon);
        self.daemons.push((daemon.to_owned(), process));
        Ok(())
    }

    /// Waits until every daemon runs the configuration.
    ///
    /// # Errors
    /// When one ends, or none is ready in time; names what is missing.
    pub fn wait_ready(&mut self) -> Result<()> {
        let mut last = String::new();
        let ready = wait_until("the gateway's daemons", READY_LIMIT, || {
            for (_, process) in &mut self.daemons {
                process.check()?;
            }
            last = self
                .cli("show system processes | display json")
                .unwrap_or_else(|e| e.to_string());
            let report = serde_json::from_str(&last).unwrap_or(Value::Null);
            let all = ["ravelin-planed", "ravelin-iked"]
                .iter()
                .all(|name| runs(&report, name));
            Ok(all.then_some(()))
        });
        ready.map_err(|error| BenchError::Unexpected(format!("{error}; processes: {last}")))
    }

    /// One daemon's process.
    ///
    /// # Errors
    /// When it was never started.
    pub fn daemon(&mut self, name: &str) -> Result<&mut Process> {
        let found = self.daemons.iter_mut().find(|(n, _)| n == name);
        found
            .map(|(_, process)| process)
            .ok_or_else(|| BenchError::Unexpected(format!("no daemon {name} was started")))
    }

    /// Runs one CLI command and returns what it prints.
    ///
    /// # Errors
    /// [`BenchError::Command`] with the CLI's message.
    pub fn cli(&self, command: &str) -> Result<String> {
        run(&mut self.cli_command(command))
    }

    /// The same to be run later, by another thread.
    pub fn cli_command(&self, command: &str) -> Command {
        let mut cli = self.command("ravelin");
        cli.args(["-c", command]);
        cli
    }

    /// Packets that the gateway discarded for this reason (`show security drops`).
    ///
    /// # Errors
    /// When the CLI fails or prints no JSON.
    pub fn drops(&self, reason: &str) -> Result<u64> {
        let text = self.cli("show security drops | display json")?;
        let report: Value = serde_json::from_str(&text)
            .map_err(|e| BenchError::Unexpected(format!("drops as JSON: {e}: {text}")))?;
        let rows = report
            .get("drops")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let of = |row: &&Value| row.get("reason").is_some_and(|name| name == reason);
        // Reasons without packets have no row.
        Ok(rows
            .filter(of)
            .filter_map(|row| row.get("packets")?.as_u64())
            .sum())
    }

    /// What a `show` command tells, as JSON.
    ///
    /// # Errors
    /// When the CLI fails or prints no JSON.
    pub fn report(&self, command: &str) -> Result<Value> {
        let text = self.cli(&format!("{command} | display json"))?;
        serde_json::from_str(&text)
            .map_err(|e| BenchError::Unexpected(format!("{command} as JSON: {e}: {text}")))
    }

    /// The counters of `show security ike statistics` by name.
    ///
    /// # Errors
    /// As of [`Self::report`].
    pub fn ike_statistics(&self) -> Result<BTreeMap<String, u64>> {
        let report = self.report("show security ike statistics")?;
        let counters = report.get("ike_statistics").and_then(Value::as_object);
        let each = counters.into_iter().flatten();
        Ok(each
            .filter_map(|(name, value)| Some((name.clone(), value.as_u64()?)))
            .collect())
    }

    /// Everything the gateway lost: packets by reason (`show security drops`) and by port or unit (`show interfaces`).
    ///
    /// # Errors
    /// As of [`Self::report`].
    pub fn losses(&self) -> Result<BTreeMap<String, u64>> {
        let mut losses = BTreeMap::new();
        for (command, list, name, count) in [
            ("show security drops", "drops", "reason", "packets"),
            ("show interfaces", "interfaces", "name", "errors"),
        ] {
            let report = self.report(command)?;
            let rows = report.get(list).and_then(Value::as_array);
            for row in rows.into_iter().flatten() {
                let name = row.get(name).and_then(Value::as_str).unwrap_or_default();
                let count = row.get(count).and_then(Value::as_u64).unwrap_or_default();
                losses.insert(name.to_owned(), count);
            }
        }
        Ok(losses)
    }

    /// The interactive CLI on this terminal.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn shell(&self) -> Result<()> {
        self.command("ravelin")
            .status()
            .map(drop)
            .map_err(|e| BenchError::io("start the CLI", e))
    }

    /// A daemon's control socket.
    pub fn socket(&self, daemon: &str) -> PathBuf {
        self.run_folder.join(format!("{daemon}.sock"))
    }

    /// iked's folder of certificates and keys.
    pub fn pki_folder(&self) -> PathBuf {
        self.run_folder.join("pki")
    }

    /// Files and logs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn command(&self, program: &str) -> Command {
        self.command_under(program, &[])
    }

    fn command_under(&self, program: &str, wrapper: &[String]) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.netns_name])
            .args(wrapper)
            .arg(self.binaries.join(program))
            .arg("--run-dir")
            .arg(&self.run_folder);
        command
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // mgmtd first, the device holder last: nobody waits for a dead partner.
        for daemon in DAEMONS.iter().rev() {
            self.daemons.retain_mut(|(name, process)| {
                let stop = name == daemon;
                if stop {
                    drop(process.stop());
                }
                !stop
            });
        }
        // Keys and journals of a run have no reader after it.
        drop(std::fs::remove_dir_all(&self.run_folder));
    }
}

/// Whether `show system processes | display json` says that `name` is connected and runs a configuration.
fn runs(report: &Value, name: &str) -> bool {
    match report {
        Value::Object(fields) if fields.get("name").is_some_and(|n| n == name) => {
            fields.get("connected") == Some(&Value::Bool(true))
                && fields
                    .get("generation")
                    .and_then(Value::as_u64)
                    .is_some_and(|g| g > 0)
        }
        Value::Object(fields) => fields.values().any(|value| runs(value, name)),
        Value::Array(entries) => entries.iter().any(|value| runs(value, name)),
        _ => false,
    }
}

/// Where the product's binaries are: beside the running one, or one folder up (tests run from `deps/`).
fn binaries() -> Result<PathBuf> {
    let exe = std::env::current_exe().map_err(|e| BenchError::io("find myself", e))?;
    exe.ancestors()
        .skip(1)
        .take(2)
        .find(|folder| folder.join("ravelin-planed").exists())
        .map(Path::to_path_buf)
        .ok_or_else(|| {
            BenchError::Unexpected("ravelin-planed is not built: run `./x build`".to_owned())
        })
}
