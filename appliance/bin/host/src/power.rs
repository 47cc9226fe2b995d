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
const KEPT_FOLDERS: &[&str] = &["/data/config", "/data/keys", "/data/log", "/data/platform"];

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

/// Removes what the node has kept. Blocks of a disk may outlive their files; what is to be unreadable takes the disk along.
fn zeroize(root: &Root) {
    for folder in KEPT_FOLDERS {
        if let Err(error) = empty(&root.path(folder)) {
            log::error!("{folder}: {error}");
        }
    }
    if let Err(error) = fs::remove_file(root.path("/data/machine-id")) {
        log::warn!("/data/machine-id: {error}");
    }
    nix::unistd::sync();
}

fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
