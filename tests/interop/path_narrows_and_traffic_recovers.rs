//! The path to the eNodeB narrows to 1,280 octets while the tunnel is up: the gateway learns it from the routers' messages about its
//! ESP packets and tells the sources; what the routers fragment is joined again; and where nobody says anything, an explicit
//! tunnel MTU helps, or a smaller segment size of TCP.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::capture::{Capture, Trace};
use ravelin_tests::gateway::Gateway;
use ravelin_tests::middle::Routers;
use ravelin_tests::netns::Netns;
use ravelin_tests::site::{Addresses, CONFIGURATION, Site, V4, V6, enb_connection};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::tcp;
use ravelin_tests::wait::wait_until;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const NARROW_OCTETS: u16 = 1280;
const RECOVERY: Duration = Duration::from_secs(20);
const TRANSFER_OCTETS: u64 = 1 << 20;
/// More than a path of 1,280 octets takes, less than the tunnel interface does.
const LARGE: u32 = 1340;

/// Whether one ping of this size crosses; `mode` is ping's way with the DF flag: `do` or `dont`.
fn crosses(netns: &Netns, (from, to): (IpAddr, IpAddr), octets: u32, mode: &str) -> bool {
    let status = netns
        .command("ping")
        .args(["-n", "-q", "-c", "1", "-W", "1", "-M", mode])
        .args(["-s", &octets.to_string()])
        .args(["-I", &from.to_string(), &to.to_string()])
        .output()
        .unwrap();
    status.status.success()
}

/// Inner addresses of a family, core host first.
fn inner(v6: bool) -> (IpAddr, IpAddr) {
    let of = if v6 { V6 } else { V4 };
    (of.core, of.enb_inner)
}

fn recovers(site: &Site, what: &str) {
    for v6 in [false, true] {
        let (core, enb) = inner(v6);
        // An IPv6 sender splits by what it is told; with DF clear an IPv4 packet must cross whatever its size.
        let mode = if v6 { "want" } else { "dont" };
        wait_until(
            &format!("1,400 octets across, {what}, v6 {v6}"),
            RECOVERY,
            || Ok(crosses(&site.core, (core, enb), 1400, mode).then_some(())),
        )
        .unwrap();
        for (source, sink, to) in [(&site.core, &site.enb, enb), (&site.enb, &site.core, core)] {
            let moved = tcp(source, sink, SocketAddr::new(to, 5000), TRANSFER_OCTETS);
            assert_eq!(moved.unwrap(), TRANSFER_OCTETS, "{what}: TCP to {to}");
        }
    }
}

/// Octets of the largest tunnel packet from `from`.
fn largest(trace: &Trace, from: IpAddr) -> usize {
    let header = if from.is_ipv6() { 40 } else { 20 };
    let of = |source: Option<(IpAddr, IpAddr)>| source.is_some_and(|(source, _)| source == from);
    let sizes = trace.frames().filter(|f| of(f.addresses));
    sizes.map(|f| f.payload.len() + header).max().unwrap_or(0)
}

fn start(test: &str, outer: Addresses, option: &str) -> (Site, Routers, Gateway, StrongSwan) {
    start_with(test, outer, option, CONFIGURATION)
}

fn start_with(
    test: &str,
    outer: Addresses,
    option: &str,
    configuration: &str,
) -> (Site, Routers, Gateway, StrongSwan) {
    let (site, routers) = Routers::site(test).unwrap();
    // With DF clear everywhere, the eNodeB sets none either.
    let discovery = u8::from(option.contains("clear"));
    site.enb
        .sh(&format!("sysctl -qw net.ipv4.ip_no_pmtu_disc={discovery}"))
        .unwrap();
    let vpn = format!("bind-interface st0.0;\n            {option}");
    let configuration = configuration.replace("bind-interface st0.0;", &vpn);
    let gateway = site.start_gateway_with(&configuration).unwrap();
    let connection = enb_connection("enb", outer);
    let peer = StrongSwan::start(&site.enb, site.folder(), &[connection]).unwrap();
    peer.initiate("enb-s1").unwrap();
    for v6 in [false, true] {
        wait_until("the tunnel to carry traffic", RECOVERY, || {
            Ok(crosses(&site.core, inner(v6), 1000, "do").then_some(()))
        })
        .unwrap();
    }
    (site, routers, gateway, peer)
}

fn learns(test: &str, outer: Addresses) {
    let (site, routers, mut gateway, peer) = start(test, outer, "df-bit set;");
    routers.narrow(NARROW_OCTETS).unwrap();
    assert!(
        !crosses(&site.core, inner(false), LARGE, "dont"),
        "the first large packet is lost on the way"
    );
    wait_until("the gateway to hear of it", RECOVERY, || {
        crosses(&site.core, inner(false), LARGE, "dont");
        let said = format!("path to {}: MTU {NARROW_OCTETS} octets", outer.enb_outer);
        Ok(gateway
            .daemon("planed")?
            .log()
            .contains(&said)
            .then_some(()))
    })
    .unwrap();
    // From now on nothing of the gateway is too big, so that no router has anything to say to it.
    let capture = Capture::start(&routers.b, "right", site.folder(), "narrow").unwrap();
    recovers(&site, "learned");
    // And an IPv6 packet of 1,280 octets, which must not be refused, crosses in two parts.
    assert!(crosses(&site.core, inner(true), 1280 - 48, "do"));
    let trace = capture.finish().unwrap();
    let largest = largest(&trace, outer.gateway_outer);
    assert!(
        (1200..=usize::from(NARROW_OCTETS)).contains(&largest),
        "{largest} octets"
    );
    assert_eq!(
        trace.cleartext_from(&[V4.core, V6.core, V4.enb_inner, V6.enb_inner]),
        0
    );
    assert_eq!(peer.children().unwrap(), 1);
}

#[test]
fn learned_over_ipv4() {
    learns("path_mtu_v4", V4);
}

#[test]
fn learned_over_ipv6() {
    learns("path_mtu_v6", V6);
}

#[test]
fn without_df_the_routers_fragment_and_nobody_needs_to_be_told() {
    let (site, routers, gateway, _peer) = start("path_mtu_clear", V4, "df-bit clear;");
    routers.silence().unwrap();
    routers.narrow(NARROW_OCTETS).unwrap();
    let capture = Capture::start(&site.enb, "enb0", site.folder(), "fragments").unwrap();
    let (core, enb) = inner(false);
    for octets in [1100, 1250, LARGE] {
        wait_until("a large packet across", RECOVERY, || {
            Ok(crosses(&site.core, (core, enb), octets, "do").then_some(()))
        })
        .unwrap();
    }
    let moved = tcp(
        &site.core,
        &site.enb,
        SocketAddr::new(enb, 5000),
        TRANSFER_OCTETS,
    );
    assert_eq!(moved.unwrap(), TRANSFER_OCTETS);
    let trace = capture.finish().unwrap();
    assert!(
        trace.frames().any(|f| f.later_fragment),
        "no fragment was seen"
    );
    assert_eq!(gateway.drops("reassembly-timeout").unwrap(), 0);
}

#[test]
fn a_black_hole_is_crossed_with_an_explicit_tunnel_mtu() {
    for (name, outer) in [("path_mtu_hole4", V4), ("path_mtu_hole6", V6)] {
        let (site, routers, _gateway, _peer) = start(name, outer, "df-bit set;\n tunnel-mtu 1180;");
        routers.silence().unwrap();
        routers.narrow(NARROW_OCTETS).unwrap();
        // The eNodeB's side of the same statement.
        site.enb.sh("ip link set dev ipsec0 mtu 1180").unwrap();
        let (core, enb) = inner(false);
        wait_until("a large packet across the hole", RECOVERY, || {
            Ok(crosses(&site.core, (core, enb), 1400, "dont").then_some(()))
        })
        .unwrap();
        for (source, sink, to) in [(&site.core, &site.enb, enb), (&site.enb, &site.core, core)] {
            let moved = tcp(source, sink, SocketAddr::new(to, 5000), TRANSFER_OCTETS);
            assert_eq!(moved.unwrap(), TRANSFER_OCTETS, "{name}: TCP to {to}");
        }
    }
}

#[test]
fn tcp_crosses_a_black_hole_with_a_smaller_segment_size() {
    let flow = "    flow { tcp-mss { ipsec-vpn { mss 1100; } } }\n    ipsec {";
    let configuration = CONFIGURATION.replacen("    ipsec {", flow, 1);
    let name = "path_mtu_mss";
    let (site, routers, _gateway, _peer) = start_with(name, V4, "df-bit set;", &configuration);
    routers.silence().unwrap();
    routers.narrow(NARROW_OCTETS).unwrap();
    for v6 in [false, true] {
        let (core, enb) = inner(v6);
        assert!(!crosses(&site.core, (core, enb), LARGE, "dont"), "a hole");
        // Only the gateway knows: it tells both ends.
        for (source, sink, to) in [(&site.core, &site.enb, enb), (&site.enb, &site.core, core)] {
            let moved = tcp(source, sink, SocketAddr::new(to, 5000), TRANSFER_OCTETS);
            assert_eq!(moved.unwrap(), TRANSFER_OCTETS, "TCP to {to}");
        }
    }
}
