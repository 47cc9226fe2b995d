//! Frames from a port: tags to unit, destination address, EtherType.

use ravelin_esp::PacketBuf;
use ravelin_types::VrfId;
use ravelin_wire::esp::PROTOCOL_ESP;
use ravelin_wire::ethernet::{self, Mac, TYPE_ARP, TYPE_IPV4, TYPE_IPV6, Tags};
use ravelin_wire::ip::{self, ParseError};

use crate::address::Address;
use crate::counters::Tally;
use crate::drop::DropReason;
use crate::packet::{Header, Origin, Packet};
use crate::platform::Platform;
use crate::recent::RecentDestinations;
use crate::stages::forward::{self, Fate};
use crate::stages::{arp, esp_input, ip_input};
use crate::tables::{IfIndex, InterfaceKind, NextHop, Tables};
use crate::worker::Worker;

/// Where the frames with these tags go.
#[derive(Clone, Copy)]
struct Receiver {
    tags: Tags,
    index: IfIndex,
    vrf: VrfId,
    mac: Mac,
}

impl Receiver {
    /// Of no frame: VLAN identifiers have 12 bits.
    const NONE: Receiver = Receiver {
        tags: Tags {
            outer: u16::MAX,
            inner: u16::MAX,
        },
        index: IfIndex(0),
        vrf: VrfId::DEFAULT,
        mac: [0; 6],
    };
}

/// How many frames ahead a frame is brought towards the cache.
const FRAMES_AHEAD: usize = 8;
/// How many frames ahead the route of its destination is, of many destinations; its header has come by then.
const ROUTES_AHEAD: usize = 5;

/// Takes all `frames` of `port`.
pub(crate) fn input<P: Platform>(
    worker: &mut Worker<P>,
    tables: &Tables,
    port: u16,
    frames: &mut Vec<P::Buf>,
) {
    // Frames of one unit come in runs: it is looked up, and counted, once per run.
    let mut last = Receiver::NONE;
    let mut tally = Tally::default();
    let wide = worker.recent.v4.is_wide() || worker.recent.v6.is_wide();
    let mut waiting = frames.drain(..);
    while let Some(mut buf) = waiting.next() {
        if let Some(ahead) = waiting.as_slice().get(FRAMES_AHEAD) {
            ahead.prefetch();
        }
        if wide && let Some(ahead) = waiting.as_slice().get(ROUTES_AHEAD) {
            warm_route(&worker.recent, ahead.data());
        }
        let Some(header) = ethernet::parse(buf.data()) else {
            worker.refuse(IfIndex(0), unreadable(buf.data()), buf.data());
            continue;
        };
        if last.tags != header.tags {
            match receiver(tables, port, header.tags) {
                Ok(receiver) => last = receiver,
                Err(index) => {
                    worker.refuse(index, DropReason::NoUnit, buf.data());
                    continue;
                }
            }
        }
        let Receiver {
            index, vrf, mac, ..
        } = last;
        if header.destination != mac && !header.is_group() {
            worker.refuse(index, DropReason::NotOurMac, buf.data());
            continue;
        }
        if !matches!(header.ethertype, TYPE_ARP | TYPE_IPV4 | TYPE_IPV6) {
            worker.refuse(index, DropReason::UnknownEthertype, buf.data());
            continue;
        }
        ethernet::close_up_tags(buf.data_mut(), header.header_octets);
        buf.adj(header.header_octets);
        if !tally.add(index, buf.octets()) {
            worker.counters().received(tally);
            tally = Tally::new(index, buf.octets());
        }
        if header.ethertype == TYPE_ARP {
            arp::input(worker, tables, buf, index, vrf);
            continue;
        }
        match parse(buf.data(), header.ethertype) {
            Ok(meta) => {
                buf.trim(buf.octets() - usize::from(meta.total_octets()));
                let fate = if meta.is_v6() {
                    fate::<P, u128>(worker, tables, meta, buf.data(), vrf)
                } else {
                    fate::<P, u32>(worker, tables, meta, buf.data(), vrf)
                };
                let whole = |buf, meta, next_hop| Packet {
                    buf,
                    meta,
                    ingress: index,
                    vrf,
                    next_hop,
                    origin: Origin::Port,
                    strange_source: false,
                };
                match fate {
                    // What a gateway sees most: packets into tunnels, and those of tunnels.
                    Fate::Tunnel(tunnel, Some(place)) if place.owner == worker.id => {
                        ip::decrement_ttl(buf.data_mut());
                        let packet = whole(buf, meta.one_hop_on(), NextHop::Tunnel(tunnel));
                        worker.vectors.esp_output.push((packet, place.slot));
                    }
                    Fate::Local if is_esp(tables, meta) => {
                        esp_input::enter(worker, whole(buf, meta, NextHop::None));
                    }
                    fate => {
                        let packet = whole(buf, meta, NextHop::None);
                        forward::act(worker, tables, packet, fate);
                    }
                }
            }
            Err(error) => {
                worker.refuse(index, error.into(), buf.data());
            }
        }
    }
    worker.counters().received(tally);
}

/// Brings towards the cache what is known of the destination of a frame, tagged or not.
#[inline(always)]
fn warm_route(recent: &RecentDestinations, frame: &[u8]) {
    let Some(header) = ethernet::parse(frame) else {
        return;
    };
    let packet = &frame[header.header_octets..];
    match header.ethertype {
        TYPE_IPV4 => u32::ends(packet).map(|ends| recent.v4.warm(ends.destination)),
        TYPE_IPV6 => u128::ends(packet).map(|ends| recent.v6.warm(ends.destination)),
        _ => None,
    };
}

/// Why there is no header.
#[cold]
fn unreadable(frame: &[u8]) -> DropReason {
    if frame.is_empty() {
        DropReason::Segmented
    } else {
        DropReason::BadFrame
    }
}

/// The unit of these tags; the index to count at when there is none.
#[cold]
fn receiver(tables: &Tables, port: u16, tags: Tags) -> Result<Receiver, IfIndex> {
    let table = tables.config.ports.get(usize::from(port));
    let index = table.and_then(|table| table.unit(tags)).ok_or(IfIndex(0))?;
    let interface = tables.config.interface(index).ok_or(index)?;
    match interface.kind {
        InterfaceKind::Unit { mac, .. } => Ok(Receiver {
            tags,
            index,
            vrf: interface.vrf,
            mac,
        }),
        InterfaceKind::Tunnel => Err(index),
    }
}

#[inline(always)]
fn fate<P: Platform, A: Address>(
    worker: &mut Worker<P>,
    tables: &Tables,
    meta: ip::Brief,
    packet: &[u8],
    vrf: VrfId,
) -> Fate {
    match Header::<A>::new(meta, packet, vrf) {
        Some(header) => ip_input::decide(worker, tables, header),
        None => Fate::Drop(DropReason::BadFrame),
    }
}

/// Whether a packet to us is ESP and nothing else need be known of it.
#[inline(always)]
fn is_esp(tables: &Tables, meta: ip::Brief) -> bool {
    meta.protocol() == PROTOCOL_ESP && !meta.is_fragment() && !tables.transit_held
}

#[inline(always)]
fn parse(packet: &[u8], ethertype: u16) -> Result<ip::Brief, ParseError> {
    let meta = ip::parse_brief(packet)?;
    if meta.is_v6() == (ethertype == TYPE_IPV6) {
        Ok(meta)
    } else {
        Err(ParseError::Version)
    }
}
