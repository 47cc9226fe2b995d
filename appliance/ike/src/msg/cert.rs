//! Certificate payload (RFC 7296 section 3.6): an encoding and octets whose meaning is the authority's concern.

use super::ParseError;
use super::codec::Reader;

/// The most that one message may carry of a kind: an end entity, the CAs above it, and room. pki takes as many.
pub const MAX_CERTIFICATES: usize = 16;

/// Encodings of the IANA registry "IKEv2 Certificate Encodings"; a payload with another one is passed over.
pub mod encoding {
    /// A certificate in DER.
    pub const X509_SIGNATURE: u8 = 4;
    /// SHA-1 hash of a certificate in DER and the URL where it lies. Not asked for (HTTP_CERT_LOOKUP_SUPPORTED is not sent):
    /// a peer that nobody knows yet shall not make us open connections.
    pub const HASH_AND_URL: u8 = 12;
    /// An OCSP response in DER (RFC 4806 section 3.1).
    pub const OCSP_CONTENT: u8 = 14;
}

/// A certificate, or what stands for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cert {
    /// See [`encoding`].
    pub encoding: u8,
    /// The certificate data.
    pub data: Vec<u8>,
}

impl Cert {
    /// An X.509 certificate in DER.
    pub fn x509(der: Vec<u8>) -> Cert {
        Cert {
            encoding: encoding::X509_SIGNATURE,
            data: der,
        }
    }

    /// An OCSP response in DER.
    pub fn ocsp(der: Vec<u8>) -> Cert {
        Cert {
            encoding: encoding::OCSP_CONTENT,
            data: der,
        }
    }

    pub(super) fn parse(mut r: Reader<'_>) -> Result<Cert, ParseError> {
        Ok(Cert {
            encoding: r.u8()?,
            data: r.rest().to_vec(),
        })
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.push(self.encoding);
        out.extend_from_slice(&self.data);
    }
}
