//! Addresses change under running tunnels: the gateway's IKE address by commit (old tunnels end at both ends, new ones come up), its
//! address towards the core (tunnels stay), and the eNodeB's own.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::capture::Capture;
use ravelin_tests::gateway::Gateway;
use ravelin_tests::site::{Addresses, CONFIGURATION, Site, V4, V6, enb_connection};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::wait_until;
use std::net::IpAddr;
use std::time::Duration;

const RECOVERY: Duration = Duration::from_secs(30);

fn recovers(site: &Site, what: &str) {
    for of in [V4, V6] {
        wait_until(&format!("{} after {what}", of.core), RECOVERY, || {
            Ok((ping(&site.enb, of.enb_inner, of.core, 1, 56)? == 1).then_some(()))
        })
        .unwrap();
    }
}

fn load(site: &Site, gateway: &Gateway, name: &str, configuration: &str) {
    let file = site.folder().join(name);
    std::fs::write(&file, configuration).unwrap();
    let file = file.display();
    gateway
        .cli(&format!("request system configuration load file {file}"))
        .unwrap();
}

/// Whether the gateway has an SA with this peer address.
fn knows(gateway: &Gateway, peer: IpAddr) -> bool {
    ["ike", "ipsec"].iter().any(|part| {
        let command = format!("show security {part} security-associations");
        gateway.cli(&command).unwrap().contains(&peer.to_string())
    })
}

#[test]
fn the_gateway_moves_by_commit() {
    for (name, outer, new) in [
        ("address_gateway4", V4, "192.0.2.3"),
        ("address_gateway6", V6, "2001:db8:a::3"),
    ] {
        gateway_moves(name, outer, new);
    }
}

fn gateway_moves(name: &str, outer: Addresses, new: &str) {
    let site = Site::new(name).unwrap();
    let gateway = site.start_gateway().unwrap();
    let connection = enb_connection("enb", outer);
    let peer = StrongSwan::start(&site.enb, site.folder(), &[connection]).unwrap();
    let capture = Capture::start(&site.enb, "enb0", site.folder(), "outer").unwrap();
    peer.initiate("enb-s1").unwrap();
    recovers(&site, "the start");

    // Interface and IKE gateway at once.
    let old = outer.gateway_outer.to_string();
    let moved = CONFIGURATION
        .replace(&format!("address {old}/"), &format!("address {new}/"))
        .replace(
            &format!("local-address {old};"),
            &format!("local-address {new};"),
        );
    load(&site, &gateway, "moved.conf", &moved);
    wait_until("the old tunnel to end at the gateway", RECOVERY, || {
        Ok((!knows(&gateway, outer.enb_outer)).then_some(()))
    })
    .unwrap();
    assert_eq!(
        ping(&site.core, V4.core, V4.enb_inner, 1, 56).unwrap(),
        0,
        "without a tunnel"
    );
    // The deletion left from the old address if it was still there: else the peer must find out by itself.
    drop(peer.terminate("enb"));
    let to_new = Addresses {
        gateway_outer: new.parse().unwrap(),
        ..outer
    };
    peer.configure(&[enb_connection("enb", to_new)]).unwrap();
    wait_until("a tunnel with the new address", RECOVERY, || {
        Ok(peer.initiate("enb-s1").ok())
    })
    .unwrap();
    recovers(&site, "the move of the IKE address");
    let kernel = site.gw.sh("ip addr show").unwrap();
    assert!(kernel.contains(new) && !kernel.contains(&format!("{old}/")));

    // Towards the core the gateway may move without the tunnel.
    let before = peer.list_sas().unwrap();
    let elsewhere = moved
        .replace("198.51.100.1/24", "198.51.100.3/24")
        .replace("2001:db8:b::1/64", "2001:db8:b::3/64");
    load(&site, &gateway, "elsewhere.conf", &elsewhere);
    site.core
        .sh("ip route replace 10.45.0.0/16 via 198.51.100.3
             ip route replace 2001:db8:45::/48 via 2001:db8:b::3")
        .unwrap();
    recovers(&site, "the move of the address towards the core");
    let spis = |text: &str| -> Vec<String> {
        let words = text.split_whitespace().filter(|word| word.ends_with("_i*"));
        words.map(str::to_owned).collect()
    };
    assert_eq!(
        spis(&before),
        spis(&peer.list_sas().unwrap()),
        "a new IKE SA"
    );
    let trace = capture.finish().unwrap();
    assert_eq!(
        trace.cleartext_from(&[V4.core, V6.core, V4.enb_inner, V6.enb_inner]),
        0
    );
    for address in [outer.gateway_outer, to_new.gateway_outer] {
        assert!(trace.repeated_nonces(address).is_empty());
        assert!(trace.esp_between(address, outer.enb_outer) > 0);
    }
}

#[test]
fn the_enodeb_moves_and_comes_back() {
    for (name, outer, new, prefix) in [
        ("address_enb4", V4, "192.0.2.11", 24),
        ("address_enb6", V6, "2001:db8:a::11", 64),
    ] {
        let site = Site::new(name).unwrap();
        let gateway = site.start_gateway().unwrap();
        let connection = enb_connection("enb", outer);
        let peer = StrongSwan::start(&site.enb, site.folder(), &[connection]).unwrap();
        peer.initiate("enb-s1").unwrap();
        recovers(&site, "the start");
        let old = outer.enb_outer;
        // Without a word to the gateway: no deletion gets out.
        site.enb
            .sh(&format!(
                "ip addr del {old}/{prefix} dev enb0
                 ip addr add {new}/{prefix} dev enb0"
            ))
            .unwrap();
        drop(peer.swanctl(&["--terminate", "--ike", "enb", "--force", "--timeout", "1"]));
        let moved = Addresses {
            enb_outer: new.parse().unwrap(),
            ..outer
        };
        peer.configure(&[enb_connection("enb", moved)]).unwrap();
        wait_until("a tunnel from the new address", RECOVERY, || {
            Ok(peer.initiate("enb-s1").ok())
        })
        .unwrap();
        recovers(&site, "the move of the eNodeB");
        // By INITIAL_CONTACT or by dead peer detection, the old tunnel goes.
        wait_until("the old tunnel to go", Duration::from_secs(90), || {
            Ok((!knows(&gateway, old)).then_some(()))
        })
        .unwrap();
        recovers(&site, "the end of the old tunnel");
    }
}

/// With MOBIKE (RFC 4555) the eNodeB takes its tunnel along: the same IKE SA, nothing in clear.
#[test]
fn the_enodeb_takes_its_tunnel_along() {
    for (name, outer, new, prefix) in [
        ("mobike4", V4, "192.0.2.11", 24),
        ("mobike6", V6, "2001:db8:a::11", 64),
    ] {
        let site = Site::new(name).unwrap();
        let mobile = CONFIGURATION.replace("version v2-only;", "mobike;");
        let gateway = site.start_gateway_with(&mobile).unwrap();
        let mut connection = enb_connection("enb", outer);
        connection.local = "%any".to_owned();
        let peer = StrongSwan::start(&site.enb, site.folder(), &[connection]).unwrap();
        let capture = Capture::start(&site.enb, "enb0", site.folder(), "outer").unwrap();
        peer.initiate("enb-s1").unwrap();
        recovers(&site, "the start");
        let old = outer.enb_outer;
        let detail = "show security ike security-associations detail";
        assert!(gateway.cli(detail).unwrap().contains("MOBIKE: agreed"));
        site.enb
            .sh(&format!(
                "sysctl -qw net.ipv4.conf.enb0.promote_secondaries=1
                 ip addr add {new}/{prefix} dev enb0
                 ip addr del {old}/{prefix} dev enb0"
            ))
            .unwrap();
        let moved: IpAddr = new.parse().unwrap();
        wait_until("the gateway to follow", RECOVERY, || {
            Ok((knows(&gateway, moved) && !knows(&gateway, old)).then_some(()))
        })
        .unwrap();
        recovers(&site, "the move of the eNodeB");
        let log = peer.log();
        // The ESP in charon's process cannot move an SA: the peer then rekeys it by itself, once.
        for (text, most) in [
            ("generating IKE_SA_INIT request", 1),
            ("generating CREATE_CHILD_SA request", 1),
        ] {
            let count = log.matches(text).count();
            assert!(count <= most, "{count} times {text}");
        }
        // The gateway has asked whether the eNodeB is there before it sent anything there.
        assert!(log.contains("N(COOKIE2)"), "{log}");
        let trace = capture.finish().unwrap();
        let inner = [V4.core, V6.core, V4.enb_inner, V6.enb_inner];
        assert_eq!(trace.cleartext_from(&inner), 0);
        assert!(trace.esp_between(moved, outer.gateway_outer) > 0);
    }
}
