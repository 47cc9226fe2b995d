//! Keys of the test CA: what OpenSSL makes, as rcgen takes it. Weak ones too, so they are no [`crate::PrivateKey`].

use std::fmt;
use std::str::FromStr;

use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Signer;
use rcgen::{
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData,
    SignatureAlgorithm, SigningKey,
};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::Error;

/// The kind of the keys of a hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA with so many bits.
    Rsa(u32),
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// Ed25519.
    Ed25519,
}

impl KeyKind {
    /// The kinds that the program offers.
    pub const ALL: [KeyKind; 6] = [
        KeyKind::Rsa(2048),
        KeyKind::Rsa(3072),
        KeyKind::Rsa(4096),
        KeyKind::P256,
        KeyKind::P384,
        KeyKind::Ed25519,
    ];
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyKind::Rsa(bits) => write!(f, "rsa-{bits}"),
            KeyKind::P256 => f.write_str("p256"),
            KeyKind::P384 => f.write_str("p384"),
            KeyKind::Ed25519 => f.write_str("ed25519"),
        }
    }
}

impl FromStr for KeyKind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut kinds = KeyKind::ALL.into_iter();
        kinds.find(|kind| kind.to_string() == text).ok_or(())
    }
}

/// A private key that signs certificates.
#[derive(Debug, Clone)]
pub(super) struct TestKey {
    kind: KeyKind,
    key: PKey<Private>,
    /// The content of the bit string of its SubjectPublicKeyInfo.
    public: Vec<u8>,
    /// By which certificates name it: SHA-1 of its SubjectPublicKeyInfo.
    pub identifier: Vec<u8>,
}

impl TestKey {
    pub fn generate(kind: KeyKind) -> Result<Self, Error> {
        let on = |nid| EcKey::generate(&*EcGroup::from_curve_name(nid)?);
        let key = match kind {
            KeyKind::Rsa(bits) => PKey::from_rsa(Rsa::generate(bits)?)?,
            KeyKind::P256 => PKey::from_ec_key(on(Nid::X9_62_PRIME256V1)?)?,
            KeyKind::P384 => PKey::from_ec_key(on(Nid::SECP384R1)?)?,
            KeyKind::Ed25519 => PKey::generate_ed25519()?,
        };
        let spki = key.public_key_to_der()?;
        let (_, parsed) =
            SubjectPublicKeyInfo::from_der(&spki).map_err(|_| crate::Error::KeyKind)?;
        let public = parsed.subject_public_key.data.to_vec();
        let identifier = ravelin_crypto::sha1(&[&spki]).map_err(crate::Error::from)?;
        Ok(Self {
            kind,
            key,
            public,
            identifier: identifier.to_vec(),
        })
    }

    pub fn into_openssl(self) -> PKey<Private> {
        self.key
    }

    /// A signature with SHA-1, which rcgen does not make.
    pub fn sign_sha1(&self, octets: &[u8]) -> Result<Vec<u8>, Error> {
        let mut signer = Signer::new(MessageDigest::sha1(), &self.key)?;
        Ok(signer.sign_oneshot_to_vec(octets)?)
    }
}

impl PublicKeyData for TestKey {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match self.kind {
            KeyKind::Rsa(_) => &PKCS_RSA_SHA256,
            KeyKind::P256 => &PKCS_ECDSA_P256_SHA256,
            KeyKind::P384 => &PKCS_ECDSA_P384_SHA384,
            KeyKind::Ed25519 => &PKCS_ED25519,
        }
    }
}

impl SigningKey for TestKey {
    fn sign(&self, octets: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signer = match self.kind {
            KeyKind::Rsa(_) | KeyKind::P256 => Signer::new(MessageDigest::sha256(), &self.key),
            KeyKind::P384 => Signer::new(MessageDigest::sha384(), &self.key),
            KeyKind::Ed25519 => Signer::new_without_digest(&self.key),
        };
        let signed = signer.and_then(|mut signer| signer.sign_oneshot_to_vec(octets));
        signed.map_err(|_| rcgen::Error::RemoteKeyError)
    }
}
