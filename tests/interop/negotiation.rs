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

/// IKE algorithms: statements here, proposal there. Each cipher mode, length of a key and of a check value, pseudorandom function,
/// integrity and group is in one of them, but for what strongSwan's build has not: DES.
const IKE_SUITES: &[(&str, &str)] = &[
    (
        "group19; encryption-algorithm aes-256-gcm",
        "aes256gcm16-prfsha256-ecp256",
    ),
    (
        "group20; encryption-algorithm aes-192-gcm; authentication-algorithm sha-384",
        "aes192gcm16-prfsha384-ecp384",
    ),
    (
        "group31; encryption-algorithm aes-128-gcm",
        "aes128gcm16-prfsha256-curve25519",
    ),
    (
        "group32; encryption-algorithm aes-256-gcm-12; authentication-algorithm sha-512",
        "aes256gcm12-prfsha512-curve448",
    ),
    (
        "group27; encryption-algorithm aes-128-gcm-8",
        "aes128gcm8-prfsha256-ecp224bp",
    ),
    (
        "group28; encryption-algorithm aes-128-ccm",
        "aes128ccm16-prfsha256-ecp256bp",
    ),
    (
        "group29; encryption-algorithm aes-256-ccm-8; authentication-algorithm sha-384",
        "aes256ccm8-prfsha384-ecp384bp",
    ),
    (
        "group30; encryption-algorithm aes-192-ccm-12; authentication-algorithm sha-512",
        "aes192ccm12-prfsha512-ecp512bp",
    ),
    (
        "group31; encryption-algorithm chacha20-poly1305",
        "chacha20poly1305-prfsha256-curve25519",
    ),
    (
        "group14; encryption-algorithm aes-256-cbc; authentication-algorithm sha-256",
        "aes256-sha256-modp2048",
    ),
    (
        "group21; encryption-algorithm aes-192-cbc; authentication-algorithm sha-512",
        "aes192-sha512-ecp521",
    ),
    (
        "group15; encryption-algorithm aes-128-cbc; authentication-algorithm sha-384",
        "aes128-sha384-modp3072",
    ),
    (
        "group16; encryption-algorithm aes-256-ctr; authentication-algorithm sha-256",
        "aes256ctr-sha256-modp4096",
    ),
    (
        "group19; encryption-algorithm aes-128-cbc; authentication-algorithm aes-xcbc",
        "aes128-aesxcbc-ecp256",
    ),
    (
        "group19; encryption-algorithm aes-128-ctr; authentication-algorithm aes-cmac",
        "aes128ctr-aescmac-ecp256",
    ),
    (
        "group19; encryption-algorithm aes-128-cbc; authentication-algorithm sha-256; pseudorandom-function sha-512",
        "aes128-sha256-prfsha512-ecp256",
    ),
];

/// As [`IKE_SUITES`]: what is slow, weak, or asked for twice.
const MORE_IKE_SUITES: &[(&str, &str)] = &[
    (
        "group17; encryption-algorithm aes-192-ctr; authentication-algorithm sha-256",
        "aes192ctr-sha256-modp6144",
    ),
    (
        "group18; encryption-algorithm aes-256-gcm-8; authentication-algorithm sha-256",
        "aes256gcm8-prfsha256-modp8192",
    ),
    (
        "group2; allow-weak; encryption-algorithm 3des-cbc; authentication-algorithm sha1",
        "3des-sha1-modp1024",
    ),
    (
        "group5; allow-weak; encryption-algorithm aes-256-cbc; authentication-algorithm md5",
        "aes256-md5-modp1536",
    ),
    (
        "group22; allow-weak; encryption-algorithm aes-128-cbc; authentication-algorithm sha1",
        "aes128-sha1-modp1024s160",
    ),
    (
        "group23; allow-weak; encryption-algorithm aes-128-cbc; authentication-algorithm sha-256",
        "aes128-sha256-modp2048s224",
    ),
    (
        "group24; allow-weak; encryption-algorithm aes-128-cbc; authentication-algorithm sha-256",
        "aes128-sha256-modp2048s256",
    ),
    (
        "group1; allow-weak; encryption-algorithm aes-128-cbc; authentication-algorithm sha-256",
        "aes128-sha256-modp768",
    ),
    // The first group is not ours: INVALID_KE_PAYLOAD, then the second.
    (
        "group19; encryption-algorithm aes-256-gcm",
        "aes256gcm16-prfsha256-modp4096-ecp256",
    ),
];
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

/// The one entry of `show security ike failures`, with the same parts.
fn expect_failure(gateway: &Gateway, parts: &[&str]) {
    let shown = gateway
        .cli("show security ike failures 192.0.2.10")
        .unwrap();
    let entries: Vec<&str> = shown.split("\n\n").collect();
    let found = |entry: &&str| parts.iter().all(|part| entry.to_lowercase().contains(part));
    assert!(entries.iter().any(found), "{parts:?} in:\n{shown}");
    let forgotten = gateway.cli("clear security ike failures").unwrap();
    assert!(!forgotten.starts_with('0'), "{forgotten}");
    let shown = gateway.cli("show security ike failures").unwrap();
    assert_eq!(shown, "0 failures\n");
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

    let traced = gateway.cli("request security ike trace start peer 192.0.2.10");
    assert!(traced.unwrap().starts_with("tracing"));
    peer.configure(&[enb_connection("ipv4", V4), bad]).unwrap();
    assert!(
        peer.initiate("bad-s1").is_err(),
        "the bad connection was accepted"
    );
    expect_log(&mut gateway, explained);
    let explained: Vec<String> = explained.iter().map(|part| part.to_lowercase()).collect();
    let explained: Vec<&str> = explained.iter().map(String::as_str).collect();
    expect_failure(&gateway, &explained);
    let trace = gateway.cli("show security ike trace").unwrap();
    for part in [
        "received 192.0.2.10:500 >",
        "IKE_SA_INIT request 0",
        "SA: 1 IKE: ",
    ] {
        assert!(trace.contains(part), "{part} in:\n{trace}");
    }
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

/// At most 16: those of one policy.
fn ike_suites_carry_traffic(test: &str, suites: &[(&str, &str)]) {
    let site = Site::new(test).unwrap();
    let proposals = suites.iter().enumerate().map(|(at, (statements, _))| {
        format!("proposal ike-{at} {{ authentication-method pre-shared-keys; dh-group {statements}; }}\n")
    });
    let proposals: String = proposals.collect();
    let names: String = (0..suites.len()).map(|at| format!("ike-{at} ")).collect();
    let configuration = CONFIGURATION
        .replacen(
            "\n        policy enb {",
            &format!("\n{proposals}        policy enb {{"),
            1,
        )
        .replace("proposals ike-gcm;", &format!("proposals [ {names}];"));
    let gateway = site.start_gateway_with(&configuration).unwrap();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[]).unwrap();
    for (at, (_, suite)) in suites.iter().enumerate() {
        let name = format!("suite-{at}");
        let mut connection = enb_connection(&name, V4);
        connection.proposals = (*suite).into();
        peer.configure(&[connection]).unwrap();
        peer.initiate(&format!("{name}-s1"))
            .unwrap_or_else(|e| panic!("{suite}: {e}"));
        let answered = ping(&site.enb, V4.enb_inner, V4.core, 1, 56).unwrap();
        assert_eq!(answered, 1, "{suite}");
        peer.terminate(&name).unwrap();
    }
    let left = gateway
        .cli("show security ike security-associations | count")
        .unwrap();
    assert!(!left.is_empty());
}

#[test]
fn every_ike_algorithm_comes_up_and_carries_traffic() {
    ike_suites_carry_traffic("suites", IKE_SUITES);
}

#[test]
fn slow_and_weak_ike_algorithms_come_up_when_they_are_asked_for() {
    ike_suites_carry_traffic("more_suites", MORE_IKE_SUITES);
}

/// RFC 6023: IKE_AUTH without a child, which strongSwan only dares with a responder that says it can; children follow by themselves.
#[test]
fn an_ike_sa_without_child_is_accepted_and_takes_children_later() {
    let site = Site::new("childless").unwrap();
    let gateway = site.start_gateway().unwrap();
    let mut connection = enb_connection("ipv4", V4);
    connection.options.push("childless = force".into());
    let peer = StrongSwan::start(&site.enb, site.folder(), &[connection]).unwrap();
    peer.initiate_ike("ipv4").unwrap();
    let counts = || (peer.established().unwrap(), peer.children().unwrap());
    assert_eq!(counts(), (1, 0));
    let ours = gateway
        .cli("show security ike security-associations")
        .unwrap();
    assert!(ours.contains("192.0.2.10"), "{ours}");
    peer.initiate("ipv4-s1").unwrap();
    assert_eq!(counts(), (1, 1));
    assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 2, 56).unwrap(), 2);
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
