//! The errors of this crate: each says which device, route or message it is about.

use std::io;
use thiserror::Error;

/// What can go wrong between us and the kernel.
#[derive(Debug, Error)]
pub enum RoutingError {
    /// The rtnetlink socket itself fails: our resources or privileges.
    #[error("rtnetlink socket: {operation}: {source}")]
    Socket {
        /// What we were doing.
        operation: &'static str,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The kernel refuses one request.
    #[error("kernel refuses {subject}: {source}")]
    Refused {
        /// The request in words: `add address 10.0.0.1/24 on ge-0-0-0`.
        subject: String,
        /// The kernel's reason.
        source: io::Error,
    },
    /// A device that the configuration or an SA names is absent.
    #[error("no such device `{0}`")]
    NoSuchDevice(String),
    /// A name the kernel cannot hold.
    #[error("`{0}` is not a device name")]
    BadDeviceName(String),
    /// A kernel without CONFIG_NET_VRF, or without the module.
    #[error("this kernel has no VRF devices: its module `vrf` is missing")]
    NoVrf,
    /// The kernel's tables changed during each of several dumps.
    #[error("rtnetlink dump interrupted {0} times in a row")]
    DumpInterrupted(u32),
    /// A table of ours is at its bound.
    #[error("{table} is full at {bound} entries")]
    Full {
        /// Which table.
        table: &'static str,
        /// Its bound.
        bound: usize,
    },
    /// A kernel parameter cannot be set.
    #[error("{path}: {source}")]
    Sysctl {
        /// The file below /proc/sys.
        path: String,
        /// The kernel's reason.
        source: io::Error,
    },
}

impl RoutingError {
    pub(crate) fn socket(operation: &'static str, source: impl Into<io::Error>) -> Self {
        Self::Socket {
            operation,
            source: source.into(),
        }
    }
}
