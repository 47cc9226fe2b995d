//! Certificates, keys, CA profiles, revocation lists and pre-shared keys on disk. The one module with I/O.
//!
//! ```text
//!   local/NAME.pem     a private key, and its certificate with the CAs above it once it has one
//!   ca/PROFILE.pem     the certificates of a CA profile
//!   crl/KEY.crl        the last revocation list of a CA, by the hash of its key
//!   psk/NAME.psk       a list of pre-shared keys, as it was given
//!   qcd-secret         what tokens of quick crash detection are made of
//! ```
//!
//! Key and certificate lie in one file, so that no power cut parts them. Files are replaced whole, durably, and are for their owner
//! alone, like the folders; so keys are readable by the daemon that runs with the store and by nobody else.

pub(crate) mod files;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use ravelin_crypto::{Secret, Zeroizing};

use crate::certificate::{Certificate, MAX_PEM_OCTETS};
use crate::error::Error;
use crate::key::PrivateKey;
use crate::path::CaProfile;
use crate::revocation::cache::AuthorityId;
use crate::revocation::crl::MAX_CRL_OCTETS;

/// Local certificates, and CA profiles, of one store.
pub const MAX_ENTRIES: usize = 1024;
/// Characters of a name.
const MAX_NAME_CHARS: usize = 63;
const LOCAL: &str = "local";
const CA: &str = "ca";
const CRL: &str = "crl";
const PSK: &str = "psk";
/// Endings of the files that are found by name.
const PEM: &str = ".pem";
const KEYS: &str = ".psk";
const TOKENS: &str = "qcd-secret";
const TOKEN_SECRET_OCTETS: usize = 32;

/// What tokens of quick crash detection are made of.
pub type TokenSecret = Zeroizing<[u8; TOKEN_SECRET_OCTETS]>;

/// Why the store does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk, or the rights of the process.
    #[error("cannot {action} {}: {error}", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A file that does not hold what it should.
    #[error("{}: {error}", .path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        error: Error,
    },
    /// A name that no file may have.
    #[error(
        "`{0}` is no name: letters, digits, `-`, `_` and inner `.` only, at most {MAX_NAME_CHARS}"
    )]
    Name(String),
    /// The certificate has another key.
    #[error("certificate `{certificate}` does not belong to the private key of {name}")]
    OtherKey {
        /// Its subject.
        certificate: String,
        /// The name in the store.
        name: String,
    },
    /// There are enough.
    #[error("the store has {MAX_ENTRIES} entries of this kind already")]
    Full,
}

impl StoreError {
    fn file(action: &'static str, path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        StoreError::File {
            action,
            path,
            error,
        }
    }
}

/// A key of ours with its certificate.
#[derive(Debug, Clone)]
pub struct Local {
    /// The private key.
    pub key: PrivateKey,
    /// Its certificate first, then the CAs above it; empty as long as the certificate is only asked for.
    pub certificates: Vec<Certificate>,
}

/// A folder with the files.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// Opens the store in a folder, which is made if it is not there.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        for folder in [LOCAL, CA, CRL, PSK] {
            let path = root.join(folder);
            files::make_folder(&path).map_err(|e| StoreError::file("make", &path, e))?;
        }
        let root = root.to_owned();
        Ok(Self { root })
    }

    /// Keeps a key with its certificate, in place of what had the name.
    ///
    /// # Errors
    /// [`StoreError`]; then the old ones are as they were.
    pub fn save_local(&self, name: &str, local: &Local) -> Result<(), StoreError> {
        let first = local.certificates.first();
        if let Some(first) = first.filter(|first| !local.key.belongs_to(first)) {
            return Err(StoreError::OtherKey {
                certificate: first.to_string(),
                name: name.to_owned(),
            });
        }
        let path = self.entry(LOCAL, name, PEM)?;
        let content = |error| StoreError::Content {
            path: path.clone(),
            error,
        };
        let key = local.key.to_pem().map_err(content)?;
        let certificates = pem(&local.certificates).map_err(content)?;
        // One allocation, or a copy of the key would stay behind.
        let mut text = Zeroizing::new(Vec::with_capacity(key.len() + certificates.len()));
        text.extend_from_slice(key.as_bytes());
        text.extend_from_slice(certificates.as_bytes());
        self.room(LOCAL, PEM, &path)?;
        replace(&path, &text)
    }

    /// The key and certificate of a name, `None` when there are none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn local(&self, name: &str) -> Result<Option<Local>, StoreError> {
        let path = self.entry(LOCAL, name, PEM)?;
        let Some(text) = read(&path, MAX_PEM_OCTETS)? else {
            return Ok(None);
        };
        let content = |error| StoreError::Content {
            path: path.clone(),
            error,
        };
        let key = PrivateKey::import(&text, &Secret::default()).map_err(content)?;
        let marker = b"-----BEGIN CERTIFICATE-----";
        let certificates = match text.windows(marker.len()).any(|window| window == marker) {
            true => Certificate::from_file(&text).map_err(content)?,
            false => vec![],
        };
        Ok(Some(Local { key, certificates }))
    }

    /// Keeps the certificates of a CA profile, in place of those that it had.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn save_profile(&self, profile: &CaProfile) -> Result<(), StoreError> {
        let path = self.entry(CA, &profile.name, PEM)?;
        let content = |error| StoreError::Content {
            path: path.clone(),
            error,
        };
        if profile.anchors.is_empty() {
            return Err(content(Error::Malformed {
                what: "a CA profile",
                why: "no certificate in it",
            }));
        }
        let text = pem(&profile.anchors).map_err(content)?;
        self.room(CA, PEM, &path)?;
        replace(&path, text.as_bytes())
    }

    /// The CA profile of a name, `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn profile(&self, name: &str) -> Result<Option<CaProfile>, StoreError> {
        let path = self.entry(CA, name, PEM)?;
        let Some(text) = read(&path, MAX_PEM_OCTETS)? else {
            return Ok(None);
        };
        let anchors = Certificate::from_file(&text);
        let anchors = anchors.map_err(|error| StoreError::Content { path, error })?;
        let name = name.to_owned();
        Ok(Some(CaProfile { name, anchors }))
    }

    /// Names of all local certificates.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn locals(&self) -> Result<BTreeSet<String>, StoreError> {
        self.names(LOCAL, PEM)
    }

    /// Names of all CA profiles.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn profiles(&self) -> Result<BTreeSet<String>, StoreError> {
        self.names(CA, PEM)
    }

    /// Deletes a key with its certificate, for good. Nothing happens when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remove_local(&self, name: &str) -> Result<(), StoreError> {
        remove(&self.entry(LOCAL, name, PEM)?)
    }

    /// Deletes a CA profile. Nothing happens when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remove_profile(&self, name: &str) -> Result<(), StoreError> {
        remove(&self.entry(CA, name, PEM)?)
    }

    /// Keeps a list of pre-shared keys, whatever its octets say, in place of the one that had the name.
    ///
    /// # Errors
    /// [`StoreError`]; then the old one is as it was.
    pub fn save_keys(&self, name: &str, list: &[u8]) -> Result<(), StoreError> {
        let path = self.entry(PSK, name, KEYS)?;
        self.room(PSK, KEYS, &path)?;
        replace(&path, list)
    }

    /// The list of pre-shared keys of a name, of at most `limit` octets; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keys(&self, name: &str, limit: usize) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        read(&self.entry(PSK, name, KEYS)?, limit)
    }

    /// Names of all lists of pre-shared keys.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn key_lists(&self) -> Result<BTreeSet<String>, StoreError> {
        self.names(PSK, KEYS)
    }

    /// Deletes a list of pre-shared keys. Nothing happens when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remove_keys(&self, name: &str) -> Result<(), StoreError> {
        remove(&self.entry(PSK, name, KEYS)?)
    }

    /// Keeps what tokens of quick crash detection are made of (RFC 6290 section 5).
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn save_token_secret(&self, secret: &[u8; TOKEN_SECRET_OCTETS]) -> Result<(), StoreError> {
        replace(&self.root.join(TOKENS), secret)
    }

    /// What was kept of it; `None` when there is nothing, or something of another length.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn token_secret(&self) -> Result<Option<TokenSecret>, StoreError> {
        let octets = read(&self.root.join(TOKENS), TOKEN_SECRET_OCTETS)?;
        Ok(octets.and_then(|octets| octets.as_slice().try_into().ok().map(Zeroizing::new)))
    }

    /// Keeps the revocation list of a CA across restarts.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn save_crl(&self, id: &AuthorityId, der: &[u8]) -> Result<(), StoreError> {
        replace(&self.list(id), der)
    }

    /// The revocation list of a CA that was kept, unread. The cache judges it as if it had been fetched.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn crl(&self, id: &AuthorityId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(read(&self.list(id), MAX_CRL_OCTETS)?.map(|octets| octets.to_vec()))
    }

    /// Deletes the list of a CA. Nothing happens when there is none.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn remove_crl(&self, id: &AuthorityId) -> Result<(), StoreError> {
        remove(&self.list(id))
    }

    /// Deletes the lists of all CAs but these.
    ///
    /// # Errors
    /// [`StoreError::File`].
    pub fn keep_crls<'a>(
        &self,
        ids: impl IntoIterator<Item = &'a AuthorityId>,
    ) -> Result<(), StoreError> {
        let kept: BTreeSet<String> = ids.into_iter().map(AuthorityId::file_stem).collect();
        for stem in self.names(CRL, ".crl")?.difference(&kept) {
            remove(&self.root.join(CRL).join(format!("{stem}.crl")))?;
        }
        Ok(())
    }

    fn list(&self, id: &AuthorityId) -> PathBuf {
        self.root.join(CRL).join(format!("{}.crl", id.file_stem()))
    }

    /// The file of a name, which cannot lead out of its folder.
    fn entry(&self, folder: &str, name: &str, ending: &str) -> Result<PathBuf, StoreError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let fits = (1..=MAX_NAME_CHARS).contains(&name.len())
            && name.chars().all(allowed)
            && !name.starts_with(['.', '-'])
            && !name.ends_with('.');
        if !fits {
            return Err(StoreError::Name(name.to_owned()));
        }
        Ok(self.root.join(folder).join(format!("{name}{ending}")))
    }

    /// A new entry finds room; one that is there is replaced in any case.
    fn room(&self, folder: &str, ending: &str, path: &Path) -> Result<(), StoreError> {
        if !path.exists() && self.names(folder, ending)?.len() >= MAX_ENTRIES {
            return Err(StoreError::Full);
        }
        Ok(())
    }

    /// What a crash left behind has another ending.
    fn names(&self, folder: &str, ending: &str) -> Result<BTreeSet<String>, StoreError> {
        let folder = self.root.join(folder);
        let failed = |error| StoreError::file("read", &folder, error);
        let mut names = BTreeSet::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(ending));
            names.extend(stem.map(str::to_owned));
        }
        Ok(names)
    }
}

fn pem(certificates: &[Certificate]) -> Result<String, Error> {
    certificates.iter().map(Certificate::to_pem).collect()
}

fn replace(path: &Path, octets: &[u8]) -> Result<(), StoreError> {
    files::replace(path, octets, files::OWNER).map_err(|e| StoreError::file("write", path, e))
}

fn remove(path: &Path) -> Result<(), StoreError> {
    files::remove(path).map_err(|e| StoreError::file("delete", path, e))
}

fn read(path: &Path, limit: usize) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let read = files::read(path, limit).map_err(|e| StoreError::file("read", path, e))?;
    match read {
        Some(octets) if octets.len() > limit => Err(StoreError::Content {
            path: path.to_owned(),
            error: Error::TooLarge {
                what: "a file of the store",
                octets: octets.len(),
                limit,
            },
        }),
        read => Ok(read),
    }
}

#[cfg(test)]
mod tests;
