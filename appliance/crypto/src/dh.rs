//! Key exchange: an ephemeral private value, its public value, and the agreement with a validated peer value.
//!
//! A Diffie-Hellman group treats both sides alike. With a key encapsulation mechanism the initiator has the key pair and the responder
//! answers with a ciphertext ([`DhPrivate::answer`]), so the two values differ in length.
//!
//! Every peer value is checked as RFC 6989 demands before it meets our private value, because `ike` may be asked to reuse an
//! ephemeral within one exchange. Public values have exactly the length of their group; a shorter one is refused, not padded.

mod ecp;
mod kem;
mod modp;
mod montgomery;

use std::fmt;

use ravelin_types::{DhGroup, DhKind};

use crate::error::Error;
use crate::secret::Secret;

/// An ephemeral private value and its public value. Zeroized on drop; `Debug` shows the group only.
#[derive(Clone)]
pub struct DhPrivate {
    group: DhGroup,
    private: Secret,
    public: Vec<u8>,
}

impl DhPrivate {
    /// A fresh key pair with OpenSSL's randomness. Costs one exponentiation or scalar multiplication.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn generate(group: DhGroup) -> Result<Self, Error> {
        let (private, public) = match group.kind() {
            DhKind::Modp { .. } => modp::generate(group),
            DhKind::Ecp { .. } => ecp::generate(group),
            DhKind::Montgomery { .. } => montgomery::generate(group),
            DhKind::Kem { .. } => kem::generate(group),
        }?;
        Ok(Self {
            group,
            private,
            public,
        })
    }

    /// The key pair of a given private value (big-endian; for Curve25519 and Curve448 the octets of RFC 7748; for ML-KEM the seed
    /// `d | z` of FIPS 203): known-answer tests and tests in virtual time.
    ///
    /// # Errors
    /// [`Error::PrivateInvalid`] when the value is outside `1 < x < order`.
    pub fn from_private(group: DhGroup, private: &[u8]) -> Result<Self, Error> {
        let public = match group.kind() {
            DhKind::Modp { .. } => modp::public_of(group, private),
            DhKind::Ecp { .. } => ecp::public_of(group, private),
            DhKind::Montgomery { .. } => montgomery::public_of(group, private),
            DhKind::Kem { .. } => kem::public_of(group, private),
        }?;
        Ok(Self {
            group,
            private: Secret::from_slice(private),
            public,
        })
    }

    /// The group.
    pub fn group(&self) -> DhGroup {
        self.group
    }

    /// Our public value as the KE payload carries it.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The responder's side at once: its value for the payload KE and the shared secret, from the initiator's value. Costs up to two
    /// exponentiations or scalar multiplications, or an encapsulation.
    ///
    /// # Errors
    /// [`Error::PeerPublicLength`], [`Error::PeerPublicInvalid`], [`Error::PeerResult`]: the peer's value is refused.
    /// [`Error::Library`].
    pub fn answer(group: DhGroup, peer_public: &[u8]) -> Result<(Vec<u8>, Secret), Error> {
        check_length(group, peer_public, group.public_octets())?;
        match group.kind() {
            DhKind::Kem { .. } => kem::encapsulate(group, peer_public),
            DhKind::Montgomery { .. } => montgomery::answer(group, peer_public),
            DhKind::Modp { .. } | DhKind::Ecp { .. } => {
                let ours = Self::generate(group)?;
                let shared = ours.agree(peer_public)?;
                Ok((ours.public, shared))
            }
        }
    }

    /// The shared secret, [`DhGroup::shared_octets`] long, from the responder's value. Costs one exponentiation, scalar multiplication or
    /// decapsulation.
    ///
    /// # Errors
    /// [`Error::PeerPublicLength`], [`Error::PeerPublicInvalid`], [`Error::PeerResult`]: the peer's value is refused.
    /// [`Error::Library`].
    pub fn agree(&self, peer_public: &[u8]) -> Result<Secret, Error> {
        check_length(self.group, peer_public, self.group.answer_octets())?;
        match self.group.kind() {
            DhKind::Modp { .. } => modp::agree(self.group, &self.private, peer_public),
            DhKind::Ecp { .. } => ecp::agree(self.group, &self.private, &self.public, peer_public),
            DhKind::Montgomery { .. } => montgomery::agree(self.group, &self.private, peer_public),
            DhKind::Kem { .. } => kem::decapsulate(self.group, &self.private, peer_public),
        }
    }

    /// Form for the journal: group id (2 octets, big-endian) | public value (its fixed length) | private value.
    pub fn to_bytes(&self) -> Secret {
        let mut out = Vec::with_capacity(2 + self.public.len() + self.private.len());
        out.extend_from_slice(&self.group.iana().to_be_bytes());
        out.extend_from_slice(&self.public);
        out.extend_from_slice(self.private.as_bytes());
        Secret::new(out)
    }

    /// Reads what [`DhPrivate::to_bytes`] wrote. The journal is trusted: the pair is not recomputed.
    ///
    /// # Errors
    /// [`Error::Stored`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (id, rest) = bytes.split_first_chunk().ok_or(Error::Stored)?;
        let group = DhGroup::from_iana(u16::from_be_bytes(*id)).ok_or(Error::Stored)?;
        let (public, private) = rest
            .split_at_checked(group.public_octets())
            .ok_or(Error::Stored)?;
        // No group here has a private value longer than its public value.
        if private.is_empty() || private.len() > group.public_octets() {
            return Err(Error::Stored);
        }
        Ok(Self {
            group,
            private: Secret::from_slice(private),
            public: public.to_vec(),
        })
    }
}

fn check_length(group: DhGroup, value: &[u8], expected: usize) -> Result<(), Error> {
    let got = value.len();
    if got == expected {
        Ok(())
    } else {
        Err(Error::PeerPublicLength {
            group,
            got,
            expected,
        })
    }
}

impl fmt::Debug for DhPrivate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DhPrivate")
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
