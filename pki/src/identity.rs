//! Whether a certificate speaks for an IKE identity (RFC 4945 section 3.1).
//!
//! | identity | certificate |
//! |---|---|
//! | ID_FQDN | a dNSName, without regard to case; wildcards of certificates stand for nothing |
//! | ID_RFC822_ADDR | an rfc822Name, its domain without regard to case (RFC 5280 section 7.5) |
//! | ID_IPV4_ADDR, ID_IPV6_ADDR | an iPAddress, the whole of it |
//! | ID_DER_ASN1_DN | the subject, attribute by attribute |
//! | ID_KEY_ID | nothing |
//!
//! The common name is never taken for a host name.

use ravelin_types::Identity;

use crate::certificate::{AltName, Certificate};
use crate::name::DistinguishedName;

/// The certificate of a peer does not speak for the identity that it claims.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("certificate `{certificate}` does not speak for `{identity}`: {why}")]
pub struct IdentityError {
    /// Its subject.
    pub certificate: String,
    /// What the peer claims to be.
    pub identity: String,
    /// What it would have to have.
    pub why: String,
}

/// What the subject of a peer has to have, as Junos' `distinguished-name` says it. Without either, any subject fits.
#[derive(Debug, Clone, Default)]
pub struct DnPattern {
    /// These attributes, in this order; others may stand between them.
    pub container: Option<DistinguishedName>,
    /// These attributes, in any order.
    pub wildcard: Option<DistinguishedName>,
}

impl Certificate {
    /// Whether the owner of the certificate may claim the identity.
    ///
    /// # Errors
    /// [`IdentityError`] says what the certificate has instead.
    pub fn speaks_for(&self, identity: &Identity) -> Result<(), IdentityError> {
        let fails = |identity: String, why: String| IdentityError {
            certificate: self.to_string(),
            identity,
            why,
        };
        let (form, fits): (&str, &dyn Fn(&AltName) -> bool) = match identity {
            Identity::Fqdn(name) => (
                "dNSName",
                &move |alt| matches!(alt, AltName::Dns(dns) if same_host(dns, name)),
            ),
            Identity::Email(name) => (
                "rfc822Name",
                &move |alt| matches!(alt, AltName::Email(email) if same_mailbox(email, name)),
            ),
            Identity::Ipv4(address) => (
                "iPAddress",
                &move |alt| matches!(alt, AltName::Address(a) if *a == *address),
            ),
            Identity::Ipv6(address) => (
                "iPAddress",
                &move |alt| matches!(alt, AltName::Address(a) if *a == *address),
            ),
            Identity::Dn(der) => {
                let name = DistinguishedName::from_der(der)
                    .map_err(|error| fails(identity.to_string(), error.to_string()))?;
                if self.subject().matches(&name) && !name.is_empty() {
                    return Ok(());
                }
                let why = "its subject is another one";
                return Err(fails(name.to_string(), why.to_owned()));
            }
            Identity::KeyId(_) => {
                let why = "no certificate speaks for a key id";
                return Err(fails(identity.to_string(), why.to_owned()));
            }
        };
        if self.alt_names().iter().any(fits) {
            return Ok(());
        }
        let names: Vec<String> = self.alt_names().iter().map(AltName::to_string).collect();
        let has = match names.as_slice() {
            [] => "no alternative name".to_owned(),
            names => names.join(", "),
        };
        let why = format!("it needs such a {form} and has {has}");
        Err(fails(identity.to_string(), why))
    }
}

impl DnPattern {
    /// Whether the subject has what the pattern wants.
    pub fn matches(&self, subject: &DistinguishedName) -> bool {
        let container = self.container.as_ref();
        let wildcard = self.wildcard.as_ref();
        container.is_none_or(|wanted| subject.has_in_order(wanted))
            && wildcard.is_none_or(|wanted| subject.has(wanted))
    }
}

fn same_host(certificate: &str, identity: &str) -> bool {
    !certificate.contains('*') && certificate.eq_ignore_ascii_case(identity)
}

fn same_mailbox(certificate: &str, identity: &str) -> bool {
    match (certificate.rsplit_once('@'), identity.rsplit_once('@')) {
        (Some((a, at_a)), Some((b, at_b))) => a == b && at_a.eq_ignore_ascii_case(at_b),
        // A bare host or domain is no mailbox.
        _ => false,
    }
}

#[cfg(test)]
mod tests;
