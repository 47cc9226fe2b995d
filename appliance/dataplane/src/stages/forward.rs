//! TTL, and what the route says.

use ravelin_wire::icmp::IcmpError;

use crate::address::Address;
use crate::drop::DropReason;
use crate::packet::{Header, Packet};
use crate::platform::Platform;
use crate::recent::Destination;
use crate::selector::Place;
use crate::stages::{egress, esp_output, icmp_error, local_input, punt};
use crate::tables::{IfIndex, NextHop, Tables};
use crate::worker::Worker;

/// What becomes of a packet. It is decided first, from the header alone, and done once: a packet that is handed from function to
/// function is copied each time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// It is for us.
    Local,
    /// The host stack knows whether it is for us: its destination means something on this link only.
    Link,
    /// Into a tunnel, under the SA of its destination if there is one.
    Tunnel(IfIndex, Option<Place>),
    /// To a neighbour, or the host that it names.
    Leave(NextHop),
    /// Discarded.
    Drop(DropReason),
    /// Discarded, and its sender hears of it.
    Refuse(DropReason, IcmpError),
}

/// Drains `forward`, which packets of the host and of our own come by.
pub(crate) fn run<P: Platform>(worker: &mut Worker<P>, tables: &Tables) {
    let mut input = std::mem::take(&mut worker.vectors.forward);
    for packet in input.drain(..) {
        let fate = if packet.meta.is_v6() {
            fate::<P, u128>(tables, &packet)
        } else {
            fate::<P, u32>(tables, &packet)
        };
        act(worker, tables, packet, fate);
    }
    worker.vectors.forward = input;
}

fn fate<P: Platform, A: Address>(tables: &Tables, packet: &Packet<P::Buf>) -> Fate {
    match packet.route_header::<A>() {
        Some(header) => {
            let Header { vrf, ends, .. } = header;
            let destination = Destination::by(tables, vrf, ends.destination, packet.next_hop);
            decide(tables, header, (packet.is_transit(), destination))
        }
        None => Fate::Drop(DropReason::BadFrame),
    }
}

/// What the route of a packet makes of it; the TTL counts for one in transit.
#[inline(always)]
pub(crate) fn decide<A: Address>(
    tables: &Tables,
    header: Header<'_, A>,
    (transit, destination): (bool, Destination),
) -> Fate {
    if transit && header.meta.ttl() <= 1 {
        return Fate::Refuse(DropReason::TtlExceeded, IcmpError::TimeExceeded);
    }
    match destination.next_hop {
        NextHop::Tunnel(tunnel) => Fate::Tunnel(tunnel, destination.place(tunnel)),
        next_hop @ (NextHop::Glean(_) | NextHop::Adjacency(_)) => Fate::Leave(next_hop),
        rare => otherwise(tables, header, rare),
    }
}

/// Where neither a tunnel nor a neighbour is next.
#[inline(never)]
fn otherwise<A: Address>(tables: &Tables, header: Header<'_, A>, next_hop: NextHop) -> Fate {
    match next_hop {
        NextHop::Group { first, count } => group(tables, header, (first, count)),
        NextHop::Blackhole => Fate::Drop(DropReason::Blackhole),
        NextHop::Reject => Fate::Refuse(DropReason::Reject, IcmpError::AdminProhibited),
        _ => Fate::Refuse(DropReason::NoRoute, IcmpError::NoRoute),
    }
}

/// The member of a multipath group that a packet leaves by.
fn group<A: Address>(tables: &Tables, header: Header<'_, A>, (first, count): (u16, u16)) -> Fate {
    let member = tables
        .vrf(header.vrf)
        .and_then(|vrf| vrf.group_member(first, count, flow_hash(header)));
    match member {
        Some(member) => Fate::Leave(NextHop::Adjacency(member)),
        None => Fate::Refuse(DropReason::NoRoute, IcmpError::NoRoute),
    }
}

/// Does what was decided. Where a fate is the rule, the caller does it itself, in line.
#[inline(never)]
pub(crate) fn act<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    mut packet: Packet<P::Buf>,
    fate: Fate,
) {
    match fate {
        Fate::Local => worker.vectors.local.push(packet),
        Fate::Link => match local_input::never_punted(&packet) {
            Some(reason) => worker.drop(packet, reason),
            None => punt::packet(worker, tables, packet),
        },
        Fate::Tunnel(tunnel, place) => {
            packet.one_hop_on();
            packet.next_hop = NextHop::Tunnel(tunnel);
            esp_output::steer(worker, tables, packet, (tunnel, place));
        }
        Fate::Leave(next_hop) => {
            packet.one_hop_on();
            packet.next_hop = next_hop;
            egress::leave(worker, tables, packet);
        }
        Fate::Drop(reason) => worker.drop(packet, reason),
        Fate::Refuse(reason, error) => {
            if packet.is_transit() {
                icmp_error::send(worker, tables, &packet, error);
            }
            worker.drop(packet, reason);
        }
    }
}

/// Packets of one flow take one path. FNV-1a over addresses, protocol and ports; the ports of a fragmented datagram do not count.
fn flow_hash<A: Address>(header: Header<'_, A>) -> u32 {
    let mut hash = 0x811c_9dc5u32;
    let mut add = |octets: &[u8]| {
        for octet in octets {
            hash = (hash ^ u32::from(*octet)).wrapping_mul(0x0100_0193);
        }
    };
    let Header {
        meta, ends, packet, ..
    } = header;
    for address in [ends.source, ends.destination] {
        match address.ip() {
            std::net::IpAddr::V4(v4) => add(&v4.octets()),
            std::net::IpAddr::V6(v6) => add(&v6.octets()),
        }
    }
    add(&[meta.protocol()]);
    if !meta.is_fragment() {
        let (source, destination) = meta.ports(packet).unwrap_or_default();
        add(&source.to_be_bytes());
        add(&destination.to_be_bytes());
    }
    hash
}
