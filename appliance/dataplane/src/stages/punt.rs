//! Packets for the host stack: class, policer, ring.

use ravelin_esp::PacketBuf;
use ravelin_wire::ethernet::{self, HEADER_OCTETS, TYPE_IPV4, TYPE_IPV6, Tags};

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
    let class = classify(&packet.meta, packet.data());
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
    push(worker, packet.buf, packet.ingress, class);
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
    if !worker.policers.allow(class, worker.now) {
        return worker.refuse(interface, class.policed(), buf.data());
    }
    if let Err(full) = worker.shared.punt.push(class, Punted { buf, interface }) {
        worker.refuse(interface, DropReason::PuntRingFull, full.buf.data());
    }
}
