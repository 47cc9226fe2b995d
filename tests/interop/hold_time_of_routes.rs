//! planed dies and stays away: the traffic-selector routes stay for the hold time, go after it, and come back with planed, for the same
//! SAs. iked dies and stays away: planed goes on forwarding, and what iked has forgotten on its return is removed.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use nix::sys::signal::Signal;
use ravelin_tests::gateway::Gateway;
use ravelin_tests::site::{CONFIGURATION, Site, V4, enb_connection};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::wait_until;
use serde_json::Value;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);
const HOLD: Duration = Duration::from_secs(4);
const HELD: &str = "chassis {
    high-availability {
        hold-time 4;
    }
}
interfaces {";

/// Whether the routes of the eNodeB's inner addresses stand, of IPv4 and of IPv6.
fn routes(site: &Site) -> [bool; 2] {
    let shown = site
        .gw
        .sh("ip route show proto 200; ip -6 route show proto 200");
    let shown = shown.unwrap();
    ["10.45.0.1", "2001:db8:45::1"].map(|text| shown.contains(text))
}

fn wait_routes(site: &Site, wanted: bool) {
    wait_until("the ari-ts routes", LIMIT, || {
        Ok((routes(site) == [wanted; 2]).then_some(()))
    })
    .unwrap();
}

fn crosses(site: &Site) -> bool {
    ping(&site.enb, V4.enb_inner, V4.core, 1, 56).unwrap() == 1
}

fn wait_crosses(site: &Site) {
    wait_until("a packet to cross", LIMIT, || {
        Ok(crosses(site).then_some(()))
    })
    .unwrap();
}

/// SPIs of all SAs: a new negotiation would change them.
fn spis(gateway: &Gateway) -> Vec<Value> {
    let read = |what: &str, fields: [&str; 2]| {
        let text = gateway.cli(&format!(
            "show security {what} security-associations | display json"
        ));
        let report: Value = serde_json::from_str(&text.unwrap()).unwrap();
        let list = &report[format!("{what}_security_associations")];
        let all = list.as_array().unwrap_or_else(|| panic!("{report}"));
        let rows = all.iter().map(|sa| fields.map(|field| sa[field].clone()));
        rows.flatten().collect::<Vec<_>>()
    };
    let ike = read("ike", ["initiator_spi", "responder_spi"]);
    let ipsec = read("ipsec", ["inbound_spi", "outbound_spi"]);
    assert!(!ike.is_empty() && !ipsec.is_empty());
    [ike, ipsec].concat()
}

fn state(gateway: &Gateway) -> String {
    let text = gateway.cli("show chassis high-availability information | display json");
    let report: Value = serde_json::from_str(&text.unwrap()).unwrap();
    report["high_availability"]["state"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn tunnel(test: &str) -> (Site, Gateway, StrongSwan) {
    let site = Site::new(test).unwrap();
    let gateway = site
        .start_gateway_with(&CONFIGURATION.replacen("interfaces {", HELD, 1))
        .unwrap();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[enb_connection("ipv4", V4)]).unwrap();
    peer.initiate("ipv4-s1").unwrap();
    wait_crosses(&site);
    wait_routes(&site, true);
    (site, gateway, peer)
}

#[test]
fn routes_stay_for_the_hold_time_and_return_with_planed() {
    let (site, mut gateway, peer) = tunnel("hold_time");
    let before = spis(&gateway);
    let died = Instant::now();
    gateway.daemon("planed").unwrap().kill().unwrap();
    assert_eq!(routes(&site), [true; 2]);
    wait_routes(&site, false);
    assert!(died.elapsed() >= HOLD, "gone after {:?}", died.elapsed());
    gateway.start_daemon("planed").unwrap();
    wait_routes(&site, true);
    wait_crosses(&site);
    assert_eq!(spis(&gateway), before, "the same SAs");

    // One that hangs counts as lost, too.
    let hung = Instant::now();
    gateway.daemon("planed").unwrap().signal(Signal::SIGSTOP);
    wait_routes(&site, false);
    assert!(hung.elapsed() >= HOLD, "gone after {:?}", hung.elapsed());
    gateway.daemon("planed").unwrap().signal(Signal::SIGCONT);
    wait_routes(&site, true);
    wait_crosses(&site);
    assert_eq!(spis(&gateway), before);
    assert_eq!(
        (peer.established().unwrap(), peer.children().unwrap()),
        (1, 1)
    );
}

#[test]
fn planed_goes_on_without_iked_and_loses_what_iked_forgot() {
    let (site, mut gateway, peer) = tunnel("iked_away");
    assert_eq!(state(&gateway), "forwarding");
    gateway.daemon("iked").unwrap().kill().unwrap();
    wait_until("planed to miss iked", LIMIT, || {
        Ok((state(&gateway) == "holding").then_some(()))
    })
    .unwrap();
    assert!(crosses(&site));
    assert_eq!(routes(&site), [true; 2]);
    // A new life without a memory: the pair that planed holds is nobody's.
    let vault = gateway.socket("planed").with_file_name("iked.vault");
    assert!(vault.exists(), "{}", vault.display());
    std::fs::remove_file(vault).unwrap();
    gateway.start_daemon("iked").unwrap();
    wait_routes(&site, false);
    wait_until("the pair to go", LIMIT, || {
        let text = gateway.cli("show security ipsec statistics | display json")?;
        let report: Value = serde_json::from_str(&text).unwrap();
        Ok((report["ipsec_statistics"]["pairs"] == 0).then_some(()))
    })
    .unwrap();
    assert!(!crosses(&site));
    drop(peer);
    // What remains works: a new tunnel comes up.
    site.enb
        .sh("ip link del ipsec0 2>/dev/null || true; ip route flush table 220 2>/dev/null || true")
        .unwrap();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[enb_connection("ipv4", V4)]).unwrap();
    peer.initiate("ipv4-s1").unwrap();
    wait_crosses(&site);
    wait_routes(&site, true);
}
