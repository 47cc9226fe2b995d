//! Virtual routers from text to the parts of the daemons and of the kernel.

use super::super::tests::MODEL;
use super::super::{Compiled, compile};
use super::*;
use ravelin_routing::{Hop, StaticTarget, table_of};

/// Access to eNodeBs in one instance, their clear side in another, the same addresses in both.
const SITE: &str = r#"
interfaces {
    ge-0/0/0 { device net_null0; unit 0 { family inet { address 192.0.2.1/24; } } }
    ge-0/0/1 { device net_null1; unit 0 { family inet { address 192.0.2.1/24; address 10.1.0.1/24; } } }
    lo0 { unit 1 { family inet { address 10.0.0.1/32; } } }
    st0 {
        unit 0 { protected-prefix 10.45.0.0/16; }
        unit 1 { protected-prefix 10.46.0.0/16; }
    }
}
routing-options { static { route 10.45.0.0/16 next-hop st0.0; } }
routing-instances {
    core {
        instance-type virtual-router;
        interface ge-0/0/1.0;
        interface st0.1;
        interface lo0.1;
        routing-options {
            static {
                route 10.46.0.0/16 next-hop st0.1;
                route 10.9.0.0/16 next-hop 10.1.0.9;
                route 10.8.0.0/16 discard;
            }
            rib core.inet6.0 { static { route 2001:db8:46::/48 next-hop st0.1; } }
        }
    }
    radio-access-network { instance-type virtual-router; interface ge-0/0/0.0; }
}
security {
    ike {
        proposal p { authentication-method pre-shared-keys; dh-group group19; encryption-algorithm aes-256-gcm; authentication-algorithm sha-256; }
        policy p { proposals p; pre-shared-key ascii-text "some-secret-key"; }
        gateway g { ike-policy p; address 192.0.2.9; external-interface ge-0/0/0.0; }
    }
    ipsec {
        proposal p { encryption-algorithm aes-256-gcm; }
        policy p { proposals p; }
        vpn v { bind-interface st0.1; ike { gateway g; ipsec-policy p; } }
    }
}
"#;

fn compiled(text: &str, known: &VrfIds) -> Result<Compiled, String> {
    let loaded = MODEL.load("t.conf", text).map_err(|e| e.to_string())?;
    compile(&loaded.config, known).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })
}

/// The faults of the site with `from` replaced by `to`.
fn broken(from: &str, to: &str) -> String {
    assert!(SITE.contains(from), "the site has no {from}");
    let judged = compiled(&SITE.replacen(from, to, 1), &VrfIds::default());
    judged.map(drop).expect_err("accepted")
}

#[test]
fn units_tunnels_gateways_and_vpns_know_their_instances() {
    let site = compiled(SITE, &VrfIds::default()).unwrap();
    let (core, ran) = (VrfId(1), VrfId(2));
    assert_eq!(site.plane.ports[0].units[0].vrf, ran);
    assert_eq!(site.plane.ports[1].units[0].vrf, core);
    let tunnels: Vec<VrfId> = site.plane.tunnels.iter().map(|t| t.vrf).collect();
    assert_eq!(tunnels, [VrfId::DEFAULT, core]);
    let protected = site.plane.tunnels[1].protected.iter();
    let protected: Vec<String> = protected.map(ToString::to_string).collect();
    assert_eq!(protected, ["10.46.0.0/16", "2001:db8:46::/48"]);
    let ike = "192.0.2.1".parse().unwrap();
    assert_eq!(site.plane.ike_addresses, [(ran, ike)]);
    let gateway = &site.ike.gateways[0];
    assert_eq!((gateway.vrf, gateway.vpns[0].inner_vrf), (ran, core));
    let told = site.ike.instances.iter();
    let told: Vec<_> = told
        .map(|i| (i.vrf, i.name.as_str(), i.device.as_str()))
        .collect();
    let device = instance_device("radio-access-network");
    let wanted = [
        (core, "core", "core"),
        (ran, "radio-access-network", device.as_str()),
    ];
    assert_eq!(told, wanted);
    assert_eq!(site.warnings, Vec::<String>::new());
}

#[test]
fn the_kernel_gets_a_vrf_device_for_each() {
    let kernel = compiled(SITE, &VrfIds::default()).unwrap().kernel;
    let vrf = |device: &str| kernel.devices[device].vrf.clone();
    let ran = instance_device("radio-access-network");
    assert_eq!(vrf("ge-0-0-1").as_deref(), Some("core"));
    assert_eq!(vrf("ge-0-0-0"), Some(ran.clone()));
    assert_eq!(vrf("st0-1").as_deref(), Some("core"));
    assert_eq!(vrf("st0-0"), None);
    // A loopback unit's addresses are on the device of its instance.
    assert_eq!(kernel.devices["core"].addresses.len(), 1);
    assert_eq!(kernel.devices[&ran].addresses.len(), 0);
    assert!(kernel.devices["lo"].addresses.is_empty());
    let table = table_of(VrfId(1));
    let route = |prefix: &str| {
        let mut routes = kernel.routes.iter();
        let found = routes.find(|r| r.table == table && r.prefix.to_string() == prefix);
        found.map(|r| r.target.clone())
    };
    let via = |gateway: Option<&str>, device: &str| {
        let gateway = gateway.map(|g| g.parse().unwrap());
        let device = Some(device.to_owned());
        Some(StaticTarget::Via(vec![Hop { gateway, device }]))
    };
    assert_eq!(route("10.46.0.0/16"), via(None, "st0-1"));
    assert_eq!(route("2001:db8:46::/48"), via(None, "st0-1"));
    // With its device, lest the kernel look for it in the main table.
    assert_eq!(route("10.9.0.0/16"), via(Some("10.1.0.9"), "ge-0-0-1"));
    assert_eq!(route("10.8.0.0/16"), Some(StaticTarget::Discard));
    assert_eq!(route("0.0.0.0/0"), Some(StaticTarget::Reject));
    assert_eq!(route("::/0"), Some(StaticTarget::Reject));
    let main = kernel
        .routes
        .iter()
        .filter(|r| r.table == table_of(VrfId::DEFAULT));
    assert_eq!(main.count(), 1);
}

#[test]
fn a_next_hop_on_no_network_of_the_instance_is_told_and_left_out() {
    let text = SITE.replacen("next-hop 10.1.0.9", "next-hop 10.2.0.9", 1);
    let site = compiled(&text, &VrfIds::default()).unwrap();
    assert_eq!(
        site.warnings,
        [
            "[routing-instances core routing-options static route 10.9.0.0/16] a next hop is on no network of the instance: the route is left out"
        ]
    );
    let mut routes = site.kernel.routes.iter();
    assert!(routes.all(|r| r.prefix.to_string() != "10.9.0.0/16"));
}

#[test]
fn numbers_stay_when_another_instance_comes_or_goes() {
    let site = compiled(SITE, &VrfIds::default()).unwrap();
    let more = "routing-instances {\n amber { instance-type virtual-router; }\n";
    let more = SITE.replacen("routing-instances {", more, 1);
    let more = compiled(&more, &site.instances).unwrap();
    let numbers: Vec<(&str, u16)> = more
        .ike
        .instances
        .iter()
        .map(|i| (i.name.as_str(), i.vrf.0))
        .collect();
    assert_eq!(
        numbers,
        [("amber", 3), ("core", 1), ("radio-access-network", 2)]
    );
}

#[test]
fn faults_are_told_at_their_statement() {
    for (from, to, expected) in [
        (
            "interface ge-0/0/0.0; }\n}",
            "interface ge-0/0/1.0; }\n}",
            "[routing-instances radio-access-network interface ge-0/0/1.0] `ge-0/0/1.0` is also in routing instance `core`",
        ),
        (
            "interface lo0.1;",
            "interface ge-0/0/7.0;",
            "[routing-instances core interface ge-0/0/7.0] no such unit under `interfaces`",
        ),
        (
            "10.46.0.0/16 next-hop st0.1",
            "10.46.0.0/16 next-hop st0.0",
            "[routing-instances core routing-options static route 10.46.0.0/16] `st0.0` is in the default routing instance",
        ),
        (
            "2001:db8:46::/48 next-hop st0.1",
            "2001:db8:46::/48 next-hop st0.0",
            "[routing-instances core routing-options rib core.inet6.0 static route 2001:db8:46::/48] `st0.0` is in the default routing instance",
        ),
        (
            "10.45.0.0/16 next-hop st0.0",
            "10.45.0.0/16 next-hop st0.1",
            "[routing-options static route 10.45.0.0/16] `st0.1` is in routing instance `core`",
        ),
        (
            "address 10.1.0.1/24",
            "address 10.0.0.1/24",
            "[interfaces lo0 unit 1] `10.0.0.1/32` is also an address of `ge-0/0/1.0`",
        ),
        ("interface lo0.1;", "interface fxp0.0;", "as ge-0/0/0.0"),
    ] {
        let lines = broken(from, to);
        assert!(lines.contains(expected), "{to}: {lines}");
    }
    for name in [
        "default", "master", "mgmt", "lo", "lo0", "fxp0", "st0-1", "ge-0-0-0",
    ] {
        let lines = broken("radio-access-network", name);
        let expected = format!("[routing-instances {name}] `{name}` is a reserved name");
        assert_eq!(lines, expected);
    }
    let long = "n".repeat(64);
    assert!(broken("radio-access-network", &long).contains("at most 63 octets"));
    for name in ["london", "stage", "lo-res", "ge-core"] {
        let text = SITE.replacen("radio-access-network", name, 1);
        assert!(compiled(&text, &VrfIds::default()).is_ok(), "{name}");
    }
}

#[test]
fn there_are_sixty_three_at_most() {
    let many = |count: usize| {
        let names = (0..count).map(|n| format!("v{n} {{ instance-type virtual-router; }}\n"));
        let all: String = names.collect();
        format!("routing-instances {{\n{all}}}")
    };
    let full = compiled(&many(63), &VrfIds::default()).unwrap();
    assert_eq!(full.ike.instances.len(), 63);
    let lines = compiled(&many(64), &full.instances).map(drop).unwrap_err();
    assert_eq!(
        lines,
        "[routing-instances v63] there are 63 routing instances at most, those that a commit removes included"
    );
}

#[test]
fn the_management_instance_has_plain_routes() {
    let text = |route: &str| {
        format!(
            "routing-instances {{ mgmt_junos {{ routing-options {{ static {{ route 0.0.0.0/0 {route}; }} }} }} }}\ninterfaces {{ fxp0 {{ unit 0; }} }}"
        )
    };
    let routed = compiled(&text("next-hop 192.0.2.254"), &VrfIds::default()).unwrap();
    assert_eq!(routed.host.management.routes.len(), 1);
    assert!(routed.ike.instances.is_empty() && routed.kernel.routes.is_empty());
    for route in [
        "discard",
        "next-hop st0.0",
        "next-hop [ 192.0.2.1 192.0.2.2 ]",
    ] {
        let lines = compiled(&text(route), &VrfIds::default())
            .map(drop)
            .unwrap_err();
        assert_eq!(
            lines,
            "[routing-instances mgmt_junos routing-options static route 0.0.0.0/0] a route of the management instance has one next hop, an address"
        );
    }
}
