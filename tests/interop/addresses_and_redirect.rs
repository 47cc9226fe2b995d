//! strongSwan asks for inner addresses (RFC 7296 section 2.19) and is sent from one gateway to the other (RFC 5685): at IKE_SA_INIT,
//! at IKE_AUTH, and by an operator's order. Its address outlives rekeys and a restart of iked.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::gateway::Gateway;
use ravelin_tests::site::{CONFIGURATION, Site, V4, V6, enb_connection};
use ravelin_tests::strongswan::{Child, StrongSwan};
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::wait_until;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);
const FIRST: &str = "192.0.2.1";
const OTHER: &str = "192.0.2.3";
const LEASED: [&str; 2] = ["10.45.7.1", "2001:db8:45:7::1"];

/// The site's configuration with a second gateway at [`OTHER`], where the first one sends its peers `at` some time.
fn configuration(at: &str) -> String {
    let pool = "address-pool ran {
                inet 10.45.7.0/24;
                inet6 2001:db8:45:7::/64;
            }
            gateway enb-v4 {
                address-pool ran;";
    let other = format!(
        "gateway other {{
            address-pool ran;
            ike-policy enb;
            dynamic hostname .enb.example;
            local-identity hostname secgw.example;
            local-address {OTHER};
            external-interface ge-0/0/0.0;
        }}
        gateway enb-v6 {{"
    );
    let vpn = "vpn other {
            bind-interface st0.0;
            ike {
                gateway other;
                ipsec-policy enb;
            }
        }
        vpn enb-v6 {";
    CONFIGURATION
        .replace(
            "address 192.0.2.1/24;",
            "address 192.0.2.1/24; address 192.0.2.3/24;",
        )
        .replace(
            "gateway enb-v4 {\n",
            &format!("{pool} redirect {{ address {OTHER}; at {at}; }}\n"),
        )
        .replace("gateway enb-v6 {\n", &format!("{other}\n"))
        .replace("vpn enb-v6 {\n", &format!("{vpn}\n"))
}

/// Our ends of all IKE SAs, and what their peers were given.
fn sas(gateway: &Gateway) -> Vec<(IpAddr, Vec<String>)> {
    let command = "show security ike security-associations | display json";
    let text = gateway.cli(command).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let list = report["ike_security_associations"].as_array().unwrap();
    let one = |sa: &serde_json::Value| {
        let local: SocketAddr = sa["local"].as_str().unwrap().parse().unwrap();
        let leases = sa["leases"].as_array().unwrap().iter();
        let leases = leases.map(|a| a.as_str().unwrap().to_owned());
        (local.ip(), leases.collect())
    };
    list.iter().map(one).collect()
}

/// Waits until the only IKE SA is at this address of ours and the peer's traffic crosses.
fn serves(site: &Site, gateway: &Gateway, at: &str, leased: [&str; 2]) {
    let at: IpAddr = at.parse().unwrap();
    let wanted = vec![(at, leased.map(str::to_owned).to_vec())];
    wait_until(&format!("the tunnel to be at {at}"), LIMIT, || {
        let crosses = || {
            let ends = leased.iter().zip([V4.core, V6.core]);
            let mut pings =
                ends.map(|(own, core)| ping(&site.enb, own.parse().unwrap(), core, 1, 56));
            pings.all(|count| count.is_ok_and(|count| count == 1))
        };
        Ok((sas(gateway) == wanted && crosses()).then_some(()))
    })
    .unwrap();
}

#[test]
fn a_peer_gets_addresses_and_goes_where_it_is_sent() {
    let site = Site::new("addresses_and_redirect").unwrap();
    let mut gateway = site.start_gateway_with(&configuration("request")).unwrap();
    let mut connection = enb_connection("enb", V4);
    connection.options.push("vips = 0.0.0.0,::".to_owned());
    let core = "198.51.100.0/24,2001:db8:b::/64";
    connection.children = vec![Child::new("enb-s1", "dynamic", core)];
    let peer = StrongSwan::start(&site.enb, site.folder(), &[connection]).unwrap();
    peer.initiate("enb-s1").unwrap();
    serves(&site, &gateway, FIRST, LEASED);
    for what in [["--child", "enb-s1"], ["--ike", "enb"]] {
        peer.rekey(what[0], what[1]).unwrap();
        serves(&site, &gateway, FIRST, LEASED);
    }
    gateway.daemon("iked").unwrap().kill().unwrap();
    gateway.start_daemon("iked").unwrap();
    gateway.wait_ready().unwrap();
    serves(&site, &gateway, FIRST, LEASED);

    let order = "request security ike redirect peer 192.0.2.10";
    assert_eq!(gateway.cli(order).unwrap(), "1 peers redirected\n");
    // The new lease is made while the old one is still held, so it is another one or, taken over, the same.
    wait_until("the peer to go where it was sent", LIMIT, || {
        let other: IpAddr = OTHER.parse().unwrap();
        let now = sas(&gateway);
        Ok((now.len() == 1 && now[0].0 == other).then_some(()))
    })
    .unwrap();
    for at in ["ike-sa-init", "ike-auth"] {
        peer.terminate("enb").unwrap();
        let file = site.folder().join("next.conf");
        std::fs::write(&file, configuration(at)).unwrap();
        let file = file.display();
        gateway
            .cli(&format!("request system configuration load file {file}"))
            .unwrap();
        wait_until(&format!("a tunnel redirected at {at}"), LIMIT, || {
            let other: IpAddr = OTHER.parse().unwrap();
            // strongSwan reports the set-up that it was sent away from as failed.
            drop(peer.initiate("enb-s1"));
            let now = sas(&gateway);
            Ok((now.len() == 1 && now[0].0 == other && peer.children()? > 0).then_some(()))
        })
        .unwrap();
    }
}
