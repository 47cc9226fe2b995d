//! netd, planed and iked start in each of their six orders, mgmtd before or after them, each only when the one before is up: a tunnel
//! comes up. Then all die by SIGKILL and start in that order again: the same tunnel is back, without a new negotiation and without a
//! cleartext packet. A planed without iked serves what it has after a while.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::capture::Capture;
use ravelin_tests::gateway::Gateway;
use ravelin_tests::site::{CONFIGURATION, GATEWAY_TRUST, Site, V4, enb_connection};
use ravelin_tests::steady;
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::wait_until;
use serde_json::Value;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// Starts a daemon and waits until it is there: its socket, or the vault of iked, which serves none.
fn start(gateway: &mut Gateway, daemon: &str) {
    let path = match daemon {
        "iked" => gateway.socket("iked").with_file_name("iked.vault"),
        _ => gateway.socket(daemon),
    };
    // A dead daemon leaves its socket; a vault stays.
    if daemon != "iked" && path.exists() {
        std::fs::remove_file(&path).unwrap();
    }
    gateway.start_daemon(daemon).unwrap();
    wait_until(&format!("{daemon} to be up"), LIMIT, || {
        gateway.daemon(daemon)?.check()?;
        Ok(path.exists().then_some(()))
    })
    .unwrap();
}

fn wait_crosses(site: &Site, what: &str) {
    wait_until(what, LIMIT, || {
        // Both ends try, so that whatever could leave in clear would.
        let down = ping(&site.core, V4.core, V4.enb_inner, 1, 56)?;
        let up = ping(&site.enb, V4.enb_inner, V4.core, 1, 56)?;
        Ok((up == 1 && down == 1).then_some(()))
    })
    .unwrap();
}

fn information(gateway: &Gateway) -> Value {
    let text = gateway.cli("show chassis high-availability information | display json");
    // mgmtd or planed may not be there yet.
    let report: Value = serde_json::from_str(&text.unwrap_or_default()).unwrap_or_default();
    report["high_availability"].clone()
}

fn starts_in(order: [&str; 4]) {
    let name = order.join("-");
    let site = Site::new(&format!("start-{name}")).unwrap();
    let mut gateway = Gateway::start_some(&site.gw, site.folder(), CONFIGURATION, &[]).unwrap();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[enb_connection("ipv4", V4)]).unwrap();
    for daemon in order {
        start(&mut gateway, daemon);
    }
    gateway.wait_ready().unwrap();
    wait_until("the outer address to answer", LIMIT, || {
        Ok((ping(&site.enb, V4.enb_outer, V4.gateway_outer, 1, 56)? == 1).then_some(()))
    })
    .unwrap();
    let outer = Capture::start(&site.enb, "enb0", site.folder(), "outer").unwrap();
    peer.initiate("ipv4-s1").unwrap();
    wait_crosses(
        &site,
        &format!("a tunnel after a start in the order {name}"),
    );
    for daemon in order {
        gateway.daemon(daemon).unwrap().kill().unwrap();
    }
    for daemon in order {
        start(&mut gateway, daemon);
    }
    wait_crosses(&site, &format!("the tunnel to be back in the order {name}"));
    let negotiated = gateway
        .daemon("iked")
        .unwrap()
        .log()
        .matches("is up from")
        .count();
    assert_eq!(negotiated, 1, "{name}");
    assert_eq!(
        (peer.established().unwrap(), peer.children().unwrap()),
        (1, 1)
    );
    let trace = outer.finish().unwrap();
    assert!(steady::protected(&trace).is_empty(), "{name}: cleartext");
    assert_eq!(trace.repeated_nonces(V4.gateway_outer), vec![], "{name}");
}

#[test]
fn each_order_reaches_a_tunnel_and_reaches_it_again() {
    for order in [
        ["mgmtd", "netd", "planed", "iked"],
        ["netd", "iked", "planed", "mgmtd"],
        ["mgmtd", "planed", "netd", "iked"],
        ["planed", "iked", "netd", "mgmtd"],
        ["mgmtd", "iked", "netd", "planed"],
        ["iked", "planed", "netd", "mgmtd"],
    ] {
        starts_in(order);
    }
}

#[test]
fn without_iked_planed_serves_what_it_has_but_is_not_announced() {
    let site = Site::new("start_without_iked").unwrap();
    let configuration = CONFIGURATION.replacen(
        "interfaces {",
        "chassis { high-availability { services-redundancy-group 1 { active-signal-route 203.0.113.201; } } }\ninterfaces {",
        1,
    );
    let daemons = ["netd", "planed", "mgmtd"];
    let mut gateway =
        Gateway::start_some(&site.gw, site.folder(), &configuration, &daemons).unwrap();
    let clear = Capture::start(&site.enb, "enb0", site.folder(), "outer").unwrap();
    // The host path works at once, transit does not, and neither goes in clear.
    wait_until("the trust address to answer", LIMIT, || {
        Ok((ping(&site.core, V4.core, GATEWAY_TRUST, 1, 56)? == 1).then_some(()))
    })
    .unwrap();
    let reached = |gateway: &Gateway, reason: &str| {
        wait_until(&format!("a drop `{reason}`"), LIMIT, || {
            ping(&site.core, V4.core, V4.enb_inner, 1, 56)?;
            Ok((gateway.drops(reason)? > 0).then_some(()))
        })
        .unwrap();
    };
    reached(&gateway, "not-synchronised");
    let report = information(&gateway);
    assert_eq!(report["waiting"][0], "SAs of iked", "{report}");
    wait_until("planed to go on without iked", LIMIT, || {
        Ok((information(&gateway)["state"] == "holding").then_some(()))
    })
    .unwrap();
    reached(&gateway, "no-sa");
    let routes = || site.gw.sh("ip route show proto 201").unwrap();
    assert_eq!(routes(), "", "another node may have its SAs");
    start(&mut gateway, "iked");
    wait_until("the signal route", LIMIT, || {
        Ok((!routes().is_empty()).then_some(()))
    })
    .unwrap();
    assert_eq!(information(&gateway)["state"], "forwarding");
    assert!(clear.finish().unwrap().cleartext().is_empty());
}
