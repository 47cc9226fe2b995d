//! Loading a configuration into a running gateway: a bad one is refused with file, line, statement and expectation and
//! changes nothing; a good one runs at a new generation without disturbing the tunnels.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::site::{CONFIGURATION, Site, V4, enb_connection};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::ping;
use std::fs;

#[test]
fn bad_text_is_refused_by_name_and_good_text_applies() {
    let site = Site::new("configuration").unwrap();
    let gateway = site.start_gateway().unwrap();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[enb_connection("ipv4", V4)]).unwrap();
    peer.initiate("ipv4-s1").unwrap();

    let load = |name: &str, text: &str| {
        let file = site.folder().join(name);
        fs::write(&file, text).unwrap();
        gateway.cli(&format!(
            "request system configuration load file {}",
            file.display()
        ))
    };
    let line_of =
        |text: &str, needle: &str| text.lines().position(|l| l.contains(needle)).unwrap() + 1;
    for (name, from, to, expected) in [
        (
            "unknown.conf",
            "dh-group group19;",
            "dh-grupp group19;",
            "dh-group",
        ),
        (
            "value.conf",
            "dh-group group19;",
            "dh-group group99;",
            "group99",
        ),
        (
            "reference.conf",
            "proposals ike-gcm;",
            "proposals ike-gmc;",
            "ike-gmc",
        ),
        (
            "brace.conf",
            "host-name secgw;",
            "host-name secgw",
            "expected `;`",
        ),
    ] {
        let text = CONFIGURATION.replacen(from, to, 1);
        let error = load(name, &text).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(expected), "{error}");
        if name != "brace.conf" {
            let line = line_of(&text, to.trim_end_matches(';')).to_string();
            assert!(error.contains(&line), "line {line} is not named: {error}");
        }
    }
    let running = gateway.cli("show configuration").unwrap();
    assert!(
        running.contains("host-name secgw;") && !running.contains("backhaul-secret"),
        "{running}"
    );
    assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 2, 56).unwrap(), 2);

    load(
        "good.conf",
        &CONFIGURATION.replace("host-name secgw;", "host-name secgw2;"),
    )
    .unwrap();
    assert!(
        gateway
            .cli("show configuration")
            .unwrap()
            .contains("host-name secgw2;")
    );
    let processes = gateway.cli("show system processes | display json").unwrap();
    assert!(
        processes
            .split_whitespace()
            .collect::<String>()
            .contains("\"generation\":2"),
        "{processes}"
    );
    assert_eq!(
        ping(&site.enb, V4.enb_inner, V4.core, 2, 56).unwrap(),
        2,
        "the tunnel suffered"
    );
    assert_eq!(peer.children().unwrap(), 1);
}
