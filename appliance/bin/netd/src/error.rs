//! What can go wrong, each naming the file, device or unit at fault.

use std::io;
use std::path::PathBuf;

use ravelin_ctl::netd::MAX_SIGNAL_ROUTES;
use ravelin_types::UnitName;

use crate::registry::TWINS_MAX;

/// An error of netd.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or socket failed.
    #[error("{}: {source}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A kernel setting did not take the value that safety needs.
    #[error("{}: wanted {wanted}, the kernel keeps `{found}`", path.display())]
    Setting {
        /// Its path.
        path: PathBuf,
        /// What was written.
        wanted: &'static str,
        /// What was read back.
        found: String,
    },
    /// The host's packet filter is not in place.
    #[error("the host's packet filter, by nft: {reason}")]
    Filter {
        /// nft's words.
        reason: String,
    },
    /// A thread did not start.
    #[error("thread: {0}")]
    Thread(io::Error),
    /// The system refused something that every daemon needs, or another netd serves the same folder.
    #[error("{0}")]
    Platform(#[from] ravelin_platform::Error),
    /// The limit of open files cannot hold a queue per twin.
    #[error("the limit of open files stays at {limit}: {}", errno.desc())]
    Descriptors {
        /// Present limit.
        limit: u64,
        /// The system's reason.
        errno: nix::errno::Errno,
    },
    /// A device operation failed.
    #[error("{unit}: {source}")]
    Twin {
        /// Whose twin.
        unit: UnitName,
        /// What failed.
        source: ravelin_tuntap::Error,
    },
    /// Loopback units have no twin.
    #[error("{0}: loopback units have no twin, their addresses belong on lo")]
    Loopback(UnitName),
    /// Two units with one kernel name.
    #[error("{unit}: the kernel name {name} belongs to {owner}")]
    NameTaken {
        /// The unit refused.
        unit: UnitName,
        /// The kernel name.
        name: String,
        /// Who has it.
        owner: UnitName,
    },
    /// A TAP was asked for where a TUN exists, or the reverse.
    #[error("{0}: its twin is of the other kind; remove it first")]
    OtherKind(UnitName),
    /// No such twin.
    #[error("{0}: there is no twin")]
    Absent(UnitName),
    /// A request about signal routes, which belong to a connection, came to the registry of devices.
    #[error("signal routes are no device")]
    NoDevice,
    /// Too many signal routes.
    #[error("{0} signal routes in one request, more than {MAX_SIGNAL_ROUTES}")]
    TooManySignals(usize),
    /// rtnetlink.
    #[error("{0}")]
    Kernel(#[from] ravelin_routing::RoutingError),
    /// Too many.
    #[error("{0}: {TWINS_MAX} twins exist already")]
    Full(UnitName),
}

impl Error {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::File { path, source }
    }
}
