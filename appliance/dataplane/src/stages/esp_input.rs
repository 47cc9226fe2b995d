//! ESP to us: slot, owner, the whole SPI with address and instance, then the replay check. What passes goes to the
//! engine.

use ravelin_esp::{CryptoOp, Direction, EspDrop, OpStatus, PacketBuf};
use ravelin_wire::esp::{EspHeader, PROTOCOL_ESP};
use ravelin_wire::ip::{Brief, UDP_HEADER_OCTETS};

use crate::drop::DropReason;
use crate::handoff::Handoff;
use crate::packet::{Origin, Packet};
use crate::platform::{BURST, Platform};
use crate::sa::slot_of;
use crate::stages::crypto;
use crate::tables::{NextHop, Tables};
use crate::worker::{MAX_PENDING_OPS, Worker};

/// Takes a packet to us that is ESP, in UDP or not, with the slot of its SA, or hands it to the worker that owns it.
#[inline(always)]
pub(crate) fn enter<P: Platform>(worker: &mut Worker<P>, packet: Packet<P::Buf>) {
    let esp = packet.data().get(place(packet.meta).1..);
    let slot = esp
        .and_then(EspHeader::parse)
        .map_or(u32::MAX, |header| slot_of(header.spi));
    match worker.other_owner(slot) {
        Some(owner) => worker.hand_over(owner, Handoff::Decrypt(packet)),
        None => worker.vectors.esp_input.push((packet, slot)),
    }
}

/// Drains `esp_input` into the engine's operations.
pub(crate) fn run<P: Platform, const SPREAD: bool>(worker: &mut Worker<P>, tables: &Tables) {
    let mut input = std::mem::take(&mut worker.vectors.esp_input);
    worker.warm_first(&input, Direction::Decrypt);
    let mut packets = input.drain(..);
    while let Some((packet, slot)) = packets.next() {
        worker.warm_next(slot, packets.as_slice(), Direction::Decrypt);
        if worker.vectors.ops.len() >= BURST {
            crypto::run(worker, tables);
        }
        open::<P, SPREAD>(worker, tables, packet);
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

/// Everything up to the cipher, and what follows it if it works on the spot.
#[inline(always)]
fn open<P: Platform, const SPREAD: bool>(
    worker: &mut Worker<P>,
    tables: &Tables,
    packet: Packet<P::Buf>,
) {
    // Taken apart for good: a packet that is changed and moved waits for its own stores.
    let Packet {
        mut buf,
        meta,
        ingress,
        vrf,
        ..
    } = packet;
    let whole = |buf, strange_source| Packet {
        buf,
        meta,
        ingress,
        vrf,
        next_hop: NextHop::Local,
        origin: Origin::Port,
        strange_source,
    };
    let (udp, esp_at) = place(meta);
    let Some(header) = buf.data().get(esp_at..).and_then(EspHeader::parse) else {
        return worker.drop(whole(buf, false), DropReason::EspMalformed);
    };
    if worker.vectors.ops.len() >= MAX_PENDING_OPS {
        return worker.drop(whole(buf, false), DropReason::CryptoFailed);
    }
    let slot = slot_of(header.spi);
    let sa = match worker.sas.get_mut(slot as usize) {
        Some(Some(sa)) if sa.inbound.spi() == header.spi => &mut **sa,
        _ => return worker.drop(whole(buf, false), DropReason::UnknownSpi),
    };
    let Some(strange_source) = sa.is_strange(meta, buf.data(), (vrf, udp)) else {
        return worker.drop(whole(buf, false), DropReason::SaMismatch);
    };
    buf.adj(esp_at);
    let task = match sa.inbound.prepare(&buf, slot) {
        Ok(task) => task,
        Err(reason) => {
            if matches!(reason, EspDrop::ReplayOld | EspDrop::ReplayDuplicate) {
                sa.child.traffic.replay_drops.add(1);
            }
            return worker.drop(whole(buf, strange_source), reason.into());
        }
    };
    match worker.cipher::<SPREAD>(buf.data_mut(), &task) {
        OpStatus::Pending => {
            let packet = whole(buf, strange_source);
            worker.vectors.ops.push(CryptoOp::new(packet, task));
        }
        status => crypto::decrypted(worker, tables, whole(buf, strange_source), &task, status),
    }
}
