//! Why the vault refused. No variant carries record content.

use std::io;
use std::path::PathBuf;

/// A header that is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The magic octets are missing.
    #[error("not a vault")]
    Magic,
    /// Written by another version of this software.
    #[error("vault format {found}, this software reads {}", crate::format::VERSION)]
    Version {
        /// The version found.
        found: u32,
    },
    /// The header's checksum does not match.
    #[error("the vault's header is damaged")]
    Header,
}

/// Why an operation on the vault failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error("vault {}: {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The file is not a vault of this version. The caller decides whether to move it aside.
    #[error("vault {}: {source}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: FormatError,
    },
    /// Another process holds the vault.
    #[error("vault {} is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A record exceeds the longest allowed.
    #[error("record of {octets} octets exceeds the limit of {max_octets}")]
    RecordTooLong {
        /// Its length.
        octets: usize,
        /// The limit.
        max_octets: usize,
    },
    /// The live records would exceed the bound. Nothing of the batch was written.
    #[error("vault is full: {octets} octets needed, {max_octets} allowed")]
    Full {
        /// What the log would hold.
        octets: u64,
        /// The bound.
        max_octets: u64,
    },
    /// A failed write could not be undone; the log ends at its last whole record and takes no more.
    #[error("vault is closed after a failed write")]
    Poisoned,
}
