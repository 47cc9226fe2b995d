//! How we prove who we are and how peers must: each direction by itself.
//!
//! RFC 7296 section 2.15: "There is no requirement that the initiator and responder sign with the same cryptographic algorithms.
//! The choice of cryptographic algorithms depends on the type of key each has."

use std::sync::Arc;

use crate::authority::Denial;
use crate::fragment::MAX_JOINED_OCTETS;
use crate::msg::cert::MAX_CERTIFICATES;
use crate::msg::certreq::AuthorityHash;

/// CAs that a certificate request names: more than networks have, and with 640 octets it leaves IKE_SA_INIT in one packet.
pub const MAX_AUTHORITIES: usize = 32;
/// Octets of a chain of ours. A quarter of [`MAX_JOINED_OCTETS`] is left for the rest of IKE_AUTH, so that what we send is what
/// another of us would take.
pub const MAX_CHAIN_OCTETS: usize = MAX_JOINED_OCTETS / 4 * 3;
/// Octets of the name of a credential or of a set of trusted CAs.
pub const MAX_NAME_OCTETS: usize = 255;

/// How we prove who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LocalProof {
    /// By the key that [`super::PreSharedKeys`] has for the peer.
    #[default]
    PreSharedKey,
    /// By a certificate and its key.
    Certificate(Arc<Credential>),
    /// Not at all for now, and why: peers are refused.
    Unable(Denial),
}

/// How peers must prove who they are; another method is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PeerProof {
    /// By the key that [`super::PreSharedKeys`] has for them.
    #[default]
    PreSharedKey,
    /// By a certificate and its key.
    Certificate(Arc<Trust>),
}

/// A certificate of ours, with what a peer needs to trust it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    name: String,
    chain: Vec<Vec<u8>>,
}

/// Whom we trust to say who a peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    name: String,
    authorities: Vec<AuthorityHash>,
    ocsp: bool,
}

/// Our configuration goes beyond what a message can carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// A name of a wrong length.
    #[error("a name has 1 to {MAX_NAME_OCTETS} octets, not {0}")]
    Name(usize),
    /// No certificate, or too many.
    #[error("credential {name}: a chain has 1 to {MAX_CERTIFICATES} certificates, not {count}")]
    ChainLength {
        /// The credential.
        name: String,
        /// Its certificates.
        count: usize,
    },
    /// A chain that is too long for IKE_AUTH.
    #[error("credential {name}: a chain has {MAX_CHAIN_OCTETS} octets at most, not {octets}")]
    ChainOctets {
        /// The credential.
        name: String,
        /// Octets of its certificates.
        octets: usize,
    },
    /// Too many CAs.
    #[error("trusted CAs {name}: {MAX_AUTHORITIES} at most, not {count}")]
    Authorities {
        /// The set.
        name: String,
        /// Its CAs.
        count: usize,
    },
}

fn named(name: &str) -> Result<String, ProofError> {
    if (1..=MAX_NAME_OCTETS).contains(&name.len()) {
        Ok(name.to_owned())
    } else {
        Err(ProofError::Name(name.len()))
    }
}

impl Credential {
    /// A credential that the authority knows by this name, and the certificates to send: in DER, the end entity first, without
    /// the root, which the peer must have anyway.
    pub fn new(name: &str, chain: Vec<Vec<u8>>) -> Result<Credential, ProofError> {
        let name = named(name)?;
        let octets: usize = chain.iter().map(Vec::len).sum();
        if !(1..=MAX_CERTIFICATES).contains(&chain.len()) {
            let count = chain.len();
            return Err(ProofError::ChainLength { name, count });
        }
        if octets > MAX_CHAIN_OCTETS {
            return Err(ProofError::ChainOctets { name, octets });
        }
        Ok(Credential { name, chain })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The certificates to send.
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }
}

impl Trust {
    /// CAs that the authority knows by this name, with the hashes of their public keys for certificate requests. With `ocsp` the
    /// peer is asked for an OCSP response about its certificate too (RFC 4806).
    pub fn new(
        name: &str,
        authorities: Vec<AuthorityHash>,
        ocsp: bool,
    ) -> Result<Trust, ProofError> {
        let name = named(name)?;
        if authorities.len() > MAX_AUTHORITIES {
            let count = authorities.len();
            return Err(ProofError::Authorities { name, count });
        }
        Ok(Trust {
            name,
            authorities,
            ocsp,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The hashes of the CAs.
    pub fn authorities(&self) -> &[AuthorityHash] {
        &self.authorities
    }

    /// Whether peers are asked for an OCSP response.
    pub fn ocsp(&self) -> bool {
        self.ocsp
    }
}

impl super::Gateway {
    /// Whether one of the two sides proves itself by a certificate.
    pub(crate) fn uses_certificates(&self) -> bool {
        self.local_proof != LocalProof::PreSharedKey || self.peer_proof != PeerProof::PreSharedKey
    }

    /// Whom we trust to say who the peer is.
    pub(crate) fn trust(&self) -> Option<&Arc<Trust>> {
        match &self.peer_proof {
            PeerProof::Certificate(trust) => Some(trust),
            PeerProof::PreSharedKey => None,
        }
    }
}

#[cfg(test)]
mod tests;
