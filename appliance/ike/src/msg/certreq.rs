//! Certificate Request payload (RFC 7296 section 3.7, RFC 4806 section 3.2): which CAs the sender trusts, as a hint.

use super::ParseError;
use super::cert::encoding;
use super::codec::Reader;

/// SHA-1 of a CA's SubjectPublicKeyInfo in DER.
pub type AuthorityHash = [u8; 20];

/// A request for a certificate or an OCSP response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertReq {
    /// What is wanted; see [`encoding`].
    pub encoding: u8,
    /// For X.509 a list of [`AuthorityHash`]es, for OCSP of hashes of responders; empty: no preference.
    pub authorities: Vec<u8>,
}

impl CertReq {
    /// A request for an X.509 certificate below one of these.
    pub fn x509(authorities: &[AuthorityHash]) -> CertReq {
        CertReq {
            encoding: encoding::X509_SIGNATURE,
            authorities: authorities.concat(),
        }
    }

    /// A request for an OCSP response. RFC 4806 section 3.1 has it name "zero or more" responders: with none the peer chooses.
    pub fn ocsp() -> CertReq {
        CertReq {
            encoding: encoding::OCSP_CONTENT,
            authorities: Vec::new(),
        }
    }

    pub(super) fn parse(mut r: Reader<'_>) -> Result<CertReq, ParseError> {
        Ok(CertReq {
            encoding: r.u8()?,
            authorities: r.rest().to_vec(),
        })
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.push(self.encoding);
        out.extend_from_slice(&self.authorities);
    }
}
