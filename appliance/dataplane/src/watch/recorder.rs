//! The flight recorder: what became of the last packets of one tunnel, and which stage says so.
//!
//! A packet belongs to the tunnel when it is under one of its SAs, goes between its outer addresses, or fits its selectors. So packets
//! are found again after a rekey, and those that find no SA at all are found too. Headers are noted and no payload.

use std::net::IpAddr;
use std::panic::Location;
use std::path::Path;
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use ravelin_ctl::capture::EspLink;
use ravelin_esp::PacketBuf;
use ravelin_types::{PairId, Time, VrfId};
use ravelin_wire::esp::{EspHeader, PROTOCOL_ESP};
use ravelin_wire::ethernet;
use ravelin_wire::ip::{self, IpMeta, protocol};

use super::capture::link;
use super::filter::esp;
use crate::drop::DropReason;
use crate::platform::Platform;
use crate::sa::{PairFacts, slot_of};
use crate::selector::Child;
use crate::tables::{IfIndex, Tables};
use crate::worker::Worker;

/// Notes kept: some seconds of a trickle, or what led to a loss.
pub const RECORDS: usize = 256;
/// Pairs whose selectors a recorder goes by: as many as a session may have.
pub const MAX_RECORDED_PAIRS: usize = 64;

/// What belongs to a tunnel.
#[derive(Debug, Default)]
pub struct Selection {
    /// Its pairs.
    pub pairs: Vec<PairId>,
    /// Outer addresses: ours and the peer's.
    pub outer: Vec<(IpAddr, IpAddr)>,
    /// Selectors, and the instance of the inner packets.
    pub children: Vec<(VrfId, Arc<Child>)>,
}

impl Selection {
    fn has_outer(&self, one: IpAddr, other: IpAddr) -> bool {
        let joins = |pair: &(IpAddr, IpAddr)| *pair == (one, other) || *pair == (other, one);
        self.outer.iter().any(joins)
    }

    fn has_sa(&self, facts: &PairFacts) -> bool {
        self.pairs.contains(&facts.pair) || self.has_outer(facts.outer.local, facts.outer.remote)
    }

    /// Whether a packet of this header belongs to it, seen in this instance.
    fn has_packet(&self, vrf: VrfId, meta: &IpMeta) -> bool {
        let fits =
            |(inner, child): &(VrfId, Arc<Child>)| *inner == vrf && child.admits_either(meta);
        self.has_outer(meta.source, meta.destination) || self.children.iter().any(fits)
    }
}

/// What was done with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Encrypted.
    Encrypted,
    /// Decrypted and inside its selectors.
    Decrypted,
    /// Handed to a port.
    Sent,
    /// Discarded.
    Dropped(DropReason),
}

/// A packet and what was done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// When.
    pub time: Time,
    /// The stage.
    pub stage: &'static str,
    /// What.
    pub done: Done,
    /// The interface: see [`ravelin_ctl::flight::FlightRecord`].
    pub interface: IfIndex,
    /// Length in octets.
    pub octets: u32,
    /// Source address and port.
    pub source: (IpAddr, Option<u16>),
    /// Destination address and port.
    pub destination: (IpAddr, Option<u16>),
    /// IP protocol.
    pub protocol: u8,
    /// The ESP packet that it is, or that carries it.
    pub esp: Option<EspLink>,
}

/// Records one tunnel.
#[derive(Debug)]
pub struct Recorder {
    selection: Selection,
    /// Of each worker; the oldest note gives way.
    rings: Vec<ArrayQueue<Note>>,
}

impl Recorder {
    /// With rings for `workers` workers.
    pub fn new(selection: Selection, workers: usize) -> Self {
        let rings = (0..workers).map(|_| ArrayQueue::new(RECORDS)).collect();
        Self { selection, rings }
    }

    /// Hands over what was noted, the notes of one worker after those of the other.
    pub fn take(&self) -> impl Iterator<Item = Note> {
        let each = |ring: &ArrayQueue<Note>| -> Vec<Note> {
            let notes = std::iter::from_fn(|| ring.pop());
            notes.take(RECORDS).collect()
        };
        self.rings.iter().flat_map(each)
    }

    fn note(&self, worker: u8, note: Note) {
        if let Some(ring) = self.rings.get(usize::from(worker)) {
            ring.force_push(note);
        }
    }

    /// An inner packet and what was done with it under an SA.
    pub(super) fn inner(
        &self,
        at: (u8, Time, &'static str),
        done: Done,
        facts: &PairFacts,
        inner: &[u8],
        esp: EspLink,
    ) {
        if !self.selection.has_sa(facts) {
            return;
        }
        if let Ok(meta) = ip::parse(inner) {
            let about = about(&meta, inner.len(), Some(esp));
            self.put(at, done, facts.child.tunnel, about);
        }
    }

    /// Frames that a port is given.
    pub(super) fn sent<B: PacketBuf>(
        &self,
        at: (u8, Time, &'static str),
        tables: &Tables,
        port: u16,
        frames: &[B],
    ) {
        let table = tables.config.ports.get(usize::from(port));
        for frame in frames.iter().map(PacketBuf::data) {
            let Some(header) = ethernet::parse(frame) else {
                continue;
            };
            let unit = table.and_then(|table| table.unit(header.tags));
            let Some((index, interface)) =
                unit.and_then(|index| Some((index, tables.config.interface(index)?)))
            else {
                continue;
            };
            let packet = &frame[header.header_octets..];
            if let Ok(meta) = ip::parse(packet)
                && self.selection.has_packet(interface.vrf, &meta)
            {
                let esp = carried(&meta, packet);
                self.put(at, Done::Sent, index, about(&meta, packet.len(), esp));
            }
        }
    }

    /// A packet that is discarded, whatever of it is left: from its frame, its IP header or its ESP header on.
    pub(super) fn dropped<P: Platform>(
        &self,
        worker: &Worker<P>,
        reason: DropReason,
        ingress: IfIndex,
        data: &[u8],
        caller: &'static Location<'static>,
    ) {
        // Known by its SA, which the caller of `outside` has told.
        if reason == DropReason::SelectorMismatch {
            return;
        }
        let at = (worker.id, worker.now, stage(caller));
        if let Some((facts, header)) = by_sa(worker, data) {
            if self.selection.has_sa(facts) {
                let about = of_sa(facts, header, data.len());
                self.put(at, Done::Dropped(reason), ingress, about);
            }
            return;
        }
        let frame = || {
            let header = ethernet::parse(data)?;
            let packet = data.get(header.header_octets..)?;
            Some((packet, ip::parse(packet).ok()?))
        };
        let found = ip::parse(data).ok().map(|meta| (data, meta));
        let Some((packet, meta)) = found.or_else(frame) else {
            return;
        };
        let interface = worker.tables.config.interface(ingress);
        let vrf = interface.map_or(VrfId::DEFAULT, |interface| interface.vrf);
        if self.selection.has_packet(vrf, &meta) {
            let esp = carried(&meta, packet);
            let about = about(&meta, packet.len(), esp);
            self.put(at, Done::Dropped(reason), ingress, about);
        }
    }

    fn put(
        &self,
        (worker, time, stage): (u8, Time, &'static str),
        done: Done,
        interface: IfIndex,
        about: About,
    ) {
        let note = Note {
            time,
            stage,
            done,
            interface,
            octets: about.octets,
            source: about.source,
            destination: about.destination,
            protocol: about.protocol,
            esp: about.esp,
        };
        self.note(worker, note);
    }
}

/// A packet's headers.
struct About {
    octets: u32,
    source: (IpAddr, Option<u16>),
    destination: (IpAddr, Option<u16>),
    protocol: u8,
    esp: Option<EspLink>,
}

fn about(meta: &IpMeta, octets: usize, esp: Option<EspLink>) -> About {
    let carries_ports = matches!(
        meta.protocol,
        protocol::TCP | protocol::UDP | protocol::SCTP | protocol::UDPLITE
    );
    let port = |port: u16| (carries_ports && meta.has_ports).then_some(port);
    About {
        octets: octets as u32,
        source: (meta.source, port(meta.source_port)),
        destination: (meta.destination, port(meta.destination_port)),
        protocol: meta.protocol,
        esp,
    }
}

/// An inbound ESP packet whose outer headers are cut off.
fn of_sa(facts: &PairFacts, header: EspHeader, octets: usize) -> About {
    let outer = &facts.outer;
    About {
        octets: octets as u32,
        source: (outer.remote, outer.udp.map(|(_, remote)| remote)),
        destination: (outer.local, outer.udp.map(|(local, _)| local)),
        protocol: outer.udp.map_or(PROTOCOL_ESP, |_| protocol::UDP),
        esp: Some(link(facts.pair, header.spi, header.sequence.into())),
    }
}

/// The ESP packet that a packet with outer headers is.
fn carried(meta: &IpMeta, packet: &[u8]) -> Option<EspLink> {
    esp(meta, packet).map(|header| EspLink {
        pair: None,
        spi: ravelin_types::Spi(header.spi),
        sequence: header.sequence,
    })
}

/// The SA of what starts with an ESP header of it.
fn by_sa<'w, P: Platform>(
    worker: &'w Worker<P>,
    data: &[u8],
) -> Option<(&'w PairFacts, EspHeader)> {
    let header = EspHeader::parse(data)?;
    let sa = worker.sas.get(slot_of(header.spi) as usize)?.as_deref()?;
    (sa.inbound.spi() == header.spi).then_some((&sa.facts, header))
}

/// Stages are files: the name of the one that discards.
fn stage(caller: &'static Location<'static>) -> &'static str {
    let name = Path::new(caller.file()).file_stem();
    name.and_then(|name| name.to_str()).unwrap_or("worker")
}

#[cfg(test)]
mod tests;
