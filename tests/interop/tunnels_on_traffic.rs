//! `establish-tunnels on-traffic`: a packet of the core brings the tunnel to a strongSwan up, and again after it was idle or lost.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::gateway::Gateway;
use ravelin_tests::site::{CONFIGURATION, Site, V4, enb_connection};
use ravelin_tests::strongswan::{Child, StrongSwan};
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::wait_until;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

/// The first gateway knows its peer's address, and its VPN what is behind both.
fn configuration() -> String {
    let dynamic = "dynamic {
                hostname .enb.example;
                ike-user-type group-ike-id;
            }";
    let peer = "address 192.0.2.10; remote-identity hostname enb1.enb.example;";
    let everything = "traffic-selector inet {
                local-ip 0.0.0.0/0;
                remote-ip 0.0.0.0/0;
            }
            traffic-selector inet6 {
                local-ip ::/0;
                remote-ip ::/0;
            }
            establish-tunnels responder-only;";
    let own = "traffic-selector own {
                local-ip 198.51.100.0/24;
                remote-ip 10.45.0.1/32;
            }
            establish-tunnels on-traffic;";
    CONFIGURATION
        .replacen(dynamic, peer, 1)
        .replacen(everything, own, 1)
        .replacen("anti-replay-window-size 512;", "idle-time 5;", 1)
}

#[test]
fn a_packet_of_the_core_brings_the_tunnel_up() {
    let site = Site::new("tunnels_on_traffic").unwrap();
    let gateway = site.start_gateway_with(&configuration()).unwrap();
    let mut connection = enb_connection("enb", V4);
    connection.children = vec![Child::new("enb-s1", "10.45.0.1/32", "198.51.100.0/24")];
    let strongswan = StrongSwan::start(&site.enb, site.folder(), &[connection]).unwrap();
    // What is not the VPN's is no reason.
    let other = "10.45.0.2".parse().unwrap();
    assert_eq!(ping(&site.core, V4.core, other, 2, 56).unwrap(), 0);
    assert_eq!(strongswan.established().unwrap(), 0);
    let crosses = || {
        wait_until("the core's packets to cross", LIMIT, || {
            let count = ping(&site.core, V4.core, V4.enb_inner, 1, 56)?;
            Ok((count == 1).then_some(()))
        })
        .unwrap();
        assert_eq!(strongswan.established().unwrap(), 1);
        assert_eq!(strongswan.children().unwrap(), 1);
    };
    crosses();
    wait_until("the idle tunnel to end", LIMIT, || {
        Ok((strongswan.established()? == 0).then_some(()))
    })
    .unwrap();
    crosses();
    strongswan.terminate("enb").unwrap();
    crosses();
    assert!(
        gateway.drops("no-sa").unwrap() > 0,
        "the first packets are lost"
    );
}

/// The peer is at an address where it takes nobody, and at a host name, after which it names itself.
#[test]
fn a_peer_is_found_by_its_host_name() {
    let site = Site::new("peer_by_name").unwrap();
    let address = "address [ 192.0.2.11 enb1.enb.example ];";
    let known = "address 192.0.2.10; remote-identity hostname enb1.enb.example;";
    let configuration = configuration()
        .replacen(known, address, 1)
        .replacen("idle-time 5;", "", 1)
        .replacen(
            "establish-tunnels on-traffic;",
            "establish-tunnels immediately;",
            1,
        );
    assert!(configuration.contains(address));
    site.enb
        .sh("ip address add 192.0.2.11/24 dev enb0")
        .unwrap();
    let mut connection = enb_connection("enb", V4);
    connection.children = vec![Child::new("enb-s1", "10.45.0.1/32", "198.51.100.0/24")];
    let strongswan = StrongSwan::start(&site.enb, site.folder(), &[connection]).unwrap();
    // In the mount namespace of iked alone.
    let hosts = site.folder().join("hosts");
    std::fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
    let mount = format!(
        "mount --bind {} /etc/hosts; exec \"$0\" \"$@\"",
        hosts.display()
    );
    let wrapper = ["sh", "-ec", &mount].map(str::to_owned);
    let others = ["netd", "planed", "mgmtd"];
    let mut gateway =
        Gateway::start_some(&site.gw, site.folder(), &configuration, &others).unwrap();
    gateway.start_daemon_under("iked", &wrapper).unwrap();
    gateway.wait_ready().unwrap();

    // Whom it does not know it does not serve, and says for what it waits.
    let waits = "gateway enb-v4: host enb1.enb.example: ";
    wait_until("the name to be asked", LIMIT, || {
        let alarms = gateway.cli("show system alarms")?;
        Ok(alarms.contains("enb1.enb.example").then_some(()))
    })
    .unwrap();
    assert!(strongswan.initiate("enb-s1").is_err());
    let failures = gateway
        .cli("show security ike failures | display json")
        .unwrap();
    assert!(failures.contains(waits), "{failures}");
    assert_eq!(strongswan.established().unwrap(), 0);

    std::fs::write(&hosts, "192.0.2.10 enb1.enb.example\n").unwrap();
    wait_until("the core's packets to cross", LIMIT, || {
        let count = ping(&site.core, V4.core, V4.enb_inner, 1, 56)?;
        Ok((count == 1).then_some(()))
    })
    .unwrap();
    assert_eq!(strongswan.established().unwrap(), 1);
    let shown = gateway.cli("show security ike gateways").unwrap();
    assert!(
        shown.contains("enb1.enb.example\n    is at 192.0.2.10\n"),
        "{shown}"
    );
    let alarms = gateway.cli("show system alarms").unwrap();
    assert!(!alarms.contains("enb1.enb.example"), "{alarms}");
}
