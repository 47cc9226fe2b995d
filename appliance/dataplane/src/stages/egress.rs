//! Where packets leave, called by the stages that are done with them: neighbour, MTU, Ethernet header, transmit vector.

use std::sync::Arc;

use ravelin_esp::PacketBuf;
use ravelin_wire::ethernet::{self, HEADER_OCTETS, Mac, TAG_OCTETS, TYPE_IPV4, TYPE_IPV6};
use ravelin_wire::icmp::IcmpError;
use ravelin_wire::ip;

use crate::counters::Tally;
use crate::drop::DropReason;
use crate::held::{Awaited, Outcome};
use crate::link::Event;
use crate::packet::{Origin, Packet};
use crate::platform::Platform;
use crate::stages::{fragment, icmp_error};
use crate::tables::{AdjIndex, IfIndex, InterfaceKind, NextHop, PortIndex, Tables};
use crate::worker::Worker;

/// How packets leave towards one neighbour.
#[derive(Clone, Copy)]
struct Way {
    adjacency: AdjIndex,
    interface: IfIndex,
    port: PortIndex,
    mtu_octets: u16,
    /// The Ethernet header, as long as it is with its tags; the EtherType is each packet's own.
    header: [u8; LONGEST_HEADER_OCTETS],
    header_octets: usize,
}

impl Way {
    /// To nobody: the table of neighbours is shorter.
    const NONE: Way = Way {
        adjacency: AdjIndex(u32::MAX),
        interface: IfIndex(0),
        port: PortIndex(0),
        mtu_octets: 0,
        header: [0; LONGEST_HEADER_OCTETS],
        header_octets: 0,
    };
}

/// An Ethernet header with two tags.
const LONGEST_HEADER_OCTETS: usize = HEADER_OCTETS + 2 * TAG_OCTETS;

/// What leaves in one run. Packets to one neighbour come in runs: it is looked up, and they are counted, once per run of them.
#[derive(Clone, Copy)]
pub(crate) struct Departure {
    last: Way,
    tally: Tally,
}

impl Default for Departure {
    fn default() -> Self {
        Self {
            last: Way::NONE,
            tally: Tally::default(),
        }
    }
}

/// A run of the worker ends: neighbours and tables may change.
pub(crate) fn end<P: Platform>(worker: &mut Worker<P>) {
    let Departure { tally, .. } = std::mem::take(&mut worker.departure);
    worker.counters().sent(tally);
}

/// Sends a packet to its next hop: into the port's transmit vector.
#[inline(always)]
pub(crate) fn leave<P: Platform>(worker: &mut Worker<P>, tables: &Tables, packet: Packet<P::Buf>) {
    let next_hop = packet.next_hop;
    if let Err(buf) = follow(worker, next_hop, packet.buf) {
        find(worker, tables, Packet { buf, ..packet });
    }
}

/// Sends what goes the way of the packet before it, whole; gives back what does not.
#[inline(always)]
pub(crate) fn follow<P: Platform>(
    worker: &mut Worker<P>,
    next_hop: NextHop,
    buf: P::Buf,
) -> Result<(), P::Buf> {
    let way = &worker.departure.last;
    let same = matches!(next_hop, NextHop::Adjacency(index) if index == way.adjacency);
    if same && buf.octets() <= usize::from(way.mtu_octets) {
        send(worker, buf)
    } else {
        Err(buf)
    }
}

/// Finds the way of a packet that is not the last one's, or does not fit it.
#[inline(never)]
pub(crate) fn find<P: Platform>(worker: &mut Worker<P>, tables: &Tables, packet: Packet<P::Buf>) {
    match packet.next_hop {
        NextHop::Adjacency(index) => match way(worker, tables, index) {
            Ok(way) => {
                worker.departure.last = way;
                fit(worker, tables, packet);
            }
            Err(None) => hold(worker, packet, Awaited::Gateway(index)),
            Err(Some(reason)) => worker.drop(packet, reason),
        },
        NextHop::Glean(interface) => match ip::parse(packet.data()) {
            Ok(meta) => hold(worker, packet, Awaited::Host(interface, meta.destination)),
            Err(error) => worker.drop(packet, error.into()),
        },
        _ => worker.drop(packet, DropReason::NoRoute),
    }
}

/// The way to a neighbour; without a reason when its MAC is not known yet.
#[cold]
fn way<P: Platform>(
    worker: &Worker<P>,
    tables: &Tables,
    adjacency: AdjIndex,
) -> Result<Way, Option<DropReason>> {
    let down = || Some(DropReason::EgressDown);
    let (index, mac) = worker.shared.adjacencies.get(adjacency).ok_or_else(down)?;
    let destination = mac.ok_or(None)?;
    let interface = tables.config.interface(index).ok_or_else(down)?;
    let InterfaceKind::Unit { port, tags, mac } = interface.kind else {
        return Err(down());
    };
    let mut header = [0; LONGEST_HEADER_OCTETS];
    ethernet::emit(&mut header, destination, mac, tags, TYPE_IPV4).ok_or_else(down)?;
    Ok(Way {
        adjacency,
        interface: index,
        port,
        mtu_octets: interface.mtu_octets,
        header,
        header_octets: HEADER_OCTETS + tags.octets(),
    })
}

/// Keeps a packet until the control thread has resolved its next hop.
#[cold]
fn hold<P: Platform>(worker: &mut Worker<P>, packet: Packet<P::Buf>, awaited: Awaited) {
    match worker.held.hold(awaited, packet, worker.now) {
        Outcome::Waiting => {}
        Outcome::New => {
            worker.tell(Event::NeighbourWanted(awaited));
        }
        Outcome::Full(packet) => worker.drop(packet, DropReason::NeighbourQueueFull),
    }
}

/// Ends a packet whose next hop did not answer, and tells its sender (RFC 1812 section 4.3.3.1, RFC 4443 section 3.1).
#[cold]
pub(crate) fn unresolved<P: Platform>(worker: &mut Worker<P>, packet: Packet<P::Buf>) {
    if !matches!(packet.origin, Origin::Own | Origin::Host) {
        let tables = Arc::clone(&worker.tables);
        icmp_error::send(worker, &tables, &packet, IcmpError::HostUnreachable);
    }
    worker.drop(packet, DropReason::NeighbourUnresolved);
}

/// Compares the packet with the link's MTU.
fn fit<P: Platform>(worker: &mut Worker<P>, tables: &Tables, packet: Packet<P::Buf>) {
    if packet.octets() <= usize::from(worker.departure.last.mtu_octets) {
        send_or_drop(worker, packet);
    } else {
        fragment(worker, tables, packet);
    }
}

/// Splits a packet that the link does not take whole, or tells its sender.
#[cold]
fn fragment<P: Platform>(worker: &mut Worker<P>, tables: &Tables, mut packet: Packet<P::Buf>) {
    let mtu_octets = worker.departure.last.mtu_octets;
    // Encrypted packets carry their inner description: look at the header that leaves.
    match ip::parse(packet.data()) {
        Ok(meta) => packet.meta = meta.brief,
        Err(error) => return worker.drop(packet, error.into()),
    }
    if packet.meta.dont_fragment() {
        if packet.origin != Origin::Own {
            icmp_error::send(worker, tables, &packet, IcmpError::TooBig { mtu_octets });
        }
        return worker.drop(packet, DropReason::TooBig);
    }
    for part in fragment::split(worker, packet, mtu_octets) {
        send_or_drop(worker, part);
    }
}

fn send_or_drop<P: Platform>(worker: &mut Worker<P>, packet: Packet<P::Buf>) {
    if let Err(buf) = send(worker, packet.buf) {
        let port = usize::from(worker.departure.last.port.0);
        let has_port = worker.ports.get(port).is_some_and(Option::is_some);
        let reason = if has_port {
            DropReason::NoRoom
        } else {
            DropReason::EgressDown
        };
        worker.drop(Packet { buf, ..packet }, reason);
    }
}

/// Writes the Ethernet header of the last way and queues the frame; gives the packet back as it was when it has no room for one, or
/// the port is gone.
#[inline(always)]
fn send<P: Platform>(worker: &mut Worker<P>, mut buf: P::Buf) -> Result<(), P::Buf> {
    let octets = buf.octets();
    let v6 = buf.data().first().is_some_and(|first| first >> 4 == 6);
    let ethertype = if v6 { TYPE_IPV6 } else { TYPE_IPV4 };
    let way = &worker.departure.last;
    let interface = way.interface;
    let entry = (worker.ports.get_mut(usize::from(way.port.0))).and_then(Option::as_mut);
    let Some(entry) = entry.filter(|_| buf.prepend(way.header_octets)) else {
        return Err(buf);
    };
    write_header(buf.data_mut(), way, ethertype);
    entry.transmit.push(buf);
    if !worker.departure.tally.add(interface, octets) {
        let tally = Tally::new(interface, octets);
        let before = std::mem::replace(&mut worker.departure.tally, tally);
        worker.counters().sent(before);
    }
    Ok(())
}

/// Writes the header of a way in front of a packet; there is room.
#[inline(always)]
fn write_header(frame: &mut [u8], way: &Way, ethertype: u16) {
    let Some((header, _)) = frame.split_at_mut_checked(way.header_octets) else {
        return;
    };
    match (header.first_chunk_mut(), way.header.first_chunk()) {
        // The rule, by words: a copy of whatever length is a call.
        (Some(to), Some(from)) if way.header_octets == HEADER_OCTETS => {
            let (to, from): (&mut [u8; HEADER_OCTETS], &[u8; HEADER_OCTETS]) = (to, from);
            let [a, b, c, d, e, f, g, h, rest @ ..] = *from;
            let first = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
            let [i, j, k, l, ..] = rest;
            let second = u32::from_ne_bytes([i, j, k, l]);
            to[..8].copy_from_slice(&first.to_ne_bytes());
            to[8..12].copy_from_slice(&second.to_ne_bytes());
            to[12..].copy_from_slice(&ethertype.to_be_bytes());
        }
        _ => write_long_header(header, way, ethertype),
    }
}

#[inline(never)]
fn write_long_header(header: &mut [u8], way: &Way, ethertype: u16) {
    header.copy_from_slice(&way.header[..way.header_octets]);
    header[way.header_octets - 2..].copy_from_slice(&ethertype.to_be_bytes());
}

/// Queues a frame that is complete but for its VLAN tags.
pub(crate) fn send_frame<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    mut buf: P::Buf,
    index: IfIndex,
) -> Result<(), DropReason> {
    let kind = tables
        .config
        .interface(index)
        .map(|interface| interface.kind);
    let Some(InterfaceKind::Unit { port, tags, .. }) = kind else {
        return Err(DropReason::EgressDown);
    };
    let octets = buf.octets().saturating_sub(HEADER_OCTETS) as u64;
    if tags.octets() > 0 {
        let header = ethernet::parse(buf.data())
            .filter(|header| header.header_octets == HEADER_OCTETS)
            .ok_or(DropReason::InjectInvalid)?;
        let source: Mac = buf
            .data()
            .get(6..12)
            .and_then(|mac| mac.try_into().ok())
            .ok_or(DropReason::InjectInvalid)?;
        if !buf.prepend(tags.octets()) {
            return Err(DropReason::NoRoom);
        }
        ethernet::emit(
            buf.data_mut(),
            header.destination,
            source,
            tags,
            header.ethertype,
        );
    }
    let entry = worker
        .ports
        .get_mut(usize::from(port.0))
        .and_then(Option::as_mut)
        .ok_or(DropReason::EgressDown)?;
    entry.transmit.push(buf);
    let counters = worker.counters().interface(index);
    counters.out_packets.add(1);
    counters.out_octets.add(octets);
    Ok(())
}
