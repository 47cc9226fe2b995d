//! Who signs for us and judges certificates: the daemon's side of authentication by certificates (RFC 7296 section 2.15).
//!
//! The endpoint says which octets are signed and what came; what keys, certificates and signatures are is not known here.

use crate::msg::id::Id;

/// Hash algorithms of signatures that an [`Authority`] verifies, for SIGNATURE_HASH_ALGORITHMS (RFC 7427 section 4): SHA2-256,
/// SHA2-384, SHA2-512 (RFC 8247 section 3.2: SHA-1 no more) and Identity (RFC 8420 section 2).
pub const HASH_ALGORITHMS: [u16; 4] = [2, 3, 4, 5];

/// Octets of an OCSP response that goes beside our certificates: one answer and the certificate of its responder.
pub const MAX_STAPLED_OCTETS: usize = 4096;

/// A signature to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignRequest {
    /// Whose key: the name of a [`crate::config::Credential`].
    pub credential: String,
    /// What the peer has sent in SIGNATURE_HASH_ALGORITHMS. RFC 7427 section 4: method 14 is only for one that sent it, with a hash
    /// that it named.
    pub peer_hashes: Option<Vec<u16>>,
    /// The peer wants an OCSP response about our certificate (RFC 4806 section 3.1).
    pub ocsp: bool,
    /// What is signed; RFC 7427 section 3: the same octets whatever the method.
    pub octets: Vec<u8>,
}

/// A proof of a peer to be judged: the path of its certificate, whether that speaks for the identity, and the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyRequest {
    /// Whom to trust: the name of a [`crate::config::Trust`].
    pub trust: String,
    /// The identity as its payload had it.
    pub identity: Id,
    /// In DER, 1 to [`crate::msg::cert::MAX_CERTIFICATES`], as sent. RFC 7296 section 3.6: "the first certificate MUST contain
    /// the public key associated with the private key used to sign the AUTH payload", the others come in any order.
    pub certificates: Vec<Vec<u8>>,
    /// The first OCSP response that came along (RFC 4806).
    pub ocsp: Option<Vec<u8>>,
    /// The authentication method: 1, 9, 10, 11 or 14.
    pub method: u8,
    /// The authentication data.
    pub signature: Vec<u8>,
    /// What must have been signed.
    pub octets: Vec<u8>,
}

/// What an AUTH payload carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The authentication method.
    pub method: u8,
    /// The authentication data.
    pub data: Vec<u8>,
    /// The OCSP response that was wanted, in DER, if there is one; one that is longer than [`MAX_STAPLED_OCTETS`] is not sent.
    pub ocsp: Option<Vec<u8>>,
}

/// Characters of a [`Denial`]: a distinguished name or two and what is wrong with them.
pub const MAX_DENIAL_CHARS: usize = 512;

/// Why an authority does not sign, or whom it does not trust: one line for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Denial(String);

impl Denial {
    /// What the peer's certificate says may be part of the text: control characters become question marks, and it is cut at
    /// [`MAX_DENIAL_CHARS`].
    pub fn new(text: &str) -> Denial {
        let shown = |c: char| if c.is_control() { '?' } else { c };
        Denial(text.chars().take(MAX_DENIAL_CHARS).map(shown).collect())
    }
}

/// Signs and verifies, on any thread.
pub trait Authority: Send + Sync {
    /// Signs with a key of ours. An error is our fault, or no method is common with the peer.
    fn sign(&self, request: &SignRequest) -> Result<Signature, Denial>;

    /// Judges a peer's proof. An error is the peer's fault, or what is needed to judge is missing here.
    fn verify(&self, request: &VerifyRequest) -> Result<(), Denial>;
}

/// An authority without keys, for those who use pre-shared keys only.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAuthority;

impl Authority for NoAuthority {
    fn sign(&self, request: &SignRequest) -> Result<Signature, Denial> {
        let name = &request.credential;
        Err(Denial::new(&format!("there is no certificate {name}")))
    }

    fn verify(&self, request: &VerifyRequest) -> Result<(), Denial> {
        let name = &request.trust;
        Err(Denial::new(&format!("there are no trusted CAs {name}")))
    }
}

#[cfg(test)]
mod tests;
