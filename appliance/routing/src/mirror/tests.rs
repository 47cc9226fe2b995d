//! The state machine on constructed messages: what a kernel at hand does not do on command.

use super::*;
use crate::netlink::NextHopKind;
use crate::record::{NextHop, RouteTarget};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::link::{LinkAttribute, LinkFlags};
use ravelin_types::Prefix;

const REPLACE: u16 = netlink_packet_core::NLM_F_REPLACE;

fn link(ifindex: u32, flags: LinkFlags) -> RtMessage {
    let mut message = LinkMessage::default();
    message.header.index = ifindex;
    message.header.flags = flags;
    message
        .attributes
        .push(LinkAttribute::IfName(format!("ge-0-0-{ifindex}")));
    RtMessage::Route(RouteNetlinkMessage::NewLink(message))
}

fn up(ifindex: u32) -> RtMessage {
    link(
        ifindex,
        LinkFlags::Up | LinkFlags::LowerUp | LinkFlags::Running,
    )
}

fn hop(gateway: &str, ifindex: u32) -> NextHop {
    NextHop {
        gateway: Some(gateway.parse().unwrap()),
        ifindex,
        weight: 1,
    }
}

fn record(prefix: &str, metric: u32, hops: &[NextHop]) -> RouteRecord {
    let prefix: Prefix = prefix.parse().unwrap();
    RouteRecord::new(
        TABLE_MAIN,
        prefix,
        186,
        metric,
        RouteTarget::Forward(hops.into()),
    )
}

fn new(record: &RouteRecord) -> RtMessage {
    RtMessage::Route(RouteNetlinkMessage::NewRoute(record.encode()))
}

fn del(record: &RouteRecord) -> RtMessage {
    RtMessage::Route(RouteNetlinkMessage::DelRoute(record.encode()))
}

/// A mirror with links 1 and 2 up.
fn mirror() -> Mirror {
    let mut mirror = Mirror::new();
    mirror.begin_dump();
    feed(&mut mirror, 0, &[up(1), up(2)]);
    mirror.end_dump(&mut Vec::new());
    mirror
}

fn feed(mirror: &mut Mirror, flags: u16, messages: &[RtMessage]) -> Vec<MirrorEvent> {
    let mut out = Vec::new();
    for message in messages {
        mirror.on_message(flags, message, &mut out);
    }
    out
}

fn gone(prefix: &str) -> MirrorEvent {
    MirrorEvent::RouteGone {
        table: TABLE_MAIN,
        prefix: prefix.parse().unwrap(),
    }
}

/// The published hops of a prefix.
fn hops(mirror: &Mirror, prefix: &str) -> Vec<NextHop> {
    let prefix: Prefix = prefix.parse().unwrap();
    match mirror.routes().find(|r| r.prefix == prefix) {
        Some(Route {
            target: RouteTarget::Forward(hops),
            ..
        }) => hops.to_vec(),
        _ => Vec::new(),
    }
}

#[test]
fn lost_messages_are_repaired_without_a_flush() {
    let mut mirror = mirror();
    let (a, b) = (
        record("10.1.0.0/16", 20, &[hop("10.0.0.2", 1)]),
        record("10.2.0.0/16", 20, &[hop("10.0.0.2", 1)]),
    );
    assert_eq!(feed(&mut mirror, 0, &[new(&a), new(&b)]).len(), 2);

    // The deletion of b and the arrival of c were lost; d arrives while the dump runs.
    mirror.begin_dump();
    let c = record("10.3.0.0/16", 20, &[hop("10.0.0.2", 1)]);
    let d = record("10.4.0.0/16", 20, &[hop("10.0.0.2", 1)]);
    let mut events = feed(&mut mirror, 0, &[up(1), new(&d), up(2), new(&a), new(&c)]);
    mirror.end_dump(&mut events);
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for event in &events {
        match event {
            MirrorEvent::Route(route) => added.push(route.prefix),
            MirrorEvent::Synced => {}
            other => removed.push(other.clone()),
        }
    }
    assert_eq!(added, [d.prefix, c.prefix], "a was never withdrawn");
    assert_eq!(removed, [gone("10.2.0.0/16")]);
    assert_eq!(events.last(), Some(&MirrorEvent::Synced));
    assert_eq!((mirror.stats().sweeps, mirror.stats().swept), (2, 1));
}

#[test]
fn a_sweep_takes_links_addresses_and_neighbours() {
    let mut mirror = mirror();
    let route = record("10.1.0.0/16", 20, &[hop("10.0.0.2", 2)]);
    feed(&mut mirror, 0, &[new(&route)]);
    mirror.begin_dump();
    let mut events = feed(&mut mirror, 0, &[up(1)]);
    mirror.end_dump(&mut events);
    assert_eq!(
        events,
        [
            gone("10.1.0.0/16"),
            MirrorEvent::LinkGone { ifindex: 2 },
            MirrorEvent::Synced
        ]
    );
}

#[test]
fn the_lowest_metric_wins_and_equal_ones_keep_the_kernels_order() {
    let mut mirror = mirror();
    let p = "10.0.0.0/8";
    let (far, near, twin) = (
        record(p, 30, &[hop("10.0.0.3", 1)]),
        record(p, 20, &[hop("10.0.0.2", 1)]),
        record(p, 20, &[hop("10.0.0.9", 2)]),
    );
    feed(&mut mirror, 0, &[new(&far), new(&near), new(&twin)]);
    assert_eq!(hops(&mirror, p), [hop("10.0.0.2", 1)]);
    feed(&mut mirror, 0, &[del(&near)]);
    assert_eq!(hops(&mirror, p), [hop("10.0.0.9", 2)]);
    // Out of link 2 nothing goes while it has no carrier; the route itself stays.
    feed(&mut mirror, 0, &[link(2, LinkFlags::Up)]);
    assert_eq!(hops(&mirror, p), [hop("10.0.0.3", 1)]);
    feed(&mut mirror, 0, &[up(2)]);
    assert_eq!(hops(&mirror, p), [hop("10.0.0.9", 2)]);
    // Down takes it away for good.
    feed(&mut mirror, 0, &[link(2, LinkFlags::empty()), up(2)]);
    assert_eq!(hops(&mirror, p), [hop("10.0.0.3", 1)]);
    let changed = record(p, 30, &[hop("10.0.0.4", 1)]);
    feed(&mut mirror, REPLACE, &[new(&changed)]);
    assert_eq!(hops(&mirror, p), [hop("10.0.0.4", 1)]);
    assert_eq!(feed(&mut mirror, 0, &[del(&changed)]), [gone(p)]);
    assert_eq!(feed(&mut mirror, 0, &[del(&changed)]), []);
}

#[test]
fn one_hop_leaves_an_ipv6_multipath_route() {
    let mut mirror = mirror();
    let p = "2001:db8::/32";
    let both = record(p, 1024, &[hop("2001:db8::1", 1), hop("2001:db8::2", 2)]);
    feed(&mut mirror, 0, &[new(&both)]);
    assert_eq!(hops(&mirror, p).len(), 2);
    let first = record(p, 1024, &[hop("2001:db8::1", 1)]);
    feed(&mut mirror, 0, &[del(&first)]);
    assert_eq!(hops(&mirror, p), [hop("2001:db8::2", 2)]);
    feed(
        &mut mirror,
        0,
        &[del(&record(p, 1024, &[hop("2001:db8::2", 2)]))],
    );
    assert_eq!(hops(&mirror, p), []);
}

#[test]
fn our_own_selector_routes_and_foreign_kinds_are_ignored() {
    let mut mirror = mirror();
    let mut ours = record("10.1.0.0/16", 2, &[hop("10.0.0.2", 1)]);
    ours.protocol = RTPROT_ARI_TS;
    let mut signal = record("10.4.0.1/32", 3, &[]);
    signal.protocol = crate::RTPROT_SIGNAL;
    signal.target = crate::RouteTarget::Blackhole;
    let mut by_tos = record("10.2.0.0/16", 2, &[hop("10.0.0.2", 1)]);
    by_tos.tos = 16;
    let multicast = record("224.0.0.0/4", 2, &[hop("10.0.0.2", 1)]);
    let link_local = record("fe80::/64", 2, &[hop("fe80::1", 1)]);
    let mut cloned = record("10.3.0.0/16", 2, &[hop("10.0.0.2", 1)]).encode();
    cloned.header.flags = netlink_packet_route::route::RouteFlags::Cloned;
    let cloned = RtMessage::Route(RouteNetlinkMessage::NewRoute(cloned));
    let messages = [
        new(&ours),
        new(&signal),
        new(&by_tos),
        new(&multicast),
        new(&link_local),
        cloned,
    ];
    assert_eq!(feed(&mut mirror, 0, &messages), []);
}

fn object(id: u32, kind: NextHopKind) -> RtMessage {
    RtMessage::NewNextHop(NextHopMessage { id, kind })
}

#[test]
fn a_group_without_members_takes_its_routes_along() {
    let mut mirror = mirror();
    let single = |gateway: &str, ifindex| NextHopKind::Single {
        gateway: Some(gateway.parse().unwrap()),
        ifindex,
    };
    let group = NextHopKind::Group(vec![(1, 1), (2, 4)]);
    let p = "10.0.0.0/8";
    let mut route = record(p, 20, &[]);
    route.nexthop_id = Some(9);
    // The encoder has no RTA_NH_ID: the mirror's inputs are built by hand here.
    let mut message = route.encode();
    message
        .attributes
        .push(netlink_packet_route::route::RouteAttribute::Other(
            netlink_packet_core::DefaultNla::new(30, 9_u32.to_ne_bytes().to_vec()),
        ));
    let route = RtMessage::Route(RouteNetlinkMessage::NewRoute(message));
    let messages = [
        object(1, single("10.0.0.1", 1)),
        object(2, single("10.0.0.2", 2)),
        object(9, group),
        route,
    ];
    feed(&mut mirror, 0, &messages);
    let weights: Vec<u32> = hops(&mirror, p).iter().map(|h| h.weight).collect();
    assert_eq!(weights, [1, 4]);
    // Down flushes object 1 silently; then object 2 is deleted.
    feed(&mut mirror, 0, &[link(1, LinkFlags::empty()), up(1)]);
    assert_eq!(hops(&mirror, p), [hop("10.0.0.2", 2)]);
    let deleted = RtMessage::DelNextHop(NextHopMessage {
        id: 2,
        kind: single("10.0.0.2", 2),
    });
    assert_eq!(feed(&mut mirror, 0, &[deleted]), [gone(p)]);
}

#[test]
fn a_link_of_a_vrf_has_its_table() {
    use netlink_packet_route::link::{InfoData, InfoKind, InfoVrf, LinkInfo as Info};
    let mut mirror = mirror();
    let mut vrf = LinkMessage::default();
    vrf.header.index = 7;
    vrf.attributes = vec![
        LinkAttribute::IfName("core".into()),
        LinkAttribute::LinkInfo(vec![
            Info::Kind(InfoKind::Vrf),
            Info::Data(InfoData::Vrf(vec![InfoVrf::TableId(1001)])),
        ]),
    ];
    let mut port = LinkMessage::default();
    port.header.index = 1;
    port.header.interface_family = AddressFamily::Unspec;
    port.attributes = vec![
        LinkAttribute::IfName("ge-0-0-1".into()),
        LinkAttribute::Controller(7),
    ];
    let wrap = |m| RtMessage::Route(RouteNetlinkMessage::NewLink(m));
    feed(&mut mirror, 0, &[wrap(vrf), wrap(port)]);
    let table = |i| mirror.links().find(|l| l.ifindex == i).unwrap().table;
    assert_eq!((table(1), table(2)), (1001, TABLE_MAIN));
}

#[test]
fn a_link_that_was_told_before_its_vrf_is_told_again() {
    let link = |index: u32, name: &str, more: Vec<LinkAttribute>| {
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.attributes = vec![LinkAttribute::IfName(name.into())];
        link.attributes.extend(more);
        RtMessage::Route(RouteNetlinkMessage::NewLink(link))
    };
    use netlink_packet_route::link::{InfoData, InfoKind, InfoVrf, LinkInfo as Info};
    let port = link(3, "ge-0-0-1", vec![LinkAttribute::Controller(7)]);
    let info = vec![
        Info::Kind(InfoKind::Vrf),
        Info::Data(InfoData::Vrf(vec![InfoVrf::TableId(6101)])),
    ];
    let vrf = link(7, "core", vec![LinkAttribute::LinkInfo(info)]);
    let mut mirror = mirror();
    let events = feed(&mut mirror, 0, &[port, vrf.clone()]);
    let tables: Vec<(u32, u32)> = events
        .iter()
        .filter_map(|event| match event {
            MirrorEvent::Link(link) => Some((link.ifindex, link.table)),
            _ => None,
        })
        .collect();
    assert_eq!(tables, [(3, TABLE_MAIN), (7, TABLE_MAIN), (3, 6101)]);
    assert_eq!(feed(&mut mirror, 0, &[vrf]), [], "nothing is new");
}
