//! Packets that wait for their next hop to be resolved: at most four per hop, as RFC 1122 section 2.3.2.2 asks for one at least.

use std::net::IpAddr;
use std::time::Duration;

use arrayvec::ArrayVec;
use ravelin_types::Time;

use crate::packet::Packet;
use crate::tables::{AdjIndex, IfIndex};

/// Packets held per hop.
pub const PER_HOP: usize = 4;
/// Hops with waiting packets at once; a scan of a connected subnet must not take more memory than this.
pub const MAX_HOPS: usize = 256;
/// How long packets wait: three ARP requests.
const WAIT: Duration = Duration::from_secs(3);

/// What a packet waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// A host of an attached subnet.
    Host(IfIndex, IpAddr),
    /// A gateway, which the control thread knows by its adjacency.
    Gateway(AdjIndex),
}

struct Hop<B> {
    awaited: Awaited,
    deadline: Time,
    packets: ArrayVec<Packet<B>, PER_HOP>,
}

/// The waiting packets of one worker.
pub struct Held<B> {
    hops: Vec<Hop<B>>,
}

impl<B> Default for Held<B> {
    fn default() -> Self {
        // All the room from the start: no packet waits for an allocation.
        Self {
            hops: Vec::with_capacity(MAX_HOPS),
        }
    }
}

/// What became of a packet offered to [`Held::hold`].
pub enum Outcome<B> {
    /// It waits; the hop is new and should be asked for.
    New,
    /// It waits behind others.
    Waiting,
    /// It does not fit.
    Full(Packet<B>),
}

impl<B> Held<B> {
    /// Holds a packet for a hop.
    pub fn hold(&mut self, awaited: Awaited, packet: Packet<B>, now: Time) -> Outcome<B> {
        if let Some(hop) = self.hops.iter_mut().find(|hop| hop.awaited == awaited) {
            return match hop.packets.try_push(packet) {
                Ok(()) => Outcome::Waiting,
                Err(full) => Outcome::Full(full.element()),
            };
        }
        if self.hops.len() >= MAX_HOPS {
            return Outcome::Full(packet);
        }
        let mut packets = ArrayVec::new();
        packets.push(packet);
        self.hops.push(Hop {
            awaited,
            deadline: now + WAIT,
            packets,
        });
        Outcome::New
    }

    /// Takes the packets of a hop that was resolved.
    pub fn release(&mut self, awaited: Awaited) -> ArrayVec<Packet<B>, PER_HOP> {
        let at = self.hops.iter().position(|hop| hop.awaited == awaited);
        at.map(|at| self.hops.swap_remove(at).packets)
            .unwrap_or_default()
    }

    /// Takes the packets of one hop whose time is over.
    pub fn expire(&mut self, now: Time) -> Option<ArrayVec<Packet<B>, PER_HOP>> {
        let at = self.hops.iter().position(|hop| hop.deadline <= now)?;
        Some(self.hops.swap_remove(at).packets)
    }
}
