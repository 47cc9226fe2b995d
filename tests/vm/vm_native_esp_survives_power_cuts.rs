//! Two power cuts, the second one in the middle of a boot: configuration and keys are as they were, and the tunnel returns by itself.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use ravelin_qemu::minutes;
use ravelin_tests::site::V4;
use ravelin_tests::vm::site::TUNNEL_LIMIT;
use ravelin_tests::vm::{Options, Site};

#[test]
#[ignore = "vm: three boots of its own"]
fn native_esp_returns_after_power_cuts() {
    let mut site = Site::start("vm_power_cuts", Options::default()).unwrap();
    site.gateway.boot_and_login().unwrap();
    site.tunnel().unwrap();
    site.pings(V4).unwrap();

    let before = kept(&mut site);
    let tunnels = site.enb.tunnels_so_far().unwrap();
    let guest = site.gateway.guest();
    guest.power_cut().unwrap();
    guest.power_on().unwrap();
    guest
        .console()
        .unwrap()
        .expect("Booting", minutes(3))
        .unwrap();
    let again = site.gateway.power_cycle().unwrap();
    site.enb.wait_tunnel(tunnels, TUNNEL_LIMIT).unwrap();
    site.returned(minutes(2)).unwrap();
    println!("login prompt {again:.1?} after the second power cut");
    site.gateway.login().unwrap();
    assert_eq!(kept(&mut site), before);
    site.pings(V4).unwrap();
    println!("{}", site.evidence().unwrap());
    site.no_nonce_twice().unwrap();
}

/// What a power cut must not change: the configuration, and the keys by which others know this node.
fn kept(site: &mut Site) -> (String, String) {
    let configuration = site.gateway.cli("show configuration").unwrap();
    let keys = site
        .gateway
        .shell("cat /data/keys/ssh/*.pub /etc/machine-id")
        .unwrap();
    assert!(keys.contains("ssh-ed25519"), "{keys}");
    (configuration, keys)
}
