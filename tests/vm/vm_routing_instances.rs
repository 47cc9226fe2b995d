//! Routing instances inside the booted image, whose kernel has VRFs: IKE and ESP end in one instance, the clear side is in another, and two
//! access networks with the same addresses, of the gateway and of the eNodeB, stay apart.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use ravelin_qemu::{Disk, Link, NicModel, minutes};
use ravelin_tests::site::{Addresses, V4, V6, enb_connection};
use ravelin_tests::strongswan::Child;
use ravelin_tests::vm::peer::{host_script, strongswan_script};
use ravelin_tests::vm::site::{HOST_NAME, TUNNEL_LIMIT};
use ravelin_tests::vm::{Options, Peer, Site, appliance};

const CONFIGURATION: &str = include_str!("../configs/routing-instances.conf");
/// Each instance's networks, in its table and in no other.
const TABLES: [(&str, &[&str]); 4] = [
    ("access.inet.0", &["192.0.2.0/24"]),
    ("access-b.inet.0", &["192.0.2.0/24"]),
    (
        "core.inet.0",
        &["198.51.100.0/24", "10.45.0.1/32", "10.46.0.1/32"],
    ),
    ("core.inet6.0", &["2001:db8:b::/64", "2001:db8:45::1/128"]),
];

/// The eNodeB of the second access network: the outer addresses and the name of the first one, another key.
fn other_peer() -> (Addresses, String) {
    let addresses = Addresses {
        enb_inner: "10.46.0.1".parse().unwrap(),
        ..V4
    };
    let mut connection = enb_connection("enb", addresses);
    connection.psk = "another-secret".to_owned();
    connection.options.push("keyingtries = 0".to_owned());
    let mut child = Child::new("enb-s1", "10.46.0.1", "198.51.100.0/24");
    child.options.push("start_action = start".to_owned());
    connection.children = vec![child];
    let outer = format!("{}/24", addresses.enb_outer);
    let inner = format!("{}/32", addresses.enb_inner);
    let script = host_script(&[outer], &[inner], &[]) + &strongswan_script(&[connection]);
    (addresses, script)
}

#[test]
#[ignore = "vm: a boot of its own"]
fn tunnels_join_instances_that_nothing_else_joins() {
    let mut link = None;
    let mut site = Site::start_on("vm_routing_instances", Options::default(), |lab, ends| {
        let second = link.insert(Link::new(lab, "access-b")?);
        let plan = appliance::plan("gateway", NicModel::virtio(), &[ends[0], ends[1], second])?;
        let text = appliance::configuration(CONFIGURATION);
        Ok(plan.disk(Disk::cd(&appliance::seed(lab, &text, HOST_NAME)?)))
    })
    .unwrap();
    let (other, script) = other_peer();
    let link = link.unwrap();
    let mut second = Peer::start(&site.lab, "enb-b", &link, &script).unwrap();
    site.core
        .run("ip route add 10.46.0.0/16 via 198.51.100.1")
        .unwrap();
    site.gateway.boot_and_login().unwrap();
    site.tunnel().unwrap();
    second.wait_tunnel(0, TUNNEL_LIMIT).unwrap();

    let mut crosses = |site: &mut Site| {
        site.pings(V4).unwrap();
        site.pings(V6).unwrap();
        for (host, from, to) in [
            (&mut second, other.enb_inner, other.core),
            (&mut site.core, other.core, other.enb_inner),
        ] {
            let answered = host.ping(from, to, 10).unwrap();
            assert!(answered >= 9, "{answered} of 10 from {from} to {to}");
        }
    };
    crosses(&mut site);
    println!("{}", site.evidence().unwrap());
    tables_are_apart(&mut site);
    sessions_name_their_instances(&mut site);

    instances_are_apart(&mut site);

    // The daemon dies and its sockets come back; a VRF device is made anew and they follow it. Both times the sessions stay.
    for line in ["systemctl kill -s KILL ravelin-iked", "ip link del access"] {
        let before = site.enb.tunnels_so_far().unwrap();
        let said = site.gateway.shell(line).unwrap();
        assert!(!said.contains("annot"), "{said}");
        site.enb.run("swanctl --rekey --child enb-s1").unwrap();
        site.enb.wait_tunnel(before, minutes(2)).unwrap();
        crosses(&mut site);
        sessions_name_their_instances(&mut site);
    }
}

/// Nobody gets by the gateway from one instance into another in clear.
fn instances_are_apart(site: &mut Site) {
    site.core
        .run("ip route add 192.0.2.0/24 via 198.51.100.1")
        .unwrap();
    // The tunnel has a route of its own to the core, by which nothing would leave in clear.
    site.enb
        .run("ip rule add pref 100 from 192.0.2.10 lookup main; ip route add 198.51.100.0/24 via 192.0.2.1")
        .unwrap();
    let (enb, core) = (V4.enb_outer, V4.core);
    assert_eq!(site.core.ping(core, enb, 2).unwrap(), 0);
    assert_eq!(site.enb.ping(enb, core, 2).unwrap(), 0);
}

fn tables_are_apart(site: &mut Site) {
    let shown = site.gateway.cli("show route").unwrap();
    let mut table = "";
    let mut found = Vec::new();
    for line in shown.lines() {
        match line.split_once(": ") {
            Some((name, rest)) if rest.contains(" destinations, ") => table = name,
            _ => found.extend(line.split(' ').next().map(|prefix| (table, prefix))),
        }
    }
    for (_, prefix) in TABLES
        .into_iter()
        .flat_map(|(n, p)| p.iter().map(move |p| (n, *p)))
    {
        let mut has: Vec<&str> = (found.iter())
            .filter(|(_, shown)| *shown == prefix)
            .map(|(table, _)| *table)
            .collect();
        has.dedup();
        let wanted = TABLES.iter().filter(|(_, all)| all.contains(&prefix));
        let mut wanted: Vec<&str> = wanted.map(|(name, _)| *name).collect();
        has.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(has, wanted, "{prefix} in\n{shown}");
    }
}

fn sessions_name_their_instances(site: &mut Site) {
    let detail = "show security ike security-associations detail";
    let shown = site.gateway.cli(detail).unwrap();
    for name in ["access", "access-b"] {
        let line = format!("Routing instance: {name}");
        let times = shown.lines().filter(|l| l.trim() == line).count();
        assert_eq!(times, 1, "{line} in\n{shown}");
    }
    let pairs = "show security ipsec security-associations detail";
    let shown = site.gateway.cli(pairs).unwrap();
    for name in ["access", "access-b"] {
        let line = format!("Routing instance: {name}, of Bind-interface: core");
        assert!(shown.contains(&line), "{line} in\n{shown}");
    }
}
