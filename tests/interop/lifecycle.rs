//! Tunnels end as they should: deleted by the peer, cleared by the operator, or given up when the peer is dead. Each end
//! takes its routes along, and a new tunnel comes up afterwards.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::gateway::Gateway;
use ravelin_tests::site::{CONFIGURATION, Site, V4, enb_connection};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::wait_until;
use std::time::Duration;

/// Whether any SA or `ari-ts` route is left.
fn anything_left(site: &Site, gateway: &Gateway) -> bool {
    let ipsec = gateway
        .cli("show security ipsec security-associations")
        .unwrap();
    let kernel = site.gw.sh("ip route show; ip -6 route show").unwrap();
    ipsec.contains("192.0.2.10") || kernel.contains("10.45.0.1")
}

fn wait_gone(site: &Site, gateway: &Gateway, limit_s: u64) {
    wait_until(
        "every trace of the tunnel to go",
        Duration::from_secs(limit_s),
        || Ok((!anything_left(site, gateway)).then_some(())),
    )
    .unwrap();
}

fn passes(site: &Site) -> bool {
    ping(&site.enb, V4.enb_inner, V4.core, 2, 56).unwrap() == 2
}

#[test]
fn deleted_by_the_peer() {
    let site = Site::new("delete_by_peer").unwrap();
    let gateway = site.start_gateway().unwrap();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[enb_connection("ipv4", V4)]).unwrap();
    for _ in 0..2 {
        peer.initiate("ipv4-s1").unwrap();
        assert!(passes(&site) && anything_left(&site, &gateway));
        // Without a tunnel the protected prefix is unreachable, not in clear.
        peer.terminate("ipv4").unwrap();
        wait_gone(&site, &gateway, 5);
        assert_eq!(ping(&site.core, V4.core, V4.enb_inner, 1, 56).unwrap(), 0);
    }
}

#[test]
fn cleared_by_the_operator() {
    let site = Site::new("clear_by_operator").unwrap();
    let gateway = site.start_gateway().unwrap();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[enb_connection("ipv4", V4)]).unwrap();
    for command in [
        "clear security ike security-associations",
        "clear security ipsec security-associations",
    ] {
        peer.initiate("ipv4-s1").unwrap();
        assert!(passes(&site));
        gateway.cli(command).unwrap();
        wait_gone(&site, &gateway, 5);
        wait_until("the peer to hear of it", Duration::from_secs(5), || {
            Ok((peer.children()? == 0).then_some(()))
        })
        .unwrap();
    }
}

#[test]
fn dead_peer_is_given_up_and_may_come_back() {
    let site = Site::new("dead_peer").unwrap();
    let configuration = CONFIGURATION
        .replace("interval 10;", "interval 2;")
        .replace("threshold 3;", "threshold 2;");
    let gateway = site.start_gateway_with(&configuration).unwrap();
    let connection = enb_connection("ipv4", V4);
    let mut peer =
        StrongSwan::start(&site.enb, site.folder(), std::slice::from_ref(&connection)).unwrap();
    peer.initiate("ipv4-s1").unwrap();
    assert!(passes(&site));
    peer.process().kill().unwrap();
    wait_gone(&site, &gateway, 30);

    site.enb
        .sh("ip link del ipsec0 2>/dev/null || true; ip route flush table 220 2>/dev/null || true")
        .unwrap();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[connection]).unwrap();
    peer.initiate("ipv4-s1").unwrap();
    assert!(passes(&site));
}

#[test]
fn rebooted_peer_replaces_its_old_tunnel() {
    let site = Site::new("initial_contact").unwrap();
    let gateway = site.start_gateway().unwrap();
    let connection = enb_connection("ipv4", V4);
    let mut peer =
        StrongSwan::start(&site.enb, site.folder(), std::slice::from_ref(&connection)).unwrap();
    peer.initiate("ipv4-s1").unwrap();
    peer.process().kill().unwrap();
    site.enb
        .sh("ip link del ipsec0 2>/dev/null || true; ip route flush table 220 2>/dev/null || true")
        .unwrap();

    let peer = StrongSwan::start(&site.enb, site.folder(), &[connection]).unwrap();
    peer.initiate("ipv4-s1").unwrap();
    assert!(passes(&site));
    let sas = gateway
        .cli("show security ike security-associations | match 192.0.2.10")
        .unwrap();
    assert_eq!(
        sas.lines().filter(|l| l.contains("192.0.2.10")).count(),
        1,
        "{sas}"
    );
}
