//! Files that are replaced whole, so that neither a reader nor a power cut sees half of one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::Error;

/// Mode of folders that are made on the way.
const FOLDER_MODE: u32 = 0o755;

/// Makes `contents` the file at `path` with `mode`, durably: write, flush, rename, flush the folder. Missing folders are made.
///
/// # Errors
/// [`Error::File`]; then the old file is as it was.
pub fn replace(path: &Path, contents: &[u8], mode: u32) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(folder)
        .map_err(|e| Error::file("make", folder, e))?;
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    write(&fresh, contents, mode).map_err(|e| Error::file("write", &fresh, e))?;
    fs::rename(&fresh, path).map_err(|e| Error::file("replace", path, e))?;
    let synced = File::open(folder).and_then(|f| f.sync_all());
    synced.map_err(|e| Error::file("flush", folder, e))
}

fn write(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    // A leftover of a crash may be there, with whatever mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    // Whatever the mask of the process.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(contents)?;
    file.sync_all()
}

/// [`replace`] with JSON for people and programs.
///
/// # Errors
/// [`Error::File`], [`Error::Contents`].
pub fn replace_json<T: Serialize>(path: &Path, value: &T, mode: u32) -> Result<(), Error> {
    let text = serde_json::to_vec_pretty(value);
    let mut text = text.map_err(|source| Error::Contents {
        path: path.to_owned(),
        source,
    })?;
    text.push(b'\n');
    replace(path, &text, mode)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_is_replaced_with_its_mode_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.json");
        replace_json(&path, &[1, 2], 0o600).unwrap();
        fs::write(folder.path().join("a/b.json.new"), "of a crash").unwrap();
        replace_json(&path, &[3], 0o640).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "[\n  3\n]\n");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 1);
    }
}
