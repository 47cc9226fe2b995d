//! Parsed packets from ports: ours, a group's, or transit.

use std::net::IpAddr;

use ravelin_wire::ip::IpMeta;

use crate::drop::DropReason;
use crate::packet::Packet;
use crate::platform::Platform;
use crate::stages::{local_input, policy, punt};
use crate::tables::{NextHop, Tables};
use crate::worker::Worker;

/// Sends a packet on its way: to `local`, through policy, or to the host.
#[inline]
pub(crate) fn route<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    mut packet: Packet<P::Buf>,
    meta: &IpMeta,
) {
    match scope(meta.destination) {
        Scope::Routed => {
            packet.next_hop = tables.next_hop(packet.vrf, meta.destination);
            if packet.next_hop == NextHop::Local {
                worker.vectors.local.push(packet);
            } else if tables.transit_held {
                worker.drop(packet, DropReason::NotSynchronised);
            } else {
                policy::enter(worker, tables, packet, meta);
            }
        }
        // The host stack knows which groups and link-local addresses of this link are ours.
        Scope::Link => match local_input::never_punted(&packet) {
            Some(reason) => worker.drop(packet, reason),
            None => punt::packet(worker, tables, packet),
        },
        Scope::Group => worker.drop(packet, DropReason::Multicast),
        Scope::Nowhere => worker.drop(packet, DropReason::Martian),
    }
}

enum Scope {
    /// By the routing table.
    Routed,
    /// This link only: neighbour discovery, VRRP, OSPF and the like.
    Link,
    /// A group beyond this link, which we do not route.
    Group,
    /// Never on a wire.
    Nowhere,
}

#[inline]
fn scope(destination: IpAddr) -> Scope {
    match destination {
        IpAddr::V4(v4) => match v4.octets() {
            [224, 0, 0, _] | [255, 255, 255, 255] => Scope::Link,
            [224..=239, ..] => Scope::Group,
            [0, ..] | [127, ..] | [240..=255, ..] => Scope::Nowhere,
            _ => Scope::Routed,
        },
        IpAddr::V6(v6) => match v6.octets() {
            [0xff, scope, ..] if scope & 0x0f <= 2 => Scope::Link,
            [0xff, ..] => Scope::Group,
            [0xfe, second, ..] if second & 0xc0 == 0x80 => Scope::Link,
            _ if v6.is_loopback() || v6.is_unspecified() => Scope::Nowhere,
            _ => Scope::Routed,
        },
    }
}
