use super::*;
use crate::compile::compile;
use crate::compile::tests::{MODEL, SITE};
use crate::instances::VrfIds;
use ravelin_ctl::ike::{IkeConfig, PeerAddress};

const PSK: &str = "pre-shared-key ascii-text \"backhaul-secret\"; ## SECRET-DATA";
const METHOD: &str = "authentication-method pre-shared-keys;";
const LOCAL_ID: &str = "local-identity hostname secgw.example;";
const PEERS: &str = "hostname .enb.example;";
const CERTIFICATE: &str = "certificate { local-certificate gw; trusted-ca ca-profile [ RAN TRANSPORT ]; peer-certificate-type x509-signature; }";
const PROFILES: &str = "pki {
    ca-profile RAN { ca-identity ran; revocation-check { use-crl; soft; crl { url http://crl.example/ran.crl; refresh-interval 2; } } }
    ca-profile TRANSPORT { revocation-check { use-ocsp; ocsp { url http://ocsp.example; no-nonce; } } }
    ca-profile OPEN { revocation-check disable; }
}
";

/// The site with CA profiles, and with these replacements.
fn site(replacements: &[(&str, &str)]) -> Result<IkeConfig, String> {
    let mut text = SITE.replacen("security {\n", &format!("security {{\n{PROFILES}"), 1);
    for (from, to) in replacements {
        assert!(text.contains(from), "the site has no {from}");
        text = text.replacen(from, to, 1);
    }
    let loaded = MODEL.load("t.conf", &text).map_err(|e| e.to_string())?;
    let compiled = compile(&loaded.config, &VrfIds::default());
    compiled
        .map(|c| c.ike)
        .map_err(|errors| errors[0].to_string())
}

/// RFC 7296 section 2.15: "MUST accept ASCII strings of at least 64 octets and MUST NOT add a null terminator", and "a hex encoding".
#[test]
fn keys_are_taken_as_they_are_typed() {
    for octets in [1, 64, 255] {
        let typed = "k".repeat(octets);
        let (text, digits) = (
            PSK.replace("backhaul-secret", &typed),
            format!(
                "pre-shared-key hexadecimal {}; ## SECRET-DATA",
                "6b".repeat(octets)
            ),
        );
        for statement in [text, digits] {
            let ike = site(&[(PSK, &statement)]).unwrap();
            let key = SecretBytes::new(typed.clone().into_bytes());
            assert_eq!(
                ike.gateways[0].authentication,
                Authentication::pre_shared(key)
            );
        }
    }
}

#[test]
fn both_sides_use_certificates() {
    let with = |method: &str| site(&[(METHOD, method), (PSK, CERTIFICATE)]);
    let expected = |key_kinds: &[KeyKind]| Authentication {
        local_certificate: Some("gw".to_owned()),
        trusted_cas: vec!["RAN".to_owned(), "TRANSPORT".to_owned()],
        key_kinds: key_kinds.to_vec(),
        ..Authentication::default()
    };
    for (method, kinds) in [
        ("", &[][..]),
        ("authentication-method certificates;", &[]),
        ("authentication-method rsa-signatures;", &[KeyKind::Rsa]),
        (
            "authentication-method ecdsa-signatures-256;",
            &[KeyKind::EcdsaP256],
        ),
        (
            "authentication-method ecdsa-signatures-384;",
            &[KeyKind::EcdsaP384],
        ),
        (
            "authentication-method ecdsa-signatures-521;",
            &[KeyKind::EcdsaP521],
        ),
    ] {
        assert_eq!(
            with(method).unwrap().gateways[0].authentication,
            expected(kinds),
            "{method}"
        );
    }
    let weak = CERTIFICATE.replace("local-certificate", "allow-weak; local-certificate");
    let ike = site(&[(METHOD, ""), (PSK, &weak)]).unwrap();
    assert!(ike.gateways[0].authentication.allow_weak);
    let usages = CERTIFICATE.replace(
        "local-certificate",
        "extended-key-usage [ tls-client any 1.3.6.1.4.1.9.2 ]; local-certificate",
    );
    let ike = site(&[(METHOD, ""), (PSK, &usages)]).unwrap();
    assert_eq!(
        ike.gateways[0].authentication.extended_key_usages,
        ["1.3.6.1.5.5.7.3.2", "2.5.29.37.0", "1.3.6.1.4.1.9.2"]
    );
}

#[test]
fn one_direction_may_keep_the_key() {
    let both = |certificate: &str| {
        let policy = format!("{PSK}\n certificate {{ {certificate} }}");
        let authentication = site(&[(METHOD, ""), (PSK, &policy)]).unwrap().gateways[0]
            .authentication
            .clone();
        assert!(authentication.pre_shared_key.is_some());
        (authentication.local_certificate, authentication.trusted_cas)
    };
    assert_eq!(
        both("local-certificate gw;"),
        (Some("gw".to_owned()), vec![])
    );
    assert_eq!(
        both("trusted-ca ca-profile RAN;"),
        (None, vec!["RAN".to_owned()])
    );
}

#[test]
fn what_a_policy_lacks_is_named() {
    let refused =
        |policy: &str, method: &str| site(&[(METHOD, method), (PSK, policy)]).unwrap_err();
    for (policy, method, expected) in [
        ("", "", "neither `pre-shared-key` nor `certificate`"),
        (
            "certificate local-certificate gw;",
            "",
            "`certificate trusted-ca` is missing, or a `pre-shared-key` by which the peers prove",
        ),
        (
            "certificate trusted-ca ca-profile RAN;",
            "",
            "`certificate local-certificate` is missing, or a `pre-shared-key` by which we prove",
        ),
        (
            &format!("{PSK}\n{CERTIFICATE}"),
            "",
            "`pre-shared-key` is of no use beside",
        ),
        (
            CERTIFICATE,
            METHOD,
            "`pre-shared-key` is missing: a proposal",
        ),
        (
            PSK,
            "authentication-method certificates;",
            "`certificate` is missing: a proposal",
        ),
        (&CERTIFICATE.replace("TRANSPORT", "OTHER"), "", "OTHER"),
    ] {
        let error = refused(policy, method);
        assert!(error.contains(expected), "{policy} {method}: {error}");
    }
}

#[test]
fn subjects_are_identities_of_certificates() {
    let subject = "distinguished-name { container \"O=Example, OU=RAN\"; wildcard C=DE; }";
    let ike = site(&[
        (METHOD, ""),
        (PSK, CERTIFICATE),
        (PEERS, subject),
        (LOCAL_ID, "local-identity distinguished-name;"),
    ]);
    let ike = ike.unwrap();
    let pattern = SubjectPattern {
        container: Some("O=Example, OU=RAN".to_owned()),
        wildcard: Some("C=DE".to_owned()),
    };
    assert_eq!(ike.gateways[0].remote, RemotePeer::Subject(pattern));
    assert_eq!(ike.gateways[0].remote_addresses, None);
    assert_eq!(ike.gateways[0].local_identity, LocalIdentity::Subject);
    let group = "dynamic {\n                hostname .enb.example;\n                ike-user-type group-ike-id;\n            }";
    let fixed = "address 192.0.2.10; remote-identity distinguished-name;";
    let ike = site(&[(METHOD, ""), (PSK, CERTIFICATE), (group, fixed)]).unwrap();
    let any = RemotePeer::Subject(SubjectPattern::default());
    assert_eq!(ike.gateways[0].remote, any);
    let address = PeerAddress::Address("192.0.2.10".parse().unwrap());
    assert_eq!(ike.gateways[0].remote_addresses, Some(vec![address]));
    // Without certificates there is no subject.
    let error = site(&[(group, fixed)]).unwrap_err();
    assert!(
        error.ends_with(
            "`distinguished-name` of peers needs `certificate trusted-ca` in policy `enb`"
        ),
        "{error}"
    );
    let error = site(&[(LOCAL_ID, "local-identity distinguished-name;")]).unwrap_err();
    assert!(
        error.ends_with("`local-identity distinguished-name` needs `certificate local-certificate` in policy `enb`"),
        "{error}"
    );
    let fixed = "address 192.0.2.10; remote-identity key-id k;";
    let error = site(&[(METHOD, ""), (PSK, CERTIFICATE), (group, fixed)]).unwrap_err();
    assert!(
        error.ends_with("no certificate speaks for a `key-id`"),
        "{error}"
    );
}

#[test]
fn profiles_say_how_revocation_is_checked() {
    let profiles = site(&[]).unwrap().ca_profiles;
    let none = Revocation {
        mode: RevocationMode::Strict,
        ocsp: false,
        crl_urls: vec![],
        crl_refresh_s: None,
        ocsp_url: None,
        ocsp_nonce: true,
    };
    let of = |name: &str| {
        profiles
            .iter()
            .find(|p| p.name == name)
            .unwrap()
            .revocation
            .clone()
    };
    let ran = Revocation {
        mode: RevocationMode::Soft,
        crl_urls: vec!["http://crl.example/ran.crl".to_owned()],
        crl_refresh_s: Some(7200),
        ..none.clone()
    };
    assert_eq!(of("RAN"), ran);
    let transport = Revocation {
        ocsp: true,
        ocsp_url: Some("http://ocsp.example".to_owned()),
        ocsp_nonce: false,
        ..none.clone()
    };
    assert_eq!(of("TRANSPORT"), transport);
    assert_eq!(of("OPEN").mode, RevocationMode::Disable);
    let unsaid = site(&[("revocation-check disable;", "")])
        .unwrap()
        .ca_profiles;
    assert_eq!(
        unsaid[0].revocation, none,
        "the strictest when nothing is said"
    );
    for (from, to, expected) in [
        (
            "revocation-check disable;",
            "revocation-check { disable; soft; }",
            "`soft` says nothing beside `disable`",
        ),
        (
            "http://ocsp.example",
            "https://ocsp.example",
            "expected a URL of HTTP",
        ),
        (
            "refresh-interval 2;",
            "refresh-interval 0;",
            "expected a number of 1..8784",
        ),
    ] {
        let error = site(&[(from, to)]).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

const MANAGER: &str = "key-manager {
    profiles first { static { key-id ascii-text one; key ascii-text \"post-quantum\"; } }
    profiles second { static { key-id hexadecimal 0002; key hexadecimal 00ff; } }
    profiles third { static { key-id hexadecimal 6f6e65; key ascii-text other; } }
}
";

fn with_ppks(statements: &str) -> Result<Authentication, String> {
    let (profiles, policy) = (format!("{MANAGER}pki {{"), format!("{PSK}\n{statements}"));
    let ike = site(&[("pki {", &profiles), (PSK, &policy)])?;
    Ok(ike.gateways[0].authentication.clone())
}

#[test]
fn post_quantum_pre_shared_keys_are_required_unless_the_policy_says_optional() {
    let plain = with_ppks("").unwrap();
    assert_eq!((plain.ppks.len(), plain.ppk_required), (0, false));
    let one = Ppk {
        id: b"one".to_vec(),
        key: SecretBytes::new(b"post-quantum".to_vec()),
    };
    let two = Ppk {
        id: vec![0, 2],
        key: SecretBytes::new(vec![0, 0xff]),
    };
    let required = with_ppks("ppk-profile first;").unwrap();
    assert_eq!(
        (&required.ppks[..], required.ppk_required),
        (&[one.clone()][..], true)
    );
    let both = with_ppks("ppk-profile [ second first ]; ppk-optional;").unwrap();
    assert_eq!(
        (&both.ppks[..], both.ppk_required),
        (&[two, one][..], false)
    );
}

#[test]
fn what_is_wrong_with_post_quantum_pre_shared_keys_is_named() {
    for (statements, expected) in [
        ("ppk-optional;", "`ppk-optional` needs a `ppk-profile`"),
        ("ppk-profile fourth;", "fourth"),
        (
            "ppk-profile [ first third ];",
            "ppk-profile `third` has the `key-id` of another one of policy",
        ),
    ] {
        let error = with_ppks(statements).unwrap_err();
        assert!(error.contains(expected), "{statements}: {error}");
    }
    for (from, to, expected) in [
        ("key ascii-text other;", "", "key"),
        ("key-id hexadecimal 0002;", "", "key-id"),
        ("0002", "002", "even number"),
    ] {
        let manager = MANAGER.replace(from, to);
        let error = site(&[("pki {", &format!("{manager}pki {{"))]).unwrap_err();
        assert!(error.contains(expected), "{from}: {error}");
    }
}
