//! Packets addressed to us: fragments are joined first, ESP goes to `esp_input`, AH to `ah`, the rest to the host. AH and ESP in UDP never
//! reach the host, whatever their SPI.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use ravelin_esp::PacketBuf;
use ravelin_wire::esp::{PROTOCOL_AH, PROTOCOL_ESP, UDP_ENCAP_PORT, UdpEncap};
use ravelin_wire::ip::protocol;

use crate::drop::DropReason;
use crate::handoff::Handoff;
use crate::packet::Packet;
use crate::platform::Platform;
use crate::punt::udp_encap;
use crate::reassembly::Outcome;
use crate::stages::{ah, esp_input, path_mtu, policy, punt};
use crate::tables::{InterfaceKind, Tables};
use crate::worker::Worker;

/// Drains `local` into `esp_input` and the punt rings.
pub(crate) fn run<P: Platform>(worker: &mut Worker<P>, tables: &Tables) {
    let mut input = std::mem::take(&mut worker.vectors.local);
    for packet in input.drain(..) {
        if !packet.meta.is_fragment() {
            demultiplex(worker, tables, packet);
        } else if let Some(packet) = reassemble(worker, packet) {
            demultiplex(worker, tables, packet);
        }
    }
    worker.vectors.local = input;
}

fn demultiplex<P: Platform>(worker: &mut Worker<P>, tables: &Tables, packet: Packet<P::Buf>) {
    let ingress = tables
        .config
        .interface(packet.ingress)
        .map(|interface| interface.kind);
    let outside = ingress != Some(InterfaceKind::Tunnel);
    match packet.meta.protocol() {
        PROTOCOL_ESP if outside => esp(worker, tables, packet),
        PROTOCOL_AH if outside => ah::input(worker, tables, packet),
        PROTOCOL_ESP | PROTOCOL_AH => worker.drop(packet, DropReason::AhUnsupported),
        protocol::UDP if is_udp_encap(&packet) => match udp_encap(packet.meta, packet.data()) {
            UdpEncap::Keepalive => worker.drop(packet, DropReason::NatKeepalive),
            UdpEncap::Malformed => worker.drop(packet, DropReason::UdpEncapMalformed),
            UdpEncap::Esp if outside => esp(worker, tables, packet),
            UdpEncap::Esp => worker.drop(packet, DropReason::UnknownSpi),
            UdpEncap::Ike => punt::packet(worker, tables, packet),
        },
        _ if outside
            && packet
                .header()
                .is_ok_and(|header| policy::belongs_behind_tunnel(tables, packet.vrf, &header)) =>
        {
            worker.drop(packet, DropReason::ProtectedSource)
        }
        protocol::ICMP | protocol::ICMPV6 if outside => {
            path_mtu::notice(worker, &packet);
            punt::packet(worker, tables, packet);
        }
        _ => punt::packet(worker, tables, packet),
    }
}

/// Whether a UDP datagram goes to the port of ESP in UDP.
fn is_udp_encap<B: PacketBuf>(packet: &Packet<B>) -> bool {
    let ports = packet.meta.ports(packet.data());
    ports.is_some_and(|(_, destination)| destination == UDP_ENCAP_PORT)
}

/// ESP to us. During a start its SA may just not be back yet, so that no other reason would be true.
fn esp<P: Platform>(worker: &mut Worker<P>, tables: &Tables, packet: Packet<P::Buf>) {
    if tables.transit_held {
        worker.drop(packet, DropReason::NotSynchronised);
    } else {
        esp_input::enter(worker, packet);
    }
}

/// Why a packet to an address of this link must not reach the host: no SA ends at a group or a link-local address.
pub(crate) fn never_punted<B: PacketBuf>(packet: &Packet<B>) -> Option<DropReason> {
    match packet.meta.protocol() {
        PROTOCOL_ESP => Some(DropReason::UnknownSpi),
        PROTOCOL_AH => Some(DropReason::AhUnsupported),
        protocol::UDP if is_udp_encap(packet) => match udp_encap(packet.meta, packet.data()) {
            UdpEncap::Esp => Some(DropReason::UnknownSpi),
            UdpEncap::Keepalive => Some(DropReason::NatKeepalive),
            UdpEncap::Malformed => Some(DropReason::UdpEncapMalformed),
            UdpEncap::Ike => None,
        },
        _ => None,
    }
}

/// The whole packet once its last fragment is here. All fragments of a datagram meet at one worker.
fn reassemble<P: Platform>(
    worker: &mut Worker<P>,
    packet: Packet<P::Buf>,
) -> Option<Packet<P::Buf>> {
    let workers = worker.shared.links.len();
    let key = match packet.header() {
        Ok(header) => (
            header.source,
            header.destination,
            header.fragment.map(|f| f.id),
        ),
        Err(error) => {
            worker.drop(packet, error.into());
            return None;
        }
    };
    let owner = BuildHasherDefault::<DefaultHasher>::default().hash_one(key) as usize % workers;
    if owner != usize::from(worker.id) {
        worker.hand_over(owner as u8, Handoff::Local(packet));
        return None;
    }
    let mut table = std::mem::take(&mut worker.reassembly);
    while table.make_room(&packet, |gone| {
        worker.drop(gone, DropReason::ReassemblyFull)
    }) {}
    worker.reassembly = table;
    match worker.reassembly.add(packet, worker.now, &mut worker.pool) {
        Outcome::Waiting => None,
        Outcome::Complete(packet, fragments) => {
            worker.counters().joined.add(fragments as u64 - 1);
            Some(packet)
        }
        Outcome::Refused(packets, reason) => {
            for packet in packets {
                worker.drop(packet, reason);
            }
            None
        }
    }
}
