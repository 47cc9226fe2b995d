//! Into a tunnel: selector table, owner, MTU, sequence number; then the engine. A packet without a child SA ends here, never in clear.

use ravelin_esp::{Direction, EspDrop, PacketBuf};
use ravelin_types::PairId;
use ravelin_wire::icmp::IcmpError;
use ravelin_wire::ip::IPV6_MIN_MTU_OCTETS;

use crate::address::{Address, Ends};
use crate::control::MIN_PATH_MTU_OCTETS;
use crate::drop::DropReason;
use crate::link::{Event, Handoff};
use crate::packet::{Origin, Packet};
use crate::platform::{BURST, Platform};
use crate::sa::{RouteCache, Sa};
use crate::selector::Place;
use crate::stages::{crypto, fragment, icmp_error, tcp_mss};
use crate::state;
use crate::tables::{IfIndex, NextHop, Tables};
use crate::watch::capture::link;
use crate::worker::{MAX_PENDING_OPS, Worker};

/// Hands a packet for `tunnel` to the worker that owns the child SA of its destination.
#[inline(always)]
pub(crate) fn steer<P: Platform, A: Address>(
    worker: &mut Worker<P>,
    tables: &Tables,
    packet: Packet<P::Buf>,
    ends: Ends<A>,
    tunnel: IfIndex,
) {
    // Whether the child admits the packet is seen when its SA is at hand: the table's entry alone is read here.
    let place = tables
        .vrf(packet.vrf)
        .and_then(|vrf| vrf.selectors.place(ends.destination));
    match place {
        Some(place) if place.tunnel == tunnel => hand_over(worker, packet, place),
        _ => match search(tables, &packet, ends, tunnel) {
            Some(place) => hand_over(worker, packet, place),
            None => no_sa(worker, packet, tunnel),
        },
    }
}

#[inline]
fn hand_over<P: Platform>(worker: &mut Worker<P>, packet: Packet<P::Buf>, place: Place) {
    let Place { slot, owner, .. } = place;
    if owner == worker.id {
        return worker.vectors.esp_output.push((packet, slot));
    }
    let link = &worker.shared.links[usize::from(owner) % worker.shared.links.len()];
    if let Err(Handoff::Encrypt(packet, _)) = link.handoffs.push(Handoff::Encrypt(packet, slot)) {
        worker.drop(packet, DropReason::HandoffFull);
    }
}

/// The child that admits a packet, of all whose prefixes hold its destination.
#[cold]
fn search<B: PacketBuf, A: Address>(
    tables: &Tables,
    packet: &Packet<B>,
    ends: Ends<A>,
    tunnel: IfIndex,
) -> Option<Place> {
    let selectors = &tables.vrf(packet.vrf)?.selectors;
    let child = selectors.search(tunnel, &packet.meta, ends)?;
    Some(child.place())
}

#[cold]
fn no_sa<P: Platform>(worker: &mut Worker<P>, packet: Packet<P::Buf>, tunnel: IfIndex) {
    worker.counters().interface(tunnel).errors.add(1);
    worker.drop(packet, DropReason::NoSa);
}

/// Drains `esp_output` into `egress`, or into the engine's operations.
pub(crate) fn run<P: Platform>(worker: &mut Worker<P>, tables: &Tables) {
    let mut input = std::mem::take(&mut worker.vectors.esp_output);
    let mut packets = input.drain(..);
    while let Some((packet, slot)) = packets.next() {
        worker.warm(slot, Direction::Encrypt, |places| {
            packets.as_slice().get(places).map(|(_, slot)| *slot)
        });
        if worker.vectors.ops.len() >= BURST {
            crypto::run(worker, tables);
        }
        if packet.meta.v6 {
            outbound::<P, u128>(worker, tables, packet, slot);
        } else {
            outbound::<P, u32>(worker, tables, packet, slot);
        }
    }
    drop(packets);
    worker.vectors.esp_output = input;
}

/// Encrypts a packet under the SA at `slot`, or finds it another one.
#[inline(always)]
fn outbound<P: Platform, A: Address>(
    worker: &mut Worker<P>,
    tables: &Tables,
    packet: Packet<P::Buf>,
    slot: u32,
) {
    let Some(ends) = packet.ends::<A>() else {
        return worker.drop(packet, DropReason::BadFrame);
    };
    if admits(worker, &packet, ends, slot) {
        protect(worker, tables, packet, slot);
    } else {
        elsewhere(worker, tables, packet, ends);
    }
}

#[inline]
fn admits<P: Platform, A: Address>(
    worker: &Worker<P>,
    packet: &Packet<P::Buf>,
    ends: Ends<A>,
    slot: u32,
) -> bool {
    let sa = worker.sas.get(slot as usize).and_then(Option::as_deref);
    sa.is_some_and(|sa| A::sides_of(sa).admit_outbound(&packet.meta, ends))
}

/// Encrypts a packet under an SA that admits it.
#[inline]
fn protect<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    mut packet: Packet<P::Buf>,
    slot: u32,
) {
    if tcp_mss::opens(&packet) {
        tcp_mss::clamp(worker, tables, &mut packet, slot);
    }
    match size(worker, tables, &packet, slot) {
        Ok(Fit::Whole) => encrypt(worker, packet, slot),
        Ok(Fit::Fragments(mtu_octets)) => {
            for part in fragment::split(worker, packet, mtu_octets) {
                encrypt(worker, part, slot);
            }
        }
        Ok(Fit::TooBig(mtu_octets)) => {
            icmp_error::send(worker, tables, &packet, IcmpError::TooBig { mtu_octets });
            worker.drop(packet, DropReason::TooBig);
        }
        Err(reason) => worker.drop(packet, reason),
    }
}

/// A packet that the SA of its destination's prefix does not admit: for another protocol, another port, a narrower selector. Or the
/// table and the SAs are not of one moment.
#[cold]
fn elsewhere<P: Platform, A: Address>(
    worker: &mut Worker<P>,
    tables: &Tables,
    packet: Packet<P::Buf>,
    ends: Ends<A>,
) {
    let NextHop::Tunnel(tunnel) = packet.next_hop else {
        return worker.drop(packet, DropReason::NoSa);
    };
    match search(tables, &packet, ends, tunnel) {
        Some(place) if place.owner != worker.id => hand_over(worker, packet, place),
        Some(place) if admits(worker, &packet, ends, place.slot) => {
            protect(worker, tables, packet, place.slot);
        }
        _ => no_sa(worker, packet, tunnel),
    }
}

enum Fit {
    Whole,
    Fragments(u16),
    TooBig(u16),
}

/// Brings the SA's outer route up to date and compares the packet with what fits.
#[inline(always)]
fn size<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    packet: &Packet<P::Buf>,
    slot: u32,
) -> Result<Fit, DropReason> {
    let sa = worker
        .sas
        .get_mut(slot as usize)
        .and_then(Option::as_deref_mut)
        .filter(|sa| !sa.inbound_only)
        .ok_or(DropReason::NoSa)?;
    if sa.route.version != tables.version {
        sa.route = outer_route(&worker.shared.adjacencies, tables, sa)?;
    }
    let fits = sa.route.inner_mtu_octets;
    // An IPv6 sender may ignore anything below 1,280; such packets are encrypted whole and the outer one is fragmented.
    let limit = if packet.meta.is_v6() {
        fits.max(IPV6_MIN_MTU_OCTETS as u16)
    } else {
        fits
    };
    if packet.octets() <= usize::from(limit) {
        Ok(Fit::Whole)
    } else if packet.meta.dont_fragment {
        Ok(Fit::TooBig(limit))
    } else {
        Ok(Fit::Fragments(limit))
    }
}

/// Largest inner packet in octets that crosses the tunnel of an SA in one piece; `None` without a route to its peer.
pub(crate) fn inner_mtu_octets<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    slot: u32,
) -> Option<u16> {
    let adjacencies = &worker.shared.adjacencies;
    let sa = worker.sas.get_mut(slot as usize)?.as_deref_mut()?;
    if sa.route.version != tables.version {
        sa.route = outer_route(adjacencies, tables, sa).ok()?;
    }
    Some(sa.route.inner_mtu_octets)
}

#[cold]
fn outer_route(
    adjacencies: &crate::adjacency::Adjacencies,
    tables: &Tables,
    sa: &Sa,
) -> Result<RouteCache, DropReason> {
    let facts = &sa.facts;
    let outer = tables.vrf(facts.outer_vrf);
    let mut next_hop = outer.map_or(NextHop::None, |vrf| vrf.outer_next_hop(facts.outer.remote));
    if let NextHop::Group { first, count } = next_hop {
        // One path per SA, so that its packets stay in order.
        let member = tables
            .vrf(facts.outer_vrf)
            .and_then(|vrf| vrf.group_member(first, count, facts.slot));
        next_hop = member.map_or(NextHop::None, NextHop::Adjacency);
    }
    let interface = match next_hop {
        NextHop::Glean(interface) => interface,
        NextHop::Adjacency(index) => adjacencies
            .get(index)
            .map(|(interface, _)| interface)
            .ok_or(DropReason::NoRoute)?,
        NextHop::Tunnel(_) => return Err(DropReason::OuterViaTunnel),
        NextHop::Blackhole => return Err(DropReason::Blackhole),
        NextHop::Reject => return Err(DropReason::Reject),
        NextHop::None | NextHop::Local | NextHop::Group { .. } => return Err(DropReason::NoRoute),
    };
    let mtu = |index: IfIndex| {
        tables
            .config
            .interface(index)
            .map(|interface| interface.mtu_octets)
    };
    let path = mtu(interface)
        .ok_or(DropReason::EgressDown)?
        .min(facts.path_mtu_octets.unwrap_or(u16::MAX))
        .max(MIN_PATH_MTU_OCTETS);
    let by_path = sa.outbound.inner_mtu(usize::from(path)) as u16;
    let by_tunnel = facts
        .tunnel_mtu_octets
        .or_else(|| mtu(facts.child.tunnel))
        .unwrap_or(u16::MAX);
    Ok(RouteCache {
        version: tables.version,
        next_hop,
        inner_mtu_octets: by_path.min(by_tunnel),
        outer_mtu_octets: path,
    })
}

#[inline(always)]
fn encrypt<P: Platform>(worker: &mut Worker<P>, mut packet: Packet<P::Buf>, slot: u32) {
    if worker.vectors.ops.len() >= MAX_PENDING_OPS {
        return worker.drop(packet, DropReason::CryptoFailed);
    }
    let octets = packet.octets() as u64;
    let Some(sa) = worker
        .sas
        .get_mut(slot as usize)
        .and_then(|sa| sa.as_deref_mut())
    else {
        return worker.drop(packet, DropReason::NoSa);
    };
    packet.next_hop = sa.route.next_hop;
    packet.vrf = sa.facts.outer_vrf;
    packet.origin = Origin::Own;
    let meta = packet.meta;
    let task = match sa.outbound.prepare(&mut packet, &meta, slot) {
        Ok(task) => task,
        Err(reason) => return refused(worker, packet, slot, reason),
    };
    state::store_outbound(&worker.shared.cells, slot, task.sequence);
    let traffic = &sa.facts.traffic;
    traffic.out_packets.add(1);
    traffic.out_octets.add(octets);
    traffic.out_sequence.set(task.sequence);
    let exhausting = !sa.exhausting && sa.outbound.is_exhausting();
    let asking = sa.ask(0).is_some();
    let (pair, tunnel) = (sa.facts.pair, sa.facts.child.tunnel);
    if let Some(watch) = &worker.tables.watch {
        let link = link(pair, sa.outbound.spi(), task.sequence);
        let start = usize::from(task.start);
        let inner = packet.data().get(start..start + octets as usize);
        let inner = inner.unwrap_or_default();
        watch.encrypting(worker.id, worker.now, &sa.facts, inner, link);
    }
    let counters = worker.counters().interface(tunnel);
    counters.out_packets.add(1);
    counters.out_octets.add(octets);
    crypto::encrypt(worker, packet, task);
    if exhausting {
        exhausted(worker, pair, slot);
    }
    if asking {
        worker.ask(slot, 0);
    }
}

/// A packet that its SA does not take.
#[cold]
fn refused<P: Platform>(
    worker: &mut Worker<P>,
    packet: Packet<P::Buf>,
    slot: u32,
    reason: EspDrop,
) {
    if let Some(sa) = worker.sa(slot) {
        let (pair, told) = (sa.facts.pair, sa.exhausting);
        match reason {
            // Numbers may be used up at once: a resumed SA starts beyond the last of them.
            EspDrop::SequenceExhausted if !told => exhausted(worker, pair, slot),
            EspDrop::SequenceUngranted => worker.ask(slot, 0),
            _ => {}
        }
    }
    worker.drop(packet, reason.into());
}

/// Asks for a rekey, once.
fn exhausted<P: Platform>(worker: &mut Worker<P>, pair: PairId, slot: u32) {
    let told = worker.tell(Event::Exhausting(pair));
    if let Some(sa) = worker.sa(slot) {
        sa.exhausting = told;
    }
}
