//! Transport mode and AH with libreswan: what both ends agree on, and traffic through each pair.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::libreswan::Libreswan;
use ravelin_tests::site::{
    Addresses, CONFIGURATION, ENB_ID, GATEWAY_ID, PRE_SHARED_KEY, Site, V4, V6,
};

use std::net::{IpAddr, Ipv4Addr};

const PINGS: usize = 3;

/// A connection of ipsec.conf; `more` are its further lines.
fn connection(name: &str, a: Addresses, more: &str) -> String {
    format!(
        "conn {name}
\tleft={}
\tright={}
\tike=aes_gcm256-sha2_256-dh19
\tauthby=secret
\tleftid=@{ENB_ID}
\trightid=@{GATEWAY_ID}
{more}
",
        a.enb_outer, a.gateway_outer
    )
}

/// Between the ends themselves. The eNodeB's is one of its own, since in clear it reaches nothing.
const ENDS: Addresses = Addresses {
    enb_outer: PROTECTED,
    enb_inner: PROTECTED,
    core: V4.gateway_outer,
    ..V4
};
const PROTECTED: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 11));

#[test]
fn libreswan_agrees_on_transport_mode_and_on_ah() {
    let site = Site::new("transport_and_ah").unwrap();
    site.enb
        .sh("ip address add 192.0.2.11/24 dev enb0")
        .unwrap();
    let configuration = CONFIGURATION
        .replace(
            "policy enb {\n            proposals esp-gcm;",
            "proposal ah-sha2 { protocol ah; authentication-algorithm hmac-sha-256-128; }
             policy enb { proposals [ esp-gcm ah-sha2 ];",
        )
        .replace("10.45.0.0/16 ", "10.45.0.0/16 192.0.2.11/32 ")
        .replacen(
            "bind-interface st0.0;",
            "bind-interface st0.0; mode transport;",
            1,
        );
    let gateway = site.start_gateway_with(&configuration).unwrap();
    let subnets = format!(
        "\tleftsubnet={}\n\trightsubnet=2001:db8:b::/64\n",
        V6.enb_inner
    );
    let cases = [
        (
            "esp-transport",
            ENDS,
            "\ttype=transport\n\tesp=aes_gcm256".to_owned(),
            "ESP:aes-256-gcm",
        ),
        (
            "ah-transport",
            ENDS,
            "\ttype=transport\n\tphase2=ah\n\tah=sha2_256".to_owned(),
            "AH:",
        ),
        (
            "ah-tunnel",
            V6,
            format!("{subnets}\tphase2=ah\n\tah=sha2_256"),
            "AH:",
        ),
    ];
    let connections = cases
        .each_ref()
        .map(|(name, addresses, more, _)| connection(name, *addresses, more));
    let secret = format!("@{ENB_ID} @{GATEWAY_ID} : PSK \"{PRE_SHARED_KEY}\"\n");
    let mut peer = Libreswan::start(
        &site.enb,
        site.folder(),
        &connections.concat(),
        &secret,
        |_| Ok(()),
    )
    .unwrap();
    for (name, addresses, _, shown) in &cases {
        let outcome = peer.initiate(name);
        let outcome = outcome.and_then(|_| peer.esp.ping(&site.enb, *addresses, PINGS));
        let sas = gateway
            .cli("show security ipsec security-associations")
            .unwrap();
        outcome.unwrap_or_else(|error| panic!("{name}: {error}\n{sas}\npluto: {}", peer.log()));
        assert!(sas.contains(shown), "{name}: {sas}");
        peer.terminate(name).unwrap();
    }
}
