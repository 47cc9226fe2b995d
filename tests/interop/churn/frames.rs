//! The frames on both links: good ones, fragments, replays, forgeries and garbage.

use std::net::IpAddr;

use ravelin_tests::flood::build::{Dice, Mac, Part, arp, ip, ip_frame, udp};
use ravelin_tests::flood::packets::{self, Target};

use crate::pairs::{Live, OURS, PEER, Pairs, SITES, host};

/// Stations beyond the two links.
pub const STATIONS: [Mac; 2] = [[2, 0, 0, 0, 0, 0xa], [2, 0, 0, 0, 0, 0xc]];
/// Octets of UDP payloads: SECGW-IMIX, and what needs fragments in or around some tunnels.
const PAYLOADS: [usize; 8] = [18, 82, 82, 210, 466, 978, 1_240, 1_440];
/// Of an answer to it, nothing comes back through the tunnel.
const PORTS: (u16, u16) = (2152, 2152);
const UDP: u8 = 17;
const TCP: u8 = 6;
const ESP: u8 = 50;
/// Frames that replays are taken from.
const REMEMBERED: usize = 512;

/// The gateway's and a host's addresses on the core link.
pub fn core(own: bool, v6: bool) -> IpAddr {
    let text = match (own, v6) {
        (true, false) => "172.16.0.1",
        (false, false) => "172.16.0.9",
        (true, true) => "2001:db8:c::1",
        (false, true) => "2001:db8:c::9",
    };
    text.parse().unwrap()
}

pub struct Frames {
    pub dice: Dice,
    /// The gateway's stations on both links.
    macs: [Mac; 2],
    /// What strangers send on the access link.
    strange: Vec<Vec<u8>>,
    sent: Vec<Vec<u8>>,
    lone_fragments: bool,
}

impl Frames {
    /// `lone_fragments`: some may stay alone, which takes 15 s until they are given up.
    pub fn new(seed: u64, macs: [Mac; 2], lone_fragments: bool) -> Self {
        let target = Target {
            mac: macs[0],
            addresses: OURS,
        };
        let mut strange = packets::esp(target);
        strange.extend(packets::arp_storm(target));
        strange.extend(packets::sa_init(target));
        if lone_fragments {
            strange.extend(packets::fragments(target));
        }
        Self {
            dice: Dice(seed),
            macs,
            strange,
            sent: Vec::new(),
            lone_fragments,
        }
    }

    fn payload(&mut self) -> Vec<u8> {
        let octets = PAYLOADS[self.dice.below(PAYLOADS.len() as u64) as usize];
        self.dice.octets(octets)
    }

    /// The two fragments of an IP packet's payload.
    fn cut(&mut self, ends: (IpAddr, IpAddr), protocol: u8, payload: &[u8]) -> Vec<Vec<u8>> {
        let id = self.dice.roll() as u32;
        let middle = (payload.len() / 2 / 8 * 8).max(8);
        let part = |offset: usize, more| {
            Some(Part {
                id,
                offset: offset as u16,
                more,
            })
        };
        vec![
            ip(ends.0, ends.1, protocol, &payload[..middle], part(0, true)),
            ip(
                ends.0,
                ends.1,
                protocol,
                &payload[middle..],
                part(middle, false),
            ),
        ]
    }

    /// What a host of the core sends: one or two frames.
    pub fn core_side(&mut self) -> Vec<Vec<u8>> {
        let (site, v6) = (self.dice.below(SITES), self.dice.below(2) == 0);
        let (from, to) = (core(false, v6), host(site, v6));
        let payload = self.payload();
        let whole = udp((from, PORTS.0), (to, PORTS.1), &payload);
        let mut packets = match self.dice.below(24) {
            0 if !v6 => self.cut((from, to), UDP, &whole),
            1 => vec![ip(from, to, TCP, &syn(), None)],
            // Protected, and nobody's.
            2 => vec![ip(from, host(SITES + 5, v6), UDP, &whole, None)],
            3 => vec![ip(from, core(true, v6), UDP, &whole, None)],
            4 => vec![ip(from, "203.0.113.5".parse().unwrap(), UDP, &whole, None)],
            _ => vec![ip(from, to, UDP, &whole, None)],
        };
        match self.dice.below(40) {
            // TTL or hop limit.
            0 => packets[0][if v6 { 7 } else { 8 }] = 1,
            1 => packets[0].truncate(23),
            2 => packets[0][10] ^= 1,
            3 if !v6 => packets[0][6] |= 0x40,
            _ => {}
        }
        let frame = |packet: &Vec<u8>| ip_frame(self.macs[1], STATIONS[1], packet);
        let mut frames: Vec<Vec<u8>> = packets.iter().map(frame).collect();
        match self.dice.below(60) {
            0 => frames[0] = self.tagged(1),
            1 => frames[0] = self.dice.octets(60),
            2 => frames.push(question(STATIONS[1], false)),
            _ => {}
        }
        frames
    }

    /// A frame with a VLAN tag that a unit has now and then.
    fn tagged(&mut self, side: usize) -> Vec<u8> {
        let mut frame = [
            &self.macs[side][..],
            &STATIONS[side],
            &[0x81, 0, 0, 77, 8, 0],
        ]
        .concat();
        let (from, to) = ("198.51.100.9".parse().unwrap(), host(0, false));
        frame.extend(ip(from, to, UDP, &self.dice.octets(64), None));
        frame
    }

    /// What the peers send, and strangers in their midst.
    pub fn access_side(&mut self, pairs: &mut Pairs) -> Vec<Vec<u8>> {
        let site = self.dice.below(SITES);
        let frames = match self.dice.below(20) {
            0 | 1 => {
                let at = self.dice.below(self.strange.len() as u64) as usize;
                return vec![self.strange[at].clone()];
            }
            2 => return vec![question(STATIONS[0], true)],
            3 if !self.sent.is_empty() => {
                let at = self.dice.below(self.sent.len() as u64) as usize;
                return vec![self.sent[at].clone()];
            }
            4 => {
                // In clear, from an address that belongs into a tunnel.
                let packet = ip(host(site, false), core(false, false), UDP, &[0; 32], None);
                return vec![ip_frame(self.macs[0], STATIONS[0], &packet)];
            }
            _ => self.sealed(site, pairs),
        };
        // A replayed fragment would wait for its rest.
        let whole = frames.len() == 1 || self.lone_fragments;
        for frame in frames.iter().filter(|_| whole) {
            let at = self.dice.below(REMEMBERED as u64) as usize;
            match self.sent.get_mut(at) {
                Some(place) => place.clone_from(frame),
                None => self.sent.push(frame.clone()),
            }
        }
        frames
    }

    fn sealed(&mut self, site: u64, pairs: &mut Pairs) -> Vec<Vec<u8>> {
        let v6 = self.dice.below(2) == 0;
        // Now and then in another site's name.
        let name = if self.dice.below(30) == 0 {
            (site + 1) % SITES
        } else {
            site
        };
        let (from, to) = (host(name, v6), core(false, v6));
        let payload = self.payload();
        let inner = ip(
            from,
            to,
            UDP,
            &udp((from, PORTS.0), (to, PORTS.1), &payload),
            None,
        );
        let Some(mut outer) = pairs.seal(site, &inner) else {
            return vec![];
        };
        let Live { outer: ends, .. } = &pairs.live[&site];
        let header = if ends.remote.is_ipv6() { 40 } else { 20 };
        let last = outer.len() - 1;
        match self.dice.below(40) {
            0 => outer[last] ^= 1,
            1 => outer.truncate(header + 12),
            _ => {}
        }
        let protocol = if ends.udp.is_some() { UDP } else { ESP };
        let ends = (ends.remote, ends.local);
        let packets = match self.dice.below(6) {
            // Only whole ones are cut: both halves must come.
            0 if outer.len() == last + 1 => self.cut(ends, protocol, &outer[header..]),
            _ => vec![outer],
        };
        let frame = |packet: &Vec<u8>| ip_frame(self.macs[0], STATIONS[0], packet);
        packets.iter().map(frame).collect()
    }

    /// One packet each way through the pair of a site: from the core, and from its peer.
    pub fn proof(&self, site: u64, pairs: &mut Pairs) -> [Vec<u8>; 2] {
        let (far, near) = (host(site, false), core(false, false));
        let packet = |from, to| {
            ip(
                from,
                to,
                UDP,
                &udp((from, PORTS.0), (to, PORTS.1), &[7; 64]),
                None,
            )
        };
        let sealed = pairs.seal(site, &packet(far, near)).unwrap();
        [
            ip_frame(self.macs[1], STATIONS[1], &packet(near, far)),
            ip_frame(self.macs[0], STATIONS[0], &sealed),
        ]
    }
}

/// A neighbour asks for the gateway's address.
fn question(station: Mac, access: bool) -> Vec<u8> {
    let (sender, target) = if access {
        (PEER[0], OURS[0])
    } else {
        (core(false, false), core(true, false))
    };
    match (sender, target) {
        (IpAddr::V4(sender), IpAddr::V4(target)) => arp(1, (station, sender), ([0; 6], target)),
        _ => vec![],
    }
}

/// A TCP segment that announces the largest segment size, with a checksum that nobody looks at.
fn syn() -> Vec<u8> {
    let mut segment = vec![0; 24];
    segment[..4].copy_from_slice(&[0x30, 0x39, 0, 80]);
    segment[12..14].copy_from_slice(&[0x60, 0x02]);
    segment[20..].copy_from_slice(&[2, 4, 0x05, 0xb4]);
    segment
}
