//! Keeps `host.json`, by which `ravelin-host apply` learns what the configuration wants of the operating system, and tells
//! what a user id may do.
//!
//! A user keeps its id as long as it is configured, and an id that was used is the last to be given to another: a process of
//! a user who left must not become one of a newcomer.

use crate::error::MgmtError;
use crate::store;
use ravelin_ctl::host::wanted::{Class, FILE_NAME, FIRST_UID, HostConfig, UIDS, User, VERSION};
use std::fs;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Who asks, as far as permissions go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// The user's name, for the log.
    pub name: String,
    /// What the user may do.
    pub class: Class,
}

/// The file and what it says.
pub(crate) struct HostKeeper {
    path: PathBuf,
    runs: HostConfig,
}

impl HostKeeper {
    /// The keeper of the file beside the configuration file; what is there is read for the user ids.
    pub fn new(configuration: &Path) -> Self {
        let path = configuration.with_file_name(FILE_NAME);
        let runs = read(&path).unwrap_or_default();
        Self { path, runs }
    }

    /// What the host side is told.
    pub fn runs(&self) -> &HostConfig {
        &self.runs
    }

    /// Writes `wanted` to the file, if it says something else.
    ///
    /// # Errors
    /// When the disk refuses; then the file is the old one.
    pub fn want(&mut self, wanted: &HostConfig) -> Result<(), MgmtError> {
        let mut wanted = wanted.clone();
        number(&mut wanted, &self.runs);
        if wanted == self.runs && self.path.exists() {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(&wanted)
            .map_err(|error| MgmtError::file("write", &self.path, std::io::Error::other(error)))?;
        store::replace(&self.path, &Zeroizing::new(text))?;
        self.runs = wanted;
        Ok(())
    }

    /// The configured user of this id.
    pub fn user(&self, uid: u32) -> Option<&User> {
        self.runs.users.iter().find(|u| u.uid == uid)
    }
}

fn read(path: &Path) -> Option<HostConfig> {
    let text = Zeroizing::new(fs::read_to_string(path).ok()?);
    let read: HostConfig = serde_json::from_str(&text).ok()?;
    (read.version == VERSION).then_some(read)
}

/// Gives every user of `wanted` an id: its former one, or one that nobody has and that was not used lately.
fn number(wanted: &mut HostConfig, former: &HostConfig) {
    let mut last = former.last_uid;
    let old = |name: &str| former.users.iter().find(|u| u.name == name).map(|u| u.uid);
    let mut taken: Vec<u32> = wanted.users.iter().filter_map(|u| old(&u.name)).collect();
    for user in &mut wanted.users {
        if let Some(uid) = old(&user.name) {
            user.uid = uid;
            continue;
        }
        let after = last.saturating_sub(FIRST_UID).saturating_add(1);
        let mut round = (0..UIDS).map(|step| FIRST_UID + (after + step) % UIDS);
        // The model's bound on users leaves most ids free.
        let Some(uid) = round.find(|uid| !taken.contains(uid)) else {
            continue;
        };
        user.uid = uid;
        taken.push(uid);
        last = uid;
    }
    wanted.last_uid = last;
}

#[cfg(test)]
mod tests;
