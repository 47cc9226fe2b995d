//! Two Ravelin gateways face each other without a NAT between them: native ESP, IP protocol 50, in both directions.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::account;
use ravelin_tests::capture::Capture;
use ravelin_tests::frame::Kind;
use ravelin_tests::gateway::Gateway;
use ravelin_tests::netns::{Netns, veth};
use ravelin_tests::traffic::{Stream, StreamSpec, ping, tcp};
use ravelin_tests::wait::wait_until;
use std::net::IpAddr;
use std::time::Duration;

const PAIR: &str = include_str!("../configs/pair.conf");

fn configuration(local: &str, remote: &str, inner: &str, other: &str, establish: &str) -> String {
    PAIR.replace("LOCAL", local)
        .replace("REMOTE", remote)
        .replace("INNER", inner)
        .replace("OTHER", other)
        .replace("ESTABLISH", establish)
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A host behind a gateway, with its default route through it. The host knows the tunnel's MTU: each packet that a gateway answered
/// with "too big" would count as lost.
fn host(label: &str, gateway: &Netns, net: &str) -> Netns {
    let host = Netns::new(label).unwrap();
    veth(&host, "eth0", gateway, "trust").unwrap();
    host.sh(&format!(
        "ip addr add {net}.2/24 dev eth0; ip route add default via {net}.1 mtu 1400"
    ))
    .unwrap();
    host
}

#[test]
fn native_esp_between_two_gateways() {
    let folder = ravelin_tests::artifacts("ravelin_pair").unwrap();
    let (a, b) = (Netns::new("gwa").unwrap(), Netns::new("gwb").unwrap());
    // A bridge between them, so that the outer link can be captured outside both gateways. It has nothing to say itself.
    let middle = Netns::new("mid").unwrap();
    veth(&a, "untrust", &middle, "ma").unwrap();
    veth(&b, "untrust", &middle, "mb").unwrap();
    middle
        .sh("ip link add br0 type bridge mcast_snooping 0; ip link set dev ma master br0; ip link set dev mb master br0; ip link set dev br0 up")
        .unwrap();
    let (left, right) = (host("left", &a, "10.71.0"), host("right", &b, "10.72.0"));
    let mut responder = Gateway::start(
        &b,
        &folder,
        &configuration(
            "203.0.113.2",
            "203.0.113.1",
            "10.72.0",
            "10.71.0",
            "responder-only",
        ),
    )
    .unwrap();
    let mut initiator = Gateway::start(
        &a,
        &folder,
        &configuration(
            "203.0.113.1",
            "203.0.113.2",
            "10.71.0",
            "10.72.0",
            "immediately",
        ),
    )
    .unwrap();
    let outer = Capture::start(&middle, "ma", &folder, "outer").unwrap();
    let clear = Capture::start(&left, "eth0", &folder, "clear").unwrap();
    responder.wait_ready().unwrap();
    initiator.wait_ready().unwrap();
    wait_until("the tunnel", Duration::from_secs(20), || {
        let sas = initiator.cli("show security ipsec security-associations")?;
        Ok(sas.contains("203.0.113.2").then_some(()))
    })
    .unwrap();

    let (from, to) = (address("10.71.0.2"), address("10.72.0.2"));
    assert_eq!(ping(&left, from, to, 3, 1000).unwrap(), 3);
    assert_eq!(ping(&right, to, from, 3, 1000).unwrap(), 3);
    let spec = |from, to| StreamSpec {
        from,
        to,
        port: 7000,
        rate_pps: 2000,
        count: 4000,
        octets: 400,
    };
    let up = Stream::start(&left, &right, spec(from, to)).unwrap();
    let down = Stream::start(&right, &left, spec(to, from)).unwrap();
    for tally in [
        up.finish(Duration::from_secs(1)).unwrap(),
        down.finish(Duration::from_secs(1)).unwrap(),
    ] {
        assert_eq!(
            (tally.received, tally.duplicated),
            (tally.sent, 0),
            "{tally:?}"
        );
    }
    assert_eq!(
        tcp(&left, &right, (to, 5000).into(), 1 << 20).unwrap(),
        1 << 20
    );

    Capture::wait_quiet(&[&outer, &clear]).unwrap();
    let (outer, clear) = (outer.finish().unwrap(), clear.finish().unwrap());
    let kinds = outer.kinds();
    assert_eq!(
        (kinds.get(&Kind::EspInUdp), kinds.get(&Kind::Cleartext)),
        (None, None),
        "{kinds:?}"
    );
    // From the left host's link, "uplink" is what the right host sent.
    let tunnels = [(address("203.0.113.2"), address("203.0.113.1"))];
    let directions = account::directions(&outer, &clear, &tunnels, &[to]);
    assert!(account::faults(&directions).is_empty(), "{directions:?}");
    for gateway in ["203.0.113.1", "203.0.113.2"] {
        assert_eq!(outer.repeated_nonces(address(gateway)), vec![]);
    }
}
