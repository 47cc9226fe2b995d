//! ICMP errors about packets that end here. The error is routed in the next run like any packet of our own; one about a packet of the
//! host goes back to it by the twin that the packet came from, in the name of the packet's destination, for the host's kernel refuses
//! what seems to come from itself.

use std::net::IpAddr;

use ravelin_esp::PacketBuf;
use ravelin_wire::icmp::{self, IcmpError};
use ravelin_wire::ip::{self, IpMeta, protocol};

use crate::address::{Address, Ends};
use crate::packet::{Origin, Packet};
use crate::platform::{Platform, Pool};
use crate::selector::{Selectors, Upper};
use crate::stages::punt;
use crate::tables::{IfIndex, NextHop, Tables};
use crate::worker::Worker;

/// Sends an error about `packet` to its source, if the rate allows, the packet may be answered and we have an address to send from.
#[cold]
pub(crate) fn send<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    packet: &Packet<P::Buf>,
    error: IcmpError,
) {
    let Some(interface) = tables.config.interface(packet.ingress) else {
        return;
    };
    let vrf = interface.vrf;
    let Ok(header) = packet.header() else {
        return;
    };
    if !icmp::may_answer(&header, packet.data()) {
        return;
    }
    let of_host = packet.origin == Origin::Host;
    let source = if of_host {
        Some(header.destination)
    } else {
        source_address(tables, packet, &header, error)
    };
    let Some(source) = source else {
        return;
    };
    if !worker.icmp_errors.allow(worker.now) {
        return;
    }
    let Some(mut buf) = worker.pool.alloc() else {
        return;
    };
    if !buf.append(icmp::MAX_OCTETS) {
        return;
    }
    let Some(octets) = icmp::emit(buf.data_mut(), error, source, &header, packet.data()) else {
        return;
    };
    buf.trim(icmp::MAX_OCTETS - octets);
    let Ok(meta) = ip::parse(buf.data()) else {
        return;
    };
    let next_hop = tables.next_hop(vrf, meta.destination);
    if next_hop == NextHop::None || (next_hop == NextHop::Local) != of_host {
        return;
    }
    worker.counters().made.add(1);
    let answer = Packet {
        buf,
        meta: meta.brief,
        ingress: packet.ingress,
        vrf,
        next_hop,
        origin: Origin::Own,
        strange_source: false,
    };
    if of_host {
        punt::packet(worker, tables, answer);
    } else {
        worker.vectors.generated.push(answer);
    }
}

/// The address that an error is sent from: of the interface the packet came in by (RFC 1812 section 4.3.2.4), else any of its
/// instance. Towards a tunnel, the first of these that a child SA admits: with another one the error would end here.
fn source_address<B: PacketBuf>(
    tables: &Tables,
    packet: &Packet<B>,
    header: &IpMeta,
    error: IcmpError,
) -> Option<IpAddr> {
    let interface = tables.config.interface(packet.ingress)?;
    let v6 = header.is_v6();
    let others = tables.config.interfaces.iter().flatten();
    let same = others.filter(|other| other.vrf == interface.vrf);
    let mut candidates = std::iter::once(interface)
        .chain(same)
        .filter_map(|one| one.address(v6));
    let NextHop::Tunnel(tunnel) = tables.next_hop(interface.vrf, header.source) else {
        return candidates.next();
    };
    let selectors = &tables.vrf(interface.vrf)?.selectors;
    let kind = icmp::type_and_code(error, v6);
    let answer = Upper {
        protocol: if v6 { protocol::ICMPV6 } else { protocol::ICMP },
        ports: Some((kind, kind)),
    };
    candidates.find(|source| match (*source, header.source) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let ends = (source.to_bits(), destination.to_bits());
            admits(selectors, tunnel, answer, ends)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let ends = (source.to_bits(), destination.to_bits());
            admits(selectors, tunnel, answer, ends)
        }
        _ => false,
    })
}

fn admits<A: Address>(
    selectors: &Selectors,
    tunnel: IfIndex,
    answer: Upper,
    (source, destination): (A, A),
) -> bool {
    let ends = Ends {
        source,
        destination,
    };
    selectors.search(tunnel, ends, answer).is_some()
}
