//! Private keys of ours: generation, strength, export. Import is in `import.rs`, the request of a certificate in `request.rs`.
//!
//! A key is held by OpenSSL, which wipes it when it is dropped; octets of it leave only as [`Secret`].

mod import;
mod request;

use std::fmt;

use openssl::ec::{EcGroup, EcKey};
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use ravelin_crypto::Secret;

use crate::algorithm::{KeyAlgorithm, MAX_RSA_BITS, MIN_RSA_BITS};
use crate::certificate::Certificate;
use crate::error::{Error, library};

pub use import::{Bundle, MAX_KEY_OCTETS};
pub use request::Request;

/// A private key that is strong enough and consistent. `Debug` shows its kind only.
#[derive(Clone)]
pub struct PrivateKey {
    key: PKey<Private>,
    algorithm: KeyAlgorithm,
}

impl PrivateKey {
    /// A fresh key. RSA of 4096 bits takes up to some seconds.
    ///
    /// # Errors
    /// [`Error::KeyStrength`], [`Error::Library`].
    pub fn generate(algorithm: KeyAlgorithm) -> Result<Self, Error> {
        let failed = || library("key generation");
        let key = match algorithm {
            KeyAlgorithm::Rsa { bits } => {
                strong(algorithm)?;
                let key = Rsa::generate(bits).map_err(failed())?;
                PKey::from_rsa(key).map_err(failed())?
            }
            KeyAlgorithm::Ecdsa(curve) => {
                let group = EcGroup::from_curve_name(curve.nid()).map_err(failed())?;
                let key = EcKey::generate(&group).map_err(failed())?;
                PKey::from_ec_key(key).map_err(failed())?
            }
            KeyAlgorithm::Ed25519 => PKey::generate_ed25519().map_err(failed())?,
            KeyAlgorithm::Ed448 => PKey::generate_ed448().map_err(failed())?,
        };
        Ok(Self { key, algorithm })
    }

    /// Takes a key that came from outside, if it is of a known kind, strong enough, and its parts belong together.
    fn checked(key: PKey<Private>) -> Result<Self, Error> {
        let algorithm = KeyAlgorithm::of(&key)?;
        strong(algorithm)?;
        let consistent = match algorithm {
            KeyAlgorithm::Rsa { .. } => key.rsa().and_then(|rsa| rsa.check_key()),
            KeyAlgorithm::Ecdsa(_) => key.ec_key().and_then(|ec| ec.check_key()).map(|()| true),
            // The public key is computed from the private one.
            KeyAlgorithm::Ed25519 | KeyAlgorithm::Ed448 => Ok(true),
        };
        if !consistent.unwrap_or(false) {
            return Err(Error::KeyInconsistent(algorithm));
        }
        Ok(Self { key, algorithm })
    }

    /// Its kind.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// Whether the certificate has the public key of this private key.
    pub fn belongs_to(&self, certificate: &Certificate) -> bool {
        self.key.public_eq(certificate.public_key())
    }

    /// PKCS#8 in PEM without encryption (RFC 5958, RFC 7468), for a file that only its owner reads.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn to_pem(&self) -> Result<Secret, Error> {
        let pem = self.key.private_key_to_pem_pkcs8();
        Ok(Secret::new(pem.map_err(library("PKCS#8"))?))
    }

    pub(crate) fn openssl(&self) -> &PKey<Private> {
        &self.key
    }
}

/// Refuses RSA of too few or too many bits.
fn strong(algorithm: KeyAlgorithm) -> Result<(), Error> {
    match algorithm {
        KeyAlgorithm::Rsa { bits } if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) => {
            Err(Error::KeyStrength(algorithm))
        }
        _ => Ok(()),
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.algorithm)
    }
}

#[cfg(test)]
mod tests;
