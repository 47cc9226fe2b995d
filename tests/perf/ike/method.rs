//! How both sides prove who they are, with certificates of the test CA that both responders have.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ravelin_pki::testca::{Contents, Hierarchy, KeyKind};
use ravelin_pki::{CaProfile, Certificate, Local, PrivateKey, Store, WallTime};

use crate::Failure;
use crate::stage::{GATEWAY_ID, SUFFIX};

/// In iked's store: our certificate, and the CA.
pub const LOCAL: &str = "gateway";
pub const TRUSTED: &str = "root";

/// What proves an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Psk,
    /// ECDSA on P-256.
    Ecdsa,
    /// RSA with 2048 bits.
    Rsa,
}

/// The files of a method: below a folder on tmpfs as `ravelin-testca` writes them. The path of each eNodeB has an intermediate CA, which
/// the eNodeB sends, and the root; the eNodeBs have a certificate each and one key, since thousands of keys would take minutes.
pub struct Credentials {
    pub method: Method,
    folder: PathBuf,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Psk => "psk",
            Method::Ecdsa => "ecdsa",
            Method::Rsa => "rsa",
        })
    }
}

impl Credentials {
    /// Makes certificates of so many eNodeBs, for a method that has any.
    pub fn make(method: Method, folder: PathBuf, enbs: u32) -> Result<Self, Failure> {
        let kind = match method {
            Method::Psk => None,
            Method::Ecdsa => Some(KeyKind::P256),
            Method::Rsa => Some(KeyKind::Rsa(2048)),
        };
        if let Some(kind) = kind {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = WallTime(now.map_or(0, |since| since.as_secs()) as i64);
            let contents = Contents {
                gateways: 1,
                fleet: enbs,
                ..Contents::default()
            };
            Hierarchy::new(kind, now, SUFFIX)?.write(&folder, &contents)?;
        }
        Ok(Self { method, folder })
    }

    /// A file.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes the store of iked.
    pub fn store(&self, folder: &Path) -> Result<(), Failure> {
        let read = |name: &str| {
            let path = self.file(name);
            std::fs::read(&path).map_err(|error| Failure::file(&path, error))
        };
        let store = Store::open(folder)?;
        let own = Local {
            key: PrivateKey::import(
                &read(&format!("{}.key", self.gateway()))?,
                &Default::default(),
            )?,
            certificates: Certificate::from_file(&read(&format!("{}.pem", self.gateway()))?)?,
        };
        store.save_local(LOCAL, &own)?;
        let anchors = Certificate::from_file(&read("root.pem")?)?;
        let name = TRUSTED.to_owned();
        Ok(store.save_profile(&CaProfile { name, anchors })?)
    }

    /// Name of the gateway's files.
    pub fn gateway(&self) -> &'static str {
        GATEWAY_ID.split('.').next().unwrap_or(GATEWAY_ID)
    }
}
