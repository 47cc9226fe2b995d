//! The bench of virtual machines tells the truth: two peer guests bring up a tunnel between their kernels, and what is taken for
//! evidence of native ESP is there with the tunnel and absent without it.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use ravelin_qemu::{Lab, Link, minutes};
use ravelin_tests::site::{ENB_ID, GATEWAY_ID, PRE_SHARED_KEY, V4};
use ravelin_tests::strongswan::{Child, Connection};
use ravelin_tests::vm::Peer;
use ravelin_tests::vm::evidence::{carried, kernel_sas, native_esp};
use ravelin_tests::vm::peer::{host_script, strongswan_script};
use std::net::IpAddr;

const PINGS: u32 = 10;

/// One end of the tunnel; the other inner host is behind the other end.
fn end(local: IpAddr, remote: IpAddr, inner: IpAddr, other: IpAddr, ids: (&str, &str)) -> String {
    let child = Child::new("s1", &inner.to_string(), &other.to_string());
    let connection = Connection {
        name: "peer".to_owned(),
        local: local.to_string(),
        remote: remote.to_string(),
        local_id: ids.0.to_owned(),
        remote_id: ids.1.to_owned(),
        psk: PRE_SHARED_KEY.to_owned(),
        proposals: "aes256gcm16-prfsha256-ecp256".to_owned(),
        options: vec!["rekey_time = 0".to_owned()],
        ppks: Vec::new(),
        children: vec![child],
    };
    let hosts = host_script(&[format!("{local}/24")], &[format!("{inner}/32")], &[]);
    hosts + &strongswan_script(&[connection])
}

#[test]
#[ignore = "vm: two boots of its own"]
fn two_peer_guests_make_a_tunnel_of_native_esp() {
    let lab = Lab::new("vm_peers").unwrap();
    let link = Link::new(&lab, "access").unwrap();
    let (a, b) = (V4.enb_outer, V4.gateway_outer);
    let (inner_a, inner_b) = (V4.enb_inner, V4.core);
    let first = end(a, b, inner_a, inner_b, (ENB_ID, GATEWAY_ID));
    let second = end(b, a, inner_b, inner_a, (GATEWAY_ID, ENB_ID));
    let mut enb = Peer::start(&lab, "enb", &link, &first).unwrap();
    let mut far = Peer::start(&lab, "far", &link, &second).unwrap();
    enb.ready().unwrap();
    far.ready().unwrap();

    assert_eq!(enb.ping(inner_a, inner_b, 1).unwrap(), 0, "no tunnel yet");
    assert_eq!(kernel_sas(&enb.run("ip -s xfrm state").unwrap()), []);
    enb.run("swanctl --initiate --child s1 --timeout 60")
        .unwrap();
    enb.wait_tunnel(0, minutes(1)).unwrap();
    assert_eq!(enb.ping(inner_a, inner_b, PINGS).unwrap(), PINGS);
    assert_eq!(far.ping(inner_b, inner_a, PINGS).unwrap(), PINGS);
    enb.tcp(inner_a, inner_b, 256).unwrap();
    far.tcp(inner_b, inner_a, 256).unwrap();

    let sas = kernel_sas(&enb.run("ip -s xfrm state").unwrap());
    let seen = carried(&link).unwrap();
    println!("{}", native_esp(&seen, &sas, u64::from(2 * PINGS)).unwrap());
    assert!(native_esp(&seen, &[], 1).is_err());

    // In clear it is noticed.
    assert_eq!(enb.ping(a, b, 1).unwrap(), 1);
    assert_eq!(carried(&link).unwrap().clear, 2);
}
