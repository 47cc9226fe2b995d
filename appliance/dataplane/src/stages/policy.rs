//! Policy for transit packets, between the two routing decisions. Zones and rules will stand here; what holds without any
//! configuration is checked already: addresses that never appear on a wire, and cleartext that should have come encrypted.

use std::net::IpAddr;

use ravelin_types::VrfId;
use ravelin_wire::ip::IpMeta;

use crate::address::{Address, Scope};
use crate::drop::DropReason;
use crate::packet::{Header, Origin};
use crate::platform::Platform;
use crate::recent::Destination;
use crate::stages::forward::{self, Fate};
use crate::tables::{NextHop, Tables};
use crate::worker::Worker;

/// Judges a packet that came from `origin`, which goes to `destination`.
#[inline(always)]
pub(crate) fn decide<P: Platform, A: Address>(
    worker: &mut Worker<P>,
    tables: &Tables,
    header: Header<'_, A>,
    (origin, destination): (Origin, Destination),
) -> Fate {
    if destination.next_hop == NextHop::Local {
        return Fate::Local;
    }
    // Neither groups nor what never is on a wire send packets (RFC 1812 section 5.3.7).
    let source = header.ends.source;
    match origin {
        Origin::Tunnel if destination.scope != Scope::Routed => {
            return Fate::Drop(unroutable(header.ends.destination));
        }
        Origin::Tunnel if source.scope() == Scope::Routed => {}
        Origin::Tunnel => return Fate::Drop(DropReason::Martian),
        // Of what came from a port the scope of the destination was looked at before.
        _ => match worker.destination(tables, header.vrf, source) {
            Destination { scope, .. } if scope != Scope::Routed => {
                return Fate::Drop(DropReason::Martian);
            }
            Destination {
                next_hop: NextHop::Tunnel(_),
                ..
            } => return Fate::Drop(DropReason::ProtectedSource),
            _ => {}
        },
    }
    forward::decide(tables, header, (true, destination))
}

/// Why a packet from a tunnel goes nowhere.
#[cold]
fn unroutable<A: Address>(destination: A) -> DropReason {
    if destination.is_multicast() {
        DropReason::Multicast
    } else {
        DropReason::Martian
    }
}

/// Link-local sources are of this link, even with a selector for everything: neighbour discovery comes from them.
#[inline]
fn behind_tunnel<A: Address>(tables: &Tables, vrf: VrfId, address: A) -> bool {
    !address.is_link_local() && matches!(tables.next_hop_of(vrf, address), NextHop::Tunnel(_))
}

/// Types of ICMPv6 that neighbour discovery has (RFC 4861 section 4), and the hop limit that proves them of this link.
const DISCOVERY: std::ops::RangeInclusive<u16> = 133..=137;
const OF_THIS_LINK: u8 = 255;

/// Whether a packet is neighbour discovery of this link. Without it no ESP would find the peer, if the peer is a neighbour.
pub(crate) fn is_discovery(meta: &IpMeta) -> bool {
    meta.protocol == ravelin_wire::ip::protocol::ICMPV6
        && meta.has_ports
        && DISCOVERY.contains(&(meta.source_port >> 8))
        && meta.ttl == OF_THIS_LINK
}

/// Whether a clear packet's source belongs behind a tunnel, so that it should have come encrypted (RFC 4301 section 5.2). IKE
/// itself is exempt (section 5.1), and neighbour discovery: the peer's outer address may lie within a selector.
pub(crate) fn belongs_behind_tunnel(tables: &Tables, vrf: VrfId, meta: &IpMeta) -> bool {
    let ike = meta.has_ports
        && meta.protocol == ravelin_wire::ip::protocol::UDP
        && matches!(
            meta.destination_port,
            ravelin_wire::esp::IKE_PORT | ravelin_wire::esp::UDP_ENCAP_PORT
        )
        && tables.config.is_ike_address(vrf, meta.destination);
    !ike && !is_discovery(meta)
        && match meta.source {
            IpAddr::V4(v4) => behind_tunnel(tables, vrf, v4.to_bits()),
            IpAddr::V6(v6) => behind_tunnel(tables, vrf, v6.to_bits()),
        }
}
