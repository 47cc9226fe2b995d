//! Runs the engine and finishes what it completed: decrypted packets go to their inner routing instance, encrypted ones to their next hop.

use std::net::IpAddr;
use std::time::Duration;

use ravelin_esp::{CryptoEngine, CryptoOp, Direction, EspDrop, OpStatus, PacketBuf, Task};
use ravelin_types::{Time, VrfId};
use ravelin_wire::ip::{self, Brief};

use crate::address::Address;
use crate::drop::DropReason;
use crate::link::Event;
use crate::packet::{Header, Origin, Packet};
use crate::platform::Platform;
use crate::sa::Sa;
use crate::spread;
use crate::stages::forward::{self, Fate};
use crate::stages::{ah, egress, esp_input, fragment, policy, tcp_mss};
use crate::state;
use crate::tables::{IfIndex, NextHop, Tables};
use crate::watch::capture::link;
use crate::worker::Worker;

/// Least time between two reports that the peer of one SA has moved: each is a record in iked's journal, and who sits on the path
/// could send every other packet on from elsewhere. A NAT forgets once in minutes.
pub const MOVES_APART: Duration = Duration::from_secs(1);

/// Submits the waiting operations and finishes the completed ones. What the engine did not accept waits for the next run.
pub(crate) fn run<P: Platform>(worker: &mut Worker<P>, tables: &Tables) {
    let mut done = std::mem::take(&mut worker.vectors.done);
    if worker.spread.is_on() {
        spread::run(worker, &mut done);
        while let Some(mut batch) = spread::finished(worker) {
            finish(worker, tables, &mut batch.ops);
            spread::recycle(worker, batch);
        }
    } else {
        worker.engine.submit(&mut worker.vectors.ops);
        worker.engine.poll(&mut done);
    }
    finish(worker, tables, &mut done);
    worker.vectors.done = done;
    while let Some(task) = worker.engine.lost() {
        lost(worker, &task);
    }
}

/// Sends the packets of completed operations on their way.
fn finish<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    done: &mut Vec<CryptoOp<Packet<P::Buf>>>,
) {
    for mut op in done.drain(..) {
        if op.task.is_ah() {
            ah::done(worker, tables, op);
            continue;
        }
        match op.task.direction {
            Direction::Encrypt => {
                let route = worker.sa(op.task.slot).map(|sa| sa.route);
                let path_mtu_octets = route.map_or(u16::MAX, |route| route.outer_mtu_octets);
                let outcome = ravelin_esp::finish(&mut op.packet, op.status);
                let path = (path_mtu_octets, op.task.sequence);
                depart(worker, tables, op.packet, outcome, path);
            }
            Direction::Decrypt if is_of_another(worker, &op.task) => {
                worker.drop(op.packet, DropReason::UnknownSpi);
            }
            Direction::Decrypt => decrypted(worker, tables, op.packet, &op.task, op.status),
        }
    }
}

/// Whether the slot of a task has gone to another SA while the task was on its way. A freed slot rests, but an iked that has started
/// anew does not know which ones should.
fn is_of_another<P: Platform>(worker: &mut Worker<P>, task: &Task) -> bool {
    (worker.sa(task.slot)).is_some_and(|sa| sa.inbound.spi().to_be_bytes() != task.aad[..4])
}

/// Accounts for a packet that a device has and will not give back.
#[cold]
fn lost<P: Platform>(worker: &mut Worker<P>, task: &Task) {
    let tunnel = (worker.sa(task.slot)).map_or(IfIndex::default(), |sa| sa.facts.child.tunnel);
    worker.refuse(tunnel, DropReason::DeviceLost, &[]);
}

/// Sends an encrypted packet to its next hop. It goes in fragments if its path does not take it whole: one that could not be made
/// smaller, because it holds an IPv6 packet of the size that every path has to carry (RFC 8200 section 5, RFC 2473 section 7.1).
#[inline(never)]
pub(crate) fn depart<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    packet: Packet<P::Buf>,
    outcome: Result<(), EspDrop>,
    (path_mtu_octets, sequence): (u16, u64),
) {
    match outcome {
        Ok(()) if packet.octets() <= usize::from(path_mtu_octets) => {
            egress::leave(worker, tables, packet);
        }
        Ok(()) => {
            for part in fragment::split_outer(worker, packet, path_mtu_octets, sequence) {
                egress::leave(worker, tables, part);
            }
        }
        Err(reason) => worker.drop(packet, reason.into()),
    }
}

/// Finishes a decrypted packet, which is not yet cut to its inner one: window, selectors, route.
#[inline(always)]
pub(crate) fn decrypted<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    packet: Packet<P::Buf>,
    task: &Task,
    status: OpStatus,
) {
    opened::<P, false>(worker, tables, packet, task, status);
}

/// As [`decrypted`], of an SA of AH or of ESP.
#[inline(always)]
pub(crate) fn opened<P: Platform, const AH: bool>(
    worker: &mut Worker<P>,
    tables: &Tables,
    packet: Packet<P::Buf>,
    task: &Task,
    status: OpStatus,
) {
    // Taken apart for good: a packet that is changed and moved waits for its own stores.
    let Packet {
        mut buf,
        meta: outer,
        ingress,
        vrf,
        strange_source,
        ..
    } = packet;
    let with_outer = |buf| Packet {
        buf,
        meta: outer,
        ingress,
        vrf,
        next_hop: NextHop::None,
        origin: Origin::Port,
        strange_source,
    };
    let (slot, number) = (task.slot, task.sequence);
    let Some(sa) = worker
        .sas
        .get_mut(slot as usize)
        .and_then(|sa| sa.as_deref_mut())
    else {
        return worker.drop(with_outer(buf), DropReason::UnknownSpi);
    };
    let finished = if AH {
        (sa.inbound).finish_ah(&mut buf, (task, status), outer)
    } else {
        (sa.inbound).finish(&mut buf, (number, status), outer)
    };
    let newest = match finished {
        Ok(newest) => newest,
        Err(reason) => return refused(worker, with_outer(buf), (slot, number), reason),
    };
    if newest {
        state::store_inbound(&worker.shared.cells, slot, number);
    }
    let (heard, asking) = (sa.heard, sa.inbound.wants_ceiling(number));
    if asking {
        worker.ask(slot, number);
    }
    // Only the newest packet proves where the peer is now: an older one may have been delayed on the old path.
    if !heard || (strange_source && newest) {
        let mut packet = with_outer(buf);
        notice(worker, slot, &mut packet);
        buf = packet.buf;
    }
    match ip::parse_brief(buf.data()) {
        Ok(meta) if meta.is_v6() => {
            admit::<P, u128>(worker, tables, buf, (meta, ingress), (slot, number));
        }
        Ok(meta) => admit::<P, u32>(worker, tables, buf, (meta, ingress), (slot, number)),
        Err(error) => worker.drop(with_outer(buf), error.into()),
    }
}

/// A packet that its SA refuses.
#[cold]
fn refused<P: Platform>(
    worker: &mut Worker<P>,
    packet: Packet<P::Buf>,
    (slot, number): (u32, u64),
    reason: EspDrop,
) {
    if let Some(sa) = worker.sa(slot) {
        count_refusal(sa, reason);
    }
    if reason == EspDrop::InboundUngranted {
        worker.ask(slot, number);
    }
    worker.drop(packet, reason.into());
}

/// Compares a decrypted packet with its SA's selectors (RFC 4301 section 5.2 step 4) and sends it on its way.
#[inline(always)]
fn admit<P: Platform, A: Address>(
    worker: &mut Worker<P>,
    tables: &Tables,
    mut buf: P::Buf,
    (meta, outer_ingress): (Brief, IfIndex),
    (slot, number): (u32, u64),
) {
    buf.trim(buf.octets() - usize::from(meta.total_octets()));
    let whole = |buf, (ingress, vrf), (meta, next_hop)| Packet {
        buf,
        meta,
        ingress,
        vrf,
        next_hop,
        origin: Origin::Tunnel,
        strange_source: false,
    };
    let Some(sa) = (worker.sas.get(slot as usize)).and_then(Option::as_deref) else {
        let packet = whole(buf, (outer_ingress, VrfId::DEFAULT), (meta, NextHop::None));
        return worker.drop(packet, DropReason::UnknownSpi);
    };
    let vrf = sa.facts.inner_vrf;
    let tunnel = sa.tunnel;
    let header = match Header::<A>::new(meta, buf.data(), vrf) {
        Some(header) if A::sides_of(sa).admit_inbound(header) => header,
        _ => {
            let packet = whole(buf, (outer_ingress, vrf), (meta, NextHop::None));
            return outside(worker, tables, packet, (slot, number));
        }
    };
    let octets = buf.octets();
    sa.child.traffic.in_packets.add(1);
    sa.child.traffic.in_octets.add(octets as u64);
    if let Some(watch) = &tables.watch {
        let link = link(sa.facts.pair, sa.inbound.spi(), number);
        watch.decrypted(worker.id, worker.now, &sa.facts, buf.data(), link);
    }
    worker.count_decrypted(tunnel, octets);
    let destination = worker.destination(tables, vrf, header.ends.destination);
    let fate = policy::decide(worker, tables, header, (Origin::Tunnel, destination));
    if tcp_mss::opens(meta, buf.data()) {
        tcp_mss::clamp(worker, tables, meta, &mut buf, slot);
    }
    let other = match fate {
        Fate::Leave(next_hop) => {
            ip::decrement_ttl(buf.data_mut());
            let meta = meta.one_hop_on();
            match egress::follow(worker, next_hop, buf) {
                Ok(()) => return,
                Err(buf) => {
                    let packet = whole(buf, (tunnel, vrf), (meta, next_hop));
                    return egress::find(worker, tables, packet);
                }
            }
        }
        fate => fate,
    };
    let packet = whole(buf, (tunnel, vrf), (meta, destination.next_hop));
    forward::act(worker, tables, packet, other);
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
        sa.child.traffic.selector_drops.add(1);
        if let Some(watch) = &tables.watch {
            let link = link(sa.facts.pair, sa.inbound.spi(), number);
            watch.outside(worker.id, worker.now, &sa.facts, packet.data(), link);
        }
    }
    worker.drop(packet, DropReason::SelectorMismatch);
}

fn count_refusal(sa: &Sa, reason: EspDrop) {
    match reason {
        EspDrop::AuthFailed => sa.child.traffic.auth_drops.add(1),
        EspDrop::ReplayOld | EspDrop::ReplayDuplicate => sa.child.traffic.replay_drops.add(1),
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
    // The packet's own addresses are its selectors'.
    if sa.is_transport() {
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
