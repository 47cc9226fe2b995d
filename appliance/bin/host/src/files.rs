//! Files that are replaced whole, so that neither a reader nor a power cut sees half of one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// Largest file of ours that is read: far above any, and small enough for every machine.
const MAX_JSON_OCTETS: u64 = 16 << 20;
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

/// Reads JSON; `None` when there is no such file.
///
/// # Errors
/// [`Error::File`], [`Error::Contents`].
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file("read", path, error)),
    };
    let mut text = Vec::new();
    file.take(MAX_JSON_OCTETS)
        .read_to_end(&mut text)
        .map_err(|e| Error::file("read", path, e))?;
    let value = serde_json::from_slice(&text);
    value.map(Some).map_err(|source| Error::Contents {
        path: path.to_owned(),
        source,
    })
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
        assert_eq!(read_json::<Vec<u8>>(&path).unwrap(), Some(vec![3]));
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 1);
    }

    #[test]
    fn absent_is_none_and_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        assert_eq!(read_json::<Vec<u8>>(&path).unwrap(), None);
        fs::write(&path, "[1,\n x]").unwrap();
        let error = read_json::<Vec<u8>>(&path).unwrap_err().to_string();
        assert!(
            error.contains("x.json") && error.contains("line 2"),
            "{error}"
        );
    }
}
