//! Runs the engine and finishes what it completed: decrypted packets go to their inner routing instance, encrypted ones to `egress`.

use ravelin_esp::{CryptoEngine, CryptoOp, Direction, EspDrop, Inner, PacketBuf};
use ravelin_wire::ip::{self, Brief};

use crate::address::Address;
use crate::control::MIN_PATH_MTU_OCTETS;
use crate::drop::DropReason;
use crate::link::Event;
use crate::packet::{Origin, Packet};
use crate::platform::Platform;
use crate::sa::Sa;
use crate::stages::{esp_input, fragment, policy};
use crate::state;
use crate::tables::{NextHop, Tables};
use crate::watch::capture::link;
use crate::worker::Worker;

/// Submits the waiting operations and finishes the completed ones. What the engine did not accept waits for the next run.
pub(crate) fn run<P: Platform>(worker: &mut Worker<P>, tables: &Tables) {
    let mut done = std::mem::take(&mut worker.vectors.done);
    worker.engine.submit(&mut worker.vectors.ops);
    worker.engine.poll(&mut done);
    for op in done.drain(..) {
        match op.direction {
            Direction::Encrypt => encrypted(worker, op),
            Direction::Decrypt => decrypted(worker, tables, op),
        }
    }
    worker.vectors.done = done;
}

fn encrypted<P: Platform>(worker: &mut Worker<P>, op: CryptoOp<Packet<P::Buf>>) {
    let (slot, sequence) = (op.slot, op.sequence);
    match ravelin_esp::finish(op) {
        Ok(packet) if packet.octets() > usize::from(MIN_PATH_MTU_OCTETS) => {
            fit_path(worker, packet, slot, sequence);
        }
        Ok(packet) => worker.vectors.egress.push(packet),
        Err(rejected) => worker.drop(rejected.packet, rejected.reason.into()),
    }
}

/// Fragments an encrypted packet that its path does not take whole: one that could not be made smaller, because it holds an IPv6
/// packet of the size that every path has to carry (RFC 8200 section 5, RFC 2473 section 7.1).
fn fit_path<P: Platform>(worker: &mut Worker<P>, packet: Packet<P::Buf>, slot: u32, sequence: u64) {
    let route = worker.sa(slot).map(|sa| sa.route.outer_mtu_octets);
    match route {
        Some(mtu_octets) if packet.octets() > usize::from(mtu_octets) => {
            let parts = fragment::split_outer(worker, packet, mtu_octets, sequence);
            worker.vectors.egress.extend(parts);
        }
        _ => worker.vectors.egress.push(packet),
    }
}

fn decrypted<P: Platform>(worker: &mut Worker<P>, tables: &Tables, op: CryptoOp<Packet<P::Buf>>) {
    let slot = op.slot;
    let Some(sa) = worker
        .sas
        .get_mut(slot as usize)
        .and_then(|sa| sa.as_deref_mut())
    else {
        return worker.drop(op.packet, DropReason::UnknownSpi);
    };
    let outer_traffic_class = op.packet.meta.traffic_class;
    let number = op.sequence;
    let mut inner = match sa.inbound.finish(op, outer_traffic_class) {
        Ok(inner) => inner,
        Err(rejected) => {
            count_refusal(sa, rejected.reason);
            if rejected.reason == EspDrop::InboundUngranted {
                worker.ask(slot, number);
            }
            return worker.drop(rejected.packet, rejected.reason.into());
        }
    };
    let asking = sa.ask(number).is_some();
    if inner.newest {
        state::store_inbound(&worker.shared.cells, slot, inner.sequence);
        sa.facts.traffic.in_sequence.set(inner.sequence);
    }
    if let Some(event) = notice(sa, &mut inner)
        && let Err(lost) = worker.shared.links[usize::from(worker.id)]
            .events
            .push(event)
    {
        retract(sa, &lost);
    }
    let packet = inner.packet;
    match ip::parse_brief(packet.data()) {
        Ok(meta) if meta.v6 => admit::<P, u128>(worker, tables, packet, meta, (slot, number)),
        Ok(meta) => admit::<P, u32>(worker, tables, packet, meta, (slot, number)),
        Err(error) => worker.drop(packet, error.into()),
    }
    if asking {
        worker.ask(slot, number);
    }
}

/// Compares a decrypted packet with its SA's selectors (RFC 4301 section 5.2 step 4) and sends it on its way.
#[inline]
fn admit<P: Platform, A: Address>(
    worker: &mut Worker<P>,
    tables: &Tables,
    mut packet: Packet<P::Buf>,
    meta: Brief,
    (slot, number): (u32, u64),
) {
    packet.trim(packet.octets() - usize::from(meta.total_octets));
    packet.meta = meta;
    let (Some(ends), Some(sa)) = (packet.ends::<A>(), worker.sa(slot)) else {
        return worker.drop(packet, DropReason::UnknownSpi);
    };
    if !sa.facts.child.admits_inbound(&meta, ends) {
        sa.facts.traffic.selector_drops.add(1);
        return worker.drop(packet, DropReason::SelectorMismatch);
    }
    let octets = packet.octets() as u64;
    sa.facts.traffic.in_packets.add(1);
    sa.facts.traffic.in_octets.add(octets);
    packet.ingress = sa.facts.child.tunnel;
    packet.vrf = sa.facts.inner_vrf;
    if let Some(watch) = &tables.watch {
        let link = link(sa.facts.pair, sa.inbound.spi(), number);
        watch.decrypted(worker.id, worker.now, packet.ingress, packet.data(), link);
    }
    packet.origin = Origin::Tunnel;
    packet.next_hop = tables.next_hop_of(packet.vrf, ends.destination);
    let counters = worker.counters().interface(packet.ingress);
    counters.in_packets.add(1);
    counters.in_octets.add(octets);
    if packet.next_hop == NextHop::Local {
        worker.vectors.local.push(packet);
    } else {
        policy::enter(worker, tables, packet, ends);
    }
}

/// An event found no room: the next packet raises it again.
fn retract<P: Platform>(sa: &mut Sa, lost: &Event<P>) {
    match lost {
        Event::PeerUses(_) => sa.heard = false,
        _ => sa.moved_to = None,
    }
}

fn count_refusal(sa: &Sa, reason: EspDrop) {
    match reason {
        EspDrop::AuthFailed => sa.facts.traffic.auth_drops.add(1),
        EspDrop::ReplayOld | EspDrop::ReplayDuplicate => sa.facts.traffic.replay_drops.add(1),
        _ => {}
    }
}

/// What the control thread should know about an authenticated packet. Its `meta` is still of the outer header, which lies in front
/// of the data.
#[inline]
fn notice<P: Platform>(sa: &mut Sa, inner: &mut Inner<Packet<P::Buf>>) -> Option<Event<P>> {
    if !sa.heard {
        sa.heard = true;
        return Some(Event::PeerUses(sa.facts.pair));
    }
    // Only the newest packet proves where the peer is now: an older one may have been delayed on the old path.
    if inner.packet.strange_source && inner.newest {
        return moved(sa, &mut inner.packet);
    }
    None
}

/// A peer that is elsewhere, once per place.
#[cold]
fn moved<P: Platform>(sa: &mut Sa, packet: &mut Packet<P::Buf>) -> Option<Event<P>> {
    let front = esp_input::place(&packet.meta).1 + sa.inbound.front_octets();
    let source = if packet.prepend(front) {
        let source = ip::addresses(packet.data()).map(|(source, _)| source);
        packet.adj(front);
        source
    } else {
        None
    };
    let port = sa.facts.outer.udp.map_or(0, |_| packet.meta.source_port);
    let from = (source?, port);
    if sa.moved_to == Some(from) {
        return None;
    }
    sa.moved_to = Some(from);
    Some(Event::PeerMoved {
        pair: sa.facts.pair,
        remote: from.0,
        port,
    })
}
