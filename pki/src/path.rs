//! Whether a certificate is to be trusted: a path from it to a trust anchor (RFC 5280 section 6) whose key IKE may use (RFC 4945).
//!
//! OpenSSL builds and checks the path with its strict flag: signatures, validity at the given time, basic constraints, path lengths,
//! name constraints, critical extensions that it does not know. What it has found is then judged by rules of IKE: key usage,
//! extended key usage, strength of keys and signatures. Revocation and the identity of the peer are not judged here.
//!
//! A trust anchor need not be a root: the operator who names an intermediate CA in a profile trusts it and no other of its root.

mod issuers;

use std::fmt;

use openssl::error::ErrorStack;
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509StoreContext, X509VerifyResult};

use crate::algorithm::KeyAlgorithm;
use crate::certificate::Certificate;
use crate::error::{Error, library};
use crate::time::WallTime;
use issuers::Issuers;

/// Certificates between the one of the peer and the trust anchor.
pub const MAX_DEPTH: usize = 8;
/// Certificates that one peer may send.
pub const MAX_CHAIN: usize = 16;
/// Extended key usage of IPsec (RFC 4945 section 5.1.3.12).
pub const IPSEC_IKE: &str = "1.3.6.1.5.5.7.3.17";
/// Any extended key usage (RFC 5280 section 4.2.1.12).
pub const ANY_USAGE: &str = "2.5.29.37.0";

/// A CA that the operator trusts, or several of them, by name.
#[derive(Debug, Clone)]
pub struct CaProfile {
    /// The name in the configuration.
    pub name: String,
    /// Certificates of the CAs.
    pub anchors: Vec<Certificate>,
}

/// What a gateway demands of the certificates of its peers.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Extended key usages of which one suffices. A certificate that says nothing about it is always accepted.
    pub extended_key_usages: Vec<String>,
    /// RSA below 2048 bits and signatures with SHA-1 or MD5 are accepted.
    pub allow_weak: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            extended_key_usages: vec![IPSEC_IKE.to_owned(), ANY_USAGE.to_owned()],
            allow_weak: false,
        }
    }
}

/// A path that was found: the certificate of the peer first, the trust anchor last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// At least two certificates.
    pub certificates: Vec<Certificate>,
    /// The CA profile that has the anchor.
    pub profile: String,
}

impl Path {
    /// Each certificate but the anchor, with that of its issuer.
    pub(crate) fn links(&self) -> impl Iterator<Item = (&Certificate, &Certificate)> {
        let issuers = self.certificates.iter().skip(1);
        self.certificates.iter().zip(issuers)
    }
}

/// Why a certificate is not trusted, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("certificate `{certificate}` of CA profile {}: {reason}", Names(.profiles))]
pub struct PathError {
    /// Subject of the certificate that is at fault.
    pub certificate: String,
    /// The profile of the path's anchor, or all that were tried.
    pub profiles: Vec<String>,
    /// What is wrong.
    pub reason: Reason,
}

/// What is wrong with a certificate of a path. `Library` and `NoAnchor` are ours, everything else is the fault of the peer or its CA.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The gateway trusts nobody.
    #[error("no CA certificate is configured")]
    NoAnchor,
    /// The peer sent too many.
    #[error("the peer sent {0} certificates, at most {MAX_CHAIN} are taken")]
    TooMany(usize),
    /// Its validity is over.
    #[error("expired at {0}")]
    Expired(WallTime),
    /// Its validity has not begun.
    #[error("not valid before {0}")]
    NotYetValid(WallTime),
    /// There is no path to a trust anchor.
    #[error("its issuer `{0}` is not known")]
    UnknownIssuer(String),
    /// Another rule of RFC 5280, in OpenSSL's words.
    #[error("{0}")]
    Refused(&'static str),
    /// A CA takes part in IKE itself.
    #[error("it is a trust anchor and cannot be a peer")]
    Anchor,
    /// Its key must not sign for IKE.
    #[error("its key usage has neither digitalSignature nor nonRepudiation")]
    KeyUsage,
    /// Its key is for other protocols.
    #[error("its extended key usage ({0}) has none that is accepted")]
    ExtendedKeyUsage(String),
    /// Its key can be broken.
    #[error("its key of {0} is too weak")]
    WeakKey(KeyAlgorithm),
    /// The signature on it can be forged.
    #[error("it is signed with {0}, which is too weak")]
    WeakSignature(String),
    /// OpenSSL failed.
    #[error(transparent)]
    Library(#[from] Error),
}

/// The trust anchors of one gateway, and what it demands. Made once for each configuration.
#[derive(Debug)]
pub struct Validator {
    profiles: Vec<CaProfile>,
    policy: Policy,
    issuers: Issuers,
}

impl Validator {
    /// Takes the CA profiles of a gateway.
    pub fn new(profiles: Vec<CaProfile>, policy: Policy) -> Self {
        Self {
            profiles,
            policy,
            issuers: Issuers::default(),
        }
    }

    /// Reads a certificate that a peer sent beside its own. Those of CAs that were on a good path need not be parsed again.
    ///
    /// # Errors
    /// As [`Certificate::from_der`].
    pub fn read(&self, der: &[u8]) -> Result<Certificate, Error> {
        match self.issuers.find(der) {
            Some(issuer) => Ok(issuer.certificate().clone()),
            None => Certificate::from_der(der),
        }
    }

    /// SHA-1 of the keys of all anchors: the body of our CERTREQ payload (RFC 7296 section 3.7).
    pub fn certificate_request(&self) -> Vec<u8> {
        let anchors = self.profiles.iter().flat_map(|profile| &profile.anchors);
        let mut hashes: Vec<&[u8; 20]> = anchors.map(Certificate::spki_sha1).collect();
        hashes.sort();
        hashes.dedup();
        hashes.into_iter().flatten().copied().collect()
    }

    /// The path from `certificate` to an anchor, valid at `now`. `sent` are the other certificates of the peer, `known` intermediate
    /// certificates of our own store; neither is trusted by itself.
    ///
    /// # Errors
    /// [`PathError`] names the certificate at fault.
    pub fn validate(
        &self,
        certificate: &Certificate,
        sent: &[Certificate],
        known: &[Certificate],
        now: WallTime,
    ) -> Result<Path, PathError> {
        let fails = |reason| self.error(certificate, reason);
        if self
            .profiles
            .iter()
            .all(|profile| profile.anchors.is_empty())
        {
            return Err(fails(Reason::NoAnchor));
        }
        if self.profile_of(certificate).is_some() {
            return Err(fails(Reason::Anchor));
        }
        if sent.len() >= MAX_CHAIN {
            return Err(fails(Reason::TooMany(sent.len() + 1)));
        }
        let others: Vec<&Certificate> = sent.iter().chain(known).collect();
        if let Some(path) = self.short(certificate, &others, now) {
            return Ok(path);
        }
        let built = self.build(certificate, &others, now);
        let Built { verdict, mut chain } = built.map_err(|e| fails(Reason::Library(e)))?;
        if let Some((result, depth)) = verdict {
            let at = chain.get(depth).or(chain.last()).unwrap_or(certificate);
            return Err(self.error(at, reason(result, at)));
        }
        // OpenSSL may go on beyond an anchor with what the peer has sent.
        let anchors = chain.iter().enumerate().skip(1);
        let mut anchors =
            anchors.filter_map(|(at, c)| Some((at, self.profile_of(c)?.name.clone())));
        let Some((last, profile)) = anchors.next() else {
            return Err(fails(Reason::Refused("no path")));
        };
        chain.truncate(last + 1);
        for (index, at) in chain.iter().enumerate() {
            if let Some(reason) = self.judge(at, index == 0, index == last) {
                return Err(PathError {
                    certificate: at.to_string(),
                    profiles: vec![profile],
                    reason,
                });
            }
        }
        let path = Path {
            certificates: chain,
            profile,
        };
        self.issuers.learn(&path);
        Ok(path)
    }

    /// The path of a certificate whose issuer is known and was sent or is an anchor: only the step to the issuer is judged anew. `None`
    /// when there is no such issuer or anything is wrong, which is then said by the judgement of the whole path.
    fn short(
        &self,
        certificate: &Certificate,
        others: &[&Certificate],
        now: WallTime,
    ) -> Option<Path> {
        let anchors = self.profiles.iter().flat_map(|profile| &profile.anchors);
        let candidates = others.iter().copied().chain(anchors);
        let issuer = candidates
            .filter(|c| c.subject().der() == certificate.issuer().der())
            .find_map(|c| self.issuers.find(c.der()))?;
        let path = issuer.extend(certificate, now)?;
        self.judge(certificate, true, false)
            .is_none()
            .then_some(path)
    }

    /// The first profile that has the certificate among its anchors.
    fn profile_of(&self, certificate: &Certificate) -> Option<&CaProfile> {
        let mut profiles = self.profiles.iter();
        profiles.find(|profile| profile.anchors.contains(certificate))
    }

    fn build(
        &self,
        certificate: &Certificate,
        others: &[&Certificate],
        now: WallTime,
    ) -> Result<Built, Error> {
        let failed = || library("path validation");
        let mut untrusted = Stack::new().map_err(failed())?;
        for other in others {
            untrusted.push(other.x509().clone()).map_err(failed())?;
        }
        let mut parameters = parameters(X509VerifyFlags::empty()).map_err(failed())?;
        parameters.set_time(now.0);
        let mut store = X509StoreBuilder::new().map_err(failed())?;
        for anchor in self.profiles.iter().flat_map(|profile| &profile.anchors) {
            store.add_cert(anchor.x509().clone()).map_err(failed())?;
        }
        store.set_param(&parameters).map_err(failed())?;
        let store = store.build();
        let mut context = X509StoreContext::new().map_err(failed())?;
        let (verdict, chain) = context
            .init(&store, certificate.x509(), &untrusted, |context| {
                let verdict = match context.verify_cert()? {
                    true => None,
                    false => Some((context.error(), context.error_depth() as usize)),
                };
                let chain = context.chain();
                let chain: Vec<X509> = chain.into_iter().flatten().map(|x| x.to_owned()).collect();
                Ok((verdict, chain))
            })
            .map_err(failed())?;
        let anchors = self.profiles.iter().flat_map(|profile| &profile.anchors);
        let given = || others.iter().copied().chain(anchors.clone());
        let read = |x509: X509| match given().find(|c| *c.x509() == x509) {
            Some(known) => Ok(known.clone()),
            None => Certificate::from_der(&x509.to_der().map_err(failed())?),
        };
        let chain = chain.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Built { verdict, chain })
    }

    /// What the rules of IKE have against a certificate of a path that is otherwise good.
    fn judge(&self, certificate: &Certificate, is_peer: bool, is_anchor: bool) -> Option<Reason> {
        if is_peer {
            let signs = |usage: crate::KeyUsage| usage.digital_signature || usage.non_repudiation;
            if certificate.key_usage().is_some_and(|usage| !signs(usage)) {
                return Some(Reason::KeyUsage);
            }
            let accepted = |usage: &String| self.policy.extended_key_usages.contains(usage);
            let usages = certificate.extended_key_usage();
            if let Some(usages) = usages.filter(|usages| !usages.iter().any(accepted)) {
                return Some(Reason::ExtendedKeyUsage(usages.join(", ")));
            }
        }
        if self.policy.allow_weak {
            return None;
        }
        if certificate.key_algorithm().is_weak() {
            return Some(Reason::WeakKey(certificate.key_algorithm()));
        }
        // Nobody relies on the signature of an anchor.
        let weak = certificate.weak_signature().filter(|_| !is_anchor);
        weak.map(|name| Reason::WeakSignature(name.to_owned()))
    }

    fn error(&self, certificate: &Certificate, reason: Reason) -> PathError {
        PathError {
            certificate: certificate.to_string(),
            profiles: self.profiles.iter().map(|p| p.name.clone()).collect(),
            reason,
        }
    }
}

/// What OpenSSL says.
struct Built {
    /// An error and the place in the chain of whom it is about.
    verdict: Option<(X509VerifyResult, usize)>,
    /// As far as it was built.
    chain: Vec<Certificate>,
}

/// OpenSSL's error (`x509_vfy.h`) about a certificate.
fn reason(result: X509VerifyResult, at: &Certificate) -> Reason {
    match result.as_raw() {
        9 => Reason::NotYetValid(at.not_before()),
        10 => Reason::Expired(at.not_after()),
        // The issuer of what was sent is missing (2, 20, 21), or the last one issued itself and is no anchor (18, 19).
        2 | 18..=21 => Reason::UnknownIssuer(at.issuer().to_string()),
        _ => Reason::Refused(result.error_string()),
    }
}

/// What OpenSSL judges each path by, and more flags.
fn parameters(more: X509VerifyFlags) -> Result<X509VerifyParam, ErrorStack> {
    let mut parameters = X509VerifyParam::new()?;
    let flags = X509VerifyFlags::X509_STRICT | X509VerifyFlags::PARTIAL_CHAIN;
    parameters.set_flags(flags | more)?;
    parameters.set_depth(MAX_DEPTH as i32);
    // Strength is judged here, where the error can name it.
    parameters.set_auth_level(0);
    Ok(parameters)
}

struct Names<'a>(&'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("(none)"),
            names => f.write_str(&names.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests;
