//! Certificates as proof of identity: [`ravelin_ike::Authority`] over ravelin-pki. Which keys sign for which gateway, and which CAs are
//! trusted, comes from the configuration ([`crate::config`]) as [`Keys`], replaced whole; it is used by the threads of the pool.
//!
//! A peer's proof is judged in the order path, identity, kind of key, revocation, signature, so that a line of the log names what an
//! operator has to mend first. Whoever has a path to a trusted CA makes the gateway fetch the revocation lists of that path.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use ravelin_authority::{Claim, Signer};
use ravelin_ctl::ike::KeyKind;
use ravelin_ike::{Authority, Denial, SignRequest, Signature, VerifyRequest};
use ravelin_pki::{
    Accept, Certificate, CheckMode, Curve, KeyAlgorithm, OcspResponse, Path, Source, Status,
    Unknown, Validator, WallTime, check,
};

use crate::pki::ocsp::{Responder, Subject};
use crate::pki::{Pki, wall_clock};

/// Who judges the peers of gateways that demand the same.
#[derive(Debug)]
pub struct Judge {
    /// The trusted CAs.
    pub validator: Validator,
    /// Of each CA profile, what must be known about revocation.
    pub checks: BTreeMap<String, Check>,
    /// Kinds of keys that peers may have; empty: any.
    pub key_kinds: Vec<KeyKind>,
    /// Trusted CAs without a certificate here, as a part of a sentence.
    pub missing: Option<String>,
    /// RSA below 2048 bits and SHA-1 are accepted.
    pub allow_weak: bool,
}

/// What must be known about revocation below one CA profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Check {
    /// How much; strict where nothing is said.
    pub mode: CheckMode,
    /// Who is asked by OCSP, beside the revocation lists.
    pub responder: Option<Responder>,
}

/// What signs and judges, by the names of gateways.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    /// For gateways with a certificate of ours.
    pub signers: HashMap<String, Signer>,
    /// Certificates of these gateways about which peers may want an OCSP response (RFC 4806).
    pub subjects: HashMap<String, Arc<Subject>>,
    /// For gateways whose peers have certificates.
    pub judges: HashMap<String, Arc<Judge>>,
}

/// The authority of the daemon.
pub struct Certificates {
    pki: Pki,
    keys: RwLock<Arc<Keys>>,
}

impl Certificates {
    /// Nobody is trusted and nothing signed before [`Self::set`].
    pub fn new(pki: Pki) -> Self {
        Self {
            pki,
            keys: RwLock::default(),
        }
    }

    /// Replaces the keys.
    pub fn set(&self, keys: Arc<Keys>) {
        // Whoever panicked has not touched them: they are replaced whole.
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn denied(why: impl ToString) -> Denial {
    Denial::new(&why.to_string())
}

/// Whether a configuration that names these kinds accepts the key.
pub fn fits(kinds: &[KeyKind], key: KeyAlgorithm) -> bool {
    let kind = match key {
        KeyAlgorithm::Rsa { .. } => Some(KeyKind::Rsa),
        KeyAlgorithm::Ecdsa(Curve::P256) => Some(KeyKind::EcdsaP256),
        KeyAlgorithm::Ecdsa(Curve::P384) => Some(KeyKind::EcdsaP384),
        KeyAlgorithm::Ecdsa(Curve::P521) => Some(KeyKind::EcdsaP521),
        KeyAlgorithm::Ed25519 | KeyAlgorithm::Ed448 => None,
    };
    kinds.is_empty() || kind.is_some_and(|kind| kinds.contains(&kind))
}

impl Authority for Certificates {
    fn sign(&self, request: &SignRequest) -> Result<Signature, Denial> {
        let keys = self.keys();
        let signer = (keys.signers.get(&request.credential))
            .ok_or_else(|| denied("its certificate has left the configuration"))?;
        let mut signature = signer.sign(request)?;
        let subject = keys.subjects.get(&request.credential);
        let subject = subject.filter(|_| request.ocsp);
        signature.ocsp = subject.and_then(|subject| self.pki.stapled(subject, wall_clock()));
        Ok(signature)
    }

    fn verify(&self, request: &VerifyRequest) -> Result<(), Denial> {
        let keys = self.keys();
        let judge = (keys.judges.get(&request.trust))
            .ok_or_else(|| denied("its trusted CAs have left the configuration"))?;
        judge.judge(&self.pki, request, wall_clock())
    }
}

impl Judge {
    fn judge(&self, pki: &Pki, request: &VerifyRequest, now: WallTime) -> Result<(), Denial> {
        let claim = Claim::read(request, &self.validator)?;
        let path = claim.path(now);
        let path = path.map_err(|error| match &self.missing {
            Some(missing) => denied(format!("{error}; {missing}")),
            None => denied(error),
        })?;
        claim.identity()?;
        let certificate = &claim.certificate;
        let key = certificate.key_algorithm();
        if !fits(&self.key_kinds, key) {
            let why = "the proposals of its policy accept";
            return Err(denied(format!(
                "certificate `{certificate}` has a key of {key}, and {why} other kinds"
            )));
        }
        self.check_revocation(pki, &path, request.ocsp.as_deref(), now)?;
        claim.signature(Accept {
            sha1: self.allow_weak,
        })
    }

    fn check_revocation(
        &self,
        pki: &Pki,
        path: &Path,
        stapled: Option<&[u8]>,
        now: WallTime,
    ) -> Result<(), Denial> {
        let wanted = self.checks.get(&path.profile).cloned().unwrap_or_default();
        if wanted.mode == CheckMode::Disable {
            return Ok(());
        }
        pki.watch_path(path, now);
        let lists = |certificate: &Certificate, issuer: &Certificate| {
            pki.status(certificate, issuer, now, self.allow_weak)
        };
        // RFC 4806 section 3.1: the answer is about the peer's own certificate.
        let answer = stapled
            .zip(path.certificates.get(1))
            .map(|(der, issuer)| OcspResponse::read(der, issuer, None, now, self.allow_weak));
        let answers = |certificate: &Certificate, issuer: &Certificate| match &answer {
            Some(Ok(answer)) => answer.status(certificate, issuer, now),
            _ => Status::Unknown(Unknown::Nothing),
        };
        let responders = |certificate: &Certificate, issuer: &Certificate| match &wanted.responder {
            Some(responder) => {
                pki.ocsp_status(certificate, issuer, responder, now, self.allow_weak)
            }
            None => Status::Unknown(Unknown::Nothing),
        };
        let sources: [&Source<'_>; 3] = [&lists, &answers, &responders];
        check(path, wanted.mode, &sources).map_err(|error| match &answer {
            Some(Err(unusable)) => denied(format!("{error}; what the peer sent: {unusable}")),
            _ => denied(error),
        })
    }
}

#[cfg(test)]
mod tests;
