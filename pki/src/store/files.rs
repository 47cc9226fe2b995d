//! Files that are replaced whole, so that neither a reader nor a power cut sees half of one.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ravelin_crypto::Zeroizing;

/// For the owner alone.
pub(crate) const OWNER: u32 = 0o600;
const FOLDER: u32 = 0o700;

/// Makes a folder for its owner alone, with those above it.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER).create(path)
}

/// Makes `octets` the content of `path`, durably: write, flush, rename, flush the folder. On an error the old file is as it was.
pub(crate) fn replace(path: &Path, octets: &[u8], mode: u32) -> io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    // A leftover of a crash may be there, with whatever mode.
    absent(fs::remove_file(&fresh))?;
    let written = write(&fresh, octets, mode).and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        // Half a file on a full disk helps nobody. What matters is the first error.
        let _ = fs::remove_file(&fresh);
    }
    written.and_then(|()| flush_folder(path))
}

fn write(path: &Path, octets: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    // Whatever the mask of the process.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(octets)?;
    file.sync_all()
}

/// Deletes a file, durably, if it is there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    absent(fs::remove_file(path))?;
    flush_folder(path)
}

/// The content, of which at most one octet more than `limit` is read; `None` when there is no file.
pub(crate) fn read(path: &Path, limit: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let most = limit as u64 + 1;
    // Room for all of it at once, and for the read that finds the end: what grows leaves copies behind.
    let room = file.metadata()?.len().min(most) as usize + 1;
    let mut octets = Zeroizing::new(Vec::with_capacity(room));
    file.take(most).read_to_end(&mut octets)?;
    Ok(Some(octets))
}

fn flush_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    File::open(folder)?.sync_all()
}

fn absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
