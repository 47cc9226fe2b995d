//! Errors: each names the device and the step that failed.

use nix::errno::Errno;

use crate::NAME_MAX_OCTETS;

/// Why a device operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a name the kernel takes.
    #[error("`{0}` is no interface name: 1 to {NAME_MAX_OCTETS} octets, no slash, blank or colon")]
    BadName(String),
    /// The kernel refused.
    #[error("device {name}: {step}: {}", errno.desc())]
    Kernel {
        /// Kernel name of the device.
        name: String,
        /// What was tried.
        step: &'static str,
        /// Its answer.
        errno: Errno,
    },
    /// Not a TAP or TUN device of the wanted kind, or not multi-queue.
    #[error("device {0} exists and is of another kind")]
    OtherKind(String),
    /// Packets could not be moved.
    #[error("device {name}: {source}")]
    Io {
        /// Kernel name of the device.
        name: String,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn kernel(
        name: &crate::DeviceName,
        step: &'static str,
    ) -> impl FnOnce(Errno) -> Error {
        let name = name.as_str().to_owned();
        move |errno| Error::Kernel { name, step, errno }
    }
}
