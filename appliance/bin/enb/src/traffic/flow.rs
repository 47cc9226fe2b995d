//! One UDP flow of an eNodeB: its packets, and the account of their answers.

use std::net::SocketAddr;

use ravelin_esp::{MemoryBuf, PacketBuf, ReplayWindow, Verdict};
use ravelin_types::Time;
use ravelin_wire::ip::{self, IPV4_HEADER_OCTETS, IPV6_HEADER_OCTETS, IpFields, UDP_HEADER_OCTETS};
use ravelin_wire::{checksum, get_u16};

use crate::stamp::{self, Answer};

/// Answers that come later than so many others do not count.
const WINDOW: u32 = 4096;
/// Far enough for any core network (RFC 5357 section 4.1.2).
const TTL: u8 = 255;

/// A flow.
#[derive(Debug)]
pub struct Flow {
    /// The eNodeB's end.
    pub local: SocketAddr,
    /// The reflector's.
    pub remote: SocketAddr,
    /// Number of the next packet.
    next: u32,
    /// Numbers of answered packets, from 1.
    answered: ReplayWindow,
    tally: Tally,
    /// Answers that the reflector has sent, as far as those that came show.
    reflected: u64,
}

/// What became of the packets of flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Sent.
    pub sent: u64,
    /// Answered.
    pub answered: u64,
    /// Answered again.
    pub duplicated: u64,
    /// Answered after a later one.
    pub reordered: u64,
    /// Lost before the reflector.
    pub lost_there: u64,
    /// Lost behind it.
    pub lost_back: u64,
}

impl Tally {
    /// Packets without an answer. Of the last ones it is not known which way they were lost.
    pub fn lost(&self) -> u64 {
        self.sent - self.answered
    }

    /// Both together.
    pub fn add(&mut self, other: &Tally) {
        self.sent += other.sent;
        self.answered += other.answered;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.lost_there += other.lost_there;
        self.lost_back += other.lost_back;
    }
}

impl Flow {
    /// Nothing sent yet.
    pub fn new(local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            local,
            remote,
            next: 0,
            answered: ReplayWindow::new(WINDOW, true, 0),
            tally: Tally::default(),
            reflected: 0,
        }
    }

    /// What became of its packets.
    pub fn tally(&self) -> Tally {
        let all = self.tally;
        let lost_there = self.answered.top().saturating_sub(self.reflected);
        let lost_back = self.reflected.saturating_sub(all.answered);
        // A reflector that was started anew, or goes on counting from before, tells nothing.
        let lost_there = lost_there.min(all.lost());
        Tally {
            lost_there,
            lost_back: lost_back.min(all.lost() - lost_there),
            ..all
        }
    }

    /// The next packet, of so many octets with its IP header.
    pub fn next_packet(&mut self, octets: u16, now: Time) -> Option<MemoryBuf> {
        let ip_octets = match self.local {
            SocketAddr::V4(_) => IPV4_HEADER_OCTETS,
            SocketAddr::V6(_) => IPV6_HEADER_OCTETS,
        };
        let mut packet = MemoryBuf::with_capacity(usize::from(octets) + SLACK_OCTETS);
        packet.append(usize::from(octets));
        let data = packet.data_mut();
        let udp_octets = octets.checked_sub(ip_octets as u16)?;
        let fields = IpFields {
            source: self.local.ip(),
            destination: self.remote.ip(),
            protocol: ip::protocol::UDP,
            ttl: TTL,
            traffic_class: 0,
            dont_fragment: false,
            id: self.next as u16,
            payload_octets: udp_octets,
        };
        ip::emit(data, &fields)?;
        let udp = data.get_mut(ip_octets..)?;
        stamp::write(udp.get_mut(UDP_HEADER_OCTETS..)?, self.next, now);
        let header: &mut [u8; UDP_HEADER_OCTETS] = udp.first_chunk_mut()?;
        header[..2].copy_from_slice(&self.local.port().to_be_bytes());
        header[2..4].copy_from_slice(&self.remote.port().to_be_bytes());
        header[4..6].copy_from_slice(&udp_octets.to_be_bytes());
        let (source, destination) = (fields.source, fields.destination);
        let sum =
            checksum::pseudo_header(source, destination, ip::protocol::UDP, udp_octets.into());
        // RFC 768: a sum of zero is sent as all ones.
        let sum = match checksum::finish(checksum::add(sum, udp)) {
            0 => u16::MAX,
            sum => sum,
        };
        udp.get_mut(6..8)?.copy_from_slice(&sum.to_be_bytes());
        self.next = self.next.wrapping_add(1);
        self.tally.sent += 1;
        Some(packet)
    }

    /// Takes an answer's UDP payload; the time on the way, if it is the first one to its packet.
    pub fn take(&mut self, payload: &[u8], now: Time) -> Option<u32> {
        let Answer {
            number,
            reflected,
            round_trip_us,
        } = stamp::read(payload, now)?;
        let behind = number.wrapping_sub(reflected) as i32;
        let number = self.answered.infer(number.wrapping_add(1));
        if number > self.tally.sent {
            return None;
        }
        let late = number < self.answered.top();
        match self.answered.commit(number) {
            Verdict::Fresh => {
                self.tally.answered += 1;
                self.tally.reordered += u64::from(late);
                let reflected = number.saturating_add_signed(-i64::from(behind));
                self.reflected = self.reflected.max(reflected);
                Some(round_trip_us)
            }
            Verdict::Duplicate => {
                self.tally.duplicated += 1;
                None
            }
            Verdict::Old | Verdict::Zero => None,
        }
    }
}

/// Room for what a tunnel puts behind a packet.
const SLACK_OCTETS: usize = 128;

/// The ends (of the sender, of the receiver) and the payload of an inner UDP packet.
pub fn datagram(packet: &[u8]) -> Option<(SocketAddr, SocketAddr, &[u8])> {
    let meta = ip::parse(packet).ok()?;
    if meta.protocol != ip::protocol::UDP || meta.fragment.is_some() {
        return None;
    }
    let (source, destination) = meta.ports()?;
    let udp = meta.payload(packet);
    let octets = usize::from(get_u16(udp, 4)?);
    Some((
        SocketAddr::new(meta.source, source),
        SocketAddr::new(meta.destination, destination),
        udp.get(UDP_HEADER_OCTETS..octets)?,
    ))
}

#[cfg(test)]
mod tests;
