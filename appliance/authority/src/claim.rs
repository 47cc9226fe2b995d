//! The proof of a peer, step by step, so that each program has its own steps among them. The order in which they are taken is that
//! in which an operator has to mend what they name: path, identity, what the program demands, signature.

use ravelin_ike::config::{MAX_AUTHORITIES, ProofError, Trust};
use ravelin_ike::{Denial, VerifyRequest, identity};
use ravelin_pki::{Accept, AuthSignature, Certificate, Path, PathError, Validator, WallTime};

use crate::denied;

/// What a peer claims, read and not yet judged.
#[derive(Debug)]
pub struct Claim<'a> {
    request: &'a VerifyRequest,
    validator: &'a Validator,
    /// The one whose key has signed.
    pub certificate: Certificate,
    others: Vec<Certificate>,
}

impl<'a> Claim<'a> {
    /// Reads the certificates, for who will judge their path.
    ///
    /// # Errors
    /// When there is none, or that of the peer cannot be read.
    pub fn read(request: &'a VerifyRequest, validator: &'a Validator) -> Result<Self, Denial> {
        let mut sent = request.certificates.iter();
        let first = sent.next().ok_or_else(|| denied("no certificate"))?;
        let certificate = Certificate::from_der(first)
            .map_err(|error| denied(format!("the peer's certificate: {error}")))?;
        // One that cannot be read helps no path, and may be of no use to it anyway.
        let others = sent.filter_map(|der| validator.read(der).ok());
        Ok(Self {
            request,
            validator,
            certificate,
            others: others.collect(),
        })
    }

    /// The path to a CA that is trusted.
    ///
    /// # Errors
    /// [`PathError`].
    pub fn path(&self, now: WallTime) -> Result<Path, PathError> {
        self.validator
            .validate(&self.certificate, &self.others, &[], now)
    }

    /// Whether the certificate speaks for the identity.
    ///
    /// # Errors
    /// When it does not.
    pub fn identity(&self) -> Result<(), Denial> {
        let identity = identity::from_payload(&self.request.identity)
            .ok_or_else(|| denied("the peer's identity is of no type that certificates have"))?;
        self.certificate.speaks_for(&identity).map_err(denied)
    }

    /// Whether its key has made the signature.
    ///
    /// # Errors
    /// When it has not, or in a way that is not accepted.
    pub fn signature(&self, accept: Accept) -> Result<(), Denial> {
        let signature = AuthSignature {
            method: self.request.method,
            data: self.request.signature.clone(),
        };
        let verified = signature.verify(&self.certificate, &self.request.octets, accept);
        verified.map(drop).map_err(denied)
    }
}

/// The CAs of a validator under the name by which [`ravelin_ike::Authority::verify`] will be asked. With `ocsp` the peer is asked for
/// an OCSP response about its certificate too (RFC 4806).
///
/// # Errors
/// When the name is too long.
pub fn trust(name: &str, validator: &Validator, ocsp: bool) -> Result<Trust, ProofError> {
    let hashes = validator.certificate_request();
    let hashes = hashes.chunks_exact(20).map_while(|h| h.try_into().ok());
    Trust::new(name, hashes.take(MAX_AUTHORITIES).collect(), ocsp)
}
