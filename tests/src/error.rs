//! What goes wrong in the bench itself, as opposed to in what it tests.

use ravelin_qemu::VmError;
use ravelin_qemu::wait::Deadline;
use thiserror::Error;

/// A failure of the bench, naming the step.
#[derive(Debug, Error)]
pub enum BenchError {
    /// A system call or file operation failed.
    #[error("{step}: {source}")]
    Io {
        /// What was tried.
        step: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A command failed.
    #[error("`{command}` failed ({status}): {output}")]
    Command {
        /// The command line.
        command: String,
        /// Exit status.
        status: String,
        /// What it printed, its end.
        output: String,
    },
    /// Something did not happen in time.
    #[error("not within {seconds} s: {what}")]
    Deadline {
        /// What was awaited.
        what: String,
        /// How long.
        seconds: u64,
    },
    /// A process ended by itself.
    #[error("{process} ended early ({status}); its log ends:\n{log}")]
    Ended {
        /// Which.
        process: String,
        /// Exit status.
        status: String,
        /// End of its log.
        log: String,
    },
    /// Something printed or captured is not of the expected form.
    #[error("{0}")]
    Unexpected(String),
    /// A virtual machine or the harness around it failed.
    #[error(transparent)]
    Vm(#[from] VmError),
}

impl From<Deadline> for BenchError {
    fn from(Deadline { what, seconds }: Deadline) -> Self {
        Self::Deadline { what, seconds }
    }
}

impl BenchError {
    /// An I/O error at `step`.
    pub fn io(step: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io {
            step: step.into(),
            source,
        }
    }
}
