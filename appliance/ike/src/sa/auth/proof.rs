//! Proofs (RFC 7296 section 2.15): the peer's judged, ours made, and the certificates that belong to them.
//!
//! A pre-shared key is a matter of one hash and done at once. What a certificate takes is a job: its result comes back to the state
//! that handed it out. A proof by a method that the gateway does not accept is refused before any work.

use std::sync::Arc;

use ravelin_crypto::{Error, Secret};
use ravelin_types::{Identity, Prf, SecretBytes};

use super::ppk::Mixed;
use crate::authority::{Denial, MAX_STAPLED_OCTETS, SignRequest, VerifyRequest};
use crate::config::{Gateway, LocalProof, MAX_AUTHORITIES, PeerProof, Trust};
use crate::error::{Fault, Reason};
use crate::keymat::{Signed, psk_auth};
use crate::msg::Payload;
use crate::msg::auth::{Auth, METHOD_PSK, is_signature};
use crate::msg::cert::{Cert, MAX_CERTIFICATES, encoding};
use crate::msg::certreq::{AuthorityHash, CertReq};
use crate::msg::id::Id;
use crate::sa::{Parts, Wishes};
use crate::text::opaque_text;
use crate::work::Job;

/// What one side proves.
#[derive(Clone, Copy)]
pub(super) struct Proof<'a> {
    pub(super) prf: Prf,
    /// SK_pi or SK_pr.
    pub(super) sk_p: &'a SecretBytes,
    pub(super) message: &'a [u8],
    pub(super) nonce: &'a [u8],
    pub(super) id: &'a Id,
    /// What IKE_INTERMEDIATE exchanges add (RFC 9242).
    pub(super) int_auth: &'a [u8],
}

impl Proof<'_> {
    fn psk(&self, key: &SecretBytes) -> Result<Secret, Error> {
        self.with(|signed| psk_auth(self.prf, key, signed))
    }

    fn octets(&self) -> Result<Vec<u8>, Error> {
        self.with(|signed| signed.octets(self.prf))
    }

    fn with<T>(&self, what: impl FnOnce(&Signed<'_>) -> T) -> T {
        what(&Signed {
            message: self.message,
            nonce: self.nonce,
            sk_p: self.sk_p,
            id_body: &self.id.body(),
            int_auth: self.int_auth,
        })
    }
}

/// What the peer's AUTH payload leads to.
pub(super) enum Judged {
    Right,
    Verify(Job),
}

/// Judges the proof of a peer whose identity the gateway accepts.
pub(super) fn judge(
    gateway: &Gateway,
    peer: &Identity,
    parts: &Parts<'_>,
    auth: &Auth,
    proof: &Proof<'_>,
) -> Result<Result<Judged, Reason>, Fault> {
    let offered = auth.method;
    let other = |accepted| Ok(Err(Reason::AuthMethod { offered, accepted }));
    let trust = match &gateway.peer_proof {
        PeerProof::PreSharedKey if offered != METHOD_PSK => {
            return other("pre-shared key (2) is");
        }
        PeerProof::PreSharedKey => {
            return Ok(match psk_of(gateway, peer) {
                Ok(key) => compare(auth, &proof.psk(key)?).map(|()| Judged::Right),
                Err(reason) => Err(reason),
            });
        }
        PeerProof::Certificate(_) if !is_signature(offered) => {
            return other("signatures (1, 9, 10, 11, 14) with a certificate are");
        }
        PeerProof::Certificate(trust) => trust,
    };
    if parts.certs.len() > MAX_CERTIFICATES {
        return Ok(Err(Reason::TooManyCertificates(parts.certs.len())));
    }
    let mut certificates = contents(parts, encoding::X509_SIGNATURE).peekable();
    if certificates.peek().is_none() {
        return Ok(Err(Reason::Missing("CERT (X.509 certificate)")));
    }
    Ok(Ok(Judged::Verify(Job::Verify(Box::new(VerifyRequest {
        trust: trust.name().to_owned(),
        identity: proof.id.clone(),
        certificates: certificates.collect(),
        ocsp: contents(parts, encoding::OCSP_CONTENT).next(),
        method: auth.method,
        signature: auth.data.clone(),
        octets: proof.octets()?,
    })))))
}

/// What came in this encoding; others are passed over.
fn contents(parts: &Parts<'_>, encoding: u8) -> impl Iterator<Item = Vec<u8>> {
    let certs = parts.certs.iter().filter(move |c| c.encoding == encoding);
    certs.map(|c| c.data.clone())
}

fn psk_of<'a>(gateway: &'a Gateway, peer: &Identity) -> Result<&'a SecretBytes, Reason> {
    gateway.keys.find(peer).ok_or_else(|| Reason::NoKey {
        gateway: gateway.name.clone(),
        identity: peer.clone(),
    })
}

/// What a wrong key is, with a post-quantum pre-shared key beside it. Whether the proof without that one is right tells which it is.
pub(super) fn differs(reason: Reason, mixed: Option<&Mixed>, plain_right: Option<bool>) -> Reason {
    match (reason, mixed) {
        (Reason::WrongKey, Some(mixed)) => match plain_right {
            Some(true) => Reason::WrongPpk(opaque_text(&mixed.id)),
            Some(false) => Reason::WrongKey,
            None => Reason::WrongKeyOrPpk(opaque_text(&mixed.id)),
        },
        (reason, _) => reason,
    }
}

/// The authority does not accept a proof, which may cover a post-quantum pre-shared key.
pub(super) fn denied(denial: Denial, mixed: Option<&Mixed>) -> Reason {
    match mixed {
        Some(mixed) => Reason::CertificateWithPpk {
            denial,
            ppk: opaque_text(&mixed.id),
        },
        None => Reason::Certificate(denial),
    }
}

/// RFC 7296 section 2.15; the comparison covers every octet that the function gives.
fn compare(auth: &Auth, expected: &Secret) -> Result<(), Reason> {
    if auth.data.len() != expected.len() {
        return Err(Reason::AuthLength {
            got: auth.data.len(),
            expected: expected.len(),
        });
    }
    if expected.ct_eq(&auth.data) {
        Ok(())
    } else {
        Err(Reason::WrongKey)
    }
}

/// What our own AUTH payload takes.
pub(super) enum Made {
    Auth(Auth),
    Sign(Job),
}

/// Makes our proof for a peer.
pub(super) fn make(
    gateway: &Gateway,
    peer: &Identity,
    wishes: &Wishes,
    proof: &Proof<'_>,
) -> Result<Result<Made, Reason>, Fault> {
    match &gateway.local_proof {
        LocalProof::PreSharedKey => Ok(match psk_of(gateway, peer) {
            Ok(key) => Ok(Made::Auth(Auth {
                method: METHOD_PSK,
                data: proof.psk(key)?.as_bytes().to_vec(),
            })),
            Err(reason) => Err(reason),
        }),
        LocalProof::Certificate(credential) => {
            Ok(Ok(Made::Sign(Job::Sign(Box::new(SignRequest {
                credential: credential.name().to_owned(),
                peer_hashes: wishes.hashes.clone(),
                ocsp: wishes.ocsp,
                octets: proof.octets()?,
            })))))
        }
        LocalProof::Unable(why) => Ok(Err(Reason::Unsigned {
            gateway: gateway.name.clone(),
            why: why.clone(),
        })),
    }
}

/// Our certificates, also for a peer that asked for none or for those of other CAs: RFC 7296 section 3.7, "There may be cases where
/// there is a preferred CA sent in the CERTREQ, but an alternate might be acceptable", and section 3.6, they "SHOULD be included in
/// an exchange if certificates are available to the sender". The OCSP response that the peer wants follows them (RFC 4806 section 4.1).
pub(super) fn certificates(gateway: &Gateway, stapled: Option<Vec<u8>>) -> Vec<Payload> {
    match &gateway.local_proof {
        LocalProof::PreSharedKey | LocalProof::Unable(_) => Vec::new(),
        LocalProof::Certificate(credential) => {
            let chain = credential.chain().iter().cloned();
            let stapled = stapled.filter(|der| der.len() <= MAX_STAPLED_OCTETS);
            let all = chain.map(Cert::x509).chain(stapled.map(Cert::ocsp));
            all.map(Payload::Cert).collect()
        }
    }
}

/// The certificate requests of one who trusts these: none for those who trust nobody.
pub(crate) fn requests<'a>(trusted: impl Iterator<Item = &'a Arc<Trust>>) -> Vec<Payload> {
    let trusted: Vec<_> = trusted.collect();
    if trusted.is_empty() {
        return Vec::new();
    }
    // A hint, as said above: what is cut off keeps nobody from sending its certificate.
    let mut authorities: Vec<AuthorityHash> = Vec::new();
    for hash in trusted.iter().flat_map(|t| t.authorities()) {
        if authorities.len() < MAX_AUTHORITIES && !authorities.contains(hash) {
            authorities.push(*hash);
        }
    }
    let mut payloads = vec![Payload::CertReq(CertReq::x509(&authorities))];
    if trusted.iter().any(|t| t.ocsp()) {
        payloads.push(Payload::CertReq(CertReq::ocsp()));
    }
    payloads
}
