//! Fuzzes certificates in DER and PEM, and names: any octets are answered, and what is accepted can be shown, written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin_pki::{CaProfile, Certificate, DistinguishedName, Policy, Validator};
use ravelin_types::Identity;
use std::sync::LazyLock;

#[path = "../authority.rs"]
#[allow(dead_code)]
mod authority;
use authority::{NOW, authority};

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    let anchors = vec![authority().certificate];
    let name = "fuzz".to_owned();
    Validator::new(vec![CaProfile { name, anchors }], Policy::default())
});

fuzz_target!(|data: &[u8]| {
    if let Ok(name) = DistinguishedName::from_der(data) {
        shown(&name.to_string());
        assert!(name.matches(&name));
    }
    let Ok(list) = Certificate::from_file(data) else {
        return;
    };
    for certificate in &list {
        shown(&certificate.to_string());
        assert_eq!(
            Certificate::from_der(certificate.der()).as_ref(),
            Ok(certificate)
        );
        let subject = Identity::Dn(certificate.subject().der().to_vec());
        assert_ne!(
            certificate.speaks_for(&subject).is_ok(),
            certificate.subject().is_empty()
        );
    }
    if let Some((first, others)) = list.split_first() {
        // None of them is signed by the CA, but the CA itself.
        assert!(VALIDATOR.validate(first, others, &[], NOW).is_err());
    }
});

/// A name writes no lines into a log.
fn shown(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
}
