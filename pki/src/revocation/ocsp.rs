//! Answers about single certificates: OCSP (RFC 6960), asked for by HTTP or sent by the peer in a CERT payload of encoding 14 (RFC
//! 4806).
//!
//! An answer counts when the CA of the certificate has signed it, or a responder with a certificate from that very CA for this
//! purpose. Whether the certificate of such a responder is revoked is not asked: it lives shortly, and asking leads back to the same
//! responder (RFC 6960 section 4.2.2.2.1). An answer without a nonce is taken where one was sent, since responders that sign in
//! advance have none; it is as old as it says.

mod request;
mod response;

use super::{Status, Unknown};
use crate::certificate::Certificate;
use crate::error::Error;
use crate::revocation::cache::AuthorityId;
use crate::time::WallTime;

pub use request::OcspRequest;

/// Octets of an answer that are read at most: it may hold certificates of its responder.
pub const MAX_OCSP_OCTETS: usize = 64 << 10;
/// Octets of the nonce that is sent (RFC 9654 section 2.1).
pub(crate) const NONCE_OCTETS: usize = 32;
/// Seconds that an answer without a next update is believed.
pub(crate) const ANSWER_LIFE_S: i64 = 3600;

/// id-pkix-ocsp-nonce.
const NONCE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 2];
/// SHA-1 and SHA2-256, by which a question names the CA. They protect nothing: the answer is signed.
const SHA1: &[u8] = &[0x2b, 0x0e, 3, 2, 0x1a];
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];

/// Why an answer does not count. It is the responder's fault, or that of who sent something else in its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OcspError {
    /// It does not parse.
    #[error(transparent)]
    Format(#[from] Error),
    /// The responder does not answer.
    #[error("the OCSP responder answers: {0}")]
    NoAnswer(&'static str),
    /// An extension that may change its meaning.
    #[error("the OCSP answer has a critical extension that is not known")]
    Critical,
    /// The answer is to another question.
    #[error("the OCSP answer has another nonce than the question")]
    Nonce,
    /// Nobody who may answer for the CA has signed it.
    #[error("the OCSP answer is signed neither by `{0}` nor by a responder that it has authorised")]
    Responder(String),
    /// The responder's certificate is not good.
    #[error("the certificate of the OCSP responder `{certificate}` {why}")]
    ResponderCertificate {
        /// Its subject.
        certificate: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The signature is not that of the responder.
    #[error("the signature of the OCSP answer is not that of `{0}`")]
    Signature(String),
    /// The signature can be forged, or is of an algorithm that is not known.
    #[error("the OCSP answer is signed with an algorithm that is weak or not known")]
    Algorithm,
    /// It comes from the future.
    #[error("the OCSP answer is not in force before {0}")]
    NotYet(WallTime),
    /// It is about certificates of others.
    #[error("the OCSP answer says nothing about a certificate of `{0}`")]
    Other(String),
}

/// What an answer says about certificates of one CA. Its signature has been verified.
#[derive(Debug, Clone)]
pub struct OcspResponse {
    issuer: AuthorityId,
    answers: Vec<Answer>,
    weak: bool,
}

#[derive(Debug, Clone)]
struct Answer {
    serial: Vec<u8>,
    says: Says,
    until: WallTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Good,
    Revoked,
    Unknown,
}

impl OcspResponse {
    /// Reads an answer and verifies that `issuer`, or a responder that it has authorised, has signed it. `nonce` is that of the
    /// question, if there was one. Whether `issuer` is to be trusted is another question.
    ///
    /// # Errors
    /// [`OcspError`].
    pub fn read(
        der: &[u8],
        issuer: &Certificate,
        nonce: Option<&[u8]>,
        now: WallTime,
        allow_weak: bool,
    ) -> Result<Self, OcspError> {
        let (answers, weak) = response::read(der, issuer, nonce, now, allow_weak)?;
        Ok(Self {
            issuer: AuthorityId::of(issuer),
            answers,
            weak,
        })
    }

    /// Whether its signature, or its responder's certificate, can be forged.
    pub fn is_weak(&self) -> bool {
        self.weak
    }

    /// What it says about a certificate that `issuer` has issued.
    pub fn status(&self, certificate: &Certificate, issuer: &Certificate, now: WallTime) -> Status {
        let mine = |answer: &&Answer| answer.serial == certificate.serial();
        let nothing = Status::Unknown(Unknown::Nothing);
        if AuthorityId::of(issuer) != self.issuer {
            return nothing;
        }
        match self.answers.iter().find(mine) {
            Some(answer) if answer.says == Says::Revoked => Status::Revoked,
            Some(answer) if answer.says == Says::Good && now > answer.until => {
                Status::Unknown(Unknown::Stale(answer.until))
            }
            Some(answer) if answer.says == Says::Good => Status::Good,
            _ => nothing,
        }
    }
}

#[cfg(test)]
mod tests;
