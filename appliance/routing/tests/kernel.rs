//! Addresses, links, static routes and traffic-selector routes against a real kernel.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{in_namespace, ip};
use ravelin_routing::{
    AriRoute, AriRoutes, Hop, InterfaceAddress, Kernel, LinkSettings, RoutingError, SignalRoutes,
    StaticRoute, StaticTarget, TABLE_MAIN, VrfDevice,
};
use ravelin_types::{PairId, Time};
use std::time::Duration;

fn address(text: &str) -> InterfaceAddress {
    let (address, len) = text.split_once('/').unwrap();
    InterfaceAddress {
        address: address.parse().unwrap(),
        prefix_len: len.parse().unwrap(),
    }
}

fn veth() {
    ip("link add ge-0-0-0 type veth peer name far");
    ip("link set far up");
}

#[test]
fn link_settings() {
    in_namespace(|| {
        veth();
        let mut kernel = Kernel::open().unwrap();
        let settings = LinkSettings {
            up: Some(true),
            mtu_octets: Some(1400),
            mac: Some([2, 0, 0, 0, 0, 9]),
        };
        kernel.set_link("ge-0-0-0", settings).unwrap();
        let link = kernel.link("ge-0-0-0").unwrap();
        assert!(link.admin_up);
        assert_eq!(
            (link.mtu_octets, link.mac),
            (1400, Some([2, 0, 0, 0, 0, 9]))
        );
        assert!(
            ip("-o link show ge-0-0-0").contains("mtu 1400"),
            "iproute2 agrees"
        );
        let absent = kernel.set_link("ge-9-9-9", settings);
        assert!(matches!(absent, Err(RoutingError::NoSuchDevice(name)) if name == "ge-9-9-9"));
    });
}

/// By a bridge, which every kernel has: to the device that is enslaved, a controller is a controller.
#[test]
fn a_device_is_enslaved_and_set_free() {
    in_namespace(|| {
        veth();
        ip("link add core type bridge");
        let mut kernel = Kernel::open().unwrap();
        kernel.set_vrf("ge-0-0-0", Some("core")).unwrap();
        let core = kernel.link("core").unwrap();
        assert_eq!(kernel.link("ge-0-0-0").unwrap().controller, core.ifindex);
        kernel.set_vrf("ge-0-0-0", None).unwrap();
        assert_eq!(kernel.link("ge-0-0-0").unwrap().controller, 0);
        let absent = kernel.set_vrf("ge-0-0-0", Some("blue"));
        assert!(matches!(absent, Err(RoutingError::NoSuchDevice(name)) if name == "blue"));
        // A device of that name that is none of ours is in the way, and stays.
        let wanted = [VrfDevice {
            name: "core".to_owned(),
            table: 6101,
        }];
        let done = kernel.reconcile_vrfs(&wanted).unwrap();
        assert_eq!((done.added.len(), done.failed.len()), (0, 1));
        assert_eq!(kernel.link("core").unwrap().ifindex, core.ifindex);
    });
}

#[test]
fn addresses_become_exactly_the_wanted_ones() {
    in_namespace(|| {
        veth();
        ip("link set ge-0-0-0 up");
        let mut kernel = Kernel::open().unwrap();
        // The first is primary to the second: removing it takes the second along.
        for old in ["10.0.0.1/24", "10.0.0.2/24", "2001:db8:9::1/64"] {
            ip(&format!("addr add {old} dev ge-0-0-0"));
        }
        let wanted = [address("10.0.0.2/24"), address("2001:db8::1/64")];
        let change = kernel.reconcile_addresses("ge-0-0-0", &wanted).unwrap();
        assert!(change.failed.is_empty(), "{:?}", change.failed);
        let shown = ip("-o addr show dev ge-0-0-0 scope global");
        for (text, present) in [
            ("10.0.0.2/24 brd 10.0.0.255", true),
            ("2001:db8::1/64", true),
            ("10.0.0.1/24", false),
            ("2001:db8:9::1", false),
        ] {
            assert_eq!(shown.contains(text), present, "{text} in {shown}");
        }
        assert!(ip("-o addr show dev ge-0-0-0").contains("inet6 fe80"));
        let again = kernel.reconcile_addresses("ge-0-0-0", &wanted).unwrap();
        assert!(again.is_unchanged(), "{again:?}");

        let loopback = kernel
            .reconcile_addresses("lo", &[address("192.0.2.1/32")])
            .unwrap();
        assert_eq!(loopback.added, [address("192.0.2.1/32")]);
        assert!(ip("addr show lo").contains("127.0.0.1/8"));
        let bad = kernel
            .reconcile_addresses("lo", &[address("192.0.2.1/33")])
            .unwrap();
        assert_eq!(bad.failed.len(), 1);
    });
}

fn static_route(prefix: &str, target: StaticTarget) -> StaticRoute {
    StaticRoute {
        table: TABLE_MAIN,
        prefix: prefix.parse().unwrap(),
        target,
        metric: 5,
    }
}

fn via(gateways: &[&str]) -> StaticTarget {
    let hop = |g: &&str| Hop {
        gateway: Some(g.parse().unwrap()),
        device: None,
    };
    StaticTarget::Via(gateways.iter().map(hop).collect())
}

#[test]
fn static_routes_become_exactly_the_wanted_ones() {
    in_namespace(|| {
        veth();
        ip("link set ge-0-0-0 up");
        ip("addr add 10.0.0.1/24 dev ge-0-0-0");
        ip("addr add 2001:db8::1/64 dev ge-0-0-0 nodad");
        ip("route add 10.7.0.0/16 via 10.0.0.9 proto bgp");
        ip("route add 10.8.0.0/16 via 10.0.0.9 proto static");
        let mut kernel = Kernel::open().unwrap();
        let wanted = [
            static_route("0.0.0.0/0", via(&["10.0.0.254"])),
            static_route("10.1.0.0/16", via(&["10.0.0.2", "10.0.0.3"])),
            static_route("10.2.0.0/16", StaticTarget::Discard),
            static_route("10.3.0.0/16", StaticTarget::Reject),
            static_route("2001:db8:1::/48", via(&["2001:db8::2"])),
            static_route("2001:db8:2::/48", via(&["2001:db8::2", "2001:db8::3"])),
            static_route("2001:db8:3::/48", StaticTarget::Discard),
            static_route(
                "10.4.0.0/16",
                StaticTarget::Via(vec![Hop {
                    gateway: None,
                    device: Some("ge-0-0-0".into()),
                }]),
            ),
        ];
        let change = kernel.reconcile_static_routes(&wanted).unwrap();
        assert!(change.failed.is_empty(), "{:?}", change.failed);
        assert_eq!((change.added.len(), change.removed.len()), (8, 1));
        let again = kernel.reconcile_static_routes(&wanted).unwrap();
        assert!(again.is_unchanged(), "{again:?}");
        assert!(ip("route").contains("10.7.0.0/16"), "foreign routes stay");
        assert!(ip("route").contains("default via 10.0.0.254 dev ge-0-0-0 proto static metric 5"));

        let unreachable = [
            wanted[0].clone(),
            static_route("10.9.0.0/16", via(&["192.0.2.9"])),
        ];
        let change = kernel.reconcile_static_routes(&unreachable).unwrap();
        assert_eq!((change.failed.len(), change.removed.len()), (1, 7));
        assert!(change.failed[0].1.to_string().contains("10.9.0.0/16"));
    });
}

/// Steps until nothing is left, in virtual time.
fn settle(ari: &mut AriRoutes) -> Vec<(AriRoute, bool)> {
    let (mut now, mut changed) = (Time(1_000_000), Vec::new());
    loop {
        let progress = ari.step(now).unwrap();
        assert!(progress.failed.is_empty(), "{:?}", progress.failed);
        changed.extend(progress.changed);
        match progress.next {
            Some(next) => now = next.max(now + Duration::from_micros(1)),
            None => return changed,
        }
    }
}

fn selector(prefix: &str, device: &str) -> AriRoute {
    AriRoute {
        table: TABLE_MAIN,
        prefix: prefix.parse().unwrap(),
        device: device.into(),
    }
}

fn tunnels() {
    for tunnel in ["st0-0", "st0-1"] {
        ip(&format!("tuntap add {tunnel} mode tun"));
        ip(&format!("link set {tunnel} up"));
    }
}

#[test]
fn selector_routes_follow_their_owners() {
    in_namespace(|| {
        tunnels();
        let mut ari = AriRoutes::open().unwrap();
        let (first, second) = (PairId(1), PairId(2));
        let route = selector("10.1.1.0/24", "st0-0");
        ari.add(first, &route).unwrap();
        ari.add(first, &route).unwrap();
        ari.add(first, &selector("2001:db8:5::/64", "st0-0"))
            .unwrap();
        assert_eq!(settle(&mut ari).len(), 2);
        assert!(ip("-N route").contains("10.1.1.0/24 dev st0-0 proto 200 "));
        assert!(ip("-6 -N route").contains("2001:db8:5::/64 dev st0-0 proto 200 metric 2 "));

        // A rekey: the second owner takes over without a change in the kernel.
        ari.add(second, &route).unwrap();
        ari.remove(first, &route);
        assert!(settle(&mut ari).is_empty());
        // Another peer claims the prefix, and lets it go again.
        let other = selector("10.1.1.0/24", "st0-1");
        ari.add(PairId(3), &other).unwrap();
        assert_eq!(settle(&mut ari), [(other.clone(), true)]);
        assert!(!ip("route").contains("st0-0"));
        ari.remove(PairId(3), &other);
        assert_eq!(settle(&mut ari), [(route.clone(), true)]);
        ari.remove(second, &route);
        assert_eq!(settle(&mut ari), [(route.clone(), false)]);
        ari.remove(second, &route);
        assert!(settle(&mut ari).is_empty());
        assert_eq!(ip("route"), "");
    });
}

#[test]
fn selector_routes_are_reconciled_after_a_restart_and_a_flap() {
    in_namespace(|| {
        tunnels();
        ip("route add 10.3.0.0/16 dev st0-0 proto static metric 2");
        let mut before = AriRoutes::open().unwrap();
        for last in 0..200 {
            let route = selector(&format!("10.1.{last}.0/24"), "st0-0");
            before.add(PairId(last), &route).unwrap();
        }
        assert_eq!(settle(&mut before).len(), 200);

        let mut after = AriRoutes::open().unwrap();
        assert_eq!(after.list().unwrap().len(), 200);
        for last in 100..210 {
            let route = selector(&format!("10.1.{last}.0/24"), "st0-0");
            after.add(PairId(last), &route).unwrap();
        }
        after.reconcile().unwrap();
        let changed = settle(&mut after);
        let ups = changed.iter().filter(|(_, up)| *up).count();
        assert_eq!((ups, changed.len() - ups), (10, 100));
        assert_eq!(after.list().unwrap().len(), 110);

        after.devices_changed().unwrap();
        assert!(!after.devices_changed().unwrap());
        ip("link set st0-0 down");
        ip("link set st0-0 up");
        assert!(after.devices_changed().unwrap());
        assert!(!after.devices_changed().unwrap(), "told once");
        assert_eq!(after.list().unwrap(), []);
        after.reconcile().unwrap();
        assert_eq!(settle(&mut after).len(), 110);
    });
}

#[test]
fn a_missing_tunnel_is_named() {
    in_namespace(|| {
        let mut ari = AriRoutes::open().unwrap();
        ari.add(PairId(1), &selector("10.0.0.0/8", "st0-7"))
            .unwrap();
        let failed = ari.step(Time(1)).unwrap().failed;
        assert_eq!(failed[0].1.to_string(), "no such device `st0-7`");
    });
}

#[test]
fn signal_routes_come_once_and_go() {
    in_namespace(|| {
        let mut signals = SignalRoutes::open().unwrap();
        let addresses = ["192.0.2.201", "2001:db8::201"].map(|text| text.parse().unwrap());
        for address in addresses {
            assert!(signals.add(address).unwrap());
            assert!(!signals.add(address).unwrap(), "it stands already");
        }
        let mut listed = signals.list().unwrap();
        listed.sort();
        assert_eq!(listed, addresses);
        assert!(ip("route show proto 201").contains("blackhole 192.0.2.201"));
        assert!(ip("-6 route show proto 201").contains("blackhole 2001:db8::201"));
        // Routes of others to the same address are not touched.
        ip("route add blackhole 192.0.2.201 metric 77");
        for address in addresses {
            assert!(signals.remove(address).unwrap());
            assert!(!signals.remove(address).unwrap(), "it is gone already");
        }
        assert!(signals.list().unwrap().is_empty());
        assert!(ip("route show").contains("blackhole 192.0.2.201"));
    });
}
