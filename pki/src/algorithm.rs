//! Kinds of keys, curves and hashes, and which of them are too weak.

use std::fmt;

use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKeyRef};

use crate::error::{Error, library};

/// Least bits of an RSA modulus: 112 bits of strength (NIST SP 800-57 part 1, table 2).
pub(crate) const MIN_RSA_BITS: u32 = 2048;
/// Most bits of an RSA modulus of ours: a larger one costs each IKE_AUTH tens of milliseconds.
pub(crate) const MAX_RSA_BITS: u32 = 4096;

/// A curve of RFC 4754.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Curve {
    /// secp256r1.
    P256,
    /// secp384r1.
    P384,
    /// secp521r1.
    P521,
}

impl Curve {
    /// The curve of an object identifier's content octets (RFC 5480 section 2.1.1.1). OpenSSL would have to rebuild the key to tell it.
    pub(crate) fn named(oid: &[u8]) -> Option<Self> {
        match oid {
            // 1.2.840.10045.3.1.7, 1.3.132.0.34 and 35.
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7] => Some(Curve::P256),
            [0x2b, 0x81, 4, 0, 34] => Some(Curve::P384),
            [0x2b, 0x81, 4, 0, 35] => Some(Curve::P521),
            _ => None,
        }
    }

    /// Octets of one of the two numbers of a signature, and of a coordinate.
    pub(crate) fn octets(self) -> usize {
        match self {
            Curve::P256 => 32,
            Curve::P384 => 48,
            Curve::P521 => 66,
        }
    }

    /// The hash that RFC 4754 pairs with the curve.
    pub(crate) fn hash(self) -> Hash {
        match self {
            Curve::P256 => Hash::Sha256,
            Curve::P384 => Hash::Sha384,
            Curve::P521 => Hash::Sha512,
        }
    }

    pub(crate) fn nid(self) -> Nid {
        match self {
            Curve::P256 => Nid::X9_62_PRIME256V1,
            Curve::P384 => Nid::SECP384R1,
            Curve::P521 => Nid::SECP521R1,
        }
    }
}

/// A kind of key with its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyAlgorithm {
    /// RSA (RFC 8017).
    Rsa {
        /// Bits of the modulus.
        bits: u32,
    },
    /// ECDSA on a named curve (RFC 5480).
    Ecdsa(Curve),
    /// Ed25519 (RFC 8410).
    Ed25519,
    /// Ed448 (RFC 8410).
    Ed448,
}

impl KeyAlgorithm {
    /// The kind of a key.
    ///
    /// # Errors
    /// [`Error::KeyKind`], [`Error::Library`].
    pub(crate) fn of<T: HasPublic>(key: &PKeyRef<T>) -> Result<Self, Error> {
        match key.id() {
            Id::RSA => Ok(KeyAlgorithm::Rsa { bits: key.bits() }),
            Id::ED25519 => Ok(KeyAlgorithm::Ed25519),
            Id::ED448 => Ok(KeyAlgorithm::Ed448),
            Id::EC => {
                let key = key.ec_key().map_err(library("EC key"))?;
                let name = key.group().curve_name();
                let curves = [Curve::P256, Curve::P384, Curve::P521];
                let curve = curves.into_iter().find(|c| Some(c.nid()) == name);
                curve.map(KeyAlgorithm::Ecdsa).ok_or(Error::KeyKind)
            }
            _ => Err(Error::KeyKind),
        }
    }

    /// Whether an attacker may be able to break it.
    pub fn is_weak(self) -> bool {
        matches!(self, KeyAlgorithm::Rsa { bits } if bits < MIN_RSA_BITS)
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyAlgorithm::Rsa { bits } => write!(f, "RSA {bits}"),
            KeyAlgorithm::Ecdsa(Curve::P256) => f.write_str("ECDSA P-256"),
            KeyAlgorithm::Ecdsa(Curve::P384) => f.write_str("ECDSA P-384"),
            KeyAlgorithm::Ecdsa(Curve::P521) => f.write_str("ECDSA P-521"),
            KeyAlgorithm::Ed25519 => f.write_str("Ed25519"),
            KeyAlgorithm::Ed448 => f.write_str("Ed448"),
        }
    }
}

/// A hash that is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hash {
    /// SHA-1: collisions are known, so it is refused unless the configuration says otherwise.
    Sha1,
    /// SHA2-256.
    Sha256,
    /// SHA2-384.
    Sha384,
    /// SHA2-512.
    Sha512,
}

impl Hash {
    /// Octets of the digest.
    pub(crate) fn octets(self) -> u8 {
        match self {
            Hash::Sha1 => 20,
            Hash::Sha256 => 32,
            Hash::Sha384 => 48,
            Hash::Sha512 => 64,
        }
    }

    pub(crate) fn digest(self) -> MessageDigest {
        match self {
            Hash::Sha1 => MessageDigest::sha1(),
            Hash::Sha256 => MessageDigest::sha256(),
            Hash::Sha384 => MessageDigest::sha384(),
            Hash::Sha512 => MessageDigest::sha512(),
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Hash::Sha1 => "SHA-1",
            Hash::Sha256 => "SHA2-256",
            Hash::Sha384 => "SHA2-384",
            Hash::Sha512 => "SHA2-512",
        })
    }
}
