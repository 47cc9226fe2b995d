//! The configuration file, its rollback files, the last text that worked, and the generation counter.
//!
//! ```text
//!   ravelin.conf            what runs
//!   ravelin.conf.1 ...      what ran before, the youngest first
//!   ravelin.conf.last-good  the last text that was applied; used when somebody broke ravelin.conf by hand
//!   ravelin.conf.broken     what was refused at a start, for whoever wants to know
//! ```
//!
//! `ravelin.conf` exists at every moment: the new text is written beside it, flushed to disk, and renamed over it. Files
//! hold secrets and are for their owner alone.

use crate::error::MgmtError;
use ravelin_config::text::MAX_TEXT_OCTETS;
use ravelin_types::Generation;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Rollback files kept, as Junos users know it: 49 beside the running one.
const MAX_ROLLBACKS: usize = 49;
const FILE_MODE: u32 = 0o600;

/// The files.
#[derive(Debug, Clone)]
pub struct Store {
    file: PathBuf,
    generation_file: PathBuf,
    run_dir: PathBuf,
    factory: Option<PathBuf>,
}

impl Store {
    /// The store around the configuration `file`; the generation counter lies in `run_dir`, which a reboot empties as it
    /// empties the daemons.
    pub fn new(file: &Path, run_dir: &Path) -> Self {
        Self {
            file: file.to_owned(),
            generation_file: run_dir.join("mgmtd.generation"),
            run_dir: run_dir.to_owned(),
            factory: None,
        }
    }

    /// The same with a configuration that runs as long as there is no other.
    #[must_use]
    pub fn with_factory(self, factory: &Path) -> Self {
        Self {
            factory: Some(factory.to_owned()),
            ..self
        }
    }

    /// The configuration of the factory.
    pub fn factory(&self) -> Option<&Path> {
        self.factory.as_deref()
    }

    /// Keeps the configuration file under another name as well, which the next commit does not touch.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn keep_broken(&self) -> Result<(), MgmtError> {
        let kept = self.beside("broken");
        let bad = |error| MgmtError::file("keep the broken text as", &kept, error);
        match fs::remove_file(&kept) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(bad(error)),
            _ => {}
        }
        fs::hard_link(&self.file, &kept).map_err(bad)
    }

    /// The configuration file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The folder of the sockets.
    pub fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// The file of the last text that was applied.
    pub fn last_good(&self) -> PathBuf {
        self.beside("last-good")
    }

    /// A file beside the configuration file.
    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.file.clone().into_os_string();
        name.push(format!(".{suffix}"));
        name.into()
    }

    /// Reads a text of the store; `None` if the file is absent.
    ///
    /// # Errors
    /// When it cannot be read, is too large or is not UTF-8.
    pub fn read(&self, path: &Path) -> Result<Option<Zeroizing<String>>, MgmtError> {
        let bad = |error| MgmtError::file("read", path, error);
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(bad(error)),
        };
        let mut text = Zeroizing::new(String::new());
        let limit = MAX_TEXT_OCTETS as u64 + 1;
        file.take(limit).read_to_string(&mut text).map_err(bad)?;
        Ok(Some(text))
    }

    /// Makes `text` the configuration file and the old one the first rollback file.
    ///
    /// # Errors
    /// When the disk refuses; then the configuration file is the old one.
    pub fn save(&self, text: &str) -> Result<(), MgmtError> {
        let fresh = self.beside("new");
        write(&fresh, text)?;
        for number in (1..MAX_ROLLBACKS).rev() {
            self.rename(
                &self.beside(&number.to_string()),
                &self.beside(&(number + 1).to_string()),
            )?;
        }
        let first = self.beside("1");
        match fs::hard_link(&self.file, &first) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(MgmtError::file("keep the old text as", &first, error)),
        }
        fs::rename(&fresh, &self.file).map_err(|e| MgmtError::file("replace", &self.file, e))?;
        sync_folder_of(&self.file)
    }

    /// Undoes the last [`Store::save`].
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn undo(&self) -> Result<(), MgmtError> {
        let first = self.beside("1");
        match fs::rename(&first, &self.file) {
            Ok(()) => {}
            // There was no file before.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::remove_file(&self.file)
                    .map_err(|e| MgmtError::file("remove", &self.file, e))?;
            }
            Err(error) => return Err(MgmtError::file("bring back", &first, error)),
        }
        for number in 1..MAX_ROLLBACKS {
            self.rename(
                &self.beside(&(number + 1).to_string()),
                &self.beside(&number.to_string()),
            )?;
        }
        sync_folder_of(&self.file)
    }

    /// Remembers a text that was applied.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn save_last_good(&self, text: &str) -> Result<(), MgmtError> {
        let path = self.last_good();
        if self
            .read(&path)
            .ok()
            .flatten()
            .is_some_and(|old| *old == text)
        {
            return Ok(());
        }
        replace(&path, text)
    }

    /// The last generation used since the machine started.
    pub fn generation(&self) -> Generation {
        let text = fs::read_to_string(&self.generation_file).unwrap_or_default();
        Generation(text.trim().parse().unwrap_or(0))
    }

    /// Notes a generation as used.
    ///
    /// # Errors
    /// When the run folder refuses.
    pub fn save_generation(&self, generation: Generation) -> Result<(), MgmtError> {
        let mut fresh = self.generation_file.clone().into_os_string();
        fresh.push(".new");
        let fresh = PathBuf::from(fresh);
        write(&fresh, &generation.to_string())?;
        fs::rename(&fresh, &self.generation_file)
            .map_err(|e| MgmtError::file("replace", &self.generation_file, e))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), MgmtError> {
        match fs::rename(from, to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(MgmtError::file("rename", from, error))
            }
            _ => Ok(()),
        }
    }
}

/// Makes `text` the content of `path`, for good and at one instant.
///
/// # Errors
/// When the disk refuses; then the file is the old one.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), MgmtError> {
    let mut fresh = path.to_owned().into_os_string();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    write(&fresh, text)?;
    fs::rename(&fresh, path).map_err(|e| MgmtError::file("replace", path, e))?;
    sync_folder_of(path)
}

/// Makes renames in the folder of `path` durable.
fn sync_folder_of(path: &Path) -> Result<(), MgmtError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let synced = File::open(folder).and_then(|f| f.sync_all());
    synced.map_err(|e| MgmtError::file("flush", folder, e))
}

/// Writes `text` to disk for good.
fn write(path: &Path, text: &str) -> Result<(), MgmtError> {
    let bad = |error| MgmtError::file("write", path, error);
    // A leftover of a crash may be there, with whatever mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(bad(error)),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)
        .map_err(bad)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    written.map_err(|error| {
        // Half a file on a full disk helps nobody. What matters is the first error.
        let _ = fs::remove_file(path);
        bad(error)
    })
}

#[cfg(test)]
mod tests;
