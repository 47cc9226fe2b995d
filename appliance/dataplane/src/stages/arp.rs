//! ARP of others (RFC 826): to the host only what concerns us or a neighbour we use, because the kernel makes an entry of its
//! bounded table for everybody who asks for us.
//!
//! Taken are questions for our addresses from senders of the link's own subnets, answers to us from such senders, and whatever a
//! neighbour that is known says (its station may have changed). An announcement by somebody unknown says nothing to anybody.

use std::net::{IpAddr, Ipv4Addr};

use ravelin_esp::PacketBuf;
use ravelin_types::VrfId;
use ravelin_wire::arp::{self, Arp};

use crate::drop::DropReason;
use crate::platform::Platform;
use crate::punt::PuntClass;
use crate::stages::punt;
use crate::tables::{IfIndex, NextHop, Tables};
use crate::worker::Worker;

/// Length of a host's own prefix.
const HOST_BITS: u8 = 32;

/// Takes a frame whose ARP packet `buf` starts at.
pub(crate) fn input<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    buf: P::Buf,
    ingress: IfIndex,
    vrf: VrfId,
) {
    let Some(arp) = arp::parse(buf.data()) else {
        return worker.refuse(ingress, DropReason::ArpForeign, buf.data());
    };
    if !concerns_us(worker, tables, vrf, ingress, &arp) {
        return worker.refuse(ingress, DropReason::ArpForeign, buf.data());
    }
    let stations = worker.shared.adjacencies.stations();
    let answer =
        arp.operation == arp::REPLY && stations.awaits(ingress, IpAddr::V4(arp.sender), worker.now);
    let class = if answer || stations.knows(ingress, arp.station) {
        PuntClass::Neighbour
    } else {
        PuntClass::Stranger
    };
    punt::frame(worker, buf, ingress, class);
}

fn concerns_us<P: Platform>(
    worker: &Worker<P>,
    tables: &Tables,
    vrf: VrfId,
    ingress: IfIndex,
    arp: &Arp,
) -> bool {
    let target = tables.next_hop(vrf, IpAddr::V4(arp.target));
    match sender(worker, tables, vrf, ingress, arp.sender) {
        Sender::Neighbour => true,
        Sender::Near => target == NextHop::Local && arp.sender != arp.target,
        Sender::Foreign => false,
    }
}

enum Sender {
    /// Known on this link.
    Neighbour,
    /// Of a subnet of this link, or without an address yet (RFC 5227).
    Near,
    /// Of elsewhere, or ourselves.
    Foreign,
}

fn sender<P: Platform>(
    worker: &Worker<P>,
    tables: &Tables,
    vrf: VrfId,
    ingress: IfIndex,
    address: Ipv4Addr,
) -> Sender {
    if address.is_unspecified() {
        return Sender::Near;
    }
    let Some(table) = tables.vrf(vrf) else {
        return Sender::Foreign;
    };
    // As if there were no tunnels: the link's subnet may lie within a protected prefix.
    match table.outer_route(IpAddr::V4(address)) {
        Some((_, NextHop::Glean(interface))) if interface == ingress => Sender::Near,
        // The neighbour's own route, not one through it.
        Some((HOST_BITS, NextHop::Adjacency(index)))
            if worker.shared.adjacencies.interface(index) == Some(ingress) =>
        {
            Sender::Neighbour
        }
        _ => Sender::Foreign,
    }
}
