//! One capture: what it listens to, and a ring of copies per worker.
//!
//! ```text
//! control: records ---> spare ---> worker copies ---> caught ---> control reads and gives back
//! ```
//! Both rings hold as many records as there are, so only `spare` can run out, and then the packet counts as lost.

use std::collections::HashMap;
use std::net::IpAddr;

use crossbeam_queue::ArrayQueue;
use ravelin_ctl::capture::{EspLink, Filter, MAX_CAPTURE_OCTETS, MIN_CAPTURE_OCTETS};
use ravelin_esp::PacketBuf;
use ravelin_types::{PairId, Spi, Time};
use ravelin_wire::ethernet::Tags;

use super::filter::{View, wants};
use crate::counters::Counter;
use crate::tables::IfIndex;

/// Captures at one time: some operators at once, each of whom costs the workers copies.
pub const MAX_CAPTURES: usize = 4;
/// Octets of all records of a capture: 40 ms of 1 Gbit/s with whole packets, and with captures of headers many times that.
pub const CAPTURE_RING_OCTETS: usize = 8 << 20;
/// Records of one worker, however small.
const MAX_RECORDS: usize = 8_192;
/// Records of one worker, however large: a burst.
const MIN_RECORDS: usize = 64;

/// A place where packets are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tap {
    /// The frames of a port, or of the unit with these tags.
    Port(u16, Option<Tags>),
    /// The inner packets of a tunnel.
    Tunnel(IfIndex),
}

/// A copy of a packet.
#[derive(Debug, Default)]
pub struct Record {
    /// When.
    pub time: Time,
    /// Where: place in the list of taps.
    pub tap: u16,
    /// It was leaving.
    pub outbound: bool,
    /// Its length.
    pub octets: u32,
    /// The ESP packet that carries it, or that it is. Frames do not know their pair.
    pub esp: Option<EspLink>,
    /// Where a frame's packet goes.
    pub destination: Option<IpAddr>,
    /// Its first octets.
    pub data: Vec<u8>,
}

/// A packet that is wanted.
struct Seen<'a> {
    time: Time,
    tap: u16,
    outbound: bool,
    packet: &'a [u8],
    esp: Option<EspLink>,
    destination: Option<IpAddr>,
}

#[derive(Debug)]
struct Rings {
    spare: ArrayQueue<Record>,
    caught: ArrayQueue<Record>,
    lost: Counter,
}

/// A capture.
#[derive(Debug)]
pub struct Capture {
    /// Ports, with tags, and the places of their taps.
    ports: Vec<(u16, Option<Tags>, u16)>,
    /// Places of the taps of tunnels.
    tunnels: HashMap<IfIndex, u16>,
    filter: Filter,
    size_octets: usize,
    rings: Vec<Rings>,
}

impl Capture {
    /// With rings for `workers` workers. Records name taps by their place. The filter must be sound.
    pub fn new(taps: &[Tap], filter: Filter, size_octets: u32, workers: usize) -> Self {
        let size_octets = size_octets.clamp(MIN_CAPTURE_OCTETS, MAX_CAPTURE_OCTETS) as usize;
        let each = CAPTURE_RING_OCTETS / workers.max(1) / size_octets;
        let records = each.clamp(MIN_RECORDS, MAX_RECORDS);
        let rings = || {
            let spare = ArrayQueue::new(records);
            for _ in 0..records {
                let data = Vec::with_capacity(size_octets);
                spare.force_push(Record {
                    data,
                    ..Record::default()
                });
            }
            let caught = ArrayQueue::new(records);
            Rings {
                spare,
                caught,
                lost: Counter::default(),
            }
        };
        let mut ports = Vec::new();
        let mut tunnels = HashMap::new();
        for (place, tap) in (0..).zip(taps) {
            match tap {
                Tap::Port(port, tags) => ports.push((*port, *tags, place)),
                Tap::Tunnel(index) => {
                    tunnels.insert(*index, place);
                }
            }
        }
        Self {
            ports,
            tunnels,
            filter,
            size_octets,
            rings: (0..workers).map(|_| rings()).collect(),
        }
    }

    /// Looks at frames of a port.
    pub(super) fn frames<B: PacketBuf>(
        &self,
        worker: u8,
        now: Time,
        port: u16,
        outbound: bool,
        frames: &[B],
    ) {
        if !self.ports.iter().any(|(tapped, ..)| *tapped == port) {
            return;
        }
        for frame in frames.iter().map(PacketBuf::data) {
            let view = View::of_frame(frame);
            if !wants(&self.filter, &view) {
                continue;
            }
            let esp = view.esp.map(|header| EspLink {
                pair: None,
                spi: Spi(header.spi),
                sequence: header.sequence,
            });
            for (tapped, tags, tap) in &self.ports {
                if *tapped == port && tags.is_none_or(|tags| tags == view.tags) {
                    let seen = Seen {
                        time: now,
                        tap: *tap,
                        outbound,
                        packet: frame,
                        esp,
                        destination: view.meta.map(|meta| meta.destination),
                    };
                    self.keep(worker, seen);
                }
            }
        }
    }

    /// Looks at an inner packet.
    pub(super) fn inner(
        &self,
        worker: u8,
        now: Time,
        tunnel: IfIndex,
        outbound: bool,
        packet: &[u8],
        esp: EspLink,
    ) {
        if let Some(tap) = self.tunnels.get(&tunnel)
            && wants(&self.filter, &View::of_inner(packet, esp))
        {
            let seen = Seen {
                time: now,
                tap: *tap,
                outbound,
                packet,
                esp: Some(esp),
                destination: None,
            };
            self.keep(worker, seen);
        }
    }

    fn keep(&self, worker: u8, seen: Seen<'_>) {
        let Some(rings) = self.rings.get(usize::from(worker)) else {
            return;
        };
        let Some(mut record) = rings.spare.pop() else {
            return rings.lost.add(1);
        };
        record.time = seen.time;
        record.tap = seen.tap;
        record.outbound = seen.outbound;
        record.octets = seen.packet.len() as u32;
        record.esp = seen.esp;
        record.destination = seen.destination;
        record.data.clear();
        let kept = seen.packet.len().min(self.size_octets);
        record.data.extend_from_slice(&seen.packet[..kept]);
        // There is room for every record.
        rings.caught.force_push(record);
    }

    /// Packets that found no record free.
    pub fn lost(&self) -> u64 {
        self.rings.iter().map(|rings| rings.lost.get()).sum()
    }

    /// Hands at most `most` records to `read`, those of one worker after the other, each in order; whether there are more.
    pub fn take(&self, most: usize, mut read: impl FnMut(&Record)) -> bool {
        let each = most.div_ceil(self.rings.len().max(1));
        for rings in &self.rings {
            for _ in 0..each {
                let Some(record) = rings.caught.pop() else {
                    break;
                };
                read(&record);
                rings.spare.force_push(record);
            }
        }
        self.rings.iter().any(|rings| !rings.caught.is_empty())
    }
}

/// A link as the owner of the pair knows it.
pub(crate) fn link(pair: PairId, spi: u32, sequence: u64) -> EspLink {
    EspLink {
        pair: Some(pair),
        spi: Spi(spi),
        sequence: sequence as u32,
    }
}

#[cfg(test)]
mod tests;
