//! The kernel is a host here and never a router: forwarding off, no router advertisements or redirects believed, ARP
//! answered for the receiving interface's own addresses only, reverse path filtering left to planed (decision D3).
//!
//! Every setting is read back: one that did not take is an error, because a kernel that forwards leaks cleartext.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Of the namespace. Forwarding comes first: writing it resets other settings to a router's or a host's defaults.
const HOST: &[(&str, &str)] = &[
    ("ipv4/ip_forward", "0"),
    ("ipv6/conf/all/forwarding", "0"),
    ("ipv6/conf/default/forwarding", "0"),
];
/// Of each interface, IPv4.
const INTERFACE_V4: &[(&str, &str)] = &[
    ("forwarding", "0"),
    ("rp_filter", "0"),
    ("arp_ignore", "1"),
    ("arp_announce", "2"),
    ("accept_redirects", "0"),
    ("send_redirects", "0"),
];
/// Of each interface, IPv6.
const INTERFACE_V6: &[(&str, &str)] = &[
    ("forwarding", "0"),
    ("accept_ra", "0"),
    ("accept_redirects", "0"),
];

/// The settings tree `/proc/sys/net`.
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// That of the calling thread's network namespace.
    pub fn system() -> Self {
        Tree {
            root: PathBuf::from("/proc/sys/net"),
        }
    }

    #[cfg(test)]
    pub fn at(root: PathBuf) -> Self {
        Tree { root }
    }

    /// Makes the namespace a host, and says how many of its own settings were otherwise.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Setting`] for the first setting that does not take.
    pub fn secure_namespace(&self) -> Result<usize, Error> {
        let set =
            |(setting, value): &(&str, &'static str)| self.set(&self.root.join(setting), value);
        HOST.iter().map(set).try_fold(0, add)
    }

    /// Makes the namespace a host, with its defaults for new interfaces and every interface that exists; says how many settings were
    /// otherwise.
    ///
    /// # Errors
    /// As [`Tree::secure_namespace`].
    pub fn secure_host(&self) -> Result<usize, Error> {
        let mut changed = self.secure_namespace()?;
        for (family, settings) in [("ipv4", INTERFACE_V4), ("ipv6", INTERFACE_V6)] {
            let folder = self.root.join(family).join("conf");
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(source) => {
                    return Err(Error::File {
                        path: folder,
                        source,
                    });
                }
            };
            for entry in entries {
                let interface = entry.map_err(Error::file(&folder))?.path();
                changed += self.set_all(&interface, settings)?;
            }
        }
        Ok(changed)
    }

    /// Secures one interface, before it is set up.
    ///
    /// # Errors
    /// As [`Tree::secure_namespace`].
    pub fn secure_interface(&self, name: &str) -> Result<(), Error> {
        self.set_all(&self.root.join("ipv4/conf").join(name), INTERFACE_V4)?;
        self.set_all(&self.root.join("ipv6/conf").join(name), INTERFACE_V6)
            .map(drop)
    }

    fn set_all(&self, interface: &Path, settings: &[(&str, &'static str)]) -> Result<usize, Error> {
        let set =
            |(setting, value): &(&str, &'static str)| self.set(&interface.join(setting), value);
        settings.iter().map(set).try_fold(0, add)
    }

    /// Writes and reads back; whether it was otherwise. A setting that does not exist (IPv6 switched off, the interface just gone) is
    /// skipped.
    fn set(&self, path: &Path, wanted: &'static str) -> Result<bool, Error> {
        match fs::read_to_string(path) {
            Ok(found) if found.trim() == wanted => return Ok(false),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(source) => {
                return Err(Error::File {
                    path: path.to_owned(),
                    source,
                });
            }
        }
        fs::write(path, wanted).map_err(Error::file(path))?;
        let found = fs::read_to_string(path).map_err(Error::file(path))?;
        if found.trim() == wanted {
            return Ok(true);
        }
        Err(Error::Setting {
            path: path.to_owned(),
            wanted,
            found: found.trim().to_owned(),
        })
    }
}

fn add(sum: usize, changed: Result<bool, Error>) -> Result<usize, Error> {
    Ok(sum + usize::from(changed?))
}

#[cfg(test)]
mod tests;
