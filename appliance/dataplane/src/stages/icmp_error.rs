//! ICMP errors about packets that end here. The error is routed in the next run like any packet of our own; one about a packet of the
//! host goes back to it by the twin that the packet came from, in the name of the packet's destination, for the host's kernel refuses
//! what seems to come from itself.

use std::net::IpAddr;

use ravelin_esp::PacketBuf;
use ravelin_wire::icmp::{self, IcmpError};
use ravelin_wire::ip;

use crate::packet::{Origin, Packet};
use crate::platform::{Platform, Pool};
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
        source_address(tables, packet.ingress, packet.meta.is_v6())
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

/// The address of the interface the packet came in by (RFC 1812 section 4.3.2.4), else any of its instance.
fn source_address(tables: &Tables, ingress: IfIndex, v6: bool) -> Option<IpAddr> {
    let interface = tables.config.interface(ingress)?;
    interface.address(v6).or_else(|| {
        let same = tables
            .config
            .interfaces
            .iter()
            .flatten()
            .filter(|other| other.vrf == interface.vrf);
        same.filter_map(|other| other.address(v6)).next()
    })
}
