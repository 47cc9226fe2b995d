//! Rekeys of both kinds, driven by either end and by both at once, under traffic in both directions: no packet is lost
//! between the two links of the gateway, no nonce is repeated, nothing crosses in clear.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::account;
use ravelin_tests::capture::Capture;
use ravelin_tests::gateway::Gateway;
use ravelin_tests::site::{self, CONFIGURATION, Site, V4, enb_connection};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::{Stream, StreamSpec, ping};
use ravelin_tests::wait::{pause, wait_until};
use std::time::{Duration, Instant};

const RATE_PPS: u32 = 2000;
const SECONDS: u32 = 30;
const EVERY: Duration = Duration::from_secs(2);

/// Who asks for which rekey.
#[derive(Debug, Clone, Copy)]
enum Act {
    PeerChild,
    GatewayChild,
    PeerIke,
    GatewayIke,
    BothChild,
    BothIke,
    ChildAgainstIke,
}

const ACTS: [Act; 7] = [
    Act::PeerChild,
    Act::GatewayChild,
    Act::PeerIke,
    Act::GatewayIke,
    Act::BothChild,
    Act::BothIke,
    Act::ChildAgainstIke,
];

fn peer_rekeys(peer: &StrongSwan, what: &str) {
    let name = if what == "--child" { "ipv4-s1" } else { "ipv4" };
    peer.rekey(what, name).unwrap();
}

fn gateway_rekeys(gateway: &Gateway, what: &str) {
    gateway
        .cli(&format!("request security {what} rekey all"))
        .unwrap();
}

fn act(act: Act, peer: &StrongSwan, gateway: &Gateway) {
    let both = |peer_what: &str, gateway_what: &str| {
        std::thread::scope(|scope| {
            scope.spawn(|| peer_rekeys(peer, peer_what));
            gateway_rekeys(gateway, gateway_what);
        });
    };
    match act {
        Act::PeerChild => peer_rekeys(peer, "--child"),
        Act::PeerIke => peer_rekeys(peer, "--ike"),
        Act::GatewayChild => gateway_rekeys(gateway, "ipsec"),
        Act::GatewayIke => gateway_rekeys(gateway, "ike"),
        Act::BothChild => both("--child", "ipsec"),
        Act::BothIke => both("--ike", "ike"),
        Act::ChildAgainstIke => both("--ike", "ipsec"),
    }
}

#[test]
fn rekeys_every_two_seconds_lose_nothing() {
    let site = Site::new("rekey").unwrap();
    // Each IKE SA is told its window anew, and the peer may think what it likes.
    let wide = CONFIGURATION.replace(
        "gateway enb-v4 {",
        "gateway enb-v4 {\n            request-window 4;",
    );
    assert_ne!(wide, CONFIGURATION);
    let gateway = site.start_gateway_with(&wide).unwrap();
    let outer = Capture::start(&site.enb, "enb0", site.folder(), "outer").unwrap();
    let clear = Capture::start(&site.core, "core0", site.folder(), "clear").unwrap();
    let peer = StrongSwan::start(&site.enb, site.folder(), &[enb_connection("ipv4", V4)]).unwrap();
    peer.initiate("ipv4-s1").unwrap();
    // Before the core host's MAC is known, packets above the four that may wait are dropped: resolve it first.
    assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 2, 56).unwrap(), 2);

    let spec = |from, to| StreamSpec {
        from,
        to,
        port: 7000,
        rate_pps: RATE_PPS,
        count: RATE_PPS * SECONDS,
        octets: 200,
    };
    let up = Stream::start(&site.enb, &site.core, spec(V4.enb_inner, V4.core)).unwrap();
    let down = Stream::start(&site.core, &site.enb, spec(V4.core, V4.enb_inner)).unwrap();
    let start = Instant::now();
    let mut acts = ACTS.iter().cycle();
    let mut done = 0u32;
    while EVERY * (done + 1) < Duration::from_secs(SECONDS.into()) {
        pause((EVERY * (done + 1)).saturating_sub(start.elapsed()));
        act(*acts.next().unwrap(), &peer, &gateway);
        done += 1;
    }
    let late = start.elapsed().saturating_sub(EVERY * done);
    assert!(
        late < Duration::from_secs(10),
        "{done} rekeys took {late:?} longer than the traffic"
    );
    let (up, down) = (
        up.finish(Duration::from_secs(1)).unwrap(),
        down.finish(Duration::from_secs(1)).unwrap(),
    );

    // One tunnel is left, with one child, on both sides.
    wait_until(
        "the last superseded SAs to go",
        Duration::from_secs(15),
        || Ok((peer.established()? == 1 && peer.children()? == 1).then_some(())),
    )
    .unwrap();
    Capture::wait_quiet(&[&outer, &clear]).unwrap();
    let (outer, clear) = (outer.finish().unwrap(), clear.finish().unwrap());
    let directions = account::directions(&outer, &clear, &site::tunnels(), &site::enb_inner());
    assert!(
        account::faults(&directions).is_empty(),
        "{directions:?}, the hosts say {up:?} {down:?}"
    );
    // Every uplink packet reached the core host, which has a real socket; the eNodeB's own userspace ESP is not ours.
    assert_eq!(u64::from(up.received) + 2, directions[0].clear, "{up:?}");
    assert_eq!((up.duplicated, down.duplicated), (0, 0));
    assert_eq!(outer.cleartext().len(), 0);
    assert_eq!(outer.repeated_nonces(V4.gateway_outer), vec![]);
    let spis: std::collections::BTreeSet<u32> = outer
        .frames()
        .filter_map(|f| f.esp())
        .map(|(spi, _)| spi)
        .collect();
    assert!(spis.len() > 20, "only {} SPIs were used", spis.len());
}
