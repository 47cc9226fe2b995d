//! Processes that never outlive their owner: each ends with its [`Owned`] value, or with the harness, however that dies.
//!
//! The kernel kills a child when the *thread* that started it ends (`PR_SET_PDEATHSIG`), so all are started by one thread
//! that lives as long as the harness. `setpriv` asks for that signal in the child itself; the shell behind it refuses to
//! go on when the harness was already gone by then. Both are replaced by the program, whose process id is the child's.

use crate::wait::wait_until;
use crate::{Result, VmError};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::{OsStr, OsString};
use std::fs::{File, read_to_string};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// Lines of a program's output that an error shows.
const TAIL_LINES: usize = 25;

type Order = (Command, Sender<std::io::Result<Child>>);

static STARTER: OnceLock<Sender<Order>> = OnceLock::new();

/// A running program with its output in a file.
#[derive(Debug)]
pub struct Owned {
    name: String,
    child: Child,
    output: PathBuf,
}

impl Owned {
    /// Starts `program` with `arguments`; what it prints is appended to the file `output`.
    ///
    /// # Errors
    /// When the file or the process cannot be made.
    pub fn start(
        name: &str,
        program: &OsStr,
        arguments: &[OsString],
        output: &Path,
    ) -> Result<Self> {
        let step = |what: &str| format!("{name}: {what}");
        let file = File::options()
            .create(true)
            .append(true)
            .open(output)
            .map_err(|e| VmError::io(step(&format!("open {}", output.display())), e))?;
        let second = file
            .try_clone()
            .map_err(|e| VmError::io(step("duplicate its log"), e))?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "sh", "-c"]);
        command.arg(r#"[ "$PPID" = "$0" ] && exec "$@""#);
        command.arg(std::process::id().to_string());
        command.arg(program).args(arguments);
        command.stdin(Stdio::null()).stdout(file).stderr(second);
        let child = start(command).map_err(|e| VmError::io(step("start setpriv"), e))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            output: output.to_owned(),
        })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// End of what it has printed.
    pub fn output(&self) -> String {
        tail(&self.output)
    }

    /// Its status when it has ended.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let ended = self.child.try_wait();
        ended.map_err(|e| VmError::io(format!("wait for {}", self.name), e))
    }

    /// Fails when it has ended.
    ///
    /// # Errors
    /// [`VmError::Ended`] with the end of its output.
    pub fn check(&mut self) -> Result<()> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => Err(VmError::Ended {
                process: self.name.clone(),
                status: status.to_string(),
                output: self.output(),
            }),
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it goes on.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        wait_until(&format!("the end of {}", self.name), limit, || self.ended())
    }

    /// SIGKILL, and waits.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        if let Ok(pid) = i32::try_from(self.child.id())
            && self.ended()?.is_none()
        {
            // It is our child and not waited for yet, so the id is its own; it may end by itself meanwhile.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let ended = self.child.wait();
        ended.map_err(|e| VmError::io(format!("wait for {}", self.name), e))
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        drop(self.kill());
    }
}

/// Starts a child from the thread that never ends.
fn start(command: Command) -> std::io::Result<Child> {
    let starter = STARTER.get_or_init(|| {
        let (orders, inbox) = channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in inbox {
                // Whoever asked may have gone.
                drop(answer.send(command.spawn()));
            }
        });
        orders
    });
    let (answer, child) = channel();
    let gone = |_| std::io::Error::other("the thread that starts processes is gone");
    starter
        .send((command, answer))
        .map_err(|_| std::io::Error::other("the thread that starts processes is gone"))?;
    child.recv().map_err(gone)?
}

/// Runs a tool to its end.
///
/// # Errors
/// When it cannot be started or fails.
pub fn run(command: &mut Command) -> Result<String> {
    let line = shown(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| VmError::io(format!("start `{line}`"), e))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(VmError::Command {
        command: line,
        status: output.status.to_string(),
        output: text + &String::from_utf8_lossy(&output.stderr),
    })
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    shell_line(words)
}

/// Words as one line that a shell reads back as the same words.
pub fn shell_line<'a>(words: impl Iterator<Item = &'a OsStr>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=,./:+@%".contains(c);
    let quoted = words.map(|word| {
        let word = word.to_string_lossy();
        if !word.is_empty() && word.chars().all(plain) {
            word.into_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// The last lines of a file, as far as it can be read.
pub(crate) fn tail(file: &Path) -> String {
    let text = read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests;
