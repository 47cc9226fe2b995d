//! Into a tunnel: selector table, owner, MTU, sequence number; then the engine. A packet without a child SA ends here, never in clear.

use ravelin_esp::{CryptoOp, Direction, EspDrop, OpStatus, PacketBuf};
use ravelin_types::PairId;
use ravelin_wire::icmp::IcmpError;
use ravelin_wire::ip::IPV6_MIN_MTU_OCTETS;
use std::net::IpAddr;

use crate::address::{Address, Ends};
use crate::control::MIN_PATH_MTU_OCTETS;
use crate::counters::Tally;
use crate::drop::DropReason;
use crate::handoff::Handoff;
use crate::link::Event;
use crate::packet::{Origin, Packet};
use crate::platform::{BURST, Platform};
use crate::sa::{RouteCache, Sa};
use crate::selector::Place;
use crate::stages::{crypto, egress, fragment, icmp_error, tcp_mss, transport};
use crate::state;
use crate::tables::{IfIndex, NextHop, Tables};
use crate::watch::capture::link;
use crate::worker::{MAX_PENDING_OPS, Worker};

/// Most that padding against traffic analysis makes of a packet, in octets: what any buffer has room for.
const MOST_PADDED_OCTETS: usize = 1_792;

/// Hands a packet for a tunnel to the worker that owns the SA of its destination, or that of the child that admits it.
#[inline(never)]
pub(crate) fn steer<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    packet: Packet<P::Buf>,
    (tunnel, place): (IfIndex, Option<Place>),
) {
    let found = if packet.meta.is_v6() {
        place.or_else(|| search::<_, u128>(tables, &packet, tunnel))
    } else {
        place.or_else(|| search::<_, u32>(tables, &packet, tunnel))
    };
    match found {
        Some(place) => hand_over(worker, packet, place),
        None => no_sa(worker, packet, tunnel),
    }
}

#[inline(always)]
fn hand_over<P: Platform>(worker: &mut Worker<P>, packet: Packet<P::Buf>, place: Place) {
    let Place { slot, owner, .. } = place;
    if owner == worker.id {
        return worker.vectors.esp_output.push((packet, slot));
    }
    worker.hand_over(owner, Handoff::Encrypt(packet, slot));
}

/// The child that admits a packet, of all whose prefixes hold its destination.
#[cold]
fn search<B: PacketBuf, A: Address>(
    tables: &Tables,
    packet: &Packet<B>,
    tunnel: IfIndex,
) -> Option<Place> {
    let selectors = &tables.vrf(packet.vrf)?.selectors;
    let header = packet.route_header::<A>()?;
    let child = selectors.search(tunnel, header.ends, header.into())?;
    Some(child.place())
}

#[cold]
fn no_sa<P: Platform>(worker: &mut Worker<P>, packet: Packet<P::Buf>, tunnel: IfIndex) {
    worker.counters().interface(tunnel).errors.add(1);
    if worker.sa_requests.allow(worker.now) {
        let ends = match packet.meta.is_v6() {
            true => packet.ends::<u128>().map(addresses),
            false => packet.ends::<u32>().map(addresses),
        };
        if let Some((source, destination)) = ends {
            worker.tell(Event::SaWanted {
                tunnel,
                source,
                destination,
            });
        }
    }
    worker.drop(packet, DropReason::NoSa);
}

fn addresses<A: Address>(ends: Ends<A>) -> (IpAddr, IpAddr) {
    (ends.source.ip(), ends.destination.ip())
}

/// Drains `esp_output` into the ports, or into the engine's operations.
pub(crate) fn run<P: Platform, const SPREAD: bool>(worker: &mut Worker<P>, tables: &Tables) {
    let mut input = std::mem::take(&mut worker.vectors.esp_output);
    worker.warm_first(&input, Direction::Encrypt);
    let mut packets = input.drain(..);
    let mut tally = Tally::default();
    while let Some((packet, slot)) = packets.next() {
        worker.warm_next(slot, packets.as_slice(), Direction::Encrypt);
        if worker.vectors.ops.len() >= BURST {
            crypto::run(worker, tables);
        }
        if packet.meta.is_v6() {
            outbound::<P, u128, SPREAD>(worker, tables, packet, slot, &mut tally);
        } else {
            outbound::<P, u32, SPREAD>(worker, tables, packet, slot, &mut tally);
        }
    }
    worker.counters().sent(tally);
    drop(packets);
    worker.vectors.esp_output = input;
}

/// Encrypts a packet under the SA at `slot`, or finds out why not.
#[inline(always)]
fn outbound<P: Platform, A: Address, const SPREAD: bool>(
    worker: &mut Worker<P>,
    tables: &Tables,
    packet: Packet<P::Buf>,
    slot: u32,
    tally: &mut Tally,
) {
    let sa = worker.sas.get(slot as usize).and_then(Option::as_deref);
    let usual = match (packet.route_header::<A>(), sa) {
        (Some(header), Some(sa)) => {
            A::sides_of(sa).admit_outbound(header)
                && sa.route.version == tables.version
                && !sa.rare
                && packet.octets() <= inner_limit(sa, &packet)
                && !tcp_mss::opens(packet.meta, packet.data())
        }
        _ => false,
    };
    if usual {
        encrypt::<P, SPREAD>(worker, tables, packet, slot, tally);
    } else {
        unusual::<P, A>(worker, tables, packet, slot);
    }
}

/// Largest packet that is encrypted whole, in octets. An IPv6 sender may ignore anything below 1,280; such packets are encrypted whole
/// and the outer one is fragmented.
#[inline]
fn inner_limit<B>(sa: &Sa, packet: &Packet<B>) -> usize {
    let limit = usize::from(sa.route.inner_mtu_octets);
    if packet.meta.is_v6() {
        limit.max(IPV6_MIN_MTU_OCTETS)
    } else {
        limit
    }
}

/// A packet whose SA does not admit it or is rare, or whose route is to be looked up, or that is too long or opens a TCP connection.
#[cold]
fn unusual<P: Platform, A: Address>(
    worker: &mut Worker<P>,
    tables: &Tables,
    packet: Packet<P::Buf>,
    slot: u32,
) {
    if admits::<P, A>(worker, &packet, slot) {
        protect(worker, tables, packet, slot);
    } else {
        elsewhere::<P, A>(worker, tables, packet);
    }
}

fn admits<P: Platform, A: Address>(worker: &Worker<P>, packet: &Packet<P::Buf>, slot: u32) -> bool {
    let sa = worker.sas.get(slot as usize).and_then(Option::as_deref);
    match (packet.route_header::<A>(), sa) {
        (Some(header), Some(sa)) => A::sides_of(sa).admit_outbound(header),
        _ => false,
    }
}

/// Encrypts a packet under an SA that admits it.
#[cold]
fn protect<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    mut packet: Packet<P::Buf>,
    slot: u32,
) {
    if worker.sa(slot).is_some_and(|sa| sa.is_transport()) {
        return transport::protect(worker, tables, packet, slot);
    }
    if tcp_mss::opens(packet.meta, packet.data()) {
        tcp_mss::clamp(worker, tables, packet.meta, &mut packet.buf, slot);
    }
    let mut tally = Tally::default();
    match size(worker, tables, &packet, slot) {
        Ok(Fit::Whole) => whole(worker, tables, packet, slot, &mut tally),
        Ok(Fit::Fragments(mtu_octets)) => {
            for part in fragment::split(worker, packet, mtu_octets) {
                whole(worker, tables, part, slot, &mut tally);
            }
        }
        Ok(Fit::TooBig(mtu_octets)) => {
            icmp_error::send(worker, tables, &packet, IcmpError::TooBig { mtu_octets });
            worker.drop(packet, DropReason::TooBig);
        }
        Err(reason) => worker.drop(packet, reason),
    }
    worker.counters().sent(tally);
}

/// A packet that fits.
fn whole<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    mut packet: Packet<P::Buf>,
    slot: u32,
    tally: &mut Tally,
) {
    if worker.sa(slot).is_some_and(|sa| sa.is_ah()) {
        transport::encrypt(worker, tables, packet, slot);
    } else if !worker.sa(slot).is_none_or(|sa| pad(sa, &mut packet)) {
        worker.drop(packet, EspDrop::NoRoom.into());
    } else if worker.spread.is_on() {
        encrypt::<P, true>(worker, tables, packet, slot, tally);
    } else {
        encrypt::<P, false>(worker, tables, packet, slot, tally);
    }
}

/// Pads a packet against traffic analysis (RFC 4303 section 2.7), if its SA is to: up to what crosses the path whole. False when the
/// buffer has no room.
fn pad<B: PacketBuf>(sa: &Sa, packet: &mut Packet<B>) -> bool {
    let path_octets = usize::from(sa.route.outer_mtu_octets);
    let most = sa.outbound.inner_mtu(path_octets).min(MOST_PADDED_OCTETS);
    let wanted = usize::from(sa.facts.tfc_octets).min(most);
    let octets = packet.octets();
    let more = wanted.saturating_sub(octets);
    if !packet.append(more) {
        return false;
    }
    packet.data_mut()[octets..].fill(0);
    true
}

/// A packet that the SA of its destination's prefix does not admit: for another protocol, another port, a narrower selector. Or the
/// table and the SAs are not of one moment.
#[cold]
fn elsewhere<P: Platform, A: Address>(
    worker: &mut Worker<P>,
    tables: &Tables,
    packet: Packet<P::Buf>,
) {
    let NextHop::Tunnel(tunnel) = packet.next_hop else {
        return worker.drop(packet, DropReason::NoSa);
    };
    match search::<_, A>(tables, &packet, tunnel) {
        Some(place) if place.owner != worker.id => hand_over(worker, packet, place),
        Some(place) if admits::<P, A>(worker, &packet, place.slot) => {
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

/// The SA at `slot`, which may send, with its outer route brought up to date.
pub(crate) fn routed<'a, P: Platform>(
    worker: &'a mut Worker<P>,
    tables: &Tables,
    slot: u32,
) -> Result<&'a mut Sa, DropReason> {
    let sa = worker
        .sas
        .get_mut(slot as usize)
        .and_then(Option::as_deref_mut)
        .filter(|sa| !sa.inbound_only)
        .ok_or(DropReason::NoSa)?;
    if sa.route.version != tables.version {
        sa.route = outer_route(&worker.shared.adjacencies, tables, sa)?;
    }
    Ok(sa)
}

/// Compares a packet with what fits its SA's route.
fn size<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    packet: &Packet<P::Buf>,
    slot: u32,
) -> Result<Fit, DropReason> {
    let sa = routed(worker, tables, slot)?;
    let limit = inner_limit(sa, packet);
    let mtu_octets = u16::try_from(limit).unwrap_or(u16::MAX);
    if packet.octets() <= limit {
        Ok(Fit::Whole)
    } else if packet.meta.dont_fragment() {
        Ok(Fit::TooBig(mtu_octets))
    } else {
        Ok(Fit::Fragments(mtu_octets))
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
        vrf: facts.outer_vrf,
        inner_mtu_octets: by_path.min(by_tunnel),
        outer_mtu_octets: path,
    })
}

/// Numbers a packet, gives it its headers and hands it to the cipher.
#[inline(always)]
fn encrypt<P: Platform, const SPREAD: bool>(
    worker: &mut Worker<P>,
    tables: &Tables,
    packet: Packet<P::Buf>,
    slot: u32,
    tally: &mut Tally,
) {
    // Taken apart for good: a packet that is changed and moved waits for its own stores.
    let Packet {
        mut buf,
        meta,
        ingress,
        vrf,
        ..
    } = packet;
    let whole = |buf, (vrf, next_hop)| Packet {
        buf,
        meta,
        ingress,
        vrf,
        next_hop,
        origin: Origin::Own,
        strange_source: false,
    };
    let octets = buf.octets();
    let sa = match worker.sas.get_mut(slot as usize) {
        Some(Some(sa)) if worker.vectors.ops.len() < MAX_PENDING_OPS => &mut **sa,
        _ => return worker.drop(whole(buf, (vrf, NextHop::None)), DropReason::CryptoFailed),
    };
    let task = match sa.outbound.prepare(&mut buf, meta, slot) {
        Ok(task) => task,
        Err(reason) => return refused(worker, whole(buf, (vrf, NextHop::None)), slot, reason),
    };
    state::store_outbound(&worker.shared.cells, slot, task.sequence);
    let traffic = &sa.child.traffic;
    traffic.out_packets.add(1);
    traffic.out_octets.add(octets as u64);
    if !tally.add(sa.tunnel, octets) {
        let before = std::mem::replace(tally, Tally::new(sa.tunnel, octets));
        worker.shared.links[worker.own].counters.sent(before);
    }
    if let Some(watch) = &tables.watch {
        let link = link(sa.facts.pair, sa.outbound.spi(), task.sequence);
        let start = usize::from(task.start);
        let inner = buf
            .data()
            .get(start..start + usize::from(meta.total_octets()));
        let inner = inner.unwrap_or_default();
        watch.encrypting(worker.id, worker.now, &sa.facts, inner, link);
    }
    let noteworthy = sa.outbound.is_exhausting() || sa.outbound.wants_ceiling();
    let RouteCache {
        next_hop,
        vrf: outer_vrf,
        outer_mtu_octets,
        ..
    } = sa.route;
    match worker.cipher::<SPREAD>(buf.data_mut(), &task) {
        OpStatus::Pending => {
            let packet = whole(buf, (outer_vrf, next_hop));
            worker.vectors.ops.push(CryptoOp::new(packet, task));
        }
        status => {
            let outcome = ravelin_esp::finish(&mut buf, status);
            let fits = outcome.is_ok() && buf.octets() <= usize::from(outer_mtu_octets);
            let sent = if fits {
                egress::follow(worker, next_hop, buf)
            } else {
                Err(buf)
            };
            if let Err(buf) = sent {
                let packet = whole(buf, (outer_vrf, next_hop));
                let path = (outer_mtu_octets, task.sequence);
                crypto::depart(worker, tables, packet, outcome, path);
            }
        }
    }
    if noteworthy {
        note(worker, slot);
    }
}

/// Tells the control thread that the numbers of an SA end, or that more are to be granted.
#[cold]
pub(crate) fn note<P: Platform>(worker: &mut Worker<P>, slot: u32) {
    let pair = worker
        .sa(slot)
        .filter(|sa| !sa.exhausting && sa.outbound.is_exhausting())
        .map(|sa| sa.facts.pair);
    if let Some(pair) = pair {
        exhausted(worker, pair, slot);
    }
    worker.ask(slot, 0);
}

/// A packet that its SA does not take.
#[cold]
pub(crate) fn refused<P: Platform>(
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
