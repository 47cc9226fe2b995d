//! Parsed packets from ports: ours, a group's, or transit.

use crate::address::{Address, Scope};
use crate::drop::DropReason;
use crate::packet::Packet;
use crate::platform::Platform;
use crate::stages::{local_input, policy, punt};
use crate::tables::{NextHop, Tables};
use crate::worker::Worker;

/// Sends a packet on its way: to `local`, through policy, or to the host.
#[inline(always)]
pub(crate) fn route<P: Platform, A: Address>(
    worker: &mut Worker<P>,
    tables: &Tables,
    mut packet: Packet<P::Buf>,
) {
    let Some(ends) = packet.ends::<A>() else {
        return worker.drop(packet, DropReason::BadFrame);
    };
    match ends.destination.scope() {
        Scope::Routed => {
            packet.next_hop = tables.next_hop_of(packet.vrf, ends.destination);
            if packet.next_hop == NextHop::Local {
                worker.vectors.local.push(packet);
            } else if tables.transit_held {
                worker.drop(packet, DropReason::NotSynchronised);
            } else {
                policy::enter(worker, tables, packet, ends);
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
