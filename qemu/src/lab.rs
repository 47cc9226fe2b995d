//! The folders of one test: what it leaves for people to read, and what goes with it.
//!
//! * artifacts: the exact command lines, serial logs, QMP logs and captures, in `RAVELIN_ARTIFACTS/<test>`; kept.
//! * sockets: a short path, since that of a Unix socket holds 107 octets (unix(7)).
//! * disks: copy-on-write layers and firmware variables, in `RAVELIN_VM_DISKS`, else in the folder for temporary files.
//!
//! Sockets and disks are removed at the end. Those of a harness that was killed are removed by the next one: each folder
//! holds a file that its harness has locked, and the kernel gives up the lock of the dead.

use crate::{Result, VmError};
use nix::fcntl::{Flock, FlockArg};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

const LOCK: &str = "lock";
/// Names tried for a folder: more than harnesses that run at once.
const MAX_NAMES: u32 = 1000;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// The folders of one test or session.
#[derive(Debug)]
pub struct Lab {
    artifacts: PathBuf,
    sockets: Held,
    disks: Held,
}

/// A folder that is ours as long as this value lives.
#[derive(Debug)]
struct Held {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Lab {
    /// Folders for the test of that name; its earlier artifacts are replaced.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn new(test: &str) -> Result<Self> {
        let base = std::env::var_os("RAVELIN_ARTIFACTS").map_or_else(
            || std::env::temp_dir().join("ravelin-artifacts"),
            PathBuf::from,
        );
        let (sockets, disks) = bases();
        Self::inside(&base.join(test), &sockets, &disks)
    }

    /// Folders of which nothing is kept.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn scratch() -> Result<Self> {
        let (sockets, disks) = bases();
        let disks = Held::new(&disks)?;
        Ok(Self {
            artifacts: disks.path.clone(),
            sockets: Held::new(&sockets)?,
            disks,
        })
    }

    fn inside(artifacts: &Path, sockets: &Path, disks: &Path) -> Result<Self> {
        if artifacts.exists() {
            std::fs::remove_dir_all(artifacts)
                .map_err(|e| VmError::io(format!("remove {}", artifacts.display()), e))?;
        }
        make(artifacts)?;
        let artifacts = artifacts
            .canonicalize()
            .map_err(|e| VmError::io(format!("find {}", artifacts.display()), e))?;
        Ok(Self {
            artifacts,
            sockets: Held::new(sockets)?,
            disks: Held::new(disks)?,
        })
    }

    /// Where what is kept goes.
    pub fn artifacts(&self) -> &Path {
        &self.artifacts
    }

    /// Where sockets go.
    pub fn sockets(&self) -> &Path {
        &self.sockets.path
    }

    /// Where disks go.
    pub fn disks(&self) -> &Path {
        &self.disks.path
    }
}

impl Held {
    /// A new folder below `base`, after the folders of dead harnesses have been removed from there.
    fn new(base: &Path) -> Result<Self> {
        make(base)?;
        sweep(base);
        // Process ids repeat in other pid namespaces, and an unlocked folder is taken for a dead harness's: then another name.
        for _ in 0..MAX_NAMES {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = base.join(format!("{}-{number}", std::process::id()));
            let Ok(()) = std::fs::create_dir(&path) else {
                continue;
            };
            let locked = path.join(LOCK);
            let Ok(file) = File::create(&locked) else {
                continue;
            };
            if let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock)
                && locked.exists()
            {
                return Ok(Self { path, _lock: lock });
            }
        }
        Err(VmError::Unexpected(format!(
            "no folder of our own can be made in {}",
            base.display()
        )))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.path));
    }
}

/// Where the folders of all harnesses are: for sockets and for disks.
fn bases() -> (PathBuf, PathBuf) {
    let temporary = std::env::temp_dir();
    let disks = std::env::var_os("RAVELIN_VM_DISKS")
        .map_or_else(|| temporary.join("ravelin-vm-disks"), PathBuf::from);
    let run = Path::new("/run/ravelin-vm");
    let sockets = match make(run) {
        Ok(()) => run.to_owned(),
        Err(_) => temporary.join("ravelin-vm"),
    };
    (sockets, disks)
}

fn make(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .map_err(|e| VmError::io(format!("make {}", folder.display()), e))
}

/// Removes the folders whose lock nobody holds. What cannot be removed belongs to somebody else.
fn sweep(base: &Path) {
    let folders = std::fs::read_dir(base).into_iter().flatten().flatten();
    for folder in folders {
        let Ok(file) = File::open(folder.path().join(LOCK)) else {
            continue;
        };
        if let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            drop(std::fs::remove_dir_all(folder.path()));
            drop(lock);
        }
    }
}

#[cfg(test)]
mod tests;
