//! Reassembly of fragments addressed to us, before anything else looks at them (RFC 791 section 3.2, RFC 8200 section 4.5).
//!
//! Bounded in datagrams, fragments per datagram, fragments in all and time. When the table is full the oldest datagram gives way: the
//! fragments of a real one follow each other closely, so that it is complete before a flood of others has pushed it out, while a
//! table that refused the new ones would take none until the flood's time is over. Overlapping fragments are refused for both families (RFC 5722); the
//! whole datagram goes with them. Transit fragments never come here.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use arrayvec::ArrayVec;
use ravelin_esp::PacketBuf;
use ravelin_types::{Time, VrfId};
use ravelin_wire::ip::{Fragment, IpMeta};
use ravelin_wire::{checksum, ip};

use crate::drop::DropReason;
use crate::packet::{Origin, Packet};
use crate::platform::Pool;

/// Datagrams under reassembly per worker.
pub const MAX_DATAGRAMS: usize = 256;
/// Fragments per datagram: 9,000 octets over links of 1,280.
pub const MAX_FRAGMENTS: usize = 16;
/// Fragments of all datagrams per worker: those of 32 workers fill half of the packet pool.
pub const MAX_HELD: usize = 512;
/// How long fragments wait for the rest (RFC 791 suggests 15 s).
const WAIT: Duration = Duration::from_secs(15);
/// Smallest fragment with more behind it: an attacker's tool below that.
const MIN_FRAGMENT_OCTETS: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct DatagramKey {
    vrf: VrfId,
    source: IpAddr,
    destination: IpAddr,
    id: u32,
    protocol: u8,
}

struct Datagram<B> {
    key: DatagramKey,
    deadline: Time,
    /// Length of the payload, known from the last fragment.
    total: Option<usize>,
    received: usize,
    fragments: ArrayVec<Part<B>, MAX_FRAGMENTS>,
}

impl<B> Default for Datagram<B> {
    /// One without fragments, of nobody.
    fn default() -> Self {
        Self {
            key: DatagramKey {
                vrf: VrfId::DEFAULT,
                source: Ipv4Addr::UNSPECIFIED.into(),
                destination: Ipv4Addr::UNSPECIFIED.into(),
                id: 0,
                protocol: 0,
            },
            deadline: Time::default(),
            total: None,
            received: 0,
            fragments: ArrayVec::new(),
        }
    }
}

/// A fragment and the part of the payload it carries, in octets of the payload.
struct Part<B> {
    packet: Packet<B>,
    start: usize,
    end: usize,
    /// Where that part starts in the packet.
    at: usize,
}

impl DatagramKey {
    fn of<B: PacketBuf>(packet: &Packet<B>) -> Option<Self> {
        Self::from_header(packet.vrf, &packet.header().ok()?)
    }

    fn from_header(vrf: VrfId, header: &IpMeta) -> Option<Self> {
        Some(DatagramKey {
            vrf,
            source: header.source,
            destination: header.destination,
            id: header.fragment?.id,
            // IPv6 names a datagram without the protocol, which later fragments do not know for sure.
            protocol: if header.is_v6() { 0 } else { header.protocol },
        })
    }
}

/// The fragment table of one worker.
pub struct Reassembly<B> {
    /// Boxed, because a datagram is large and a full table changes with every fragment.
    datagrams: Vec<Box<Datagram<B>>>,
    /// Boxes without fragments, for the next ones; as many from the start as there will ever be.
    spare: Vec<Box<Datagram<B>>>,
    /// Of each datagram, a hash of its key and the number of its arrival: a full table is searched for every fragment of a flood,
    /// and these lie close together.
    marks: Vec<(u32, u32)>,
    /// Fragments held.
    held: usize,
    arrivals: u32,
}

impl<B> Reassembly<B> {
    /// A table that has all its memory.
    pub fn new() -> Self {
        let spare = std::iter::repeat_with(Box::default).take(MAX_DATAGRAMS);
        Self {
            datagrams: Vec::with_capacity(MAX_DATAGRAMS),
            spare: spare.collect(),
            marks: Vec::with_capacity(MAX_DATAGRAMS),
            held: 0,
            arrivals: 0,
        }
    }
}

impl<B> Default for Reassembly<B> {
    /// Holds the place of one that is in use.
    fn default() -> Self {
        Self {
            datagrams: Vec::new(),
            spare: Vec::new(),
            marks: Vec::new(),
            held: 0,
            arrivals: 0,
        }
    }
}

/// What became of a fragment.
pub enum Outcome<B> {
    /// It waits for the others.
    Waiting,
    /// The datagram is complete; so many fragments went into it and are gone.
    Complete(Packet<B>, usize),
    /// These packets were refused.
    Refused(ArrayVec<Packet<B>, { MAX_FRAGMENTS + 1 }>, DropReason),
}

/// Length of the IPv6 fragment header.
const FRAGMENT_HEADER_OCTETS: usize = 8;

/// Where the fragment's share of the payload starts: behind the fragment header, before any extension header it carries.
fn part_at(meta: &IpMeta, fragment: &Fragment) -> usize {
    usize::from(fragment.header_at)
        + if meta.is_v6() {
            FRAGMENT_HEADER_OCTETS
        } else {
            0
        }
}

/// Which part of the payload a fragment with this header carries, where that starts in the packet, and whether more follows.
fn extent(header: &IpMeta) -> Option<(usize, usize, usize, bool)> {
    let fragment = header.fragment?;
    let start = usize::from(fragment.offset_octets);
    let at = part_at(header, &fragment);
    let octets = usize::from(header.total_octets).checked_sub(at)?;
    Some((start, start + octets, at, fragment.more))
}

fn packets<B, const N: usize>(parts: impl IntoIterator<Item = Part<B>>) -> ArrayVec<Packet<B>, N> {
    parts.into_iter().map(|part| part.packet).collect()
}

fn refuse<B>(packet: Packet<B>, reason: DropReason) -> Outcome<B> {
    let mut packets = ArrayVec::new();
    packets.push(packet);
    Outcome::Refused(packets, reason)
}

fn mark(key: &DatagramKey) -> u32 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(key) as u32
}

impl<B: PacketBuf> Reassembly<B> {
    fn find(&self, key: &DatagramKey) -> Option<usize> {
        let wanted = mark(key);
        let mut marks = self.marks.iter().enumerate();
        marks.find_map(|(at, (mark, _))| {
            (*mark == wanted && self.datagrams.get(at)?.key == *key).then_some(at)
        })
    }

    fn remove(&mut self, at: usize) -> Box<Datagram<B>> {
        self.marks.swap_remove(at);
        let datagram = self.datagrams.swap_remove(at);
        self.held -= datagram.fragments.len();
        datagram
    }

    /// Takes out the oldest datagram, if the table has no room for this fragment, and gives its fragments to `gone`. True if the
    /// table may still have no room. Call it before [`Reassembly::add`].
    pub fn make_room(&mut self, packet: &Packet<B>, gone: impl FnMut(Packet<B>)) -> bool {
        let Some(key) = DatagramKey::of(packet) else {
            return false;
        };
        let full = self.datagrams.len() >= MAX_DATAGRAMS;
        if !full && self.held < MAX_HELD {
            return false;
        }
        let own = self.find(&key);
        if own.is_some() && self.held < MAX_HELD {
            return false;
        }
        let age = |arrival: u32| self.arrivals.wrapping_sub(arrival);
        let others = (self.marks.iter().enumerate()).filter(|(at, _)| Some(*at) != own);
        let Some((oldest, _)) = others.max_by_key(|(_, (_, arrival))| age(*arrival)) else {
            return false;
        };
        let mut datagram = self.remove(oldest);
        let parts = datagram.fragments.drain(..);
        parts.map(|part| part.packet).for_each(gone);
        self.spare.push(datagram);
        true
    }

    /// A place for a new datagram.
    fn begin(&mut self, key: DatagramKey, deadline: Time) -> usize {
        self.arrivals = self.arrivals.wrapping_add(1);
        self.marks.push((mark(&key), self.arrivals));
        let mut datagram = self.spare.pop().unwrap_or_default();
        datagram.key = key;
        datagram.deadline = deadline;
        datagram.total = None;
        datagram.received = 0;
        self.datagrams.push(datagram);
        self.datagrams.len() - 1
    }

    /// Adds a fragment.
    pub fn add(&mut self, packet: Packet<B>, now: Time, pool: &mut impl Pool<B>) -> Outcome<B> {
        let header = packet.header().ok();
        let extent = header.as_ref().and_then(extent);
        let key = header.and_then(|header| DatagramKey::from_header(packet.vrf, &header));
        let (Some((start, end, part_at, more)), Some(key)) = (extent, key) else {
            return refuse(packet, DropReason::FragmentBad);
        };
        let octets = end - start;
        if octets == 0
            || end > usize::from(u16::MAX)
            || (more && (octets % 8 != 0 || octets < MIN_FRAGMENT_OCTETS))
        {
            return refuse(packet, DropReason::FragmentBad);
        }
        let at = match self.find(&key) {
            Some(at) => at,
            None if self.datagrams.len() >= MAX_DATAGRAMS => {
                return refuse(packet, DropReason::ReassemblyFull);
            }
            None => self.begin(key, now + WAIT),
        };
        let part = Part {
            packet,
            start,
            end,
            at: part_at,
        };
        match self.datagrams[at].take(part, more) {
            Ok(false) => {
                self.held += 1;
                Outcome::Waiting
            }
            Ok(true) => {
                self.held += 1;
                let mut datagram = self.remove(at);
                let fragments = datagram.fragments.take();
                let payload = datagram.received;
                self.spare.push(datagram);
                join(fragments, payload, pool)
            }
            Err((packet, Refusal::Duplicate)) => refuse(packet, DropReason::FragmentOverlap),
            Err((packet, Refusal::Whole(reason))) => {
                let mut datagram = self.remove(at);
                let mut all: ArrayVec<_, { MAX_FRAGMENTS + 1 }> =
                    packets(datagram.fragments.drain(..));
                all.push(packet);
                self.spare.push(datagram);
                Outcome::Refused(all, reason)
            }
        }
    }

    /// Takes the fragments of one datagram whose time is over.
    pub fn expire(&mut self, now: Time) -> Option<ArrayVec<Packet<B>, MAX_FRAGMENTS>> {
        let at = self
            .datagrams
            .iter()
            .position(|datagram| datagram.deadline <= now)?;
        let mut datagram = self.remove(at);
        let fragments = packets(datagram.fragments.drain(..));
        self.spare.push(datagram);
        Some(fragments)
    }

    /// Datagrams and fragments held.
    pub fn len(&self) -> (usize, usize) {
        (self.datagrams.len(), self.held)
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }
}

/// Why a datagram refused a fragment.
enum Refusal {
    /// The same fragment again: only it goes.
    Duplicate,
    /// It contradicts the others: all go.
    Whole(DropReason),
}

impl<B: PacketBuf> Datagram<B> {
    /// Adds a fragment in its place; true when the datagram is complete.
    fn take(&mut self, part: Part<B>, more: bool) -> Result<bool, (Packet<B>, Refusal)> {
        let (start, end) = (part.start, part.end);
        let mut place = self.fragments.len();
        for (at, other) in self.fragments.iter().enumerate() {
            if (start, end) == (other.start, other.end) {
                return Err((part.packet, Refusal::Duplicate));
            }
            if start < other.end && other.start < end {
                return Err((part.packet, Refusal::Whole(DropReason::FragmentOverlap)));
            }
            if start < other.start {
                place = place.min(at);
            }
        }
        let beyond = self.total.is_some_and(|total| end > total || !more);
        let last_end = self.fragments.last().map_or(0, |last| last.end);
        if beyond || (!more && last_end > end) {
            return Err((part.packet, Refusal::Whole(DropReason::FragmentBad)));
        }
        if self.fragments.is_full() {
            return Err((part.packet, Refusal::Whole(DropReason::ReassemblyFull)));
        }
        if !more {
            self.total = Some(end);
        }
        self.received += end - start;
        self.fragments.insert(place, part);
        Ok(self.total == Some(self.received))
    }
}

/// Codepoints of ECN (RFC 3168 section 5).
const ECN_NONE: u8 = 0;
const ECN_CONGESTED: u8 = 3;

/// Whether one of the fragments met congestion. An error when another one's transport could not hear of it: no packet could say both
/// (RFC 3168 section 5.3).
fn congestion<B>(parts: &[Part<B>]) -> Result<bool, ()> {
    let any = |ecn: u8| (parts.iter()).any(|part| part.packet.meta.traffic_class() & 3 == ecn);
    match (any(ECN_CONGESTED), any(ECN_NONE)) {
        (true, true) => Err(()),
        (congested, _) => Ok(congested),
    }
}

/// Joins fragments in order into one packet. Its header is the first one's, without the fragment fields.
fn join<B: PacketBuf>(
    parts: ArrayVec<Part<B>, MAX_FRAGMENTS>,
    payload: usize,
    pool: &mut impl Pool<B>,
) -> Outcome<B> {
    let refuse_all =
        |parts: ArrayVec<Part<B>, MAX_FRAGMENTS>, reason| Outcome::Refused(packets(parts), reason);
    let Some(Part { packet: first, .. }) = parts.first() else {
        return Outcome::Waiting;
    };
    let Some(fragment) = first.header().ok().and_then(|header| header.fragment) else {
        return refuse_all(parts, DropReason::FragmentBad);
    };
    let header = usize::from(fragment.header_at);
    let Ok(congested) = congestion(&parts) else {
        return refuse_all(parts, DropReason::EcnInvalid);
    };
    let Some(mut buf) = pool.alloc() else {
        return refuse_all(parts, DropReason::NoBuffer);
    };
    if header + payload > usize::from(u16::MAX) || !buf.append(header + payload) {
        return refuse_all(parts, DropReason::FragmentBad);
    }
    let data = buf.data_mut();
    data[..header].copy_from_slice(&first.buf.data()[..header]);
    let mut at = header;
    for part in &parts {
        let octets = part.end - part.start;
        data[at..at + octets].copy_from_slice(&part.packet.data()[part.at..part.at + octets]);
        at += octets;
    }
    if first.meta.is_v6() {
        data[usize::from(fragment.next_header_at)] = first.buf.data()[header];
        data[4..6]
            .copy_from_slice(&((header - ip::IPV6_HEADER_OCTETS + payload) as u16).to_be_bytes());
    } else {
        data[2..4].copy_from_slice(&((header + payload) as u16).to_be_bytes());
        data[6..8].copy_from_slice(&[0, 0]);
        data[10..12].copy_from_slice(&[0, 0]);
        let sum = checksum::of(&data[..header]);
        data[10..12].copy_from_slice(&sum.to_be_bytes());
    }
    if congested {
        ip::set_ecn(buf.data_mut(), ECN_CONGESTED);
    }
    match ip::parse(buf.data()) {
        Ok(meta) => {
            let whole = Packet {
                buf,
                meta: meta.brief,
                ingress: first.ingress,
                vrf: first.vrf,
                next_hop: first.next_hop,
                origin: Origin::Reassembled,
                strange_source: false,
            };
            Outcome::Complete(whole, parts.len())
        }
        Err(_) => refuse_all(parts, DropReason::FragmentBad),
    }
}

#[cfg(test)]
mod tests;
