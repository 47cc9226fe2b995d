//! What strongSwan and the gateway agree on, and how a refusal is explained: each failure is one line that names the
//! culprit, and disturbs no established tunnel.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::gateway::Gateway;
use ravelin_tests::site::{CONFIGURATION, Site, V4, enb_connection};
use ravelin_tests::strongswan::{Connection, StrongSwan};
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::wait_until;
use std::time::Duration;

/// More proposals than the site's one: every cipher, PRF and group of this release.
const MORE_PROPOSALS: &str = "
        proposal ike-cbc {
            authentication-method pre-shared-keys;
            dh-group group14;
            authentication-algorithm sha-256;
            encryption-algorithm aes-256-cbc;
        }
        proposal ike-384 {
            authentication-method pre-shared-keys;
            dh-group group20;
            authentication-algorithm sha-384;
            encryption-algorithm aes-256-gcm;
        }
        proposal ike-128 {
            authentication-method pre-shared-keys;
            dh-group group31;
            authentication-algorithm sha-256;
            encryption-algorithm aes-128-gcm;
        }
        policy enb {";

/// ESP algorithms of every shape that strongSwan's own ESP has too: name here, statements, name there, name shown.
const ESP_SUITES: [(&str, &str, &str, &str); 6] = [
    (
        "cbc",
        "encryption-algorithm aes-256-cbc; authentication-algorithm hmac-sha-256-128;",
        "aes256-sha256",
        "ESP:aes-256-cbc/sha256",
    ),
    (
        "chacha",
        "encryption-algorithm chacha20-poly1305;",
        "chacha20poly1305",
        "ESP:chacha20-poly1305/None",
    ),
    (
        "ctr",
        "encryption-algorithm aes-128-ctr; authentication-algorithm hmac-sha-512;",
        "aes128ctr-sha512",
        "ESP:aes-128-ctr/sha512",
    ),
    (
        "gcm8",
        "encryption-algorithm aes-192-gcm-8;",
        "aes192gcm8",
        "ESP:aes-192-gcm-8/None",
    ),
    (
        "null",
        "encryption-algorithm null; authentication-algorithm hmac-sha-384;",
        "null-sha384",
        "ESP:null/sha384",
    ),
    (
        "old",
        "allow-weak; encryption-algorithm 3des-cbc; authentication-algorithm hmac-sha1-96;",
        "3des-sha1",
        "ESP:3des-cbc/sha1",
    ),
];

fn expect_log(gateway: &mut Gateway, parts: &[&str]) {
    let iked = gateway.daemon("iked").unwrap();
    wait_until(
        &format!("{parts:?} on one line of iked's log"),
        Duration::from_secs(5),
        || {
            let found = iked
                .log()
                .lines()
                .any(|line| parts.iter().all(|part| line.contains(part)));
            Ok(found.then_some(()))
        },
    )
    .unwrap_or_else(|e| panic!("{e}; log:\n{}", iked.log()));
}

fn refused(change: impl FnOnce(&mut Connection), test: &str, explained: &[&str]) {
    let site = Site::new(test).unwrap();
    let mut gateway = site.start_gateway().unwrap();
    let good = enb_connection("ipv4", V4);
    let mut bad = Connection {
        name: "bad".into(),
        ..good.clone()
    };
    bad.children[0].name = "bad-s1".into();
    change(&mut bad);
    let peer = StrongSwan::start(&site.enb, site.folder(), &[good]).unwrap();
    peer.initiate("ipv4-s1").unwrap();

    peer.configure(&[enb_connection("ipv4", V4), bad]).unwrap();
    assert!(
        peer.initiate("bad-s1").is_err(),
        "the bad connection was accepted"
    );
    expect_log(&mut gateway, explained);
    assert_eq!(
        ping(&site.enb, V4.enb_inner, V4.core, 2, 56).unwrap(),
        2,
        "the established tunnel suffered"
    );
}

#[test]
fn wrong_pre_shared_key_is_refused_and_explained() {
    // strongSwan looks a secret up by both identities: the bad connection needs identities of its own.
    let change = |c: &mut Connection| {
        c.local_id = "enb2.enb.example".into();
        c.psk = "another-secret".into();
    };
    refused(
        change,
        "wrong_psk",
        &[
            "192.0.2.10",
            "enb2.enb.example",
            "IKE_AUTH",
            "pre-shared keys differ",
        ],
    );
}

#[test]
fn wrong_identity_is_refused_and_explained() {
    let change = |c: &mut Connection| c.local_id = "enb1.elsewhere.example".into();
    refused(
        change,
        "wrong_id",
        &[
            "192.0.2.10",
            "enb1.elsewhere.example",
            "is not accepted",
            "enb.example",
        ],
    );
}

#[test]
fn no_common_proposal_is_refused_and_names_the_transform() {
    let change = |c: &mut Connection| c.proposals = "aes256gcm16-prfsha256-modp3072".into();
    refused(
        change,
        "no_ike_proposal",
        &[
            "192.0.2.10",
            "IKE_SA_INIT",
            "no proposal chosen",
            "offered",
            "accepted",
        ],
    );
}

#[test]
fn no_common_esp_proposal_keeps_the_ike_sa_and_names_the_transform() {
    let site = Site::new("no_esp_proposal").unwrap();
    let mut gateway = site.start_gateway().unwrap();
    let mut connection = enb_connection("ipv4", V4);
    connection.children[0].proposals = "aes192gcm16".into();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[connection]).unwrap();
    assert!(peer.initiate("ipv4-s1").is_err());
    expect_log(
        &mut gateway,
        &["192.0.2.10", "no proposal chosen", "offered", "accepted"],
    );
    assert_eq!(
        (peer.established().unwrap(), peer.children().unwrap()),
        (1, 0)
    );
}

#[test]
fn selectors_are_narrowed_to_the_configuration() {
    let site = Site::new("narrowing").unwrap();
    let configuration = CONFIGURATION
        .replace("local-ip 0.0.0.0/0;", "local-ip 198.51.100.0/25;")
        .replace("remote-ip 0.0.0.0/0;", "remote-ip 10.45.0.0/16;");
    let gateway = site.start_gateway_with(&configuration).unwrap();
    let mut connection = enb_connection("ipv4", V4);
    connection.children[0].local_ts = "10.45.0.1/32".into();
    connection.children[0].remote_ts = "198.51.0.0/16".into();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[connection]).unwrap();
    peer.initiate("ipv4-s1").unwrap();
    let sas = peer.list_sas().unwrap();
    assert!(
        sas.contains("198.51.100.0/25") && sas.contains("10.45.0.1/32"),
        "{sas}"
    );
    let ours = gateway
        .cli("show security ipsec security-associations detail")
        .unwrap();
    assert!(
        ours.contains("198.51.100.0/25") && ours.contains("10.45.0.1/32"),
        "{ours}"
    );
    let routes = gateway.cli("show route").unwrap();
    assert!(routes.contains("10.45.0.1/32"), "{routes}");
    assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 2, 56).unwrap(), 2);
}

#[test]
fn every_suite_of_this_release_carries_traffic() {
    let site = Site::new("suites").unwrap();
    let configuration = CONFIGURATION
        .replacen("\n        policy enb {", MORE_PROPOSALS, 1)
        .replace(
            "proposals ike-gcm;",
            "proposals [ ike-gcm ike-cbc ike-384 ike-128 ];",
        );
    let gateway = site.start_gateway_with(&configuration).unwrap();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[]).unwrap();
    for (name, suite) in [
        ("gcm", "aes256gcm16-prfsha256-ecp256"),
        ("cbc", "aes256-sha256-prfsha256-modp2048"),
        ("sha384", "aes256gcm16-prfsha384-ecp384"),
        ("x25519", "aes128gcm16-prfsha256-curve25519"),
        // The first group is not ours: INVALID_KE_PAYLOAD, then the second.
        ("retry", "aes256gcm16-prfsha256-modp4096-ecp256"),
    ] {
        let mut connection = enb_connection(name, V4);
        connection.proposals = suite.into();
        peer.configure(&[connection]).unwrap();
        peer.initiate(&format!("{name}-s1"))
            .unwrap_or_else(|e| panic!("{suite}: {e}"));
        assert_eq!(
            ping(&site.enb, V4.enb_inner, V4.core, 2, 56).unwrap(),
            2,
            "{suite}"
        );
        peer.terminate(name).unwrap();
    }
    let left = gateway
        .cli("show security ike security-associations | count")
        .unwrap();
    assert!(!left.is_empty());
}

#[test]
fn every_kind_of_esp_algorithm_carries_traffic() {
    let site = Site::new("esp_suites").unwrap();
    let proposals: String = ESP_SUITES
        .iter()
        .map(|(name, statements, ..)| {
            format!("proposal esp-{name} {{ protocol esp; {statements} }}\n")
        })
        .collect();
    let names: String = ESP_SUITES.map(|(name, ..)| format!("esp-{name} ")).concat();
    let configuration = CONFIGURATION
        .replacen(
            "        proposal esp-gcm {",
            &format!("{proposals}        proposal esp-gcm {{"),
            1,
        )
        .replace(
            "proposals esp-gcm;",
            &format!("proposals [ esp-gcm {names}];"),
        );
    let gateway = site.start_gateway_with(&configuration).unwrap();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[]).unwrap();
    for (name, _, suite, shown) in ESP_SUITES {
        let mut connection = enb_connection(name, V4);
        connection.children[0].proposals = suite.into();
        peer.configure(&[connection]).unwrap();
        peer.initiate(&format!("{name}-s1"))
            .unwrap_or_else(|e| panic!("{suite}: {e}"));
        // A packet of each padding, and one that fills the path.
        for octets in [56, 57, 63, 1300] {
            let answered = ping(&site.enb, V4.enb_inner, V4.core, 1, octets).unwrap();
            assert_eq!(answered, 1, "{suite}: {octets}");
        }
        let ours = gateway
            .cli("show security ipsec security-associations")
            .unwrap();
        assert!(ours.contains(shown), "{suite}: {ours}");
        peer.terminate(name).unwrap();
    }
}
