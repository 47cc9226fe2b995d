//! Runs the engine and finishes what it completed: decrypted packets go to their inner routing instance, encrypted ones to their next hop.

use std::net::IpAddr;
use std::time::Duration;

use ravelin_esp::{CryptoEngine, CryptoOp, Direction, EspDrop, OpStatus, PacketBuf, Task};
use ravelin_types::Time;
use ravelin_wire::ip::{self, Brief};

use crate::address::Address;
use crate::drop::DropReason;
use crate::link::Event;
use crate::packet::{Origin, Packet};
use crate::platform::Platform;
use crate::sa::Sa;
use crate::stages::forward::{self, Fate};
use crate::stages::{egress, esp_input, fragment, policy, tcp_mss};
use crate::state;
use crate::tables::{IfIndex, Tables};
use crate::watch::capture::link;
use crate::worker::Worker;

/// Least time between two reports that the peer of one SA has moved: each is a record in iked's journal, and who sits on the path
/// could send every other packet on from elsewhere. A NAT forgets once in minutes.
pub const MOVES_APART: Duration = Duration::from_secs(1);

/// Decrypts a packet, on the spot if its key works so.
#[inline(always)]
pub(crate) fn decrypt<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    mut packet: Packet<P::Buf>,
    task: Task,
) {
    match worker.engine.run_now(&mut packet, &task) {
        OpStatus::Pending => worker.vectors.ops.push(CryptoOp::new(packet, task)),
        status => decrypted(worker, tables, packet, &task, status),
    }
}

/// Submits the waiting operations and finishes the completed ones. What the engine did not accept waits for the next run.
pub(crate) fn run<P: Platform>(worker: &mut Worker<P>, tables: &Tables) {
    let mut done = std::mem::take(&mut worker.vectors.done);
    worker.engine.submit(&mut worker.vectors.ops);
    worker.engine.poll(&mut done);
    for op in done.drain(..) {
        match op.task.direction {
            Direction::Encrypt => {
                let route = worker.sa(op.task.slot).map(|sa| sa.route);
                let path_mtu_octets = route.map_or(u16::MAX, |route| route.outer_mtu_octets);
                encrypted(
                    worker,
                    tables,
                    op.packet,
                    &op.task,
                    op.status,
                    path_mtu_octets,
                );
            }
            Direction::Decrypt => decrypted(worker, tables, op.packet, &op.task, op.status),
        }
    }
    worker.vectors.done = done;
    while let Some(task) = worker.engine.lost() {
        lost(worker, &task);
    }
}

/// Accounts for a packet that a device has and will not give back.
#[cold]
fn lost<P: Platform>(worker: &mut Worker<P>, task: &Task) {
    let tunnel = (worker.sa(task.slot)).map_or(IfIndex::default(), |sa| sa.facts.child.tunnel);
    worker.refuse(tunnel, DropReason::DeviceLost, &[]);
}

/// Sends an encrypted packet to its next hop, in fragments if its path does not take it whole.
#[inline(always)]
pub(crate) fn encrypted<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    mut packet: Packet<P::Buf>,
    task: &Task,
    status: OpStatus,
    path_mtu_octets: u16,
) {
    match ravelin_esp::finish(&mut packet, status) {
        Ok(()) if packet.octets() <= usize::from(path_mtu_octets) => {
            egress::leave(worker, tables, packet);
        }
        Ok(()) => fragment(worker, tables, packet, path_mtu_octets, task.sequence),
        Err(reason) => worker.drop(packet, reason.into()),
    }
}

/// Fragments an encrypted packet that could not be made smaller, because it holds an IPv6 packet of the size that every path has to
/// carry (RFC 8200 section 5, RFC 2473 section 7.1).
#[cold]
fn fragment<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    packet: Packet<P::Buf>,
    path_mtu_octets: u16,
    sequence: u64,
) {
    for part in fragment::split_outer(worker, packet, path_mtu_octets, sequence) {
        egress::leave(worker, tables, part);
    }
}

#[inline(always)]
fn decrypted<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    mut packet: Packet<P::Buf>,
    task: &Task,
    status: OpStatus,
) {
    let (slot, number) = (task.slot, task.sequence);
    let Some(sa) = worker
        .sas
        .get_mut(slot as usize)
        .and_then(|sa| sa.as_deref_mut())
    else {
        return worker.drop(packet, DropReason::UnknownSpi);
    };
    let outer_traffic_class = packet.meta.traffic_class();
    let outcome = (number, status);
    let newest = match (sa.inbound).finish(&mut packet, outcome, outer_traffic_class) {
        Ok(newest) => newest,
        Err(reason) => {
            count_refusal(sa, reason);
            if reason == EspDrop::InboundUngranted {
                worker.ask(slot, number);
            }
            return worker.drop(packet, reason.into());
        }
    };
    let asking = sa.ask(number).is_some();
    if newest {
        state::store_inbound(&worker.shared.cells, slot, number);
        sa.facts.traffic.in_sequence.set(number);
    }
    // Only the newest packet proves where the peer is now: an older one may have been delayed on the old path.
    if !sa.heard || (packet.strange_source && newest) {
        notice(worker, slot, &mut packet);
    }
    match ip::parse_brief(packet.data()) {
        Ok(meta) if meta.is_v6() => admit::<P, u128>(worker, tables, packet, meta, (slot, number)),
        Ok(meta) => admit::<P, u32>(worker, tables, packet, meta, (slot, number)),
        Err(error) => worker.drop(packet, error.into()),
    }
    if asking {
        worker.ask(slot, number);
    }
}

/// Compares a decrypted packet with its SA's selectors (RFC 4301 section 5.2 step 4) and sends it on its way.
#[inline(always)]
fn admit<P: Platform, A: Address>(
    worker: &mut Worker<P>,
    tables: &Tables,
    mut packet: Packet<P::Buf>,
    meta: Brief,
    (slot, number): (u32, u64),
) {
    packet.trim(packet.octets() - usize::from(meta.total_octets()));
    packet.meta = meta;
    packet.origin = Origin::Tunnel;
    let Some(sa) = (worker.sas.get(slot as usize)).and_then(Option::as_deref) else {
        return worker.drop(packet, DropReason::UnknownSpi);
    };
    packet.vrf = sa.facts.inner_vrf;
    let admitted = packet.route_header::<A>();
    if !admitted.is_some_and(|header| A::sides_of(sa).admit_inbound(header)) {
        return outside(worker, tables, packet, (slot, number));
    }
    let octets = packet.octets();
    sa.facts.traffic.in_packets.add(1);
    sa.facts.traffic.in_octets.add(octets as u64);
    packet.ingress = sa.tunnel;
    if let Some(watch) = &tables.watch {
        let link = link(sa.facts.pair, sa.inbound.spi(), number);
        watch.decrypted(worker.id, worker.now, &sa.facts, packet.data(), link);
    }
    if tcp_mss::opens(&packet) {
        tcp_mss::clamp(worker, tables, &mut packet, slot);
    }
    let counters = worker.counters().interface(packet.ingress);
    counters.in_packets.add(1);
    counters.in_octets.add(octets as u64);
    let Some(header) = packet.route_header::<A>() else {
        return worker.drop(packet, DropReason::BadFrame);
    };
    let next_hop = worker.next_hop(tables, header.vrf, header.ends.destination);
    match policy::decide(worker, tables, header, (Origin::Tunnel, next_hop)) {
        Fate::Leave(next_hop) => {
            packet.one_hop_on();
            packet.next_hop = next_hop;
            egress::leave(worker, tables, packet);
        }
        fate => forward::act(worker, tables, packet, fate),
    }
}

/// A decrypted packet that its SA's selectors do not admit.
#[cold]
fn outside<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    packet: Packet<P::Buf>,
    (slot, number): (u32, u64),
) {
    if let Some(sa) = (worker.sas.get(slot as usize)).and_then(Option::as_deref) {
        sa.facts.traffic.selector_drops.add(1);
        if let Some(watch) = &tables.watch {
            let link = link(sa.facts.pair, sa.inbound.spi(), number);
            watch.outside(worker.id, worker.now, &sa.facts, packet.data(), link);
        }
    }
    worker.drop(packet, DropReason::SelectorMismatch);
}

fn count_refusal(sa: &Sa, reason: EspDrop) {
    match reason {
        EspDrop::AuthFailed => sa.facts.traffic.auth_drops.add(1),
        EspDrop::ReplayOld | EspDrop::ReplayDuplicate => sa.facts.traffic.replay_drops.add(1),
        _ => {}
    }
}

/// Tells the control thread what it should know about an authenticated packet: that the peer uses the SA, or where the peer is now.
/// What finds no room is told again about the next packet.
#[cold]
fn notice<P: Platform>(worker: &mut Worker<P>, slot: u32, packet: &mut Packet<P::Buf>) {
    let now = worker.now;
    let Some(sa) = worker.sa(slot) else { return };
    let pair = sa.facts.pair;
    if !sa.heard {
        let heard = worker.tell(Event::PeerUses(pair));
        if let Some(sa) = worker.sa(slot) {
            sa.heard = heard;
        }
        return;
    }
    let waits = |at: Time| now.since(at) < MOVES_APART;
    if sa.moved_at.is_some_and(waits) {
        return;
    }
    let Some(from) = outer_source(sa, packet).filter(|from| sa.moved_to != Some(*from)) else {
        return;
    };
    let (remote, port) = from;
    if worker.tell(Event::PeerMoved { pair, remote, port })
        && let Some(sa) = worker.sa(slot)
    {
        sa.moved_to = Some(from);
        sa.moved_at = Some(now);
    }
}

/// Source address and, in UDP, port of a decrypted packet. Its `meta` is still of the outer header, which lies in front of the data.
fn outer_source<B: PacketBuf>(sa: &Sa, packet: &mut Packet<B>) -> Option<(IpAddr, u16)> {
    let front = esp_input::place(packet.meta).1 + sa.inbound.front_octets();
    if !packet.prepend(front) {
        return None;
    }
    let source = ip::addresses(packet.data()).map(|(source, _)| source);
    let ports = packet.meta.ports(packet.data()).unwrap_or_default();
    packet.adj(front);
    let port = sa.facts.outer.udp.map_or(0, |_| ports.0);
    Some((source?, port))
}
