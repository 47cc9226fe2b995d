//! A key of ours with its certificates.

use std::sync::Arc;

use ravelin_ike::config::{Credential, ProofError};
use ravelin_ike::{Denial, SignRequest, Signature};
use ravelin_pki::{Accept, AuthSignature, Local, Scheme};

use crate::denied;

/// A key of ours with its certificates, and what may be signed with it.
#[derive(Debug, Clone)]
pub struct Signer {
    /// The key with its certificates.
    pub local: Arc<Local>,
    /// What may be signed with.
    pub accept: Accept,
}

impl Signer {
    /// What the peer is sent, under the name by which [`ravelin_ike::Authority::sign`] will be asked. A root is left out: it is of no
    /// use to a peer, which must have it anyway.
    ///
    /// # Errors
    /// When the chain is more than a message of IKE carries.
    pub fn credential(&self, name: &str) -> Result<Credential, ProofError> {
        let certificates = self.local.certificates.iter().enumerate();
        let sent = certificates.filter(|(at, c)| *at == 0 || !c.issuer().matches(c.subject()));
        Credential::new(name, sent.map(|(_, c)| c.der().to_vec()).collect())
    }

    /// Signs, in the best way that the peer takes; without an OCSP response.
    ///
    /// # Errors
    /// When no way is common to the key and the peer, or OpenSSL fails.
    pub fn sign(&self, request: &SignRequest) -> Result<Signature, Denial> {
        let key = &self.local.key;
        let scheme = Scheme::choose(key, request.peer_hashes.as_deref(), self.accept);
        let signature = scheme.and_then(|s| AuthSignature::sign(key, s, &request.octets));
        let AuthSignature { method, data } = signature.map_err(denied)?;
        Ok(Signature {
            method,
            data,
            ocsp: None,
        })
    }
}
