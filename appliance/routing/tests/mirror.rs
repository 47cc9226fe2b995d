//! The mirror against a real kernel: after each change its routes are those of `ip route`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{in_namespace, ip};
use ravelin_routing::mirror::{MirrorEvent, MirrorSocket};
use ravelin_routing::{NeighbourKeeper, NextHop, RouteTarget, TABLE_MAIN};
use ravelin_types::Prefix;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(10);

/// What a route does, in comparable form.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    kind: &'static str,
    hops: Vec<(Option<IpAddr>, String, u32)>,
}

type Table = BTreeMap<(u32, Prefix), Shown>;

/// Polls until `wanted` holds.
fn until(socket: &mut MirrorSocket, mut wanted: impl FnMut(&MirrorSocket, &[MirrorEvent]) -> bool) {
    let (start, mut events) = (Instant::now(), Vec::new());
    while !wanted(socket, &events) {
        assert!(start.elapsed() < DEADLINE, "deadline; events: {events:#?}");
        socket.poll(Duration::from_millis(50), &mut events).unwrap();
    }
}

fn synced() -> MirrorSocket {
    let mut socket = MirrorSocket::open().unwrap();
    until(&mut socket, |_, events| {
        events.contains(&MirrorEvent::Synced)
    });
    socket
}

fn mirrored(socket: &MirrorSocket) -> Table {
    let names: HashMap<u32, String> = (socket.mirror().links())
        .map(|l| (l.ifindex, l.name))
        .collect();
    let shown = |target: &RouteTarget| match target {
        RouteTarget::Forward(hops) => Shown {
            kind: "unicast",
            hops: sorted(
                hops.iter()
                    .map(|h: &NextHop| (h.gateway, names[&h.ifindex].clone(), h.weight)),
            ),
        },
        other => Shown {
            kind: match other {
                RouteTarget::Local { .. } => "local",
                RouteTarget::Broadcast { .. } => "broadcast",
                RouteTarget::Blackhole => "blackhole",
                RouteTarget::Unreachable => "unreachable",
                _ => "prohibit",
            },
            hops: Vec::new(),
        },
    };
    (socket.mirror().routes())
        .map(|r| ((r.table, r.prefix), shown(&r.target)))
        .collect()
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort();
    items
}

/// The same from `ip`, with the selection done independently: local table, then metric, then order.
fn kernels() -> Table {
    let mut table = Table::new();
    let mut ranks = HashMap::new();
    for family in ["-4", "-6"] {
        let json = ip(&format!("{family} -d -j -N route show table all"));
        for route in serde_json::from_str::<Vec<Value>>(&json).unwrap() {
            let Some((key, rank, shown)) = reference(&route, family == "-6") else {
                continue;
            };
            if ranks.get(&key).is_none_or(|best| rank < *best) {
                ranks.insert(key, rank);
                table.insert(key, shown);
            }
        }
    }
    table
}

#[allow(clippy::type_complexity)]
fn reference(route: &Value, ipv6: bool) -> Option<((u32, Prefix), (bool, u64), Shown)> {
    let text = |name: &str| route[name].as_str();
    let number = text("table").unwrap_or("254");
    let number: u32 = match number {
        "main" => 254,
        "local" => 255,
        number => number.parse().unwrap(),
    };
    let prefix = match (text("dst")?, ipv6) {
        ("default", true) => "::/0",
        ("default", false) => "0.0.0.0/0",
        (dst, _) => dst,
    };
    let prefix: Prefix = prefix.parse().unwrap();
    let kind = match text("type").unwrap_or("unicast") {
        "unicast" | "1" => "unicast",
        "local" | "2" | "anycast" | "4" => "local",
        "broadcast" | "3" => "broadcast",
        "blackhole" | "6" => "blackhole",
        "unreachable" | "7" => "unreachable",
        "prohibit" | "8" => "prohibit",
        _ => return None,
    };
    let hidden = match prefix.addr() {
        IpAddr::V4(a) => a.is_multicast(),
        IpAddr::V6(a) => a.is_multicast() || (kind == "unicast" && a.is_unicast_link_local()),
    };
    let ours = matches!(text("protocol"), Some("200" | "ari-ts"));
    if hidden || ours {
        return None;
    }
    let hops = match (&route["nexthops"], kind) {
        (_, kind) if kind != "unicast" => Vec::new(),
        (Value::Array(list), _) => sorted(list.iter().filter_map(hop)),
        _ => sorted(hop(route).into_iter()),
    };
    if kind == "unicast" && hops.is_empty() {
        return None;
    }
    let rank = (number != 255, route["metric"].as_u64().unwrap_or(0));
    let shown = Shown { kind, hops };
    Some((
        (if number == 255 { TABLE_MAIN } else { number }, prefix),
        rank,
        shown,
    ))
}

/// A hop that is not dead and not on a link without carrier.
fn hop(hop: &Value) -> Option<(Option<IpAddr>, String, u32)> {
    let flags = hop["flags"].as_array().cloned().unwrap_or_default();
    if flags.iter().any(|f| f == "linkdown" || f == "dead") {
        return None;
    }
    let gateway = hop["gateway"].as_str().or(hop["via"]["host"].as_str());
    Some((
        gateway.map(|g| g.parse().unwrap()),
        hop["dev"].as_str()?.to_owned(),
        hop["weight"].as_u64().unwrap_or(1) as u32,
    ))
}

/// Waits until the mirror agrees with the kernel, and prints both when it never does.
fn agree(socket: &mut MirrorSocket, after: &str) {
    let (start, mut events) = (Instant::now(), Vec::new());
    loop {
        socket.poll(Duration::from_millis(20), &mut events).unwrap();
        let (ours, theirs) = (mirrored(socket), kernels());
        if ours == theirs {
            return;
        }
        if start.elapsed() > DEADLINE {
            let only = |a: &Table, b: &Table| -> Vec<String> {
                (a.iter())
                    .filter(|(k, v)| b.get(k) != Some(v))
                    .map(|(k, v)| format!("{} {} {v:?}", k.0, k.1))
                    .collect()
            };
            panic!(
                "after `{after}`\nonly the mirror: {:#?}\nonly the kernel: {:#?}",
                only(&ours, &theirs),
                only(&theirs, &ours)
            );
        }
    }
}

/// Does each step and compares.
fn walk(socket: &mut MirrorSocket, steps: &[&str]) {
    agree(socket, "the start");
    for step in steps {
        ip(step);
        agree(socket, step);
    }
    // A full pass finds nothing that the notifications had missed.
    let before = mirrored(socket);
    socket.resync().unwrap();
    until(socket, |_, events| events.contains(&MirrorEvent::Synced));
    assert_eq!(before, mirrored(socket));
    assert_eq!(socket.mirror().stats().swept, 0);
}

fn ports() {
    for (port, far, net) in [("ge-0-0-0", "far0", 0), ("ge-0-0-1", "far1", 1)] {
        ip(&format!("link add {port} type veth peer name {far}"));
        ip(&format!("addr add 10.0.{net}.1/24 dev {port}"));
        ip(&format!("addr add 2001:db8:{net}::1/64 dev {port} nodad"));
        ip(&format!("link set {far} up"));
        ip(&format!("link set {port} up"));
    }
}

#[test]
fn routes_come_and_go() {
    in_namespace(|| {
        ports();
        let mut socket = synced();
        walk(
            &mut socket,
            &[
                "route add default via 10.0.0.254",
                "route add default via 10.0.1.254 metric 10",
                "route del default via 10.0.0.254",
                "route replace default via 10.0.0.253 metric 10",
                "route append default via 10.0.1.253 metric 10",
                "route del default via 10.0.0.253 metric 10",
                "route add 10.9.0.0/16 nexthop via 10.0.0.2 weight 3 nexthop via 10.0.1.2",
                "route replace 10.9.0.0/16 via 10.0.1.9",
                "route add blackhole 10.8.0.0/16",
                "route add 10.8.0.0/16 via 10.0.0.2 metric 20",
                "route del blackhole 10.8.0.0/16",
                "route add unreachable 10.7.0.0/16 metric 4",
                "route add prohibit 10.6.0.0/16 table 100",
                "route add 10.5.0.0/16 via inet6 2001:db8:0::2 dev ge-0-0-0",
                "route add 10.4.0.0/16 dev ge-0-0-1 proto 200",
                "route add 10.4.0.0/16 dev ge-0-0-0 proto static metric 9",
                "addr add 10.0.0.7/24 dev ge-0-0-0",
                "addr del 10.0.0.1/24 dev ge-0-0-0",
                "addr add 192.0.2.1/32 dev lo",
                "route add 10.3.0.0/16 via 10.0.1.2 src 192.0.2.1",
                "addr del 192.0.2.1/32 dev lo",
            ],
        );
    });
}

#[test]
fn ipv6_routes_come_and_go() {
    in_namespace(|| {
        ports();
        let mut socket = synced();
        walk(
            &mut socket,
            &[
                "-6 route add default via 2001:db8:0::fe",
                "-6 route append default via 2001:db8:1::fe",
                "-6 route del default via 2001:db8:0::fe",
                "-6 route add 2001:db8:9::/48 nexthop via 2001:db8:0::2 nexthop via 2001:db8:1::2 weight 2",
                "-6 route replace 2001:db8:9::/48 via 2001:db8:1::3",
                "-6 route add 2001:db8:8::/48 dev ge-0-0-0",
                "-6 route add 2001:db8:8::/48 dev ge-0-0-1 metric 7",
                "-6 route del 2001:db8:8::/48 dev ge-0-0-1 metric 7",
                "-6 route add blackhole 2001:db8:7::/48",
                "-6 route add unreachable 2001:db8:6::/48",
                "-6 addr add 2001:db8:f::1/128 dev lo",
                "-6 addr del 2001:db8:1::1/64 dev ge-0-0-1",
            ],
        );
    });
}

#[test]
fn links_take_their_routes_along() {
    in_namespace(|| {
        ports();
        let mut socket = synced();
        walk(
            &mut socket,
            &[
                "route add 10.9.0.0/16 nexthop via 10.0.0.2 nexthop via 10.0.1.2",
                "route add 10.8.0.0/16 via 10.0.0.2",
                "route add 10.8.0.0/16 via 10.0.1.2 metric 9",
                "-6 route add 2001:db8:9::/48 nexthop via 2001:db8:0::2 nexthop via 2001:db8:1::2",
                // Carrier goes and comes.
                "link set far0 down",
                "link set far0 up",
                // The device goes down and up: the kernel says nothing about its IPv4 routes.
                "link set ge-0-0-0 down",
                "link set ge-0-0-0 up",
                "link set ge-0-0-1 down",
                "link set ge-0-0-0 down",
                "link set ge-0-0-1 up",
                "link del ge-0-0-1",
                "link set ge-0-0-0 up",
            ],
        );
    });
}

#[test]
fn nexthop_objects_are_followed() {
    in_namespace(|| {
        ports();
        let mut socket = synced();
        walk(
            &mut socket,
            &[
                "nexthop add id 1 via 10.0.0.2 dev ge-0-0-0",
                "nexthop add id 2 via 10.0.1.2 dev ge-0-0-1",
                "nexthop add id 10 group 1,3/2",
                "nexthop add id 11 blackhole",
                "route add 10.9.0.0/16 nhid 1",
                "route add 10.8.0.0/16 nhid 10",
                "route add 10.7.0.0/16 nhid 11",
                "nexthop replace id 1 via 10.0.0.3 dev ge-0-0-0",
                "nexthop del id 2",
                "nexthop add id 3 via 2001:db8:0::2 dev ge-0-0-0",
                "-6 route add 2001:db8:9::/48 nhid 3",
                "link set ge-0-0-0 down",
            ],
        );
    });
}

#[test]
fn links_addresses_and_neighbours_are_reported() {
    in_namespace(|| {
        ports();
        ip("link set far0 address 02:00:00:00:00:42");
        ip("addr add 10.0.0.2/24 dev far0");
        let mut socket = synced();
        let port = (socket.mirror().links())
            .find(|l| l.name == "ge-0-0-0")
            .unwrap();
        assert!(port.up && port.mtu_octets == 1500 && port.table == TABLE_MAIN);

        ip("neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev ge-0-0-0 nud stale");
        let known = |ip: &str, mac: Option<[u8; 6]>| {
            let ip: IpAddr = ip.parse().unwrap();
            move |s: &MirrorSocket, _: &[MirrorEvent]| {
                s.mirror()
                    .neighbours()
                    .any(|n| n.address == ip && n.mac == mac && n.usable == mac.is_some())
            }
        };
        until(&mut socket, known("10.0.0.9", Some([2, 0, 0, 0, 0, 9])));
        ip("neigh change 10.0.0.9 dev ge-0-0-0 nud failed");
        until(&mut socket, known("10.0.0.9", None));

        let mut keeper = NeighbourKeeper::open().unwrap();
        keeper
            .request(port.ifindex, "10.0.0.77".parse().unwrap())
            .unwrap();
        until(&mut socket, |s, _| {
            s.mirror()
                .neighbours()
                .any(|n| n.address == "10.0.0.77".parse::<IpAddr>().unwrap())
        });
        assert!(ip("neigh show 10.0.0.77").contains("managed"));
        keeper
            .release(port.ifindex, "10.0.0.77".parse().unwrap())
            .unwrap();
        assert!(!ip("neigh show 10.0.0.77").contains("managed"));
        assert!(keeper.request(4711, "10.0.0.1".parse().unwrap()).is_err());

        ip("link del ge-0-0-0");
        let mut gone = Vec::new();
        until(&mut socket, |_, events| {
            gone = events.to_vec();
            events.contains(&MirrorEvent::LinkGone {
                ifindex: port.ifindex,
            })
        });
        let addresses = gone
            .iter()
            .filter(|e| matches!(e, MirrorEvent::AddressGone(a) if a.ifindex == port.ifindex));
        assert_eq!(addresses.count(), 3, "IPv4, IPv6 and link-local");
    });
}

#[test]
fn a_thousand_routes_at_once_arrive() {
    in_namespace(|| {
        ports();
        let mut socket = synced();
        thousand_routes();
        agree(&mut socket, "a thousand routes");
        ip("link set ge-0-0-0 down");
        agree(&mut socket, "link down");
        assert_eq!(socket.mirror().stats().sweeps, 1);
    });
}

#[test]
fn an_overrun_is_repaired() {
    in_namespace(|| {
        ports();
        let mut socket = MirrorSocket::with_receive_buffer(16 * 1024).unwrap();
        until(&mut socket, |_, events| {
            events.contains(&MirrorEvent::Synced)
        });
        thousand_routes();
        agree(&mut socket, "an overrun");
        until(&mut socket, |s, _| !s.is_dumping());
        assert!(socket.mirror().stats().sweeps > 1);
        agree(&mut socket, "the repair");
    });
}

fn thousand_routes() {
    let lines: String = (0..1000)
        .map(|i| {
            format!(
                "route add 10.{}.{}.0/24 via 10.0.0.2\n",
                100 + i / 250,
                i % 250
            )
        })
        .collect();
    let file =
        std::env::temp_dir().join(format!("ravelin-mirror-{:?}", std::thread::current().id()));
    std::fs::write(&file, lines).unwrap();
    ip(&format!("-batch {}", file.display()));
    std::fs::remove_file(&file).unwrap();
}
