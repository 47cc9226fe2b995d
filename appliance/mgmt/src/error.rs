//! Faults of this process itself; faults of a configuration are texts for the operator.

use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why mgmtd cannot work.
#[derive(Debug, Error)]
pub enum MgmtError {
    /// A file or the socket fails.
    #[error("{action} {}: {error}", path.display())]
    File {
        /// What we were doing.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// Another mgmtd serves the same folder.
    #[error("another ravelin-mgmtd serves {}", .0.display())]
    Running(PathBuf),
    /// Our YANG model is broken.
    #[error(transparent)]
    Model(#[from] ravelin_config::ModelError),
    /// The kernel does not talk to us.
    #[error(transparent)]
    Kernel(#[from] ravelin_routing::RoutingError),
    /// A thread cannot be started.
    #[error("start a thread: {0}")]
    Thread(io::Error),
}

impl MgmtError {
    pub(crate) fn file(action: &'static str, path: &std::path::Path, error: io::Error) -> Self {
        MgmtError::File {
            action,
            path: path.to_owned(),
            error,
        }
    }
}
