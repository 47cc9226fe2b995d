//! The question (RFC 6960 section 4.1).

use super::{NONCE, NONCE_OCTETS, SHA1};
use crate::certificate::Certificate;
use crate::der::{INTEGER, OCTET_STRING, OID, SEQUENCE, constructed, element};
use crate::error::Error;

/// A question about one certificate, for the body of an HTTP POST of type `application/ocsp-request`.
#[derive(Debug, Clone)]
pub struct OcspRequest {
    /// DER.
    pub der: Vec<u8>,
    /// To be found in the answer.
    pub nonce: Vec<u8>,
}

impl OcspRequest {
    /// A question about a certificate that `issuer` has issued, with a fresh nonce.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn new(certificate: &Certificate, issuer: &Certificate) -> Result<Self, Error> {
        let mut nonce = vec![0; NONCE_OCTETS];
        ravelin_crypto::random(&mut nonce)?;
        let extension = nonce_extension(&nonce);
        let extensions = element(0xa2, &element(SEQUENCE, &extension));
        let der = question(certificate, issuer, &extensions)?;
        Ok(Self { der, nonce })
    }

    /// The DER of the same question without a nonce, for responders that prepare their answers (RFC 5019).
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn plain(certificate: &Certificate, issuer: &Certificate) -> Result<Vec<u8>, Error> {
        question(certificate, issuer, &[])
    }
}

fn question(
    certificate: &Certificate,
    issuer: &Certificate,
    extensions: &[u8],
) -> Result<Vec<u8>, Error> {
    let id = certificate_id(certificate, issuer)?;
    let request = element(SEQUENCE, &id);
    let requests = element(SEQUENCE, &request);
    let to_sign = constructed(SEQUENCE, &[&requests, extensions]);
    Ok(element(SEQUENCE, &to_sign))
}

/// CertID with SHA-1, which every responder knows.
pub(super) fn certificate_id(
    certificate: &Certificate,
    issuer: &Certificate,
) -> Result<Vec<u8>, Error> {
    let name = ravelin_crypto::sha1(&[issuer.subject().der()])?;
    let key = ravelin_crypto::sha1(&[issuer.key_bits()])?;
    let algorithm = constructed(SEQUENCE, &[&element(OID, SHA1), &[5, 0]]);
    Ok(constructed(
        SEQUENCE,
        &[
            &algorithm,
            &element(OCTET_STRING, &name),
            &element(OCTET_STRING, &key),
            &element(INTEGER, certificate.serial()),
        ],
    ))
}

/// The nonce is an octet string within that of the extension.
pub(super) fn nonce_extension(nonce: &[u8]) -> Vec<u8> {
    let value = element(OCTET_STRING, &element(OCTET_STRING, nonce));
    constructed(SEQUENCE, &[&element(OID, NONCE), &value])
}
