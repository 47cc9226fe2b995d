//! Packets for the host stack: class, policer, ring.

use std::net::IpAddr;

use ravelin_esp::PacketBuf;
use ravelin_wire::ethernet::{self, HEADER_OCTETS, TYPE_IPV4, TYPE_IPV6, Tags};
use ravelin_wire::ip::Brief;

use crate::drop::DropReason;
use crate::packet::{Origin, Packet};
use crate::platform::Platform;
use crate::punt::{PuntClass, Punted, classify};
use crate::tables::{IfIndex, InterfaceKind, Tables};
use crate::worker::Worker;

/// Punts an IP packet to the twin of the interface it came in by.
pub(crate) fn packet<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    mut packet: Packet<P::Buf>,
) {
    let class = classify(packet.meta, packet.data());
    let kind = tables
        .config
        .interface(packet.ingress)
        .map(|interface| interface.kind);
    let ready = match kind {
        Some(InterfaceKind::Tunnel) => true,
        Some(InterfaceKind::Unit { .. }) if packet.origin == Origin::Port => {
            packet.prepend(HEADER_OCTETS)
        }
        Some(InterfaceKind::Unit { mac, .. }) => {
            let ethertype = if packet.meta.is_v6() {
                TYPE_IPV6
            } else {
                TYPE_IPV4
            };
            // The sender's MAC went with the fragments; the host does not look at it.
            packet.prepend(HEADER_OCTETS)
                && ethernet::emit(
                    packet.data_mut(),
                    mac,
                    [0x02, 0, 0, 0, 0, 0],
                    Tags::default(),
                    ethertype,
                )
                .is_some()
        }
        None => false,
    };
    if !ready {
        return worker.drop(packet, DropReason::NoRoom);
    }
    let class = if class == PuntClass::Neighbour && !is_known(worker, &packet) {
        PuntClass::Stranger
    } else {
        class
    };
    push(worker, packet.buf, packet.ingress, class);
}

/// Type of a neighbour advertisement, and where it and a solicitation name their target, behind the IPv6 header (RFC 4861
/// section 4.4).
const NEIGHBOUR_ADVERTISEMENT: u16 = 136;
const TARGET: std::ops::Range<usize> = 8..24;

/// The target of a neighbour solicitation or advertisement; `packet` starts at its IP header.
pub(crate) fn discovery_target(meta: Brief, packet: &[u8]) -> Option<IpAddr> {
    let octets: [u8; 16] = meta.payload(packet).get(TARGET)?.try_into().ok()?;
    Some(IpAddr::from(octets))
}

/// Whether neighbour discovery comes from the station of a neighbour, or answers a question of the host. The frame's header lies
/// in front of the packet again.
fn is_known<P: Platform>(worker: &Worker<P>, packet: &Packet<P::Buf>) -> bool {
    let frame = packet.buf.data();
    let stations = worker.shared.adjacencies.stations();
    let station = frame.get(6..12).and_then(|mac| mac.try_into().ok());
    if station.is_some_and(|mac| stations.knows(packet.ingress, mac)) {
        return true;
    }
    let ip = frame.get(HEADER_OCTETS..).unwrap_or_default();
    let kind = packet.meta.ports(ip).map(|(kind, _)| kind >> 8);
    kind == Some(NEIGHBOUR_ADVERTISEMENT)
        && discovery_target(packet.meta, ip)
            .is_some_and(|target| stations.awaits(packet.ingress, target, worker.now))
}

/// Punts a frame whose payload `buf` starts at; the untagged header lies in front of it.
pub(crate) fn frame<P: Platform>(
    worker: &mut Worker<P>,
    mut buf: P::Buf,
    ingress: IfIndex,
    class: PuntClass,
) {
    if buf.prepend(HEADER_OCTETS) {
        push(worker, buf, ingress, class);
    } else {
        worker.refuse(ingress, DropReason::NoRoom, buf.data());
    }
}

fn push<P: Platform>(worker: &mut Worker<P>, buf: P::Buf, interface: IfIndex, class: PuntClass) {
    if !(worker.policers).allow(&worker.shared.punt, class, worker.now) {
        return worker.refuse(interface, class.policed(), buf.data());
    }
    if let Err(full) = worker.shared.punt.push(class, Punted { buf, interface }) {
        worker.refuse(interface, DropReason::PuntRingFull, full.buf.data());
    }
}
