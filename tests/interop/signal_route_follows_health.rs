//! The signal route stands exactly while planed forwards: it goes at once when planed dies, soon when planed hangs, and when the
//! monitored port loses its link; it comes back each time. No other death moves it, and no death within the hold time moves a
//! traffic-selector route, an address or a carrier. All of it as `ip monitor` in the gateway's namespace tells it.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use nix::sys::signal::Signal;
use ravelin_tests::gateway::Gateway;
use ravelin_tests::monitor::{Monitor, disturbances};
use ravelin_tests::site::{CONFIGURATION, Site, V4, enb_connection};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::wait_until;
use serde_json::Value;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
const SIGNALS: [&str; 2] = ["203.0.113.201", "2001:db8:ff::201"];
/// Long, so that no load of the machine ends it.
const ANNOUNCED: &str = "chassis {
    high-availability {
        hold-time 300;
        services-redundancy-group 1 {
            active-signal-route [ 203.0.113.201 2001:db8:ff::201 ];
            monitor {
                interface ge-0/0/1;
            }
        }
    }
}
interfaces {";

/// Addresses of the signal routes that stand.
fn standing(site: &Site) -> Vec<String> {
    let shown = site
        .gw
        .sh("ip route show proto 201; ip -6 route show proto 201");
    let shown = shown.unwrap();
    let address = |line: &str| {
        line.strip_prefix("blackhole ")?
            .split(' ')
            .next()
            .map(str::to_owned)
    };
    shown.lines().filter_map(address).collect()
}

fn wait_signals(site: &Site, wanted: &[&str]) {
    let what = format!("the signal routes to be {wanted:?}");
    wait_until(
        &what,
        LIMIT,
        || Ok((standing(site) == wanted).then_some(())),
    )
    .unwrap();
}

fn information(gateway: &Gateway) -> Value {
    let text = gateway.cli("show chassis high-availability information | display json");
    let report: Value = serde_json::from_str(&text.unwrap()).unwrap();
    report["high_availability"].clone()
}

fn crosses(site: &Site) {
    wait_until("a packet to cross", LIMIT, || {
        Ok((ping(&site.enb, V4.enb_inner, V4.core, 1, 56)? == 1).then_some(()))
    })
    .unwrap();
}

/// How often `events` tell of these texts together.
fn count(events: &[String], texts: &[&str]) -> usize {
    let tells = |line: &&String| texts.iter().all(|text| line.contains(text));
    events.iter().filter(tells).count()
}

#[test]
fn announced_while_it_forwards_and_only_then() {
    let site = Site::new("signal_route").unwrap();
    let configuration = CONFIGURATION.replacen("interfaces {", ANNOUNCED, 1);
    let mut gateway = site.start_gateway_with(&configuration).unwrap();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[enb_connection("ipv4", V4)]).unwrap();
    wait_signals(&site, &SIGNALS);
    peer.initiate("ipv4-s1").unwrap();
    crosses(&site);
    let report = information(&gateway);
    assert_eq!(
        (&report["state"], &report["pairs"]),
        (&"forwarding".into(), &1.into())
    );
    assert_eq!(report["signals"][0]["up"], true);
    let monitor = Monitor::start(&site.gw, site.folder()).unwrap();

    // Death, twice.
    for _ in 0..2 {
        gateway.daemon("planed").unwrap().kill().unwrap();
        wait_signals(&site, &[]);
        gateway.start_daemon("planed").unwrap();
        wait_signals(&site, &SIGNALS);
        crosses(&site);
    }
    let told = gateway.daemon("netd").unwrap().log();
    assert!(
        !told.contains("silent for"),
        "at once, not after a silence: {told}"
    );
    // A hang: netd hears nothing more.
    gateway.daemon("planed").unwrap().signal(Signal::SIGSTOP);
    wait_signals(&site, &[]);
    gateway.daemon("planed").unwrap().signal(Signal::SIGCONT);
    wait_signals(&site, &SIGNALS);
    crosses(&site);
    let told = gateway.daemon("netd").unwrap().log();
    assert!(told.contains("silent for"), "{told}");
    let events = monitor.finish(&site.gw).unwrap();
    for address in SIGNALS {
        assert_eq!(count(&events, &["Deleted", address]), 3, "{events:#?}");
        assert_eq!(count(&events, &[address]), 6, "{events:#?}");
    }
    let nothing: [&str; 0] = [];
    assert_eq!(disturbances(&events, &SIGNALS), nothing);

    // The others' deaths: nothing moves.
    let second = site.folder().join("others");
    std::fs::create_dir_all(&second).unwrap();
    let monitor = Monitor::start(&site.gw, &second).unwrap();
    for daemon in ["netd", "iked", "mgmtd"] {
        gateway.daemon(daemon).unwrap().kill().unwrap();
        gateway.start_daemon(daemon).unwrap();
        gateway.wait_ready().unwrap();
        wait_until("planed and iked to be in step", LIMIT, || {
            Ok((information(&gateway)["state"] == "forwarding").then_some(()))
        })
        .unwrap();
    }
    gateway
        .daemon("netd")
        .unwrap()
        .wait_log("is connected", LIMIT)
        .unwrap();
    let events = monitor.finish(&site.gw).unwrap();
    assert_eq!(disturbances(&events, &[]), nothing);
    assert_eq!(standing(&site), SIGNALS);

    // The monitored port loses its link.
    site.core.sh("ip link set core0 down").unwrap();
    wait_signals(&site, &[]);
    let report = information(&gateway);
    assert_eq!(report["signals"][1]["reason"], "ge-0/0/1 has no link");
    site.core.sh("ip link set core0 up").unwrap();
    wait_signals(&site, &SIGNALS);

    assert_eq!(
        (peer.established().unwrap(), peer.children().unwrap()),
        (1, 1)
    );
    // An orderly end takes them along.
    gateway.daemon("planed").unwrap().stop().unwrap();
    wait_signals(&site, &[]);
}
