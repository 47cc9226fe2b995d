//! The sources of day 0, best first: a NoCloud volume, a volume with `ravelin.conf`, the SMBIOS tables.
//!
//! All are looked for, so that what is there and not used can be told. Devices in the order of their names; those that are made
//! by the kernel itself are no sources.

use std::fs::{self, File};
use std::io::ErrorKind;

use nix::errno::Errno;
use ravelin_ctl::day0::Kind;
use thiserror::Error;
use zeroize::Zeroizing;

use super::medium::{Medium, MediumError, ReadAt};
use super::nocloud;
use super::seed::{Content, Text, digest};
use super::smbios;
use super::volume::{self, Volume};
use crate::error;
use crate::root::Root;

const BLOCKS: &str = "/sys/class/block";
/// Disks and partitions looked at.
const MAX_DEVICES: usize = 64;
/// Block devices that are no disks: made of files and memory, or of other disks; and floppies, which make the boot wait.
const NO_DISKS: &[&str] = &["loop", "ram", "zram", "dm-", "md", "nbd", "fd"];
/// The label that makes a volume a NoCloud seed, in either case.
const SEED_LABEL: &str = "cidata";

/// Why a place could not be looked at.
#[derive(Debug, Error)]
pub enum SourceError {
    /// A device or table that does not open.
    #[error(transparent)]
    File(#[from] error::Error),
    /// What is on the device.
    #[error(transparent)]
    Medium(#[from] MediumError),
    /// The library that makes digests.
    #[error(transparent)]
    Library(#[from] ravelin_crypto::Error),
}

/// A source and what it says.
pub struct Found {
    /// Its form.
    pub kind: Kind,
    /// The device, as `sr0 (ISO 9660 cidata)`.
    pub source: String,
    /// By which it is known again.
    pub digest: String,
    /// What it says, or why that cannot be understood.
    pub content: Result<Content, String>,
}

/// What a look at the machine brings.
#[derive(Default)]
pub struct Search {
    /// The best source.
    pub found: Option<Found>,
    /// What else is to be told.
    pub notes: Vec<String>,
}

/// Looks at all disks and tables.
pub fn search(root: &Root) -> Search {
    let mut notes = Vec::new();
    let mut all = Vec::new();
    for name in devices(root, &mut notes) {
        match device(root, &name) {
            Ok(found) => all.extend(found),
            Err(error) => notes.push(format!("{name}: {error}")),
        }
    }
    match tables(root) {
        Ok(found) => all.extend(found),
        Err(error) => notes.push(error.to_string()),
    }
    // Stable: among equals the first device.
    all.sort_by_key(|found| found.kind);
    let mut all = all.into_iter();
    let found = all.next();
    let known = found.as_ref().map(|found| found.digest.clone());
    for other in all.filter(|other| Some(&other.digest) != known.as_ref()) {
        notes.push(format!(
            "{} is not used: another source came first",
            other.source
        ));
    }
    Search { found, notes }
}

/// The names of disks and partitions that have a size.
fn devices(root: &Root, notes: &mut Vec<String>) -> Vec<String> {
    let entries = match fs::read_dir(root.path(BLOCKS)) {
        Ok(entries) => entries,
        Err(error) => {
            notes.push(format!("{BLOCKS}: {error}"));
            return Vec::new();
        }
    };
    let sized = |name: &String| {
        let size = root.path(BLOCKS).join(name).join("size");
        fs::read_to_string(size).is_ok_and(|size| size.trim() != "0")
    };
    let disk = |name: &String| !NO_DISKS.iter().any(|prefix| name.starts_with(prefix));
    let names = entries.flatten().map(|entry| entry.file_name());
    let names = names.filter_map(|name| name.into_string().ok());
    let mut names: Vec<String> = names.filter(disk).filter(sized).collect();
    names.sort();
    if names.len() > MAX_DEVICES {
        notes.push(format!(
            "{} disks and partitions, {MAX_DEVICES} are looked at",
            names.len()
        ));
        names.truncate(MAX_DEVICES);
    }
    names
}

fn device(root: &Root, name: &str) -> Result<Option<Found>, SourceError> {
    let path = root.path("/dev").join(name);
    let file = match File::open(&path) {
        Ok(file) => file,
        // A drive without a disk, or one that was pulled since.
        Err(error)
            if error.kind() == ErrorKind::NotFound
                || error.raw_os_error() == Some(Errno::ENOMEDIUM as i32) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error::Error::file("open", &path, error).into()),
    };
    disk(name, &file)
}

/// What the disk of this name is a source of, if it is one.
///
/// # Errors
/// When it cannot be read, or is damaged.
pub fn disk(name: &str, octets: &dyn ReadAt) -> Result<Option<Found>, SourceError> {
    let Some(volume) = volume::read(&Medium::new(octets))? else {
        return Ok(None);
    };
    let Some((kind, content)) = understand(&volume) else {
        return Ok(None);
    };
    let content = content.map(|mut content| {
        for name in &volume.strange {
            content.note(format!("{name} is not used: it is not a regular file"));
        }
        content
    });
    let files = volume.files.iter();
    Ok(Some(Found {
        kind,
        source: format!("{name} ({} {})", volume.file_system, volume.label),
        digest: digest(files.map(|(name, octets)| (*name, octets.as_slice())))?,
        content,
    }))
}

fn understand(volume: &Volume) -> Option<(Kind, Result<Content, String>)> {
    let has = |name| volume.files.contains_key(name);
    let labelled = volume.label.eq_ignore_ascii_case(SEED_LABEL);
    if labelled && (has("user-data") || has("meta-data")) {
        let content = nocloud::read(&volume.files).and_then(|mut content| {
            match (volume.files.get("ravelin.conf"), &content.text) {
                (None, _) => {}
                (Some(octets), None) => content.text = Some(configuration(octets)?),
                (Some(_), Some(_)) => content
                    .note("ravelin.conf is not used: user-data has a configuration".to_owned()),
            }
            Ok(content)
        });
        return Some((Kind::NoCloud, content));
    }
    let octets = volume.files.get("ravelin.conf")?;
    let content = configuration(octets).map(|text| Content {
        text: Some(text),
        ..Content::default()
    });
    Some((Kind::File, content))
}

fn configuration(octets: &[u8]) -> Result<Text, String> {
    let file = "ravelin.conf".to_owned();
    let text = nocloud::text(octets).map_err(|fault| fault.of(&file))?;
    Ok(Text {
        file,
        text: Zeroizing::new(text.to_owned()),
        shift_lines: Some(0),
    })
}

fn tables(root: &Root) -> Result<Option<Found>, SourceError> {
    let strings = smbios::strings(root)?;
    let read = smbios::read_strings(&strings)?;
    Ok(read.map(|(digest, content)| Found {
        kind: Kind::Smbios,
        source: "SMBIOS".to_owned(),
        digest,
        content,
    }))
}

#[cfg(test)]
mod tests;
