//! AH (RFC 4302): off the hot path, with the SAs, selectors and routes of ESP. Outbound its SAs are `rare`; inbound AH comes here from
//! `local_input`, and goes on as decrypted ESP does.

use ravelin_esp::{CryptoOp, Direction, EspDrop, PacketBuf};
use ravelin_wire::ah::AhHeader;

use crate::drop::DropReason;
use crate::handoff::Handoff;
use crate::packet::Packet;
use crate::platform::Platform;
use crate::sa::slot_of;
use crate::stages::crypto;
use crate::tables::Tables;
use crate::worker::{MAX_PENDING_OPS, Worker};

/// AH to us: SA, addresses, window; then the engine.
#[cold]
pub(crate) fn input<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    mut packet: Packet<P::Buf>,
) {
    if tables.transit_held {
        return worker.drop(packet, DropReason::NotSynchronised);
    }
    let ah_at = usize::from(packet.meta.payload_at());
    let Some(header) = packet.data().get(ah_at..).and_then(AhHeader::parse) else {
        return worker.drop(packet, DropReason::AhMalformed);
    };
    let slot = slot_of(header.spi);
    let sa = match worker.sas.get_mut(slot as usize) {
        Some(Some(sa)) if sa.inbound.spi() == header.spi => &mut **sa,
        _ => return steer(worker, packet, slot),
    };
    if !sa.is_from_peer(packet.data(), packet.vrf) {
        return worker.drop(packet, DropReason::SaMismatch);
    }
    if worker.vectors.ops.len() >= MAX_PENDING_OPS {
        return worker.drop(packet, DropReason::CryptoFailed);
    }
    let prepared = (sa.inbound).prepare_ah(&mut packet.buf, packet.meta, slot);
    match prepared {
        Ok(task) => worker.vectors.ops.push(CryptoOp::new(packet, task)),
        Err(reason) => {
            if matches!(reason, EspDrop::ReplayOld | EspDrop::ReplayDuplicate) {
                sa.child.traffic.replay_drops.add(1);
            }
            worker.drop(packet, reason.into());
        }
    }
}

/// AH of no SA of ours: to the worker that owns its slot, if another one does.
fn steer<P: Platform>(worker: &mut Worker<P>, packet: Packet<P::Buf>, slot: u32) {
    match worker.other_owner(slot) {
        Some(owner) => worker.hand_over(owner, Handoff::Local(packet)),
        None => worker.drop(packet, DropReason::UnknownSpi),
    }
}

/// What the engine has done for an SA of AH.
#[cold]
pub(crate) fn done<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    mut op: CryptoOp<Packet<P::Buf>>,
) {
    match op.task.direction {
        Direction::Encrypt => {
            let route = worker.sa(op.task.slot).map(|sa| sa.route);
            let path_mtu_octets = route.map_or(u16::MAX, |route| route.outer_mtu_octets);
            let outcome = ravelin_esp::finish_ah(&mut op.packet, (&op.task, op.status));
            let path = (path_mtu_octets, op.task.sequence);
            crypto::depart(worker, tables, op.packet, outcome, path);
        }
        Direction::Decrypt => {
            crypto::opened::<P, true>(worker, tables, op.packet, &op.task, op.status);
        }
    }
}
