//! The signature in an AUTH payload (RFC 7296 section 2.15): choosing a scheme, signing, verifying.
//!
//! | method | scheme | data |
//! |---|---|---|
//! | 1 | RSASSA-PKCS1-v1_5, with SHA-1 unless peers agree otherwise (RFC 7296) | signature |
//! | 9, 10, 11 | ECDSA with SHA2-256 on P-256, SHA2-384 on P-384, SHA2-512 on P-521 (RFC 4754) | r, s, each as long as the field |
//! | 14 | the one that an AlgorithmIdentifier names (RFC 7427, RFC 8420) | its length in one octet, identifier, signature |
//!
//! Method 14 is used when the peer has sent SIGNATURE_HASH_ALGORITHMS with a hash that our key can use. SHA-1 is neither made nor
//! accepted unless [`Accept`] says so (RFC 8247 section 3.2). Which octets are signed is `ike`'s concern.

mod identifier;
mod primitive;

use std::fmt;

use crate::algorithm::{Curve, Hash, KeyAlgorithm};
use crate::certificate::Certificate;
use crate::error::Error;
use crate::key::PrivateKey;

/// What we send in SIGNATURE_HASH_ALGORITHMS (RFC 7427 section 4): SHA2-256, SHA2-384, SHA2-512, Identity (RFC 8420).
pub const HASH_ALGORITHMS: [u16; 4] = [2, 3, 4, IDENTITY];
/// Octets of the data of an AUTH payload that are looked at: an identifier and a signature of RSA 8192.
pub const MAX_SIGNATURE_OCTETS: usize = 1 + u8::MAX as usize + 1024;

/// The key signs the octets themselves (RFC 8420 section 2).
const IDENTITY: u16 = 5;
/// RSA Digital Signature.
const METHOD_RSA: u8 = 1;
/// Digital Signature.
const METHOD_DIGITAL: u8 = 14;

/// How a signature is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Method 1.
    Rsa(Hash),
    /// Methods 9 to 11.
    Ecdsa(Curve),
    /// Method 14 with RSASSA-PKCS1-v1_5.
    DigitalRsaPkcs1(Hash),
    /// Method 14 with RSASSA-PSS: MGF1 with the same hash, a salt as long as the hash.
    DigitalRsaPss(Hash),
    /// Method 14 with ECDSA, the signature in DER.
    DigitalEcdsa(Hash),
    /// Method 14 with Ed25519.
    DigitalEd25519,
    /// Method 14 with Ed448.
    DigitalEd448,
}

/// What the configuration allows beyond the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accept {
    /// SHA-1, for peers that know nothing else.
    pub sha1: bool,
}

/// What an AUTH payload carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthSignature {
    /// The authentication method.
    pub method: u8,
    /// The authentication data.
    pub data: Vec<u8>,
}

/// Why there is no signature, or why one is refused. `NoScheme` is a disagreement of both configurations, `Key` and `Library` are our
/// resources, everything else is the peer's doing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Our key cannot make what the peer takes.
    #[error(
        "our key of {key} makes no signature that the peer takes: it {}",
        offer(.offered.as_deref())
    )]
    NoScheme {
        /// Our key.
        key: KeyAlgorithm,
        /// What the peer sent in SIGNATURE_HASH_ALGORITHMS.
        offered: Option<Vec<u16>>,
    },
    /// A method that is no signature.
    #[error("authentication method {0} is no signature of RFC 7296, RFC 4754 or RFC 7427")]
    Method(u8),
    /// The data of method 14 ends too early, or is too long.
    #[error("authentication data of {octets} octets is no signature with its algorithm")]
    Length {
        /// Octets received.
        octets: usize,
    },
    /// An AlgorithmIdentifier that is not known, or that has other parameters than it must have.
    #[error("signature algorithm {0} is not supported or has other parameters than it must have")]
    Identifier(String),
    /// The peer's certificate has a key of another kind.
    #[error("{scheme} cannot be made by the key of {key} of the peer's certificate")]
    KeyMismatch {
        /// What the signature claims to be.
        scheme: Scheme,
        /// The key of the certificate.
        key: KeyAlgorithm,
    },
    /// The configuration does not allow SHA-1.
    #[error("{0} is refused, since SHA-1 is not allowed")]
    Sha1(Scheme),
    /// The signature is not of this key over these octets.
    #[error("{scheme} does not verify with the key of {key} of the peer's certificate")]
    Wrong {
        /// What the signature claims to be.
        scheme: Scheme,
        /// The key of the certificate.
        key: KeyAlgorithm,
    },
    /// OpenSSL failed.
    #[error(transparent)]
    Library(#[from] Error),
}

impl Scheme {
    /// The scheme for our key with a peer that has sent `offered` in SIGNATURE_HASH_ALGORITHMS, or has not sent it.
    ///
    /// RSA signs with PSS, which RFC 8247 section 3.2 demands of everybody who takes method 14.
    ///
    /// # Errors
    /// [`SignatureError::NoScheme`].
    pub fn choose(
        key: &PrivateKey,
        offered: Option<&[u16]>,
        accept: Accept,
    ) -> Result<Self, SignatureError> {
        let takes = |number: u16| offered.is_some_and(|list| list.contains(&number));
        let hash = |first: Hash| {
            let in_turn = [first, Hash::Sha256, Hash::Sha384, Hash::Sha512];
            in_turn.into_iter().find(|hash| takes(number(*hash)))
        };
        let scheme = match key.algorithm() {
            KeyAlgorithm::Rsa { .. } => {
                let old = || accept.sha1.then_some(Scheme::Rsa(Hash::Sha1));
                hash(Hash::Sha256).map(Scheme::DigitalRsaPss).or_else(old)
            }
            KeyAlgorithm::Ecdsa(curve) => {
                let digital = hash(curve.hash()).map(Scheme::DigitalEcdsa);
                digital.or(Some(Scheme::Ecdsa(curve)))
            }
            KeyAlgorithm::Ed25519 => takes(IDENTITY).then_some(Scheme::DigitalEd25519),
            KeyAlgorithm::Ed448 => takes(IDENTITY).then_some(Scheme::DigitalEd448),
        };
        scheme.ok_or_else(|| SignatureError::NoScheme {
            key: key.algorithm(),
            offered: offered.map(<[u16]>::to_vec),
        })
    }

    /// The authentication method.
    pub fn method(self) -> u8 {
        match self {
            Scheme::Rsa(_) => METHOD_RSA,
            Scheme::Ecdsa(Curve::P256) => 9,
            Scheme::Ecdsa(Curve::P384) => 10,
            Scheme::Ecdsa(Curve::P521) => 11,
            _ => METHOD_DIGITAL,
        }
    }

    /// The hash that is signed; `None` for schemes that hash by themselves.
    pub(crate) fn hash(self) -> Option<Hash> {
        match self {
            Scheme::Rsa(hash)
            | Scheme::DigitalRsaPkcs1(hash)
            | Scheme::DigitalRsaPss(hash)
            | Scheme::DigitalEcdsa(hash) => Some(hash),
            Scheme::Ecdsa(curve) => Some(curve.hash()),
            Scheme::DigitalEd25519 | Scheme::DigitalEd448 => None,
        }
    }

    /// Whether a key of this kind makes it.
    fn fits(self, key: KeyAlgorithm) -> bool {
        match self {
            Scheme::Rsa(_) | Scheme::DigitalRsaPkcs1(_) | Scheme::DigitalRsaPss(_) => {
                matches!(key, KeyAlgorithm::Rsa { .. })
            }
            Scheme::Ecdsa(curve) => key == KeyAlgorithm::Ecdsa(curve),
            Scheme::DigitalEcdsa(_) => matches!(key, KeyAlgorithm::Ecdsa(_)),
            Scheme::DigitalEd25519 => key == KeyAlgorithm::Ed25519,
            Scheme::DigitalEd448 => key == KeyAlgorithm::Ed448,
        }
    }
}

impl AuthSignature {
    /// Signs `octets`.
    ///
    /// # Errors
    /// [`SignatureError::KeyMismatch`] when the scheme was chosen for another key, [`SignatureError::Library`].
    pub fn sign(key: &PrivateKey, scheme: Scheme, octets: &[u8]) -> Result<Self, SignatureError> {
        if !scheme.fits(key.algorithm()) {
            let key = key.algorithm();
            return Err(SignatureError::KeyMismatch { scheme, key });
        }
        let signature = primitive::sign(key.openssl(), scheme, octets)?;
        let mut data = vec![];
        if let Some(identifier) = identifier::encode(scheme) {
            // The longest one has 72 octets.
            data.push(identifier.len() as u8);
            data.extend_from_slice(&identifier);
        }
        data.extend_from_slice(&signature);
        Ok(Self {
            method: scheme.method(),
            data,
        })
    }

    /// Verifies the signature over `octets` with the key of a certificate, and tells how it was made. Whether the certificate is to
    /// be trusted is another question.
    ///
    /// # Errors
    /// Everything but [`SignatureError::NoScheme`].
    pub fn verify(
        &self,
        certificate: &Certificate,
        octets: &[u8],
        accept: Accept,
    ) -> Result<Scheme, SignatureError> {
        let length = SignatureError::Length {
            octets: self.data.len(),
        };
        if self.data.len() > MAX_SIGNATURE_OCTETS {
            return Err(length);
        }
        let (schemes, signature): (&[Scheme], &[u8]) = match self.method {
            METHOD_RSA => (METHOD_1, &self.data),
            9 => (&[Scheme::Ecdsa(Curve::P256)], &self.data),
            10 => (&[Scheme::Ecdsa(Curve::P384)], &self.data),
            11 => (&[Scheme::Ecdsa(Curve::P521)], &self.data),
            METHOD_DIGITAL => {
                let (count, rest) = self.data.split_first().ok_or_else(|| length.clone())?;
                let parts = rest.split_at_checked(usize::from(*count));
                let (identifier, signature) = parts.ok_or(length)?;
                let scheme = identifier::parse(identifier).ok_or_else(|| {
                    let hex = identifier.iter().map(|o| format!("{o:02x}")).collect();
                    SignatureError::Identifier(hex)
                })?;
                (&[scheme], signature)
            }
            other => return Err(SignatureError::Method(other)),
        };
        let key = certificate.key_algorithm();
        let mut refused = SignatureError::Method(self.method);
        for &scheme in schemes {
            if !scheme.fits(key) {
                return Err(SignatureError::KeyMismatch { scheme, key });
            }
            if primitive::verify(certificate.public_key(), scheme, octets, signature)? {
                if scheme.hash() == Some(Hash::Sha1) && !accept.sha1 {
                    return Err(SignatureError::Sha1(scheme));
                }
                return Ok(scheme);
            }
            refused = SignatureError::Wrong { scheme, key };
        }
        Err(refused)
    }
}

/// The scheme of an AlgorithmIdentifier, which OCSP answers name in the same way as method 14.
pub(crate) fn scheme(identifier: &[u8]) -> Option<Scheme> {
    identifier::parse(identifier)
}

/// Whether the key of a certificate has made a signature.
pub(crate) fn verify(
    certificate: &Certificate,
    scheme: Scheme,
    octets: &[u8],
    signature: &[u8],
) -> Result<bool, Error> {
    Ok(scheme.fits(certificate.key_algorithm())
        && primitive::verify(certificate.public_key(), scheme, octets, signature)?)
}

/// The signature itself says which hash was taken; the one that peers take by default is last, so that a failure names it.
const METHOD_1: &[Scheme] = &[
    Scheme::Rsa(Hash::Sha256),
    Scheme::Rsa(Hash::Sha384),
    Scheme::Rsa(Hash::Sha512),
    Scheme::Rsa(Hash::Sha1),
];

/// The number of a hash in SIGNATURE_HASH_ALGORITHMS (RFC 7427 section 7).
fn number(hash: Hash) -> u16 {
    match hash {
        Hash::Sha1 => 1,
        Hash::Sha256 => 2,
        Hash::Sha384 => 3,
        Hash::Sha512 => 4,
    }
}

fn offer(offered: Option<&[u16]>) -> String {
    match offered {
        None => "sent no SIGNATURE_HASH_ALGORITHMS".to_owned(),
        Some([]) => "sent empty SIGNATURE_HASH_ALGORITHMS".to_owned(),
        Some(list) => {
            let names = list.iter().map(|number| match number {
                1 => "SHA-1".to_owned(),
                2 => "SHA2-256".to_owned(),
                3 => "SHA2-384".to_owned(),
                4 => "SHA2-512".to_owned(),
                5 => "Identity".to_owned(),
                other => other.to_string(),
            });
            format!("takes {}", names.collect::<Vec<_>>().join(", "))
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scheme::Rsa(hash) => write!(f, "RSA signature with {hash}"),
            Scheme::Ecdsa(Curve::P256) => f.write_str("ECDSA-256"),
            Scheme::Ecdsa(Curve::P384) => f.write_str("ECDSA-384"),
            Scheme::Ecdsa(Curve::P521) => f.write_str("ECDSA-521"),
            Scheme::DigitalRsaPkcs1(hash) => write!(f, "RSASSA-PKCS1-v1_5 with {hash}"),
            Scheme::DigitalRsaPss(hash) => write!(f, "RSASSA-PSS with {hash}"),
            Scheme::DigitalEcdsa(hash) => write!(f, "ECDSA with {hash}"),
            Scheme::DigitalEd25519 => f.write_str("Ed25519"),
            Scheme::DigitalEd448 => f.write_str("Ed448"),
        }
    }
}

#[cfg(test)]
mod tests;
