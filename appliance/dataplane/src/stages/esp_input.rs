//! ESP to us: slot, owner, the whole SPI with address, instance and encapsulation, then the replay check. What passes goes to the
//! engine.

use ravelin_esp::{Direction, EspDrop, PacketBuf};
use ravelin_wire::esp::{EspHeader, PROTOCOL_ESP};
use ravelin_wire::ip::{Brief, UDP_HEADER_OCTETS};

use crate::drop::DropReason;
use crate::link::Handoff;
use crate::packet::Packet;
use crate::platform::{BURST, Platform};
use crate::sa::slot_of;
use crate::stages::crypto;
use crate::tables::Tables;
use crate::worker::{MAX_PENDING_OPS, Worker};

/// Drains `esp_input` into the engine's operations.
pub(crate) fn run<P: Platform>(worker: &mut Worker<P>, tables: &Tables) {
    let mut input = std::mem::take(&mut worker.vectors.esp_input);
    let slot = |packet: &Packet<P::Buf>| header(packet).map(|header| slot_of(header.spi));
    let mut packets = input.drain(..);
    while let Some(packet) = packets.next() {
        let present = slot(&packet).unwrap_or(u32::MAX);
        worker.warm(present, Direction::Decrypt, |places| {
            packets.as_slice().get(places).and_then(slot)
        });
        if worker.vectors.ops.len() >= BURST {
            crypto::run(worker, tables);
        }
        prepare(worker, tables, packet);
    }
    drop(packets);
    worker.vectors.esp_input = input;
}

/// Whether ESP rides in UDP, and where it starts.
#[inline]
pub(crate) fn place(meta: Brief) -> (bool, usize) {
    let udp = meta.protocol() != PROTOCOL_ESP;
    (
        udp,
        usize::from(meta.payload_at()) + if udp { UDP_HEADER_OCTETS } else { 0 },
    )
}

#[inline(always)]
fn header<B: PacketBuf>(packet: &Packet<B>) -> Option<EspHeader> {
    packet
        .data()
        .get(place(packet.meta).1..)
        .and_then(EspHeader::parse)
}

#[inline(always)]
fn prepare<P: Platform>(worker: &mut Worker<P>, tables: &Tables, mut packet: Packet<P::Buf>) {
    let (udp, esp_at) = place(packet.meta);
    let Some(header) = header(&packet) else {
        return worker.drop(packet, DropReason::EspMalformed);
    };
    if worker.vectors.ops.len() >= MAX_PENDING_OPS {
        return worker.drop(packet, DropReason::CryptoFailed);
    }
    let slot = slot_of(header.spi);
    let Some(sa) = (worker.sas.get_mut(slot as usize))
        .and_then(Option::as_deref_mut)
        .filter(|sa| sa.inbound.spi() == header.spi)
    else {
        return steer(worker, packet, slot);
    };
    match sa.is_strange(&packet, udp) {
        Some(strange) => packet.strange_source = strange,
        None => return worker.drop(packet, DropReason::SaMismatch),
    }
    packet.adj(esp_at);
    match sa.inbound.prepare(&packet, slot) {
        Ok(task) => crypto::decrypt(worker, tables, packet, task),
        Err(reason) => {
            if matches!(reason, EspDrop::ReplayOld | EspDrop::ReplayDuplicate) {
                sa.facts.traffic.replay_drops.add(1);
            }
            worker.drop(packet, reason.into());
        }
    }
}

/// ESP of no SA of ours: to the worker that owns its slot, if another one does.
#[cold]
fn steer<P: Platform>(worker: &mut Worker<P>, packet: Packet<P::Buf>, slot: u32) {
    match worker.shared.owner(slot) {
        Some(owner) if owner != worker.id => {
            let link = &worker.shared.links[usize::from(owner) % worker.shared.links.len()];
            if let Err(Handoff::Decrypt(packet)) = link.handoffs.push(Handoff::Decrypt(packet)) {
                worker.drop(packet, DropReason::HandoffFull);
            }
        }
        _ => worker.drop(packet, DropReason::UnknownSpi),
    }
}
