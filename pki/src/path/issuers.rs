//! The CAs that were on good paths, so that the next certificate of one of them costs the check of one signature: thousands of eNodeBs
//! come with certificates of the same few CAs, and send these CAs' certificates along.
//!
//! What is kept is that a CA has a path to an anchor. It holds as long as the [`super::Validator`] does, whose anchors and policy never
//! change, and while each certificate above is valid, which is looked at anew each time. Revocation is no part of it: whoever asks for a
//! path judges all of its certificates as before. A path on which names are constrained above the issuer is not kept, since they would
//! have to be compared with each certificate's below.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use openssl::error::ErrorStack;
use openssl::stack::Stack;
use openssl::x509::X509StoreContext;
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::verify::X509VerifyFlags;

use super::{Path, parameters};
use crate::certificate::Certificate;
use crate::time::WallTime;

/// CAs that are kept; all are forgotten when there are more. They cost some KiB each, and an operator has a handful.
pub const MAX_ISSUERS: usize = 64;

/// The CAs, by their octets.
#[derive(Debug, Default)]
pub(super) struct Issuers(RwLock<HashMap<Vec<u8>, Arc<Issuer>>>);

/// A CA with a good path.
pub(super) struct Issuer {
    /// From it to the anchor, which it may be itself.
    path: Path,
    /// It alone.
    store: X509Store,
}

impl Issuers {
    /// The one with these octets.
    pub fn find(&self, der: &[u8]) -> Option<Arc<Issuer>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(der).cloned()
    }

    /// Keeps the issuer of a good path's first certificate.
    pub fn learn(&self, path: &Path) {
        let Some((_, above)) = path.certificates.split_first() else {
            return;
        };
        let Some(issuer) = Issuer::new(above, &path.profile) else {
            return;
        };
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_ISSUERS {
            known.clear();
        }
        known.insert(issuer.certificate().der().to_vec(), Arc::new(issuer));
    }
}

impl Issuer {
    /// `None` when the certificates below it depend on more than it, or OpenSSL fails.
    fn new(above: &[Certificate], profile: &str) -> Option<Self> {
        let (issuer, higher) = above.split_first()?;
        if higher.iter().any(Certificate::constrains_names) {
            return None;
        }
        let store = || {
            let mut store = X509StoreBuilder::new()?;
            store.add_cert(issuer.x509().clone())?;
            let parameters = parameters(X509VerifyFlags::NO_CHECK_TIME)?;
            store.set_param(&parameters)?;
            Ok::<_, ErrorStack>(store.build())
        };
        Some(Self {
            store: store().ok()?,
            path: Path {
                certificates: above.to_vec(),
                profile: profile.to_owned(),
            },
        })
    }

    /// Its certificate.
    pub fn certificate(&self) -> &Certificate {
        // A path is not empty.
        &self.path.certificates[0]
    }

    /// The path of a certificate that it has issued; `None` when it has not, or one of the path is not valid at `now`.
    pub fn extend(&self, certificate: &Certificate, now: WallTime) -> Option<Path> {
        let mut certificates = Vec::with_capacity(1 + self.path.certificates.len());
        certificates.push(certificate.clone());
        certificates.extend_from_slice(&self.path.certificates);
        let valid = |c: &Certificate| c.not_before() <= now && now < c.not_after();
        let good = certificates.iter().all(valid) && self.issued(certificate).unwrap_or(false);
        good.then(|| Path {
            certificates,
            profile: self.path.profile.clone(),
        })
    }

    fn issued(&self, certificate: &Certificate) -> Result<bool, ErrorStack> {
        let (x509, none) = (certificate.x509(), Stack::new()?);
        X509StoreContext::new()?.init(&self.store, x509, &none, |context| {
            Ok(context.verify_cert()? && context.chain().is_some_and(|chain| chain.len() == 2))
        })
    }
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.path.fmt(f)
    }
}

#[cfg(test)]
mod tests;
