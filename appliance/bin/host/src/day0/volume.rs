//! The files in the root of an ISO 9660 or FAT file system, read from the disk's octets.
//!
//! Nothing is mounted: the disk of a stranger meets neither the kernel's file systems nor a path of ours. Only regular files of
//! the root folder are looked at, only under the names that day 0 knows, and nothing is followed. Partitions are devices of their
//! own. The crates that read these file systems want to write (`fatfs`), or are unfinished (ISO 9660); the little that is needed
//! of either is one page here, and fuzzed.

mod fat;
mod iso9660;

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::medium::{Medium, MediumError};

/// The names that are read, as they are spelled on a disk.
pub const WANTED: &[&str] = &[
    "user-data",
    "meta-data",
    "network-config",
    "vendor-data",
    "ravelin.conf",
];

/// What was found on a disk.
pub struct Volume {
    /// `ISO 9660` or `FAT`.
    pub file_system: &'static str,
    /// Its label, trimmed.
    pub label: String,
    /// The wanted files that are there. Wiped on drop.
    pub files: BTreeMap<&'static str, Zeroizing<Vec<u8>>>,
    /// Wanted names that are not regular files.
    pub strange: Vec<&'static str>,
}

/// Reads the volume; `None` if it has neither file system.
///
/// # Errors
/// When it has one and that is damaged, or the disk cannot be read.
pub fn read(medium: &Medium<'_>) -> Result<Option<Volume>, MediumError> {
    match iso9660::read(medium)? {
        Some(volume) => Ok(Some(volume)),
        None => fat::read(medium),
    }
}

/// The wanted name that `name` is, upper and lower case alike.
fn wanted(name: &str) -> Option<&'static str> {
    let same = |wanted: &&&str| wanted.eq_ignore_ascii_case(name);
    WANTED.iter().find(same).copied()
}

#[cfg(test)]
mod tests;
