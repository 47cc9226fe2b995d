//! Proposals of IKE and ESP.

use super::*;

/// The site with another ESP proposal.
fn with_esp(statements: &str) -> String {
    SITE.replacen(
        "encryption-algorithm aes-256-gcm;\n            lifetime-seconds 3600",
        &format!("{statements}\n            lifetime-seconds 3600"),
        1,
    )
}

#[test]
fn esp_algorithms_are_named_as_the_configuration_names_them() {
    for (statements, wanted) in [
        (
            "encryption-algorithm chacha20-poly1305;",
            "chacha20-poly1305",
        ),
        (
            "encryption-algorithm aes-256-cbc; authentication-algorithm hmac-sha-256-128;",
            "aes-256-cbc/hmac-sha-256-128",
        ),
        (
            "encryption-algorithm aes-128-ctr; authentication-algorithm hmac-sha-512;",
            "aes-128-ctr/hmac-sha-512",
        ),
        ("encryption-algorithm aes-192-gcm-8;", "aes-192-gcm-8"),
    ] {
        let compiled = compiled(&with_esp(statements));
        let proposal = compiled.ike.gateways[0].vpns[0].proposals[0];
        assert_eq!(proposal.transform.to_string(), wanted);
        assert_eq!(compiled.warnings, Vec::<String>::new(), "{wanted}");
    }
}

#[test]
fn extended_numbers_need_the_window() {
    let esn = with_esp("encryption-algorithm aes-256-gcm; extended-sequence-number;");
    let proposal = compiled(&esn).ike.gateways[0].vpns[0].proposals[0];
    assert!(proposal.extended_sequence);
    let config = MODEL.load(
        "t.conf",
        &esn.replacen("anti-replay-window-size 512;", "no-anti-replay;", 1),
    );
    let errors = compile(&config.unwrap().config, &VrfIds::default()).unwrap_err();
    let wanted = "`no-anti-replay` excludes `extended-sequence-number`";
    assert!(errors[0].to_string().contains(wanted), "{errors:?}");
}

#[test]
fn weak_and_readable_esp_is_said_once_at_each_commit() {
    for (statements, wanted) in [
        (
            "allow-weak; encryption-algorithm 3des-cbc; authentication-algorithm hmac-sha-256-128;",
            "3des-cbc/hmac-sha-256-128 is weak",
        ),
        (
            "allow-weak; encryption-algorithm aes-256-cbc; authentication-algorithm hmac-sha1-96;",
            "aes-256-cbc/hmac-sha1-96 is weak",
        ),
        (
            "encryption-algorithm aes-256-gmac;",
            "aes-256-gmac does not encrypt",
        ),
        (
            "encryption-algorithm null; authentication-algorithm hmac-sha-384;",
            "null/hmac-sha-384 does not encrypt",
        ),
    ] {
        let [warning] = compiled(&with_esp(statements)).warnings.try_into().unwrap();
        let wanted = format!("[security ipsec proposal esp-gcm] {wanted}");
        assert!(warning.starts_with(&wanted), "{warning}");
    }
}

fn with_ike(statements: &str) -> String {
    let first = |text: &str, from, to| text.replacen(from, to, 1);
    let text = first(SITE, "dh-group group19;", statements);
    let text = first(&text, "authentication-algorithm sha-256;\n", "");
    first(&text, "encryption-algorithm aes-256-gcm;\n", "")
}

/// What is negotiated for statements of the first IKE proposal, and what the operator is told.
fn ike_suite(statements: &str) -> (String, Vec<String>) {
    let made = compiled(&with_ike(statements));
    let suite = made.ike.gateways[0].proposals[0].suite;
    (suite.to_string(), made.warnings)
}

#[test]
fn the_authentication_algorithm_is_integrity_and_pseudorandom_function() {
    for (statements, wanted) in [
        (
            "dh-group group19; encryption-algorithm aes-128-gcm;",
            "aes-128-gcm/sha-256/group19",
        ),
        (
            "dh-group group21; encryption-algorithm aes-256-ccm-12; authentication-algorithm sha-512;",
            "aes-256-ccm-12/sha-512/group21",
        ),
        (
            "dh-group group30; encryption-algorithm aes-192-ctr; authentication-algorithm aes-xcbc;",
            "aes-192-ctr/aes-xcbc/aes-xcbc/group30",
        ),
        (
            "dh-group group32; encryption-algorithm aes-256-cbc; authentication-algorithm aes-cmac; pseudorandom-function sha-384;",
            "aes-256-cbc/aes-cmac/sha-384/group32",
        ),
    ] {
        assert_eq!(ike_suite(statements), (wanted.to_owned(), Vec::new()));
    }
}

#[test]
fn each_weak_part_of_an_ike_proposal_is_named() {
    let (suite, warnings) = ike_suite(
        "dh-group group2; allow-weak; encryption-algorithm 3des-cbc; authentication-algorithm sha1;",
    );
    assert_eq!(suite, "3des-cbc/sha1/sha1/group2");
    let named: Vec<_> = warnings
        .iter()
        .map(|w| w.split(" is weak").next())
        .collect();
    let wanted = ["3des-cbc", "sha1", "group2"];
    let wanted = wanted.map(|part| Some(format!("[security ike proposal ike-gcm] {part}")));
    assert_eq!(named, wanted.each_ref().map(Option::as_deref));
}

#[test]
fn a_proposal_set_stands_for_proposals() {
    let suites = |set: &str| {
        let text = SITE
            .replacen("proposals ike-gcm;", &format!("proposal-set {set};"), 1)
            .replacen("proposals esp-gcm;", &format!("proposal-set {set};"), 1);
        let ike = compiled(&text).ike;
        let gateway = &ike.gateways[0];
        let first: Vec<_> = gateway.proposals.iter().map(|p| p.suite).collect();
        assert!(first.iter().all(|suite| suite.weak_parts().is_empty()));
        let esp = gateway.vpns[0].proposals.iter();
        let esp: Vec<_> = esp.map(|p| p.transform.to_string()).collect();
        assert!(esp.iter().all(|name| !name.is_empty()), "{set}");
        (
            first.iter().map(ToString::to_string).collect::<Vec<_>>(),
            esp,
        )
    };
    let (ike, esp) = suites("suiteb-gcm-256");
    assert_eq!(ike, ["aes-256-cbc/sha-384/sha-384/group20"]);
    assert_eq!(esp, ["aes-256-gcm"]);
    let ((standard, _), (compatible, _)) = (suites("standard"), suites("compatible"));
    assert_eq!(compatible[..standard.len()], standard);
    assert!(compatible.iter().any(|suite| suite.contains("group14")));
    let (ike, esp) = suites("post-quantum");
    assert_eq!(ike, ["aes-256-gcm/sha-384/group31+ml-kem-768"]);
    assert_eq!(esp, ["aes-256-gcm"]);
    // 3GPP TS 33.210: what every implementation must have.
    let (ike, esp) = suites("3gpp");
    assert!(ike.contains(&"aes-128-gcm/sha-256/group19".to_owned()));
    assert!(esp.contains(&"aes-128-gcm".to_owned()));
}

#[test]
fn additional_key_exchanges_go_with_the_suite_and_the_group_of_a_child() {
    let (suite, _) = ike_suite(
        "dh-group group19; additional-key-exchange [ ml-kem-768 group20 ]; encryption-algorithm aes-256-gcm;",
    );
    assert_eq!(suite, "aes-256-gcm/sha-256/group19+ml-kem-768+group20");
    let text = SITE.replacen(
        "proposals esp-gcm;",
        "proposals esp-gcm; perfect-forward-secrecy { keys group19; additional-key-exchange ml-kem-768; }",
        1,
    );
    let vpn = &compiled(&text).ike.gateways[0].vpns[0];
    assert_eq!(vpn.pfs, Some(DhGroup::Ecp256));
    assert_eq!(vpn.additional.to_string(), "+ml-kem-768");
}
