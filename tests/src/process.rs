//! Daemons in namespaces: started with their output in a file, watched, and ended by their own pid.

use crate::wait::wait_until;
use crate::{BenchError, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{File, read_to_string};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

const STOP_LIMIT: Duration = Duration::from_secs(10);
const LOG_TAIL_LINES: usize = 25;

/// A running process.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with standard output and error in `folder/name.log` (appended: a restart keeps the history).
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(name: &str, folder: &Path, command: &mut Command) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(|e| BenchError::io(format!("open {}", log.display()), e))?;
        let second = file
            .try_clone()
            .map_err(|e| BenchError::io("duplicate log", e))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(second)
            .spawn()
            .map_err(|e| BenchError::io(format!("start {name}"), e))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
        })
    }

    /// Process id. `ip netns exec` replaces itself by the program, so this is the program's own.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All it has printed, in all its runs.
    pub fn log(&self) -> String {
        read_to_string(&self.log).unwrap_or_default()
    }

    /// Where its output is.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Fails when it has ended.
    ///
    /// # Errors
    /// [`BenchError::Ended`] with the end of the log.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.ended(status)),
            Err(e) => Err(BenchError::io(format!("wait for {}", self.name), e)),
        }
    }

    /// Waits until the process's log holds `text`.
    ///
    /// # Errors
    /// When it ends first or the time passes.
    pub fn wait_log(&mut self, text: &str, limit: Duration) -> Result<()> {
        let what = format!("`{text}` in the log of {}", self.name);
        wait_until(&what, limit, || {
            if self.log().contains(text) {
                return Ok(Some(()));
            }
            self.check().map(|()| None)
        })
        .map_err(|e| match e {
            BenchError::Deadline { what, seconds } => BenchError::Deadline {
                what: format!("{what}; it ends:\n{}", tail(&self.log())),
                seconds,
            },
            other => other,
        })
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // It may have ended already, which the wait below finds out.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// SIGTERM, then SIGKILL after ten seconds; returns the status.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM);
        let stopped = wait_until("end of a process", STOP_LIMIT, || {
            self.child.try_wait().map_err(|e| BenchError::io("wait", e))
        });
        if let Ok(status) = stopped {
            return Ok(status);
        }
        self.kill()
    }

    /// SIGKILL, and waits.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::SIGKILL);
        self.child
            .wait()
            .map_err(|e| BenchError::io(format!("wait for {}", self.name), e))
    }

    fn ended(&self, status: ExitStatus) -> BenchError {
        BenchError::Ended {
            process: self.name.clone(),
            status: status.to_string(),
            log: tail(&self.log()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.stop());
        }
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
}
