//! The last stage: neighbour, MTU, Ethernet header, transmit vector.

use ravelin_esp::PacketBuf;
use ravelin_wire::ethernet::{self, HEADER_OCTETS, Mac, TYPE_IPV4, TYPE_IPV6};
use ravelin_wire::icmp::IcmpError;
use ravelin_wire::ip;

use crate::drop::DropReason;
use crate::held::{Awaited, Outcome};
use crate::link::Event;
use crate::packet::{Origin, Packet};
use crate::platform::Platform;
use crate::stages::{fragment, icmp_error};
use crate::tables::{IfIndex, InterfaceKind, NextHop, Tables};
use crate::worker::Worker;

/// Drains `egress` into the ports' transmit vectors.
pub(crate) fn run<P: Platform>(worker: &mut Worker<P>, tables: &Tables) {
    let mut input = std::mem::take(&mut worker.vectors.egress);
    for packet in input.drain(..) {
        match packet.next_hop {
            NextHop::Adjacency(index) => match worker.shared.adjacencies.get(index) {
                Some((interface, Some(mac))) => fit(worker, tables, packet, interface, mac),
                Some((_, None)) => hold(worker, packet, Awaited::Gateway(index)),
                None => worker.drop(packet, DropReason::EgressDown),
            },
            NextHop::Glean(interface) => match ip::parse(packet.data()) {
                Ok(meta) => hold(worker, packet, Awaited::Host(interface, meta.destination)),
                Err(error) => worker.drop(packet, error.into()),
            },
            _ => worker.drop(packet, DropReason::NoRoute),
        }
    }
    worker.vectors.egress = input;
}

/// Keeps a packet until the control thread has resolved its next hop.
fn hold<P: Platform>(worker: &mut Worker<P>, packet: Packet<P::Buf>, awaited: Awaited) {
    match worker.held.hold(awaited, packet, worker.now) {
        Outcome::Waiting => {}
        Outcome::New => {
            worker.tell(Event::NeighbourWanted(awaited));
        }
        Outcome::Full(packet) => worker.drop(packet, DropReason::NeighbourQueueFull),
    }
}

/// Compares the packet with the link's MTU.
fn fit<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    packet: Packet<P::Buf>,
    index: IfIndex,
    mac: Mac,
) {
    let Some(interface) = tables.config.interface(index) else {
        return worker.drop(packet, DropReason::EgressDown);
    };
    if packet.octets() <= usize::from(interface.mtu_octets) {
        return send(worker, tables, packet, index, mac);
    }
    // Encrypted packets carry their inner description: look at the header that leaves.
    let mut packet = packet;
    match ip::parse(packet.data()) {
        Ok(meta) => packet.meta = meta,
        Err(error) => return worker.drop(packet, error.into()),
    }
    if packet.meta.dont_fragment {
        if packet.origin != Origin::Own {
            icmp_error::send(
                worker,
                tables,
                &packet,
                IcmpError::TooBig {
                    mtu_octets: interface.mtu_octets,
                },
            );
        }
        return worker.drop(packet, DropReason::TooBig);
    }
    for part in fragment::split(worker, packet, interface.mtu_octets) {
        send(worker, tables, part, index, mac);
    }
}

/// Writes the Ethernet header and queues the frame.
fn send<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    mut packet: Packet<P::Buf>,
    index: IfIndex,
    destination: Mac,
) {
    let kind = tables
        .config
        .interface(index)
        .map(|interface| interface.kind);
    let Some(InterfaceKind::Unit { port, tags, mac }) = kind else {
        return worker.drop(packet, DropReason::EgressDown);
    };
    let octets = packet.octets() as u64;
    let ethertype = if packet.data().first().is_some_and(|first| first >> 4 == 6) {
        TYPE_IPV6
    } else {
        TYPE_IPV4
    };
    if !packet.prepend(HEADER_OCTETS + tags.octets()) {
        return worker.drop(packet, DropReason::NoRoom);
    }
    ethernet::emit(packet.data_mut(), destination, mac, tags, ethertype);
    let Some(entry) = worker
        .ports
        .get_mut(usize::from(port.0))
        .and_then(Option::as_mut)
    else {
        return worker.drop(packet, DropReason::EgressDown);
    };
    entry.transmit.push(packet.buf);
    let counters = worker.counters().interface(index);
    counters.out_packets.add(1);
    counters.out_octets.add(octets);
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
