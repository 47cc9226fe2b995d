//! Packets of the host stack: frames from a unit's TAP leave by its port, packets from a tunnel's TUN are encrypted.
//!
//! The host may believe that a protected destination lies behind a unit, for instance between the end of an SA and the end of its
//! route. Such a packet is turned into the tunnel here and never leaves in clear.

use std::net::IpAddr;

use ravelin_esp::PacketBuf;
use ravelin_types::VrfId;
use ravelin_wire::arp;
use ravelin_wire::esp::{IKE_PORT, PROTOCOL_ESP, UDP_ENCAP_PORT};
use ravelin_wire::ethernet::{self, TYPE_ARP, TYPE_IPV4, TYPE_IPV6};
use ravelin_wire::ip::{self, IpMeta, protocol};

use crate::drop::DropReason;
use crate::packet::{Origin, Packet};
use crate::platform::Platform;
use crate::stages::punt::discovery_target;
use crate::stages::{egress, policy};
use crate::tables::{IfIndex, NextHop, Tables};
use crate::worker::Worker;

/// A frame without tags from the TAP of a unit.
pub(crate) fn frame<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    interface: IfIndex,
    mut buf: P::Buf,
) {
    let Some(header) = ethernet::parse(buf.data()) else {
        return worker.refuse(interface, DropReason::InjectInvalid, buf.data());
    };
    if matches!(header.ethertype, TYPE_IPV4 | TYPE_IPV6) {
        let Some(vrf) = tables.config.interface(interface).map(|unit| unit.vrf) else {
            return worker.refuse(interface, DropReason::EgressDown, buf.data());
        };
        let Ok(meta) = ip::parse(&buf.data()[header.header_octets..]) else {
            return worker.refuse(interface, DropReason::InjectInvalid, buf.data());
        };
        note_solicitation(
            worker,
            interface,
            &meta,
            &buf.data()[header.header_octets..],
        );
        let next_hop = tables.next_hop(vrf, meta.destination);
        if matches!(next_hop, NextHop::Tunnel(_))
            && !is_ike(tables, vrf, &meta)
            && !policy::is_discovery(&meta)
            && !meta.destination.is_multicast()
        {
            buf.adj(header.header_octets);
            buf.trim(buf.octets() - usize::from(meta.total_octets));
            worker.vectors.forward.push(Packet {
                buf,
                meta: meta.brief,
                ingress: interface,
                vrf,
                next_hop,
                origin: Origin::Host,
                strange_source: false,
            });
            return;
        }
    }
    if header.ethertype == TYPE_ARP
        && let Some(arp) = buf.data().get(header.header_octets..).and_then(arp::parse)
        && arp.operation == arp::REQUEST
    {
        let stations = worker.shared.adjacencies.stations();
        stations.ask(interface, IpAddr::V4(arp.target), worker.now);
    }
    if let Err(reason) = egress::send_frame(worker, tables, buf, interface) {
        worker.refuse(interface, reason, &[]);
    }
}

/// Type of a neighbour solicitation (RFC 4861 section 4.3).
const NEIGHBOUR_SOLICITATION: u16 = 135;

/// Remembers whom the host asks for by neighbour discovery, so that the answer passes as a neighbour's.
fn note_solicitation<P: Platform>(
    worker: &Worker<P>,
    interface: IfIndex,
    meta: &IpMeta,
    packet: &[u8],
) {
    if meta.protocol == protocol::ICMPV6
        && meta.source_port >> 8 == NEIGHBOUR_SOLICITATION
        && let Some(target) = discovery_target(meta.brief, packet)
    {
        let stations = worker.shared.adjacencies.stations();
        stations.ask(interface, target, worker.now);
    }
}

/// IKE of ours bypasses protection (RFC 4301 section 5.1).
fn is_ike(tables: &Tables, vrf: VrfId, meta: &IpMeta) -> bool {
    let ours = tables.config.is_ike_address(vrf, meta.source);
    ours && (meta.protocol == PROTOCOL_ESP
        || (meta.protocol == protocol::UDP
            && matches!(meta.source_port, IKE_PORT | UDP_ENCAP_PORT)))
}

/// An IP packet from the TUN of a tunnel.
pub(crate) fn packet<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    interface: IfIndex,
    mut buf: P::Buf,
) {
    let Some(vrf) = tables.config.interface(interface).map(|tunnel| tunnel.vrf) else {
        return worker.refuse(interface, DropReason::EgressDown, buf.data());
    };
    match ip::parse(buf.data()) {
        Ok(meta) if meta.destination.is_multicast() => {
            worker.refuse(interface, DropReason::Multicast, buf.data());
        }
        Ok(meta) => {
            buf.trim(buf.octets() - usize::from(meta.total_octets));
            let next_hop = NextHop::Tunnel(interface);
            worker.vectors.forward.push(Packet {
                buf,
                meta: meta.brief,
                ingress: interface,
                vrf,
                next_hop,
                origin: Origin::Host,
                strange_source: false,
            });
        }
        Err(_) => worker.refuse(interface, DropReason::InjectInvalid, buf.data()),
    }
}
