//! rtnetlink datagrams as the kernel sends them.

use super::Seed;
use netlink_packet_core::{NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use ravelin_routing::{NextHop, RouteRecord, RouteTarget, TABLE_MAIN};
use std::net::IpAddr;

fn datagram(messages: Vec<RouteNetlinkMessage>) -> Vec<u8> {
    let mut out = Vec::new();
    for message in messages {
        let payload = NetlinkPayload::InnerMessage(message);
        let mut message = NetlinkMessage::new(NetlinkHeader::default(), payload);
        message.finalize();
        let mut octets = vec![0; message.buffer_len()];
        message.serialize(&mut octets);
        octets.resize(octets.len().div_ceil(4) * 4, 0);
        out.extend(octets);
    }
    out
}

fn link(up: bool) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = 2;
    if up {
        message.header.flags = LinkFlags::Up | LinkFlags::LowerUp | LinkFlags::Running;
    }
    message.attributes = vec![
        LinkAttribute::IfName("ge-0-0-0".to_owned()),
        LinkAttribute::Mtu(1500),
        LinkAttribute::Address(vec![2, 0, 0, 0, 0, 1]),
    ];
    RouteNetlinkMessage::NewLink(message)
}

fn address() -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = 24;
    message.header.index = 2;
    message.attributes = vec![AddressAttribute::Local("10.0.0.1".parse().unwrap())];
    message
}

fn neighbour() -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.ifindex = 2;
    message.header.state = NeighbourState::Stale;
    let ip: IpAddr = "10.0.0.2".parse().unwrap();
    message.attributes = vec![
        NeighbourAttribute::Destination(NeighbourAddress::from(ip)),
        NeighbourAttribute::LinkLocalAddress(vec![2, 0, 0, 0, 0, 2]),
    ];
    message
}

fn route(prefix: &str, gateways: &[&str]) -> RouteRecord {
    let hops: Vec<NextHop> = gateways
        .iter()
        .map(|g| NextHop {
            gateway: Some(g.parse().unwrap()),
            ifindex: 2,
            weight: 1,
        })
        .collect();
    let target = if hops.is_empty() {
        RouteTarget::Blackhole
    } else {
        RouteTarget::Forward(hops.into())
    };
    RouteRecord::new(TABLE_MAIN, prefix.parse().unwrap(), 186, 20, target)
}

/// RTM_NEWNEXTHOP or RTM_DELNEXTHOP of object 1, and a group of it.
fn nexthops() -> Vec<u8> {
    let mut out = Vec::new();
    let gateway: &[u8] = &[8, 0, 6, 0, 10, 0, 0, 2];
    let single: &[u8] = &[8, 0, 1, 0, 1, 0, 0, 0, 8, 0, 5, 0, 2, 0, 0, 0];
    let group: &[u8] = &[8, 0, 1, 0, 9, 0, 0, 0, 12, 0, 2, 0, 1, 0, 0, 0, 4, 0, 0, 0];
    for (message_type, body) in [
        (104_u16, [single, gateway].concat()),
        (104, group.to_vec()),
        (105, [single, gateway].concat()),
    ] {
        let length = 16 + 8 + body.len() as u32;
        out.extend(length.to_ne_bytes());
        out.extend(message_type.to_ne_bytes());
        out.extend([0; 10 + 8]);
        out.extend(body);
    }
    out
}

pub fn seeds() -> Vec<Seed> {
    let new = |r: &RouteRecord| RouteNetlinkMessage::NewRoute(r.encode());
    let (single, multi) = (
        route("10.9.0.0/16", &["10.0.0.2"]),
        route("2001:db8::/32", &["2001:db8::1", "2001:db8::2"]),
    );
    let life = vec![
        link(true),
        RouteNetlinkMessage::NewAddress(address()),
        RouteNetlinkMessage::NewNeighbour(neighbour()),
        new(&single),
        new(&multi),
        new(&route("10.8.0.0/16", &[])),
        RouteNetlinkMessage::DelRoute(route("2001:db8::/32", &["2001:db8::1"]).encode()),
        link(false),
        RouteNetlinkMessage::DelAddress(address()),
        RouteNetlinkMessage::DelNeighbour(neighbour()),
    ];
    vec![
        ("life", datagram(life)),
        ("link", datagram(vec![link(true)])),
        (
            "routes",
            datagram(vec![link(true), new(&single), new(&multi)]),
        ),
        (
            "nexthops",
            [datagram(vec![link(true)]), nexthops()].concat(),
        ),
    ]
}
