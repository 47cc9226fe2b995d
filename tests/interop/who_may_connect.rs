//! Peers that the configuration does not name, tried by strongSwan: any identity (`general-ikeid`) beside a group of host names, and
//! the clients of an access profile, `*` among them. And peers with a key each, from a list that no commit carries.
//! And limits: of peers at a time, and of the time without traffic.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::gateway::Gateway;
use ravelin_tests::site::{CONFIGURATION, Site, V4, enb_connection};
use ravelin_tests::strongswan::{Child, Connection, StrongSwan};
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::wait_until;
use std::time::{Duration, Instant};

const STRANGERS_KEY: &str = "strangers-secret";

/// The site's configuration with a gateway at the same address for anyone who has [`STRANGERS_KEY`]. It stands before the others and
/// yet takes nothing from them.
fn configuration() -> String {
    let policy = format!(
        "policy strangers {{
            proposals ike-gcm;
            pre-shared-key ascii-text {STRANGERS_KEY};
        }}
        gateway strangers {{
            ike-policy strangers;
            dynamic general-ikeid;
            local-identity hostname secgw.example;
            local-address 192.0.2.1;
            external-interface ge-0/0/0.0;
        }}
        gateway enb-v4 {{\n"
    );
    let vpn = "vpn strangers {
            bind-interface st0.0;
            ike {
                gateway strangers;
                ipsec-policy enb;
            }
        }
        vpn enb-v6 {\n";
    CONFIGURATION
        .replace("gateway enb-v4 {\n", &policy)
        .replace("vpn enb-v6 {\n", vpn)
}

/// The eNodeB's connection by another name, identity and key, for this inner address.
fn peer(name: &str, identity: &str, key: &str, inner: &str) -> Connection {
    let child = Child::new(&format!("{name}-s1"), inner, "198.51.100.0/24");
    Connection {
        local_id: identity.to_owned(),
        psk: key.to_owned(),
        children: vec![child],
        ..enb_connection(name, V4)
    }
}

/// Gateway and identity of each peer that is up.
fn peers(gateway: &Gateway) -> Vec<(String, String)> {
    let report = gateway
        .report("show security ike security-associations")
        .unwrap();
    let list = report["ike_security_associations"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let up = list.iter().filter(|sa| sa["state"] == "UP");
    let mut all: Vec<_> = up
        .map(|sa| (text(&sa["gateway"]), text(&sa["remote_identity"])))
        .collect();
    all.sort();
    all
}

/// The site's configuration with an access profile for its first gateway.
fn profiled() -> String {
    let (head, tail) = CONFIGURATION.split_once("        vpn enb-v4 {\n").unwrap();
    let (_, tail) = tail.split_once("        vpn enb-v6 {\n").unwrap();
    let text = format!("{head}        vpn enb-v6 {{\n{tail}");
    let (head, tail) = text.split_once("gateway enb-v4 {\n").unwrap();
    let (_, tail) = tail.split_once("local-identity").unwrap();
    let client = "ike-policy enb; ipsec-policy enb; interface-id st0.0;";
    format!(
        "{head}gateway enb-v4 {{
            access-profile ran;
            local-identity{tail}
access {{
    profile ran {{
        client * {{ ike {{ {client} pre-shared-key ascii-text {STRANGERS_KEY}; }} }}
        client *.enb.example {{ ike {{ {client} }} }}
        client enb2.enb.example {{ ike {{ {client}
            traffic-selector own {{ local-ip 198.51.100.0/24; remote-ip 10.45.0.2/32; }} }} }}
    }}
}}
"
    )
}

#[test]
fn clients_of_an_access_profile_get_what_is_theirs() {
    let site = Site::new("access_profile").unwrap();
    let gateway = site.start_gateway_with(&profiled()).unwrap();
    let mut narrow = peer(
        "narrow",
        "enb2.enb.example",
        "backhaul-secret",
        "10.45.0.0/16",
    );
    narrow.children[0].remote_ts = "0.0.0.0/0".to_owned();
    let connections = [
        narrow,
        peer(
            "group",
            "enb1.enb.example",
            "backhaul-secret",
            "10.45.0.1/32",
        ),
        peer(
            "new",
            "new.elsewhere.example",
            STRANGERS_KEY,
            "10.45.0.3/32",
        ),
        peer("thief", "enb3.enb.example", STRANGERS_KEY, "10.45.0.4/32"),
    ];
    let strongswan = StrongSwan::start(&site.enb, site.folder(), &connections).unwrap();
    for name in ["narrow", "group", "new"] {
        strongswan.initiate(&format!("{name}-s1")).unwrap();
    }
    strongswan.initiate("thief-s1").unwrap_err();
    let wanted = [
        ("enb-v4:*", "new.elsewhere.example"),
        ("enb-v4:*.enb.example", "enb1.enb.example"),
        ("enb-v4:enb2.enb.example", "enb2.enb.example"),
    ];
    let wanted = wanted.map(|(gateway, who)| (gateway.to_owned(), who.to_owned()));
    assert_eq!(peers(&gateway), wanted);
    let narrowed = "local  10.45.0.2/32";
    let sas = strongswan.list_sas().unwrap();
    assert!(sas.contains(narrowed), "{sas}");
    let inner = V4.enb_inner;
    assert_eq!(ping(&site.enb, inner, V4.core, 3, 56).unwrap(), 3);
}

#[test]
fn anyone_with_the_key_is_served_under_its_own_identity() {
    let site = Site::new("who_may_connect").unwrap();
    let gateway = site.start_gateway_with(&configuration()).unwrap();
    let connections = [
        peer(
            "known",
            "enb1.enb.example",
            "backhaul-secret",
            "10.45.0.1/32",
        ),
        peer(
            "mail",
            "field@elsewhere.example",
            STRANGERS_KEY,
            "10.45.0.2/32",
        ),
        peer("keyid", "keyid:cell-4711", STRANGERS_KEY, "10.45.0.3/32"),
        peer("thief", "thief.example", "backhaul-secret", "10.45.0.4/32"),
    ];
    let strongswan = StrongSwan::start(&site.enb, site.folder(), &connections).unwrap();
    for name in ["known", "mail", "keyid"] {
        strongswan.initiate(&format!("{name}-s1")).unwrap();
    }
    strongswan.initiate("thief-s1").unwrap_err();
    let wanted = [
        ("enb-v4", "enb1.enb.example"),
        ("strangers", "field@elsewhere.example"),
        ("strangers", "keyid:cell-4711"),
    ];
    let wanted = wanted.map(|(gateway, who)| (gateway.to_owned(), who.to_owned()));
    assert_eq!(peers(&gateway), wanted);
    let failures = gateway.cli("show security ike failures").unwrap();
    assert!(failures.contains("thief.example"), "{failures}");
}

/// Loads a list of pre-shared keys, or tells why not.
fn load_keys(site: &Site, gateway: &Gateway, lines: &str) -> ravelin_tests::Result<String> {
    let file = site.folder().join("keys.txt");
    std::fs::write(&file, lines).unwrap();
    let file = file.display();
    gateway.cli(&format!(
        "request security ike pre-shared-keys load ran filename {file}"
    ))
}

#[test]
fn each_peer_has_its_own_key_from_a_list() {
    let site = Site::new("keys_from_a_list").unwrap();
    let listed = CONFIGURATION.replace(
        "ascii-text \"backhaul-secret\"; ## SECRET-DATA",
        "list ran;",
    );
    let gateway = site.start_gateway_with(&listed).unwrap();
    let connections = [
        peer("first", "enb1.enb.example", "first-secret", "10.45.0.1/32"),
        peer(
            "second",
            "ENB2.enb.example",
            "second secret",
            "10.45.0.2/32",
        ),
        peer(
            "crossed",
            "enb3.enb.example",
            "first-secret",
            "10.45.0.3/32",
        ),
    ];
    let strongswan = StrongSwan::start(&site.enb, site.folder(), &connections).unwrap();
    let comes = |name: &str| strongswan.initiate(&format!("{name}-s1")).is_ok();
    assert!(!comes("first"), "there is no list yet");

    let filler: String = (0..100_000)
        .map(|n| format!("cell{n}.enb.example 0x{n:064x}\n"))
        .collect();
    let own = "# three cells\nenb1.enb.example first-secret\nenb2.enb.example \"second secret\"\nenb3.enb.example 0x00\n";
    let loaded = load_keys(&site, &gateway, &format!("{filler}{own}")).unwrap();
    assert_eq!(loaded, "Pre-shared keys ran loaded:\n  100003 keys\n");
    assert!(comes("first") && comes("second") && !comes("crossed"));
    let wanted = ["enb1.enb.example", "ENB2.enb.example"];
    let up = || peers(&gateway).into_iter().map(|(_, who)| who);
    assert!(up().all(|who| wanted.contains(&who.as_str())) && up().count() == 2);

    let error = load_keys(&site, &gateway, &format!("{own}oops"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("line 5: an identity and a key are wanted"),
        "{error}"
    );
    load_keys(
        &site,
        &gateway,
        "enb2.enb.example 0x00\nenb1.enb.example first-secret",
    )
    .unwrap();
    assert_eq!(up().count(), 2, "who is up stays up");
    for name in ["first", "second"] {
        strongswan.terminate(name).unwrap();
    }
    assert!(
        comes("first") && !comes("second"),
        "the key of one has changed"
    );
    let shown = gateway.cli("show security ike pre-shared-keys").unwrap();
    assert_eq!(shown, "ran: 2 keys\n");
}

#[test]
fn one_peer_at_a_time_and_none_without_traffic() {
    const IDLE: Duration = Duration::from_secs(5);
    let site = Site::new("limits_of_connections").unwrap();
    let limited = CONFIGURATION
        .replace(
            "gateway enb-v4 {\n",
            "gateway enb-v4 {\n connections-limit 1;\n",
        )
        .replace("anti-replay-window-size 512;", "idle-time 5;");
    let gateway = site.start_gateway_with(&limited).unwrap();
    let connections = [
        peer(
            "first",
            "enb1.enb.example",
            "backhaul-secret",
            "10.45.0.1/32",
        ),
        peer(
            "second",
            "enb2.enb.example",
            "backhaul-secret",
            "10.45.0.2/32",
        ),
        Connection {
            local: "192.0.2.11".to_owned(),
            ..peer(
                "elsewhere",
                "enb3.enb.example",
                "backhaul-secret",
                "10.45.0.3/32",
            )
        },
    ];
    let strongswan = StrongSwan::start(&site.enb, site.folder(), &connections).unwrap();
    strongswan.initiate("first-s1").unwrap();
    let begin = Instant::now();
    wait_until("traffic for longer than that", IDLE * 4, || {
        let inner = V4.enb_inner;
        assert_eq!(ping(&site.enb, inner, V4.core, 1, 56)?, 1);
        Ok((begin.elapsed() > IDLE * 2).then_some(()))
    })
    .unwrap();
    strongswan.initiate("second-s1").unwrap_err();
    let failures = gateway.cli("show security ike failures").unwrap();
    let why = "gateway enb-v4 has 1 connections already, its limit";
    assert!(failures.contains(why), "{failures}");
    assert_eq!(peers(&gateway).len(), 1, "the first is in use");
    wait_until("the idle tunnel to end", IDLE * 4, || {
        Ok((peers(&gateway).is_empty() && strongswan.established()? == 0).then_some(()))
    })
    .unwrap();
    strongswan.initiate("second-s1").unwrap();

    // One at each address instead: another one comes from elsewhere only.
    let file = site.folder().join("per_address.conf");
    let each = CONFIGURATION.replace(
        "gateway enb-v4 {\n",
        "gateway enb-v4 {\n connections-per-address 1;\n",
    );
    std::fs::write(&file, each).unwrap();
    let command = format!("request system configuration load file {}", file.display());
    gateway.cli(&command).unwrap();
    site.enb.sh("ip addr add 192.0.2.11/24 dev enb0").unwrap();
    strongswan.initiate("first-s1").unwrap_err();
    let failures = gateway.cli("show security ike failures").unwrap();
    let why = "gateway enb-v4 has 1 connections of 192.0.2.10 already, its limit";
    assert!(failures.contains(why), "{failures}");
    strongswan.initiate("elsewhere-s1").unwrap();
    assert_eq!(peers(&gateway).len(), 2);
}
