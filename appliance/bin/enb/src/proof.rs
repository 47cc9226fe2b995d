//! How the eNodeBs prove who they are and whom they believe: the files of the command line as keys, certificates and an authority.
//!
//! A name of a file with `{}` is another file for each eNodeB. Of the gateway's certificate the path, the identity and the signature are
//! judged, not whether it is revoked.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ravelin_authority::{Claim, Signer, trust};
use ravelin_ike::config::{LocalProof, PeerProof, PreSharedKeys, ProofError, Trust};
use ravelin_ike::{Authority, Denial, SignRequest, Signature, VerifyRequest};
use ravelin_pki::{Accept, CaProfile, Certificate, Local, Policy, PrivateKey, Validator, WallTime};
use ravelin_types::SecretBytes;

use crate::arguments::Arguments;
use crate::plan::{GATEWAY, numbered};

/// A file that does not serve.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{}: {source}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What.
        source: ravelin_pki::Error,
    },
    /// Key and certificate are not of one another.
    #[error("{}: the first certificate does not belong to the key in {}", certificate.display(), key.display())]
    OtherKey {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// More than IKE carries.
    #[error("{}: {source}", path.display())]
    Size {
        /// Which.
        path: PathBuf,
        /// What.
        source: ProofError,
    },
}

/// How one eNodeB and its gateway prove who they are.
#[derive(Clone)]
pub struct Proof {
    /// The eNodeB.
    pub local: LocalProof,
    /// The gateway.
    pub peer: PeerProof,
    /// For those that use one.
    pub keys: PreSharedKeys,
    /// Signs and judges for this eNodeB.
    pub authority: Arc<dyn Authority>,
}

/// The files, read as far as they are needed.
pub struct Proofs<'a> {
    arguments: &'a Arguments,
    keys: PreSharedKeys,
    judge: Option<(Arc<Trust>, Arc<Validator>)>,
    /// That of the last eNodeB, with the files of certificate and key: the next one may have the same.
    last: Option<([PathBuf; 2], Arc<Local>)>,
}

impl<'a> Proofs<'a> {
    /// Reads what all have in common.
    ///
    /// # Errors
    /// Names the file.
    pub fn new(arguments: &'a Arguments) -> Result<Self, FileError> {
        let keys = match &arguments.psk_file {
            Some(path) => PreSharedKeys::shared(pre_shared(path)?),
            None => PreSharedKeys::default(),
        };
        let judge = arguments.ca.as_deref().map(judge).transpose()?;
        Ok(Self {
            arguments,
            keys,
            judge,
            last: None,
        })
    }

    /// Those of an eNodeB.
    ///
    /// # Errors
    /// Names the file.
    pub fn of(&mut self, number: u32) -> Result<Proof, FileError> {
        let (peer, validator) = match &self.judge {
            Some((trust, validator)) => {
                let peer = PeerProof::Certificate(Arc::clone(trust));
                (peer, Some(Arc::clone(validator)))
            }
            None => (PeerProof::PreSharedKey, None),
        };
        let (mut local, mut signer) = (LocalProof::PreSharedKey, None);
        if let Some(patterns) = &self.arguments.certificate {
            let files = patterns.each_ref().map(|p| numbered(p, number).into());
            let made = Signer {
                local: self.local(&files)?,
                accept: Accept::default(),
            };
            let credential = made.credential(GATEWAY).map_err(|source| {
                let [path, _] = files;
                FileError::Size { path, source }
            })?;
            (local, signer) = (LocalProof::Certificate(Arc::new(credential)), Some(made));
        }
        Ok(Proof {
            local,
            peer,
            keys: self.keys.clone(),
            authority: Arc::new(Certificates { signer, validator }),
        })
    }

    fn local(&mut self, files: &[PathBuf; 2]) -> Result<Arc<Local>, FileError> {
        let [certificate, key] = files;
        let private = match &self.last {
            Some((known, local)) if known == files => return Ok(Arc::clone(local)),
            Some(([_, known], local)) if known == key => local.key.clone(),
            _ => {
                let text = SecretBytes::new(read(key)?);
                PrivateKey::import(text.expose(), &Default::default()).map_err(|source| {
                    let path = key.clone();
                    FileError::Content { path, source }
                })?
            }
        };
        let local = Arc::new(Local {
            key: private,
            certificates: certificates(certificate)?,
        });
        if !(local.certificates.first()).is_some_and(|first| local.key.belongs_to(first)) {
            return Err(FileError::OtherKey {
                certificate: certificate.clone(),
                key: key.clone(),
            });
        }
        self.last = Some((files.clone(), Arc::clone(&local)));
        Ok(local)
    }
}

/// The authority of one eNodeB.
struct Certificates {
    signer: Option<Signer>,
    validator: Option<Arc<Validator>>,
}

impl Authority for Certificates {
    fn sign(&self, request: &SignRequest) -> Result<Signature, Denial> {
        let signer = self.signer.as_ref();
        signer
            .ok_or_else(|| Denial::new("there is no certificate"))?
            .sign(request)
    }

    fn verify(&self, request: &VerifyRequest) -> Result<(), Denial> {
        let validator = self.validator.as_ref();
        let validator = validator.ok_or_else(|| Denial::new("no CA is trusted"))?;
        let claim = Claim::read(request, validator)?;
        let path = claim.path(wall_clock());
        path.map_err(|error| Denial::new(&error.to_string()))?;
        claim.identity()?;
        claim.signature(Accept::default())
    }
}

fn wall_clock() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    WallTime(i64::try_from(seconds).unwrap_or(i64::MAX))
}

fn judge(path: &Path) -> Result<(Arc<Trust>, Arc<Validator>), FileError> {
    let profile = CaProfile {
        name: path.display().to_string(),
        anchors: certificates(path)?,
    };
    let validator = Validator::new(vec![profile], Policy::default());
    let trust = trust(GATEWAY, &validator, false).map_err(|source| {
        let path = path.to_owned();
        FileError::Size { path, source }
    })?;
    Ok((Arc::new(trust), Arc::new(validator)))
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, FileError> {
    Certificate::from_file(&read(path)?).map_err(|source| FileError::Content {
        path: path.to_owned(),
        source,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    std::fs::read(path).map_err(|source| FileError::Read {
        path: path.to_owned(),
        source,
    })
}

/// The key without the line's end.
fn pre_shared(path: &Path) -> Result<SecretBytes, FileError> {
    let mut key = SecretBytes::new(read(path)?);
    let line = key.expose().strip_suffix(b"\n").map(<[u8]>::to_vec);
    if let Some(line) = line {
        key = SecretBytes::new(line);
    }
    if key.is_empty() {
        return Err(FileError::Read {
            path: path.to_owned(),
            source: io::Error::new(io::ErrorKind::InvalidData, "holds no key"),
        });
    }
    Ok(key)
}
