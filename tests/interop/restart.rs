//! The daemons die and come back one by one, by SIGKILL: the tunnel stays or returns by itself, without a new negotiation, without
//! a repeated nonce, and without a packet of the past being accepted again.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::capture::Capture;
use ravelin_tests::gateway::Gateway;
use ravelin_tests::site::{CONFIGURATION, Site, V4, enb_connection};
use ravelin_tests::steady;
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::wait_until;
use std::time::Duration;

const RETURN_LIMIT: Duration = Duration::from_secs(30);

fn kill_and_start(gateway: &mut Gateway, daemon: &str) {
    gateway.daemon(daemon).unwrap().kill().unwrap();
    gateway.start_daemon(daemon).unwrap();
}

fn crosses(site: &Site) -> bool {
    ping(&site.enb, V4.enb_inner, V4.core, 1, 56).unwrap_or(0) == 1
}

fn returns(site: &Site, what: &str) {
    wait_until(what, RETURN_LIMIT, || Ok(crosses(site).then_some(()))).unwrap();
}

#[test]
fn the_tunnel_survives_each_daemon() {
    let site = Site::new("restart").unwrap();
    let mut gateway = site.start_gateway().unwrap();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[enb_connection("ipv4", V4)]).unwrap();
    let outer = Capture::start(&site.enb, "enb0", site.folder(), "outer").unwrap();
    peer.initiate("ipv4-s1").unwrap();
    assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 5, 56).unwrap(), 5);

    // Those that move no packet: traffic does not notice.
    for daemon in ["mgmtd", "netd", "iked"] {
        kill_and_start(&mut gateway, daemon);
        assert_eq!(
            ping(&site.enb, V4.enb_inner, V4.core, 5, 56).unwrap(),
            5,
            "{daemon} was killed"
        );
        gateway.wait_ready().unwrap();
    }
    // The packet mover: its SAs come back from iked, its numbers from shared memory.
    for _ in 0..2 {
        kill_and_start(&mut gateway, "planed");
        returns(&site, "the tunnel to return with planed");
        gateway.wait_ready().unwrap();
        assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 5, 56).unwrap(), 5);
    }
    // All of the control side at once, and netd with a new planed.
    kill_and_start(&mut gateway, "netd");
    kill_and_start(&mut gateway, "planed");
    kill_and_start(&mut gateway, "iked");
    returns(&site, "the tunnel to return with netd, planed and iked");

    assert_eq!(peer.established().unwrap(), 1);
    assert_eq!(peer.children().unwrap(), 1);
    let trace = outer.finish().unwrap();
    assert_eq!(trace.repeated_nonces(V4.gateway_outer), vec![]);
    assert!(
        steady::protected(&trace).is_empty(),
        "cleartext on the outer link"
    );
}

/// The vault keeps the algorithms of a child and all of its keys, also those of a cipher with a separate HMAC.
#[test]
fn a_tunnel_with_separate_integrity_survives_too() {
    let site = Site::new("restart_cbc").unwrap();
    let configuration = CONFIGURATION.replacen(
        "encryption-algorithm aes-256-gcm;\n            lifetime-seconds 3600;",
        "encryption-algorithm aes-256-cbc;\n            authentication-algorithm hmac-sha-256-128;",
        1,
    );
    let mut gateway = site.start_gateway_with(&configuration).unwrap();
    let mut connection = enb_connection("ipv4", V4);
    connection.children[0].proposals = "aes256-sha256".into();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[connection]).unwrap();
    peer.initiate("ipv4-s1").unwrap();
    for daemon in ["iked", "planed"] {
        kill_and_start(&mut gateway, daemon);
        returns(&site, "the tunnel to return");
        gateway.wait_ready().unwrap();
    }
    assert_eq!(
        (peer.established().unwrap(), peer.children().unwrap()),
        (1, 1)
    );
    let ours = gateway
        .cli("show security ipsec security-associations")
        .unwrap();
    assert!(ours.contains("ESP:aes-256-cbc/sha256"), "{ours}");
}
