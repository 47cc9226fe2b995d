//! Each link of the gateway goes down and comes back under traffic: the twin's carrier follows, the tunnel stays, traffic returns
//! without a new negotiation, and nothing leaves in clear meanwhile.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::capture::Capture;
use ravelin_tests::frame::Kind;
use ravelin_tests::middle::site_with_middle;
use ravelin_tests::netns::Netns;
use ravelin_tests::site::{Addresses, Site, V4, V6, enb_connection};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::{Stream, StreamSpec, ping};
use ravelin_tests::wait::wait_until;
use std::time::Duration;

const RECOVERY: Duration = Duration::from_secs(30);
const ROUNDS: usize = 2;

fn crosses(site: &Site, of: Addresses) -> bool {
    ping(&site.core, of.core, of.enb_inner, 1, 56).unwrap_or(0) == 1
}

fn recovers(site: &Site, what: &str) {
    for of in [V4, V6] {
        wait_until(&format!("{} after {what}", of.core), RECOVERY, || {
            Ok(crosses(site, of).then_some(()))
        })
        .unwrap();
    }
}

/// Waits until the kernel's twin has, or has lost, its carrier.
fn carrier(gateway: &Netns, twin: &str, up: bool) {
    wait_until(&format!("{twin} carrier {up}"), RECOVERY, || {
        let text = gateway.sh(&format!("ip -o link show dev {twin}"))?;
        Ok((text.contains("LOWER_UP") == up).then_some(()))
    })
    .unwrap();
}

#[test]
fn the_tunnel_outlives_the_loss_of_each_link() {
    for (name, outer) in [("link_flap4", V4), ("link_flap6", V6)] {
        flap(name, outer);
    }
}

fn flap(name: &str, outer: Addresses) {
    // The peer must not notice: its own link ends at a bridge.
    let (site, middle) = site_with_middle(name).unwrap();
    middle
        .sh("ip link add br0 type bridge mcast_snooping 0
             ip link set dev left master br0
             ip link set dev right master br0
             ip link set dev br0 up")
        .unwrap();
    let gateway = site.start_gateway().unwrap();
    let connection = enb_connection("enb", outer);
    let peer = StrongSwan::start(&site.enb, site.folder(), &[connection]).unwrap();
    let capture = Capture::start(&middle, "left", site.folder(), "outer").unwrap();
    peer.initiate("enb-s1").unwrap();
    recovers(&site, "the start");
    let ike = |text: &str| gateway.cli(text).unwrap();
    let before = ike("show security ike security-associations");
    site.core
        .sh("sysctl -qw net.ipv6.conf.core0.keep_addr_on_down=1")
        .unwrap();
    let spec = |port, of: Addresses| StreamSpec {
        from: of.core,
        to: of.enb_inner,
        port,
        rate_pps: 200,
        count: 20_000,
        octets: 100,
    };
    // They run through everything; whatever they lose, nothing of them may be seen in clear.
    let running = [(7000, V4), (7001, V6)]
        .map(|(port, of)| Stream::start(&site.core, &site.enb, spec(port, of)).unwrap());
    for _ in 0..ROUNDS {
        middle.sh("ip link set dev right down").unwrap();
        carrier(&site.gw, "ge-0-0-0", false);
        assert!(!crosses(&site, V4));
        middle.sh("ip link set dev right up").unwrap();
        carrier(&site.gw, "ge-0-0-0", true);
        recovers(&site, "the outer link came back");

        site.core.sh("ip link set dev core0 down").unwrap();
        carrier(&site.gw, "ge-0-0-1", false);
        site.core
            .sh("ip link set dev core0 up
                 ip route replace 10.45.0.0/16 via 198.51.100.1
                 ip -6 route replace 2001:db8:45::/48 via 2001:db8:b::1")
            .unwrap();
        carrier(&site.gw, "ge-0-0-1", true);
        recovers(&site, "the core link came back");
    }
    drop(running);
    assert_eq!(peer.children().unwrap(), 1);
    assert_eq!(ike("show security ike security-associations"), before);
    let trace = capture.finish().unwrap();
    assert!(trace.cleartext().is_empty(), "{name}: cleartext");
    assert!(trace.repeated_nonces(outer.gateway_outer).is_empty());
    assert!(trace.kinds().contains_key(&Kind::EspInUdp));
}
