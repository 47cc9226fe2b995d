//! The authority of the tests. A certificate is the text `CA/name` and padding; the key of a name is the name, and a signature an
//! HMAC. It writes down what it was asked for.

use std::sync::Mutex;

use ravelin_crypto::{prf, sha1};
use ravelin_types::Prf;

use super::*;
use crate::authority::{Authority, Denial, SignRequest, Signature, VerifyRequest};
use crate::config::{Credential, Trust};

/// The authority of one node.
#[derive(Default)]
pub(crate) struct TestAuthority {
    signed: Mutex<Vec<SignRequest>>,
    verified: Mutex<Vec<VerifyRequest>>,
    /// What it has as OCSP response about every certificate of its own.
    pub(crate) stapled: Mutex<Option<Vec<u8>>>,
}

impl TestAuthority {
    pub(crate) fn signed(&self) -> Vec<SignRequest> {
        self.signed.lock().unwrap().clone()
    }

    pub(crate) fn verified(&self) -> Vec<VerifyRequest> {
        self.verified.lock().unwrap().clone()
    }
}

/// A certificate of this length at least.
pub(crate) fn certificate(ca: &str, name: &str, octets: usize) -> Vec<u8> {
    format!("{:octets$}", format!("{ca}/{name}")).into_bytes()
}

/// We are `name`, and a CA says so in a chain of so many certificates.
pub(crate) fn proof_of(ca: &str, name: &str, certificates: usize, octets: usize) -> LocalProof {
    let names = [name, "an intermediate CA", "another"];
    let chain = names.iter().cycle().take(certificates);
    let chain = chain.map(|name| certificate(ca, name, octets)).collect();
    LocalProof::Certificate(Arc::new(Credential::new(name, chain).unwrap()))
}

/// Whom this CA vouches for is trusted.
pub(crate) fn trust_in(ca: &str) -> PeerProof {
    let hash = sha1(&[ca.as_bytes()]).unwrap();
    PeerProof::Certificate(Arc::new(Trust::new(ca, vec![hash], true).unwrap()))
}

fn mac(name: &str, method: u8, octets: &[u8]) -> Vec<u8> {
    let mac = prf(Prf::HmacSha256, name.as_bytes(), &[&[method], octets]);
    mac.unwrap().as_bytes().to_vec()
}

impl Authority for TestAuthority {
    fn sign(&self, request: &SignRequest) -> Result<Signature, Denial> {
        self.signed.lock().unwrap().push(request.clone());
        if request.credential == "lost" {
            return Err(Denial::new("the key of lost cannot be read"));
        }
        let digital = request.peer_hashes.as_ref().is_some_and(|h| h.contains(&2));
        let method = if digital { 14 } else { 9 };
        let data = mac(&request.credential, method, &request.octets);
        let ocsp = self.stapled.lock().unwrap().clone();
        Ok(Signature {
            method,
            data,
            ocsp: ocsp.filter(|_| request.ocsp),
        })
    }

    fn verify(&self, request: &VerifyRequest) -> Result<(), Denial> {
        self.verified.lock().unwrap().push(request.clone());
        let text = String::from_utf8_lossy(&request.certificates[0]).into_owned();
        let (ca, name) = text.trim_end().split_once('/').unwrap();
        if ca != request.trust {
            let trust = &request.trust;
            return Err(Denial::new(&format!(
                "{name} is certified by {ca}, not {trust}"
            )));
        }
        if (request.identity.kind, request.identity.data.as_slice()) != (2, name.as_bytes()) {
            return Err(Denial::new(&format!("the certificate is of {name}")));
        }
        if mac(name, request.method, &request.octets) != request.signature {
            return Err(Denial::new(&format!(
                "the signature is not by the key of {name}"
            )));
        }
        Ok(())
    }
}
