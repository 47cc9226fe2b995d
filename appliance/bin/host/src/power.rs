//! `ravelin-host power`: ends or restarts the node for an operator.
//!
//! mgmtd has judged who asks, and leaves the request in a folder that is its alone; a path unit starts this. So neither mgmtd nor the
//! CLI needs the right to do it, and there is one place that decides.

use crate::apply::tool;
use crate::consoles;
use crate::error::Error;
use crate::root::Root;
use ravelin_ctl::host::POWER_FILE;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// The longest request.
const MAX_REQUEST_OCTETS: u64 = 64;
/// What a node that forgets everything loses: all that is on the data partition.
const KEPT_FOLDERS: &[&str] = &[
    "/data/config",
    "/data/keys",
    "/data/log",
    "/data/pki",
    "/data/platform",
];

/// By which logs know the machine.
const MACHINE_ID: &str = "/data/machine-id";

/// Carries the request out.
///
/// # Errors
/// When there is none, or the system does not go down.
pub fn run(root: &Root, arguments: &[String]) -> Result<(), Error> {
    if let Some(argument) = arguments.first() {
        return Err(Error::Unexpected(argument.clone()));
    }
    let path = root.path("/run/ravelin").join(POWER_FILE);
    let mut request = String::new();
    let read = File::open(&path)
        .and_then(|file| file.take(MAX_REQUEST_OCTETS).read_to_string(&mut request));
    // In any case it is taken away: the path unit would start this again and again.
    let removed = fs::remove_file(&path);
    read.map_err(|e| Error::file("read", &path, e))?;
    removed.map_err(|e| Error::file("remove", &path, e))?;
    let verb = match request.trim() {
        "reboot" => "reboot",
        "power-off" => "poweroff",
        "zeroize" => {
            zeroize(root);
            "reboot"
        }
        other => return Err(Error::Unexpected(other.to_owned())),
    };
    consoles::report(
        root,
        &[format!("the system goes down for {}", request.trim())],
    );
    tool(root, "systemctl", &["--no-block", verb])
}

/// Removes what the node has kept. Blocks of a disk may outlive their files; what is to be unreadable takes the disk along. What cannot
/// be removed is told on the consoles.
fn zeroize(root: &Root) {
    // The journal goes on in memory, or its end would be written into the emptied folder.
    if let Err(error) = tool(root, "journalctl", &["--relinquish-var"]) {
        log::warn!("{error}");
    }
    let mut left = Vec::new();
    for folder in KEPT_FOLDERS {
        empty(&root.path(folder), &mut left);
    }
    remove(&root.path(MACHINE_ID), &mut left);
    nix::unistd::sync();
    for fault in &left {
        log::error!("{fault}");
    }
    if !left.is_empty() {
        consoles::report(root, &left);
    }
}

/// Removes all that is in a folder. One fault is no reason to leave the rest.
fn empty(folder: &Path, left: &mut Vec<String>) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return note(folder, &error, left),
    };
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            // Nothing comes behind it.
            Err(error) => return note(folder, &error, left),
        };
        let path = entry.path();
        match entry.file_type() {
            // This follows no link, though the folder's owner make one at the same time.
            Ok(kind) if kind.is_dir() => {
                if let Err(error) = fs::remove_dir_all(&path) {
                    note(&path, &error, left);
                }
            }
            _ => remove(&path, left),
        }
    }
}

fn remove(path: &Path, left: &mut Vec<String>) {
    if let Err(error) = fs::remove_file(path) {
        note(path, &error, left);
    }
}

/// What is gone already is no fault.
fn note(path: &Path, error: &io::Error, left: &mut Vec<String>) {
    if error.kind() != io::ErrorKind::NotFound {
        left.push(format!("{} is not removed: {error}", path.display()));
    }
}

#[cfg(test)]
mod tests;
