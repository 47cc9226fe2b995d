//! Transport mode: packets of this gateway itself to the other end of an SA, which keep their IP header (RFC 4303 section 3.1.1). It is
//! off the hot path, and its SAs are `rare` there; inbound, ESP itself puts the header back, and selectors, route and host follow as
//! in tunnel mode.
//!
//! What else goes between the two addresses ends as `no-sa` or `protected-source`, as with any tunnel; IKE and neighbour discovery
//! bypass. Packets in transit never match: the source is ours.

use ravelin_esp::{CryptoOp, PacketBuf};
use ravelin_wire::icmp::IcmpError;
use ravelin_wire::ip::{IPV6_HEADER_OCTETS, IPV6_MIN_MTU_OCTETS};

use crate::drop::DropReason;
use crate::packet::{Origin, Packet};
use crate::platform::Platform;
use crate::stages::{esp_output, icmp_error, tcp_mss};
use crate::state;
use crate::tables::Tables;
use crate::watch::capture::link;
use crate::worker::{MAX_PENDING_OPS, Worker};

/// Protects a packet that the SA at `slot` admits.
#[cold]
pub(crate) fn protect<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    mut packet: Packet<P::Buf>,
    slot: u32,
) {
    if packet.is_transit() {
        return worker.drop(packet, DropReason::NoSa);
    }
    if tcp_mss::opens(packet.meta, packet.data()) {
        tcp_mss::clamp(worker, tables, packet.meta, &mut packet.buf, slot);
    }
    match too_long(worker, tables, &packet, slot) {
        Ok(None) => encrypt(worker, tables, packet, slot),
        Ok(Some(mtu_octets)) => {
            icmp_error::send(worker, tables, &packet, IcmpError::TooBig { mtu_octets });
            worker.drop(packet, DropReason::TooBig);
        }
        Err(reason) => worker.drop(packet, reason),
    }
}

/// The largest packet that crosses the path whole, if this one does not and must not be fragmented once it is protected. One of IPv6
/// must be up to 1,280 octets, unless it has extension headers, which stand where its fragment header would.
fn too_long<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    packet: &Packet<P::Buf>,
    slot: u32,
) -> Result<Option<u16>, DropReason> {
    let sa = esp_output::routed(worker, tables, slot)?;
    let path_octets = usize::from(sa.route.outer_mtu_octets);
    let whole = sa.outbound.transport_octets(packet.data()) <= path_octets;
    let small = packet.meta.is_v6()
        && packet.octets() <= IPV6_MIN_MTU_OCTETS
        && usize::from(packet.meta.payload_at()) == IPV6_HEADER_OCTETS;
    let fits = whole || small || !packet.meta.dont_fragment();
    Ok((!fits).then(|| sa.outbound.inner_mtu(path_octets) as u16))
}

/// Numbers a packet and hands it to the engine; of AH in tunnel mode too.
pub(crate) fn encrypt<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    mut packet: Packet<P::Buf>,
    slot: u32,
) {
    let sa = match worker.sas.get_mut(slot as usize) {
        Some(Some(sa)) if worker.vectors.ops.len() < MAX_PENDING_OPS => &mut **sa,
        _ => return worker.drop(packet, DropReason::CryptoFailed),
    };
    let clear = tables.watch.is_some().then(|| packet.data().to_vec());
    let octets = packet.octets();
    let prepared = if sa.is_ah() {
        (sa.outbound).prepare_ah(&mut packet.buf, packet.meta, slot)
    } else {
        (sa.outbound).prepare_transport(&mut packet.buf, packet.meta, slot)
    };
    let task = match prepared {
        Ok(task) => task,
        Err(reason) => return esp_output::refused(worker, packet, slot, reason),
    };
    state::store_outbound(&worker.shared.cells, slot, task.sequence);
    let traffic = &sa.child.traffic;
    traffic.out_packets.add(1);
    traffic.out_octets.add(octets as u64);
    let interface = worker.shared.links[worker.own]
        .counters
        .interface(sa.tunnel);
    interface.out_packets.add(1);
    interface.out_octets.add(octets as u64);
    if let (Some(watch), Some(clear)) = (&tables.watch, clear) {
        let link = link(sa.facts.pair, sa.outbound.spi(), task.sequence);
        watch.encrypting(worker.id, worker.now, &sa.facts, &clear, link);
    }
    packet.vrf = sa.facts.outer_vrf;
    packet.next_hop = sa.route.next_hop;
    packet.origin = Origin::Own;
    worker.vectors.ops.push(CryptoOp::new(packet, task));
    esp_output::note(worker, slot);
}
