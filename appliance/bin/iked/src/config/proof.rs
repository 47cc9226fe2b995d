//! What the configuration and the store of certificates make of a gateway: how it proves who it is, and who judges its peers. What is
//! missing in the store is told as a fault, and the gateway refuses its peers until it is there; everything else runs.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use ravelin_authority::{Signer, trust};
use ravelin_ctl::ike::{
    Authentication, GatewayConfig, IkeConfig, LocalIdentity, Revocation, RevocationMode,
};
use ravelin_ike::Denial;
use ravelin_ike::config::{Credential, KeyList, LocalProof, PeerProof, ProofError, Trust};
use ravelin_ike::identity::of_address;
use ravelin_pki::{Accept, Certificate, CheckMode, Policy, Validator};
use ravelin_types::Identity;

use crate::authority::{Check, Judge, Keys, fits};
use crate::pki::Contents;
use crate::pki::ocsp::{Responder, Subject};

/// Collects what signs and judges.
pub(super) struct Proofs<'a> {
    config: &'a IkeConfig,
    contents: &'a Contents,
    /// What gateways with the same policy share.
    judges: HashMap<(&'a [String], String), Arc<Judge>>,
    pub(super) keys: Keys,
    /// What operators have to mend, each once.
    pub(super) faults: Vec<String>,
}

/// How a gateway and its peers prove who they are.
pub(super) struct Proof {
    pub(super) local: LocalProof,
    pub(super) peer: PeerProof,
    /// Our address when `None`.
    pub(super) identity: Option<Identity>,
}

impl<'a> Proofs<'a> {
    pub(super) fn new(config: &'a IkeConfig, contents: &'a Contents) -> Self {
        Self {
            config,
            contents,
            judges: HashMap::new(),
            keys: Keys::default(),
            faults: Vec::new(),
        }
    }

    /// What becomes of a gateway.
    ///
    /// # Errors
    /// When a chain or a list of CAs is more than a message of IKE carries.
    pub(super) fn of(&mut self, gateway: &'a GatewayConfig) -> Result<Proof, ProofError> {
        let mut proof = Proof {
            local: LocalProof::PreSharedKey,
            peer: PeerProof::PreSharedKey,
            identity: match &gateway.local_identity {
                LocalIdentity::Stated(identity) => Some(identity.clone()),
                LocalIdentity::Address | LocalIdentity::Subject => None,
            },
        };
        if let Some(name) = &gateway.authentication.local_certificate {
            match self.local(gateway, name) {
                Ok((credential, identity)) => {
                    proof.local = LocalProof::Certificate(Arc::new(credential));
                    proof.identity = identity.or(proof.identity);
                }
                Err(why) => {
                    let gateway = &gateway.name;
                    self.fault(format!("gateway {gateway} refuses its peers: {why}"));
                    proof.local = LocalProof::Unable(Denial::new(&why));
                }
            }
        }
        if !gateway.authentication.trusted_cas.is_empty() {
            proof.peer = PeerProof::Certificate(Arc::new(self.trust(gateway)?));
        }
        Ok(proof)
    }

    /// The pre-shared keys of this name, by the peers' identities.
    pub(super) fn key_list(&mut self, gateway: &str, name: &str) -> Option<Arc<KeyList>> {
        let list = self.contents.key_lists.get(name).cloned();
        if list.is_none() {
            let what = format!("there are no pre-shared keys `{name}`");
            self.fault(format!("gateway {gateway} refuses its peers: {what}"));
        }
        list
    }

    fn fault(&mut self, text: String) {
        if !self.faults.contains(&text) {
            self.faults.push(text);
        }
    }

    /// Our certificate of this name, and our identity when that is its subject.
    fn local(
        &mut self,
        gateway: &GatewayConfig,
        name: &str,
    ) -> Result<(Credential, Option<Identity>), String> {
        let local = self.contents.locals.get(name);
        let local = local.ok_or_else(|| format!("there is no local certificate `{name}`"))?;
        let first = (local.certificates.first()).ok_or_else(|| {
            format!("local certificate `{name}` has a key, and its certificate is not loaded yet")
        })?;
        let key = local.key.algorithm();
        if !local.key.belongs_to(first) {
            let what = format!("local certificate `{name}` (`{first}`)");
            return Err(format!("{what} does not belong to its private key"));
        }
        if !fits(&gateway.authentication.key_kinds, key) {
            let why = "the proposals of its policy accept other kinds";
            return Err(format!(
                "local certificate `{name}` has a key of {key}, and {why}"
            ));
        }
        let subject = match &gateway.local_identity {
            LocalIdentity::Subject => Some(Identity::Dn(first.subject().der().to_vec())),
            LocalIdentity::Stated(identity) => speaks_for(first, identity).map(|()| None)?,
            LocalIdentity::Address => {
                speaks_for_one(first, &gateway.local_addresses).map(|()| None)?
            }
        };
        let signer = Signer {
            local: Arc::clone(local),
            accept: Accept {
                sha1: gateway.authentication.allow_weak,
            },
        };
        let credential = signer.credential(&gateway.name);
        let credential = credential.map_err(|error| error.to_string())?;
        self.keys.signers.insert(gateway.name.clone(), signer);
        if let Some(subject) = self.subject(&local.certificates) {
            let subject = Arc::new(subject);
            self.keys.subjects.insert(gateway.name.clone(), subject);
        }
        Ok((credential, subject))
    }

    /// Who may be asked about our certificate: the responder of the CA profile whose CA has issued it, else the one that it names.
    fn subject(&self, chain: &[Certificate]) -> Option<Subject> {
        let first = chain.first()?;
        let issued = |issuer: &&Certificate| first.issuer().matches(issuer.subject());
        let profiles = self.contents.profiles.values();
        let profile = profiles
            .clone()
            .find(|p| p.anchors.iter().any(|a| issued(&a)));
        let anchors = profile.iter().flat_map(|profile| &profile.anchors);
        let issuer = chain.iter().skip(1).chain(anchors).find(issued)?.clone();
        let configured = self.config.ca_profiles.iter();
        let mut configured = configured.filter(|c| profile.is_some_and(|p| p.name == c.name));
        let url = configured.find_map(|c| c.revocation.ocsp_url.clone());
        let named = !first.ocsp_urls().is_empty();
        (named || url.is_some()).then(|| Subject {
            certificate: first.clone(),
            issuer,
            responder: Responder {
                url,
                no_nonce: true,
            },
        })
    }

    /// Whom the peers of a gateway are judged by.
    fn trust(&mut self, gateway: &'a GatewayConfig) -> Result<Trust, ProofError> {
        let authentication = &gateway.authentication;
        let trusted = &authentication.trusted_cas[..];
        let demands = format!(
            "{:?}{:?}{}",
            authentication.key_kinds, authentication.extended_key_usages, authentication.allow_weak
        );
        let judge = match self.judges.get(&(trusted, demands.clone())) {
            Some(judge) => Arc::clone(judge),
            None => {
                let judge = Arc::new(self.judge(authentication));
                self.judges.insert((trusted, demands), Arc::clone(&judge));
                judge
            }
        };
        // RFC 4806 section 3.1: peers that can are asked to bring the answer along.
        let profiles = self.config.ca_profiles.iter();
        let mut named = profiles.filter(|profile| trusted.contains(&profile.name));
        let asks = named.any(|profile| profile.revocation.ocsp);
        let trust = trust(&gateway.name, &judge.validator, asks);
        self.keys.judges.insert(gateway.name.clone(), judge);
        trust
    }

    fn judge(&mut self, authentication: &Authentication) -> Judge {
        let (mut profiles, mut missing, mut checks) = (vec![], vec![], BTreeMap::new());
        for name in &authentication.trusted_cas {
            match self.contents.profiles.get(name) {
                Some(profile) => profiles.push((**profile).clone()),
                None => missing.push(format!("CA profile {name} has no certificate loaded")),
            }
            let configured = self.config.ca_profiles.iter().find(|p| p.name == *name);
            let check = configured.map(|profile| check(&profile.revocation));
            checks.insert(name.clone(), check.unwrap_or_default());
        }
        for text in &missing {
            self.fault(format!("{text}: peers that it certifies are refused"));
        }
        let mut policy = Policy {
            allow_weak: authentication.allow_weak,
            ..Policy::default()
        };
        if !authentication.extended_key_usages.is_empty() {
            policy.extended_key_usages = authentication.extended_key_usages.clone();
        }
        Judge {
            validator: Validator::new(profiles, policy),
            checks,
            key_kinds: authentication.key_kinds.clone(),
            missing: (!missing.is_empty()).then(|| missing.join("; ")),
            allow_weak: authentication.allow_weak,
        }
    }
}

fn check(revocation: &Revocation) -> Check {
    Check {
        mode: match revocation.mode {
            RevocationMode::Disable => CheckMode::Disable,
            RevocationMode::Soft => CheckMode::Soft,
            RevocationMode::Strict => CheckMode::Strict,
        },
        responder: revocation.ocsp.then(|| Responder {
            url: revocation.ocsp_url.clone(),
            no_nonce: !revocation.ocsp_nonce,
        }),
    }
}

fn speaks_for(certificate: &Certificate, identity: &Identity) -> Result<(), String> {
    let spoken = certificate.speaks_for(identity);
    spoken.map_err(|error| format!("`local-identity`: {error}"))
}

/// Without `local-identity` we are an address, that of one of both families.
fn speaks_for_one(certificate: &Certificate, ours: &[IpAddr]) -> Result<(), String> {
    let mut all = ours
        .iter()
        .map(|a| speaks_for(certificate, &of_address(*a)));
    match all.next() {
        Some(Err(error)) if !all.any(|spoken| spoken.is_ok()) => Err(error),
        _ => Ok(()),
    }
}
