//! What can go wrong; each error names the culprit.

use std::io;
use std::path::{Path, PathBuf};

use ravelin_types::PciAddress;

/// Why a step was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An argument that is not understood.
    #[error("unexpected argument `{0}`")]
    Unexpected(String),
    /// An argument that is not there.
    #[error("{0} is wanted")]
    Missing(&'static str),
    /// A file or folder.
    #[error("cannot {operation} {}: {source}", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file of ours that does not hold what it should.
    #[error("{}: {source}", path.display())]
    Contents {
        /// Which file.
        path: PathBuf,
        /// What is wrong, with line and column.
        source: serde_json::Error,
    },
    /// The model of this build is broken.
    #[error(transparent)]
    Model(#[from] ravelin_config::ModelError),
    /// A driver that does not take a device.
    #[error("the driver {driver} does not take the device at {pci} (the kernel's log says why)")]
    NotBound {
        /// The driver.
        driver: String,
        /// The device.
        pci: PciAddress,
    },
    /// A program that we need.
    #[error("`{command}` fails: {reason}")]
    Command {
        /// Its command line.
        command: String,
        /// What it said, or why it did not run.
        reason: String,
    },
}

impl Error {
    /// A failed operation on `path`.
    pub fn file(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File {
            operation,
            path: path.to_owned(),
            source,
        }
    }
}
