//! IPv4 fragmentation (RFC 791 section 3.2), before encryption or on an egress link, and the fragmentation of our own encrypted
//! packets (RFC 8200 section 4.5 for IPv6). IPv6 is never fragmented in transit.

use arrayvec::ArrayVec;
use ravelin_esp::PacketBuf;
use ravelin_wire::checksum;
use ravelin_wire::ip::{self, Fragment, IPV4_HEADER_OCTETS, IPV6_HEADER_OCTETS, protocol};

use crate::drop::DropReason;
use crate::packet::Packet;
use crate::platform::{Platform, Pool};
use crate::worker::Worker;

/// Fragments of one packet: 9,000 octets over a path of 576.
pub const MAX_PARTS: usize = 18;

/// Splits a packet into fragments of at most `mtu_octets`. Drops it, and returns none, if it would need too many parts or buffers ran
/// out.
pub(crate) fn split<P: Platform>(
    worker: &mut Worker<P>,
    packet: Packet<P::Buf>,
    mtu_octets: u16,
) -> ArrayVec<Packet<P::Buf>, MAX_PARTS> {
    let mut parts = ArrayVec::new();
    let total = usize::from(packet.meta.total_octets());
    // Of IPv4, the payload starts where the header and its options end.
    let header = usize::from(packet.meta.payload_at());
    let per_part = usize::from(mtu_octets).saturating_sub(header) / 8 * 8;
    let payload = total.saturating_sub(header);
    let base = packet.header().ok().and_then(|header| header.fragment);
    // A fragment whose end lies beyond the longest packet: its parts' offsets would not fit their field.
    let end = payload + base.map_or(0, |base| usize::from(base.offset_octets));
    if packet.meta.is_v6()
        || end > usize::from(u16::MAX)
        || per_part == 0
        || payload.div_ceil(per_part) > MAX_PARTS
    {
        worker.drop(packet, DropReason::FragmentFailed);
        return parts;
    }
    let mut at = 0;
    while at < payload {
        let octets = per_part.min(payload - at);
        let part = worker
            .pool
            .alloc()
            .and_then(|buf| copy_part(buf, &packet, base, at, octets, at + octets == payload));
        match part {
            Some(part) => parts.push(part),
            None => {
                worker.drop(packet, DropReason::NoBuffer);
                parts.clear();
                return parts;
            }
        }
        at += octets;
    }
    count(worker, &parts);
    parts
}

/// Counts the packets that there are more now.
fn count<P: Platform>(worker: &Worker<P>, parts: &[Packet<P::Buf>]) {
    let more = parts.len().saturating_sub(1);
    worker.counters().made.add(more as u64);
}

fn copy_part<B: PacketBuf>(
    mut buf: B,
    packet: &Packet<B>,
    base: Option<Fragment>,
    at: usize,
    octets: usize,
    last: bool,
) -> Option<Packet<B>> {
    let header = usize::from(packet.meta.payload_at());
    if header < IPV4_HEADER_OCTETS || !buf.append(header + octets) {
        return None;
    }
    let (from, to) = (packet.buf.data(), buf.data_mut());
    to[..header].copy_from_slice(from.get(..header)?);
    to[header..].copy_from_slice(from.get(header + at..header + at + octets)?);
    // A fragment may itself be split again: offsets add up, and "more" stays set.
    let offset = base.map_or(0, |base| usize::from(base.offset_octets)) + at;
    let more = !last || base.is_some_and(|base| base.more);
    let field = (offset / 8) as u16 | if more { 0x2000 } else { 0 };
    let total_octets = (header + octets) as u16;
    to[2..4].copy_from_slice(&total_octets.to_be_bytes());
    to[6..8].copy_from_slice(&field.to_be_bytes());
    if offset > 0 {
        ip::keep_copied_options(&mut to[IPV4_HEADER_OCTETS..header]);
    }
    to[10..12].copy_from_slice(&[0, 0]);
    let sum = checksum::of(&to[..header]);
    to[10..12].copy_from_slice(&sum.to_be_bytes());
    Some(part(buf, packet, total_octets))
}

/// A fragment of `packet` in `buf`.
fn part<B>(buf: B, packet: &Packet<B>, total_octets: u16) -> Packet<B> {
    Packet {
        buf,
        meta: packet.meta.fragment(total_octets),
        ingress: packet.ingress,
        vrf: packet.vrf,
        next_hop: packet.next_hop,
        origin: packet.origin,
        strange_source: false,
    }
}

/// Octets of an IPv6 fragment header.
const FRAGMENT_HEADER_OCTETS: usize = 8;

/// Splits an encrypted packet of ours for a path that takes `mtu_octets`. The DF flag goes: nothing else is left to do with it.
pub(crate) fn split_outer<P: Platform>(
    worker: &mut Worker<P>,
    mut packet: Packet<P::Buf>,
    mtu_octets: u16,
    sequence: u64,
) -> ArrayVec<Packet<P::Buf>, MAX_PARTS> {
    match ip::parse(packet.data()) {
        Ok(meta) => packet.meta = meta.brief,
        Err(error) => {
            worker.drop(packet, error.into());
            return ArrayVec::new();
        }
    }
    if packet.meta.is_v6() {
        return split_v6(worker, packet, mtu_octets);
    }
    if packet.meta.dont_fragment() {
        // It left without an identification of its own (RFC 6864 section 4.1).
        packet.data_mut()[4..6].copy_from_slice(&(sequence as u16).to_be_bytes());
    }
    split(worker, packet, mtu_octets)
}

/// As [`split`], for a packet of ours without extension headers.
fn split_v6<P: Platform>(
    worker: &mut Worker<P>,
    packet: Packet<P::Buf>,
    mtu_octets: u16,
) -> ArrayVec<Packet<P::Buf>, MAX_PARTS> {
    let mut parts = ArrayVec::new();
    let front = IPV6_HEADER_OCTETS + FRAGMENT_HEADER_OCTETS;
    let per_part = usize::from(mtu_octets).saturating_sub(front) / 8 * 8;
    let payload = usize::from(packet.meta.total_octets()).saturating_sub(IPV6_HEADER_OCTETS);
    if per_part == 0 || payload.div_ceil(per_part) > MAX_PARTS {
        worker.drop(packet, DropReason::FragmentFailed);
        return parts;
    }
    let id = worker.next_fragment_id();
    for at in (0..payload).step_by(per_part) {
        let octets = per_part.min(payload - at);
        let fragment = Fragment {
            id,
            offset_octets: at as u16,
            more: at + octets < payload,
            header_at: IPV6_HEADER_OCTETS as u16,
            next_header_at: 6,
        };
        let part = worker.pool.alloc();
        match part.and_then(|buf| copy_part_v6(buf, &packet, fragment, octets)) {
            Some(part) => parts.push(part),
            None => {
                worker.drop(packet, DropReason::NoBuffer);
                parts.clear();
                return parts;
            }
        }
    }
    count(worker, &parts);
    parts
}

fn copy_part_v6<B: PacketBuf>(
    mut buf: B,
    packet: &Packet<B>,
    fragment: Fragment,
    octets: usize,
) -> Option<Packet<B>> {
    let front = IPV6_HEADER_OCTETS + FRAGMENT_HEADER_OCTETS;
    if !buf.append(front + octets) {
        return None;
    }
    let (from, to) = (packet.buf.data(), buf.data_mut());
    to[..IPV6_HEADER_OCTETS].copy_from_slice(from.get(..IPV6_HEADER_OCTETS)?);
    to[4..6].copy_from_slice(&((FRAGMENT_HEADER_OCTETS + octets) as u16).to_be_bytes());
    to[6] = protocol::IPV6_FRAGMENT;
    to[IPV6_HEADER_OCTETS..IPV6_HEADER_OCTETS + 2].copy_from_slice(&[*from.get(6)?, 0]);
    let field = fragment.offset_octets | u16::from(fragment.more);
    to[IPV6_HEADER_OCTETS + 2..IPV6_HEADER_OCTETS + 4].copy_from_slice(&field.to_be_bytes());
    to[IPV6_HEADER_OCTETS + 4..front].copy_from_slice(&fragment.id.to_be_bytes());
    let start = IPV6_HEADER_OCTETS + usize::from(fragment.offset_octets);
    to[front..].copy_from_slice(from.get(start..start + octets)?);
    Some(part(buf, packet, (front + octets) as u16))
}
