//! Certificates for IKE: what they say, the keys that belong to them, and the signatures that are made with these keys.
//!
//! A library without I/O, its store excepted, and without a clock: octets and the time come in, values and octets go out. `ike` does not know of it; iked
//! carries certificates, signatures and verdicts between the two. What comes from peers is bounded and parsed strictly: DER without
//! anything behind it, no extension twice, nothing that two parsers (x509-parser and OpenSSL) do not both accept.
//!
//! | file | what | source |
//! |---|---|---|
//! | `algorithm.rs` | kinds of keys, curves, hashes; what is too weak | RFC 8247, NIST SP 800-57 |
//! | `certificate.rs` and below | a parsed certificate | RFC 5280, RFC 4945 |
//! | `name.rs` and below | distinguished names: text, comparison | RFC 4514, RFC 5280 7.1 |
//! | `key.rs` and below | private keys: generation, import, request of a certificate | RFC 5958, RFC 7292, RFC 2986 |
//! | `signature.rs` and below | the signature of an AUTH payload | RFC 7296 2.15, RFC 4754, RFC 7427, RFC 8420 |
//! | `path.rs` and below | the path of a certificate to a trusted CA | RFC 5280 6, RFC 4945 5.1 |
//! | `identity.rs` | whether a certificate speaks for an IKE identity | RFC 4945 3.1 |
//! | `revocation.rs` and below | revocation lists, and when to fetch them; OCSP | RFC 5280 5 and 6.3, RFC 6960, RFC 4806 |
//! | `expiry.rs` | which certificates end soon | |
//! | `store.rs` and below | all of it on disk | |
//! | `testca.rs` and below | the CA of the tests (feature `testca`) | |
//! | `time.rs` | wall-clock time as a value | |
//! | `der.rs` and below | writes and reads DER | X.690 |
#![forbid(unsafe_code)]

mod algorithm;
mod certificate;
mod der;
mod error;
mod expiry;
mod identity;
mod key;
mod name;
mod path;
mod revocation;
#[cfg(test)]
mod sample;
mod signature;
mod store;
#[cfg(feature = "testca")]
pub mod testca;
mod time;

pub use algorithm::{Curve, Hash, KeyAlgorithm};
pub use certificate::{AltName, Certificate, KeyUsage, MAX_CERTIFICATE_OCTETS, MAX_PEM_OCTETS};
pub use error::Error;
pub use expiry::{Expiry, expiring};
pub use identity::{DnPattern, IdentityError};
pub use key::{Bundle, MAX_KEY_OCTETS, PrivateKey, Request};
pub use name::{DistinguishedName, MAX_NAME_OCTETS};
pub use path::{
    ANY_USAGE, CaProfile, IPSEC_IKE, MAX_CHAIN, MAX_DEPTH, Path, PathError, Policy, Reason,
    Validator,
};
pub use revocation::cache::{AuthorityId, CrlCache, Fetch, MAX_AUTHORITIES};
pub use revocation::crl::{Crl, CrlError, MAX_CRL_OCTETS};
pub use revocation::ocsp::{MAX_OCSP_OCTETS, OcspError, OcspRequest, OcspResponse};
pub use revocation::{CheckMode, RevocationError, Source, Status, Unknown, check};
pub use signature::{
    Accept, AuthSignature, HASH_ALGORITHMS, MAX_SIGNATURE_OCTETS, Scheme, SignatureError,
};
pub use store::{Local, MAX_ENTRIES, Store, StoreError, TokenSecret};
pub use time::WallTime;
