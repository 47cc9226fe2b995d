//! The folder of the configuration, as day 0 finds and leaves it, and the file for the login prompts.
//!
//! Its owner is mgmtd: what is written here belongs to whom the folder belongs to. `ravelin.conf` comes first and whole, then the
//! record; between the two the power may go away (see [`super::decide`]).

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use ravelin_ctl::day0::{RECORD_FILE, Record};
use zeroize::Zeroizing;

use super::decide::Stored;
use crate::error::Error;
use crate::files;
use crate::root::Root;

const FOLDER: &str = "/data/config";
const CONFIGURATION: &str = "ravelin.conf";
/// Copies of a configuration that mgmtd keeps: as long as one is there, somebody has configured this node.
const KEPT: &[&str] = &["ravelin.conf", "ravelin.conf.last-good", "ravelin.conf.1"];
/// Secrets are for mgmtd alone; the record has none.
const CONFIGURATION_MODE: u32 = 0o600;
const RECORD_MODE: u32 = 0o644;

/// The folder.
pub struct Store(PathBuf);

impl Store {
    /// Below `root`.
    pub fn new(root: &Root) -> Self {
        Self(root.path(FOLDER))
    }

    /// Whether a configuration is there. One that cannot be read is one.
    pub fn stored(&self) -> Stored {
        let there = |name: &&str| {
            let found = fs::symlink_metadata(self.0.join(name));
            !found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        match KEPT.iter().any(there) {
            true => Stored::Configuration,
            false => Stored::Nothing,
        }
    }

    /// Whether this is the configuration.
    pub fn holds(&self, text: &str) -> bool {
        let stored = fs::read(self.0.join(CONFIGURATION)).map(Zeroizing::new);
        stored.is_ok_and(|stored| stored.as_slice() == text.as_bytes())
    }

    /// Makes `text` the configuration.
    ///
    /// # Errors
    /// [`Error::File`]; then there is none.
    pub fn save(&self, text: &str) -> Result<(), Error> {
        self.write(CONFIGURATION, text.as_bytes(), CONFIGURATION_MODE)
    }

    /// What the boots before this one left.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn record(&self) -> Result<Option<Record>, Error> {
        let path = self.0.join(RECORD_FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file("read", &path, error)),
        };
        let record = serde_json::from_slice(&text);
        record
            .map(Some)
            .map_err(|source| Error::Contents { path, source })
    }

    /// Leaves it for the next boots, if it is new.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn save_record(&self, record: &Record) -> Result<(), Error> {
        if self.record().ok().flatten().as_ref() == Some(record) {
            return Ok(());
        }
        let path = self.0.join(RECORD_FILE);
        files::replace_json(&path, record, RECORD_MODE)?;
        self.give(&path)
    }

    fn write(&self, name: &str, octets: &[u8], mode: u32) -> Result<(), Error> {
        let path = self.0.join(name);
        files::replace(&path, octets, mode)?;
        self.give(&path)
    }

    /// Gives a file to the owner of the folder.
    fn give(&self, path: &Path) -> Result<(), Error> {
        let folder = fs::metadata(&self.0).map_err(|e| Error::file("look at", &self.0, e))?;
        chown(path, Some(folder.uid()), Some(folder.gid()))
            .map_err(|e| Error::file("give away", path, e))
    }
}

/// What agetty prints above its prompt: a backslash would begin an escape of its own.
pub fn issue(messages: &[String]) -> String {
    let line = |message: &String| format!("ravelin: {}\n", message.replace('\\', "\\\\"));
    messages.iter().map(line).collect()
}

/// Writes a file of `/run`, for everybody; an empty one is none.
///
/// # Errors
/// [`Error::File`].
pub fn place(path: &Path, octets: &[u8]) -> Result<(), Error> {
    if !octets.is_empty() {
        return files::replace(path, octets, RECORD_MODE);
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::file("remove", path, error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
