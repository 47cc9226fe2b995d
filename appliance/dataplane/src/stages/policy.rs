//! Policy for transit packets, between the two routing decisions. Zones and rules will stand here; what holds without any
//! configuration is checked already: addresses that never appear on a wire, and cleartext that should have come encrypted.

use std::net::IpAddr;

use ravelin_types::VrfId;
use ravelin_wire::ip::IpMeta;

use crate::address::{Address, Ends};
use crate::drop::DropReason;
use crate::packet::{Origin, Packet};
use crate::platform::Platform;
use crate::stages::forward;
use crate::tables::{NextHop, Tables};
use crate::worker::Worker;

/// Judges a transit packet and forwards it.
#[inline(always)]
pub(crate) fn enter<P: Platform, A: Address>(
    worker: &mut Worker<P>,
    tables: &Tables,
    packet: Packet<P::Buf>,
    ends: Ends<A>,
) {
    match verdict(tables, &packet, ends) {
        None => forward::forward(worker, tables, packet, ends),
        Some(reason) => worker.drop(packet, reason),
    }
}

#[inline]
fn verdict<B, A: Address>(
    tables: &Tables,
    packet: &Packet<B>,
    ends: Ends<A>,
) -> Option<DropReason> {
    if ends.source.is_martian() || ends.destination.is_martian() {
        return Some(DropReason::Martian);
    }
    if ends.destination.is_multicast() {
        return Some(DropReason::Multicast);
    }
    if packet.origin != Origin::Tunnel && behind_tunnel(tables, packet.vrf, ends.source) {
        return Some(DropReason::ProtectedSource);
    }
    None
}

/// Link-local sources are of this link, even with a selector for everything: neighbour discovery comes from them.
#[inline]
fn behind_tunnel<A: Address>(tables: &Tables, vrf: VrfId, address: A) -> bool {
    !address.is_link_local() && matches!(tables.next_hop_of(vrf, address), NextHop::Tunnel(_))
}

/// Whether a clear packet's source belongs behind a tunnel, so that it should have come encrypted (RFC 4301 section 5.2). IKE
/// itself is exempt (section 5.1): the peer's outer address may lie within a default selector.
pub(crate) fn belongs_behind_tunnel(tables: &Tables, vrf: VrfId, meta: &IpMeta) -> bool {
    let ike = meta.has_ports
        && meta.protocol == ravelin_wire::ip::protocol::UDP
        && matches!(
            meta.destination_port,
            ravelin_wire::esp::IKE_PORT | ravelin_wire::esp::UDP_ENCAP_PORT
        )
        && tables.config.is_ike_address(vrf, meta.destination);
    !ike && match meta.source {
        IpAddr::V4(v4) => behind_tunnel(tables, vrf, v4.to_bits()),
        IpAddr::V6(v6) => behind_tunnel(tables, vrf, v6.to_bits()),
    }
}
