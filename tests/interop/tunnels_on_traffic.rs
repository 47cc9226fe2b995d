//! `establish-tunnels on-traffic`: a packet of the core brings the tunnel to a strongSwan up, and again after it was idle or lost.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

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
