//! What goes wrong with virtual machines, naming the machine and the step.

use crate::wait::Deadline;
use thiserror::Error;

/// A failure of the harness.
#[derive(Debug, Error)]
pub enum VmError {
    /// A system call or file operation failed.
    #[error("{step}: {source}")]
    Io {
        /// What was tried.
        step: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A tool of the host failed.
    #[error("`{command}` failed ({status}): {output}")]
    Command {
        /// The command line.
        command: String,
        /// Exit status.
        status: String,
        /// What it printed.
        output: String,
    },
    /// Something did not happen in time.
    #[error(transparent)]
    Deadline(#[from] Deadline),
    /// QEMU ended although nobody had told it to.
    #[error("{process} ended early ({status}); it printed:\n{output}")]
    Ended {
        /// Which.
        process: String,
        /// Exit status.
        status: String,
        /// End of its standard error.
        output: String,
    },
    /// QEMU refused a command of its monitor.
    #[error("{guest}: QMP `{command}`: {answer}")]
    Qmp {
        /// Whose.
        guest: String,
        /// Which.
        command: String,
        /// What it answered.
        answer: String,
    },
    /// The guest is off, and this needs it on.
    #[error("{0} is off")]
    Off(String),
    /// A pattern of the caller is none.
    #[error(transparent)]
    Pattern(#[from] regex::Error),
    /// Something printed or read is not of the expected form.
    #[error("{0}")]
    Unexpected(String),
}

impl VmError {
    /// An I/O error at `step`.
    pub fn io(step: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io {
            step: step.into(),
            source,
        }
    }
}
