//! The root of all paths: `/`, or a folder with a recorded machine in it.

use std::path::{Path, PathBuf};

use crate::error::Error;

/// Below which every path is taken.
#[derive(Debug, Clone)]
pub struct Root(PathBuf);

impl Root {
    /// A folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Takes `--root DIR` out of the front of the arguments.
    ///
    /// # Errors
    /// [`Error::Missing`] when the folder is not named.
    pub fn take(arguments: &mut Vec<String>) -> Result<Self, Error> {
        if arguments.first().is_none_or(|first| first != "--root") {
            return Ok(Self::new("/"));
        }
        let folder = arguments.get(1).cloned();
        arguments.drain(..arguments.len().min(2));
        folder
            .map(Self::new)
            .ok_or(Error::Missing("a folder after --root"))
    }

    /// Where an absolute path is.
    pub fn path(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let path = absolute.as_ref();
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Whether this is the running machine, not a recorded one.
    pub fn is_live(&self) -> bool {
        self.0 == Path::new("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_below_the_root() {
        let mut arguments: Vec<String> = ["--root", "/x", "prepare"].map(str::to_owned).into();
        let root = Root::take(&mut arguments).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(root.path("/sys/bus"), Path::new("/x/sys/bus"));
        assert!(!root.is_live());
        assert_eq!(arguments, ["prepare"]);
        assert!(Root::take(&mut vec!["--root".to_owned()]).is_err());
        let root = Root::take(&mut vec!["prepare".to_owned()]).unwrap_or_else(|e| panic!("{e}"));
        assert!(root.is_live());
    }
}
