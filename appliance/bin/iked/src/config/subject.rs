//! Subjects of certificates that a gateway accepts as identities of its peers: Junos' `distinguished-name`.

use std::fmt;
use std::sync::Arc;

use ravelin_ctl::ike::SubjectPattern;
use ravelin_ike::config::IdentityPattern;
use ravelin_pki::{DistinguishedName, DnPattern, Error};
use ravelin_types::Identity;

#[derive(Debug)]
struct Subject {
    pattern: DnPattern,
    text: String,
}

/// Reads the texts of a pattern.
///
/// # Errors
/// [`Error::Text`] names the part that is no attribute.
pub(super) fn subject(pattern: &SubjectPattern) -> Result<Arc<dyn IdentityPattern>, Error> {
    let read = |text: &Option<String>| match text {
        Some(text) => DistinguishedName::from_text(text).map(Some),
        None => Ok(None),
    };
    let mut text = "a distinguished name".to_owned();
    for (what, value) in [
        (" with, in this order, ", &pattern.container),
        (" with ", &pattern.wildcard),
    ] {
        if let Some(value) = value {
            text += what;
            text += value;
        }
    }
    Ok(Arc::new(Subject {
        pattern: DnPattern {
            container: read(&pattern.container)?,
            wildcard: read(&pattern.wildcard)?,
        },
        text,
    }))
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl IdentityPattern for Subject {
    fn accepts(&self, identity: &Identity) -> bool {
        let Identity::Dn(der) = identity else {
            return false;
        };
        DistinguishedName::from_der(der).is_ok_and(|name| self.pattern.matches(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Identity {
        Identity::Dn(DistinguishedName::from_text(text).unwrap().der().to_vec())
    }

    fn pattern(container: &str, wildcard: &str) -> SubjectPattern {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        SubjectPattern {
            container: some(container),
            wildcard: some(wildcard),
        }
    }

    #[test]
    fn attributes_are_looked_for_in_distinguished_names_only() {
        let accepts = |container: &str, wildcard: &str, identity: &Identity| {
            let made = subject(&pattern(container, wildcard)).unwrap();
            made.accepts(identity)
        };
        let enb = name("CN=enb1, OU=RAN, O=Example, C=DE");
        assert!(accepts("", "", &enb));
        assert!(accepts("", "O=Example", &enb));
        assert!(accepts("", "C=DE,CN=enb1", &enb));
        assert!(accepts("CN=enb1,O=Example", "", &enb));
        assert!(!accepts("O=Example,CN=enb1", "", &enb));
        assert!(!accepts("", "O=Other", &enb));
        assert!(!accepts("", "", &Identity::Fqdn("enb1.example".to_owned())));
        assert!(!accepts("", "", &Identity::Dn(vec![0x30, 5])));
    }

    #[test]
    fn the_text_says_what_is_accepted_and_what_is_no_name() {
        let made = subject(&pattern("CN=a,O=b", "C=DE")).unwrap();
        assert_eq!(
            made.to_string(),
            "a distinguished name with, in this order, CN=a,O=b with C=DE"
        );
        assert!(*made == *subject(&pattern("CN=a,O=b", "C=DE")).unwrap());
        assert!(*made != *subject(&pattern("CN=a,O=b", "")).unwrap());
        let error = subject(&pattern("", "Colour=red")).unwrap_err();
        assert!(error.to_string().contains("Colour"), "{error}");
    }
}
