//! Frames from a port: tags to unit, destination address, EtherType.

use ravelin_esp::PacketBuf;
use ravelin_wire::ethernet::{self, EthernetMeta, TYPE_ARP, TYPE_IPV4, TYPE_IPV6};
use ravelin_wire::ip::{self, ParseError};

use crate::drop::DropReason;
use crate::packet::{Origin, Packet};
use crate::platform::Platform;
use crate::stages::{arp, ip_input};
use crate::tables::{IfIndex, InterfaceKind, NextHop, Tables};
use crate::worker::Worker;

/// Takes all `frames` of `port`.
pub(crate) fn input<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    port: u16,
    frames: &mut Vec<P::Buf>,
) {
    for mut buf in frames.drain(..) {
        let (index, header) = match classify(tables, port, buf.data()) {
            Ok(found) => found,
            Err((index, reason)) => {
                worker.refuse(index, reason, buf.data());
                continue;
            }
        };
        ethernet::close_up_tags(buf.data_mut(), header.header_octets);
        buf.adj(header.header_octets);
        let octets = buf.octets() as u64;
        let counters = worker.counters().interface(index);
        counters.in_packets.add(1);
        counters.in_octets.add(octets);
        let Some(interface) = tables.config.interface(index) else {
            worker.refuse(index, DropReason::NoUnit, buf.data());
            continue;
        };
        if header.ethertype == TYPE_ARP {
            arp::input(worker, tables, buf, index, interface.vrf);
            continue;
        }
        match parse(buf.data(), header.ethertype) {
            Ok(meta) => {
                buf.trim(buf.octets() - usize::from(meta.total_octets));
                let packet = Packet {
                    buf,
                    meta,
                    ingress: index,
                    vrf: interface.vrf,
                    next_hop: NextHop::None,
                    origin: Origin::Port,
                };
                ip_input::route(worker, tables, packet);
            }
            Err(error) => {
                worker.refuse(index, error.into(), buf.data());
            }
        }
    }
}

/// The unit of a frame, or why it has none.
fn classify(
    tables: &Tables,
    port: u16,
    frame: &[u8],
) -> Result<(IfIndex, EthernetMeta), (IfIndex, DropReason)> {
    let header = ethernet::parse(frame).ok_or((IfIndex(0), DropReason::BadFrame))?;
    let table = tables
        .config
        .ports
        .get(usize::from(port))
        .ok_or((IfIndex(0), DropReason::NoUnit))?;
    let index = table
        .unit(header.tags)
        .ok_or((IfIndex(0), DropReason::NoUnit))?;
    let kind = tables
        .config
        .interface(index)
        .map(|interface| interface.kind);
    let Some(InterfaceKind::Unit { mac, .. }) = kind else {
        return Err((index, DropReason::NoUnit));
    };
    if !header.is_group() && header.destination != mac {
        return Err((index, DropReason::NotOurMac));
    }
    if !matches!(header.ethertype, TYPE_ARP | TYPE_IPV4 | TYPE_IPV6) {
        return Err((index, DropReason::UnknownEthertype));
    }
    Ok((index, header))
}

fn parse(packet: &[u8], ethertype: u16) -> Result<ip::IpMeta, ParseError> {
    let meta = ip::parse(packet)?;
    if meta.is_v6() == (ethertype == TYPE_IPV6) {
        Ok(meta)
    } else {
        Err(ParseError::Version)
    }
}
