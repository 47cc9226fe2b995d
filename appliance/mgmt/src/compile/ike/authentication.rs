//! How both sides of a gateway prove who they are, and who says so.
//!
//! Whether a policy has what it needs is judged by the model; here is what depends on the gateway, and what a model would not see.

use ravelin_config::Config;
use ravelin_config::typed::{Gateway, IkePolicy, PreSharedKey, SecretText, Subject};
use ravelin_ctl::ike::{
    Authentication, CaProfile, KeyKind, LocalIdentity, Ppk, RemotePeer, Revocation, RevocationMode,
    SubjectPattern,
};
use ravelin_types::SecretBytes;

const SECONDS_PER_HOUR: u32 = 3600;

pub(super) fn authentication(
    config: &Config,
    gateway: &Gateway,
    policy: &IkePolicy,
) -> Result<Authentication, String> {
    let certificate = &policy.certificate;
    let local = certificate.local_certificate.clone();
    let trusted = certificate.trusted().to_vec();
    let both = local.is_some() && !trusted.is_empty();
    let dynamic = gateway.dynamic.as_ref();
    let remote = dynamic.map_or(&gateway.remote_identity, |d| &d.identity);
    if remote.distinguished_name.is_some() && trusted.is_empty() {
        return Err(format!(
            "`distinguished-name` of peers needs `certificate trusted-ca` in policy `{}`",
            policy.name
        ));
    }
    // RFC 4945 section 3.1: an ID_KEY_ID is opaque, and no certificate has one.
    if gateway.remote_identity.stated.key_id.is_some() && !trusted.is_empty() {
        return Err("no certificate speaks for a `key-id`".to_owned());
    }
    if gateway.local_identity.distinguished_name && local.is_none() {
        return Err(format!(
            "`local-identity distinguished-name` needs `certificate local-certificate` in policy `{}`",
            policy.name
        ));
    }
    let known = |name: &String| (config.security.pki.ca_profile.iter()).any(|p| p.name == *name);
    // The model's leafref holds the names to entries; this is for a model that would not.
    if let Some(name) = trusted.iter().find(|name| !known(name)) {
        return Err(format!("no ca-profile `{name}`"));
    }
    Ok(Authentication {
        pre_shared_key: match both || policy.pre_shared_key.list.is_some() {
            true => None,
            false => Some(pre_shared_key(&policy.pre_shared_key)?),
        },
        key_list: policy.pre_shared_key.list.clone(),
        local_certificate: local,
        trusted_cas: trusted,
        key_kinds: key_kinds(config, policy),
        extended_key_usages: (certificate.extended_key_usage.iter())
            .map(|usage| number_of(usage).to_owned())
            .collect(),
        ppks: ppks(config, policy)?,
        ppk_required: !policy.ppk_profile.is_empty() && !policy.ppk_optional,
        allow_weak: certificate.allow_weak,
    })
}

/// An extended key usage in dotted decimal (RFC 5280 section 4.2.1.12, RFC 4945 section 5.1.3.12).
fn number_of(usage: &str) -> &str {
    match usage {
        "ipsec-ike" => "1.3.6.1.5.5.7.3.17",
        "any" => "2.5.29.37.0",
        "tls-server" => "1.3.6.1.5.5.7.3.1",
        "tls-client" => "1.3.6.1.5.5.7.3.2",
        number => number,
    }
}

/// The kinds that the proposals of a policy name; none when one of them takes any.
fn key_kinds(config: &Config, policy: &IkePolicy) -> Vec<KeyKind> {
    let mut kinds = Vec::new();
    let all = &config.security.ike.proposal;
    let named = policy.proposals.iter();
    for proposal in named.filter_map(|name| all.iter().find(|p| p.name == *name)) {
        let kind = match proposal.authentication_method.as_deref() {
            Some("rsa-signatures") => KeyKind::Rsa,
            Some("ecdsa-signatures-256") => KeyKind::EcdsaP256,
            Some("ecdsa-signatures-384") => KeyKind::EcdsaP384,
            Some("ecdsa-signatures-521") => KeyKind::EcdsaP521,
            Some("pre-shared-keys") => continue,
            _ => return Vec::new(),
        };
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

pub(super) fn local_identity(gateway: &Gateway) -> LocalIdentity {
    let stated = gateway.local_identity.stated.identity();
    match stated {
        _ if gateway.local_identity.distinguished_name => LocalIdentity::Subject,
        Some(identity) => LocalIdentity::Stated(identity),
        None => LocalIdentity::Address,
    }
}

pub(super) fn subject_peer(subject: &Subject) -> RemotePeer {
    RemotePeer::Subject(SubjectPattern {
        container: subject.container.clone(),
        wildcard: subject.wildcard.clone(),
    })
}

/// `security pki ca-profile`.
pub(super) fn ca_profiles(config: &Config) -> Vec<CaProfile> {
    let profiles = config.security.pki.ca_profile.iter();
    let compiled = profiles.map(|profile| {
        let check = &profile.revocation_check;
        CaProfile {
            name: profile.name.clone(),
            revocation: Revocation {
                mode: match (check.disable, check.soft) {
                    (true, _) => RevocationMode::Disable,
                    (_, true) => RevocationMode::Soft,
                    _ => RevocationMode::Strict,
                },
                ocsp: check.use_ocsp,
                crl_urls: check.crl.url.clone(),
                crl_refresh_s: (check.crl.refresh_interval)
                    .map(|hours| u32::from(hours) * SECONDS_PER_HOUR),
                ocsp_url: check.ocsp.url.clone(),
                ocsp_nonce: !check.ocsp.no_nonce,
            },
        }
    });
    compiled.collect()
}

/// The post-quantum pre-shared keys of a policy.
fn ppks(config: &Config, policy: &IkePolicy) -> Result<Vec<Ppk>, String> {
    let mut ppks: Vec<Ppk> = Vec::new();
    for name in &policy.ppk_profile {
        let mut all = config.security.key_manager.profiles.iter();
        // As with `ca-profile`.
        let profile = all.find(|profile| profile.name == *name);
        let profile = profile.ok_or_else(|| format!("no profile `{name}` of `key-manager`"))?;
        let (id, key) = (&profile.fixed.key_id, &profile.fixed.key);
        let ppk = Ppk {
            id: octets(id.ascii_text.as_deref(), id.hexadecimal.as_deref())?,
            key: secret(key.ascii_text.as_ref(), key.hexadecimal.as_ref())?,
        };
        if ppks.iter().any(|other| other.id == ppk.id) {
            let policy = &policy.name;
            return Err(format!(
                "ppk-profile `{name}` has the `key-id` of another one of policy `{policy}`"
            ));
        }
        ppks.push(ppk);
    }
    Ok(ppks)
}

fn pre_shared_key(key: &PreSharedKey) -> Result<SecretBytes, String> {
    match (&key.ascii_text, &key.hexadecimal) {
        (None, None) => Err("`pre-shared-key` is missing in its policy".to_owned()),
        (text, digits) => secret(text.as_ref(), digits.as_ref()),
    }
}

fn secret(text: Option<&SecretText>, digits: Option<&SecretText>) -> Result<SecretBytes, String> {
    let octets = octets(text.map(SecretText::expose), digits.map(SecretText::expose));
    octets.map(SecretBytes::new)
}

/// What is typed as text or in hexadecimal.
fn octets(text: Option<&str>, digits: Option<&str>) -> Result<Vec<u8>, String> {
    if let Some(text) = text {
        return Ok(text.as_bytes().to_vec());
    }
    let pairs = digits.unwrap_or_default().as_bytes().chunks(2);
    let octets = pairs.map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    });
    let octets: Option<Vec<u8>> = octets.collect();
    octets
        .filter(|octets| !octets.is_empty())
        .ok_or_else(|| "`hexadecimal` is no hexadecimal".to_owned())
}

#[cfg(test)]
mod tests;
