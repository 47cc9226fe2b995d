//! Policy for transit packets, between the two routing decisions. Zones and rules will stand here; what holds without any
//! configuration is checked already: addresses that never appear on a wire, and cleartext that should have come encrypted.

use std::net::IpAddr;

use ravelin_types::VrfId;
use ravelin_wire::ip::IpMeta;

use crate::drop::DropReason;
use crate::packet::{Origin, Packet};
use crate::platform::Platform;
use crate::stages::forward;
use crate::tables::{NextHop, Tables};
use crate::worker::Worker;

/// Judges a transit packet and forwards it.
#[inline]
pub(crate) fn enter<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    packet: Packet<P::Buf>,
    meta: &IpMeta,
) {
    match verdict(tables, &packet, meta) {
        None => forward::forward(worker, tables, packet, meta),
        Some(reason) => worker.drop(packet, reason),
    }
}

#[inline]
fn verdict<B>(tables: &Tables, packet: &Packet<B>, meta: &IpMeta) -> Option<DropReason> {
    if is_martian(meta.source) || is_martian(meta.destination) {
        return Some(DropReason::Martian);
    }
    if meta.destination.is_multicast() {
        return Some(DropReason::Multicast);
    }
    if packet.origin != Origin::Tunnel && behind_tunnel(tables, packet.vrf, meta.source) {
        return Some(DropReason::ProtectedSource);
    }
    None
}

#[inline]
fn is_martian(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => matches!(v4.octets(), [0 | 127, ..] | [240..=255, ..]),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unicast_link_local(),
    }
}

/// Link-local sources are of this link, even with a selector for everything: neighbour discovery comes from them.
#[inline]
fn behind_tunnel(tables: &Tables, vrf: VrfId, address: IpAddr) -> bool {
    let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    !link_local && matches!(tables.next_hop(vrf, address), NextHop::Tunnel(_))
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
    !ike && behind_tunnel(tables, vrf, meta.source)
}
