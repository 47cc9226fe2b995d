//! What the system refused, each error naming the file or the request.

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// Why a daemon does not get what it needs.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or socket.
    #[error("{}: {source}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The daemon serves the same folder already.
    #[error("{}: another ravelin-{daemon} is running", path.display())]
    Running {
        /// Its lock.
        path: PathBuf,
        /// Its name.
        daemon: &'static str,
    },
    /// The kernel refused something that concerns the whole process.
    #[error("{what}: {}", errno.desc())]
    System {
        /// What was wanted.
        what: &'static str,
        /// The system's reason.
        errno: Errno,
    },
}

impl Error {
    /// For `map_err` on file operations.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::File { path, source }
    }
}
