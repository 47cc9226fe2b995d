//! Certificates and keys: what operators order and see.
//!
//! Files are read by the CLI with the rights of the operator; iked judges their octets.

use ravelin_types::{Identity, SecretBytes};
use serde::{Deserialize, Serialize};

/// Octets of a file that travel: the largest revocation list that is taken.
pub const MAX_FILE_OCTETS: usize = 8 << 20;
/// Octets of a list of pre-shared keys: 131,072 lines of 96.
pub const MAX_KEYS_OCTETS: usize = 12 << 20;
/// Certificates in one answer.
pub const MAX_SHOWN_CERTIFICATES: usize = 1_000;

/// A question or an order about certificates, for iked. `name` is a certificate id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum PkiOrder {
    /// Make a key pair; answered by [`PkiReply::Generated`].
    Generate {
        /// No key may have it.
        name: String,
        /// Of this kind.
        kind: KeyKind,
    },
    /// Ask a CA for a certificate of a key; answered by [`PkiReply::Request`].
    Request {
        /// Which key.
        name: String,
        /// Distinguished name as text (RFC 4514).
        subject: String,
        /// Alternative names.
        names: Vec<Identity>,
    },
    /// Take a certificate; answered by [`PkiReply::Loaded`] or [`PkiReply::PassphraseWanted`].
    LoadLocal {
        /// Its name here.
        name: String,
        /// Certificate, with the CAs above it and with its key or without (PEM, DER, PKCS#12).
        file: SecretBytes,
        /// The key, when it is in another file.
        key: Option<SecretBytes>,
        /// Opens what is encrypted.
        passphrase: SecretBytes,
    },
    /// Trust the CAs of a file (PEM, DER); answered by [`PkiReply::Loaded`].
    LoadCa {
        /// CA profile.
        profile: String,
        /// The file.
        file: Vec<u8>,
    },
    /// Take a revocation list (PEM, DER); answered by [`PkiReply::Loaded`].
    LoadList {
        /// CA profile whose list it is.
        profile: String,
        /// The file.
        file: Vec<u8>,
    },
    /// Take a list of pre-shared keys; answered by [`PkiReply::Loaded`].
    LoadKeys {
        /// Its name here.
        name: String,
        /// Identities with their keys, one pair a line.
        file: SecretBytes,
    },
    /// Delete something; answered by [`PkiReply::Cleared`].
    Clear(PkiObject, String),
    /// Answered by [`PkiReply::Locals`].
    ShowLocals,
    /// Answered by [`PkiReply::Authorities`].
    ShowAuthorities,
    /// Answered by [`PkiReply::Lists`].
    ShowLists,
    /// Answered by [`PkiReply::KeyLists`].
    ShowKeys,
}

impl PkiOrder {
    /// Whether it only asks.
    pub fn is_question(&self) -> bool {
        matches!(
            self,
            PkiOrder::ShowLocals
                | PkiOrder::ShowAuthorities
                | PkiOrder::ShowLists
                | PkiOrder::ShowKeys
        )
    }

    /// What is ordered, for the log.
    pub fn summary(&self) -> String {
        match self {
            PkiOrder::Generate { name, .. } => format!("generate key pair {name}"),
            PkiOrder::Request { name, .. } => format!("request a certificate for {name}"),
            PkiOrder::LoadLocal { name, .. } => format!("load local certificate {name}"),
            PkiOrder::LoadCa { profile, .. } => format!("load CA certificate {profile}"),
            PkiOrder::LoadList { profile, .. } => format!("load revocation list of {profile}"),
            PkiOrder::LoadKeys { name, .. } => format!("load pre-shared keys {name}"),
            PkiOrder::Clear(object, name) => format!("clear {} {name}", object.name()),
            PkiOrder::ShowLocals => "show local certificates".to_owned(),
            PkiOrder::ShowAuthorities => "show CA certificates".to_owned(),
            PkiOrder::ShowLists => "show revocation lists".to_owned(),
            PkiOrder::ShowKeys => "show lists of pre-shared keys".to_owned(),
        }
    }
}

/// What can be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PkiObject {
    /// A private key with its certificate.
    KeyPair,
    /// A certificate; its key stays.
    LocalCertificate,
    /// A CA profile's certificates.
    CaCertificate,
    /// The revocation lists of a CA profile's certificates.
    List,
    /// A list of pre-shared keys.
    Keys,
}

impl PkiObject {
    /// As messages have it.
    pub fn name(self) -> &'static str {
        match self {
            PkiObject::KeyPair => "key pair",
            PkiObject::LocalCertificate => "local certificate",
            PkiObject::CaCertificate => "CA certificate",
            PkiObject::List => "revocation list",
            PkiObject::Keys => "list of pre-shared keys",
        }
    }
}

/// A kind of key to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyKind {
    /// RSA with a modulus of so many bits.
    Rsa(u32),
    /// ECDSA on the NIST curve of so many bits.
    Ecdsa(u32),
    /// Ed25519.
    Ed25519,
    /// Ed448.
    Ed448,
}

/// iked's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PkiReply {
    /// The key is kept.
    Generated {
        /// Its name.
        name: String,
        /// Its kind.
        key: String,
    },
    /// A request to be sent to a CA.
    Request {
        /// PKCS#10 in PEM.
        pem: String,
    },
    /// It is kept and in force.
    Loaded {
        /// What came of it.
        what: PkiObject,
        /// Under which name.
        name: String,
        /// Subjects of the certificates, or of the CA of the list; how many keys.
        subjects: Vec<String>,
    },
    /// The file is encrypted, and no passphrase was given.
    PassphraseWanted,
    /// So many are deleted.
    Cleared(PkiObject, u64),
    /// Local certificates by name.
    Locals {
        /// The first of them.
        list: Vec<LocalCertificate>,
        /// How many more there are.
        left_out: u64,
    },
    /// Trusted CAs by profile.
    Authorities {
        /// The first of them.
        list: Vec<CaCertificate>,
        /// How many more there are.
        left_out: u64,
    },
    /// What is known of revoked certificates.
    Lists(Vec<RevocationList>),
    /// Lists of pre-shared keys: the name, and how many there are.
    KeyLists(Vec<(String, u64)>),
}

/// A key of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalCertificate {
    /// Certificate id.
    pub name: String,
    /// Kind of the private key.
    pub key: String,
    /// Its certificate, once there is one.
    pub certificate: Option<CertificateInfo>,
    /// Whether the certificate is one of this key.
    pub key_match: bool,
    /// Subjects of the CAs that are sent along.
    pub chain: Vec<String>,
}

/// A CA that is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaCertificate {
    /// CA profile.
    pub profile: String,
    /// One of its certificates.
    pub certificate: CertificateInfo,
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateInfo {
    /// Whom it is for.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Serial number in hexadecimal.
    pub serial: String,
    /// Alternative names.
    pub names: Vec<String>,
    /// First second of its validity (RFC 3339).
    pub not_before: String,
    /// Last second of its validity.
    pub not_after: String,
    /// Whole days until then, negative when it is past.
    pub days_left: i64,
    /// Kind of its key.
    pub key: String,
    /// SHA-1 of its DER in hexadecimal, as other tools show it; it protects nothing.
    pub sha1: String,
    /// SHA-256 of its DER in hexadecimal.
    pub sha256: String,
}

/// A CA whose revocation list is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationList {
    /// Subject of the CA.
    pub authority: String,
    /// CA profiles that have it; none when it was learnt from a peer's chain.
    pub profiles: Vec<String>,
    /// Its list, when there is one.
    pub list: Option<ListInfo>,
    /// URL and reason, when the last attempt to fetch it has failed.
    pub failure: Option<String>,
}

/// A revocation list in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListInfo {
    /// When it was made (RFC 3339).
    pub this_update: String,
    /// When the next one comes at the latest.
    pub next_update: String,
    /// Whether that is past.
    pub stale: bool,
    /// Certificates that it revokes.
    pub revoked: u64,
}
