use super::*;
use crate::WallTime;
use crate::testca::{Hierarchy, KeyKind};
use std::sync::LazyLock;

static PEER: LazyLock<Certificate> = LazyLock::new(|| {
    let ca = Hierarchy::new(KeyKind::P256, WallTime(1_800_000_000), "example.net").unwrap();
    let names = [
        Identity::Fqdn("*.wild.example.net".into()),
        Identity::Email("Noc@Example.net".into()),
        Identity::Ipv4([192, 0, 2, 1].into()),
        Identity::Ipv6([0x20; 16].into()),
    ];
    let issued = ca.issue("enb1", &names).unwrap();
    Certificate::from_der(&issued.certificate).unwrap()
});

fn name(text: &str) -> DistinguishedName {
    DistinguishedName::from_text(text).unwrap()
}

fn dn(text: &str) -> Identity {
    Identity::Dn(name(text).der().to_vec())
}

#[test]
fn a_certificate_speaks_for_its_names() {
    for identity in [
        Identity::Fqdn("enb1.example.net".into()),
        Identity::Fqdn("ENB1.Example.NET".into()),
        Identity::Email("Noc@eXample.net".into()),
        Identity::Ipv4([192, 0, 2, 1].into()),
        Identity::Ipv6([0x20; 16].into()),
        dn("CN=enb1,O=Ravelin Test"),
        dn("CN=ENB1,O=ravelin  test"),
    ] {
        assert_eq!(PEER.speaks_for(&identity), Ok(()));
    }
}

#[test]
fn a_certificate_speaks_for_nobody_else() {
    for identity in [
        // The common name is no host name.
        Identity::Fqdn("enb1".into()),
        Identity::Fqdn("enb1.example.net.".into()),
        Identity::Fqdn("a.wild.example.net".into()),
        Identity::Fqdn("*.wild.example.net".into()),
        Identity::Fqdn("Noc@Example.net".into()),
        Identity::Fqdn("192.0.2.1".into()),
        Identity::Email("noc@example.net".into()),
        Identity::Email("example.net".into()),
        Identity::Ipv4([192, 0, 2, 2].into()),
        Identity::Ipv6([0x21; 16].into()),
        dn("CN=enb1"),
        dn("O=Ravelin Test,CN=enb1"),
        dn("CN=enb2,O=Ravelin Test"),
        Identity::Dn(vec![0x30, 0]),
        Identity::Dn(vec![1, 2, 3]),
        Identity::KeyId(b"enb1.example.net".to_vec()),
    ] {
        assert!(PEER.speaks_for(&identity).is_err(), "{identity}");
    }
}

#[test]
fn an_error_says_what_the_certificate_has() {
    let error = PEER
        .speaks_for(&Identity::Fqdn("enb2.example.net".into()))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "certificate `CN=enb1,O=Ravelin Test` does not speak for `enb2.example.net`: it needs such a dNSName and has \
         enb1.example.net, *.wild.example.net, Noc@Example.net, 192.0.2.1, 2020:2020:2020:2020:2020:2020:2020:2020"
    );
    let error = PEER.speaks_for(&dn("CN=enb2")).unwrap_err().to_string();
    assert!(
        error.contains("`CN=enb2`: its subject is another one"),
        "{error}"
    );
}

#[test]
fn container_wants_order_and_wildcard_does_not() {
    let subject = name("CN=enb1,OU=Access,OU=North,O=Example,C=DE");
    let container = |text| DnPattern {
        container: Some(name(text)),
        wildcard: None,
    };
    let wildcard = |text| DnPattern {
        container: None,
        wildcard: Some(name(text)),
    };
    for (text, in_order, anyhow) in [
        ("O=Example", true, true),
        ("OU=Access,OU=North", true, true),
        ("OU=access,C=DE", true, true),
        ("OU=North,OU=Access", false, true),
        ("C=DE,O=Example", false, true),
        ("OU=North,OU=North", false, false),
        ("OU=South", false, false),
        ("O=North", false, false),
        ("CN=enb1,OU=Access,OU=North,O=Example,C=DE", true, true),
    ] {
        assert_eq!(container(text).matches(&subject), in_order, "{text}");
        assert_eq!(wildcard(text).matches(&subject), anyhow, "{text}");
    }
    assert!(DnPattern::default().matches(&subject));
    let both = DnPattern {
        container: Some(name("OU=Access,OU=North")),
        wildcard: Some(name("C=FR")),
    };
    assert!(!both.matches(&subject));
}
