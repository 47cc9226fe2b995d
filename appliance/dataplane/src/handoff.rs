//! Packets for another worker, which owns their SA or their fragments, go to it in bursts: the ring between two workers is touched once
//! per burst, and no line of it twice by both for the same packet.
//!
//! A worker gathers what it has for each other one and sends it at the end of its run. A full ring is tried again in the next run; what
//! has gathered then beyond [`BEHIND`] is dropped.

use crossbeam_queue::ArrayQueue;
use ravelin_esp::PacketBuf;

use crate::drop::DropReason;
use crate::packet::Packet;
use crate::platform::{BURST, Platform};
use crate::stages::esp_input;
use crate::worker::Worker;

/// Bursts under way to one worker.
const BURSTS: usize = 32;
/// Packets that wait for room in the ring of one worker.
const BEHIND: usize = 8 * BURST;

/// A worker to another.
#[derive(Debug)]
pub enum Handoff<B> {
    /// A clear packet, to be encrypted under the pair in this slot.
    Encrypt(Packet<B>, u32),
    /// An ESP packet, still with its outer headers.
    Decrypt(Packet<B>),
    /// A fragment addressed to us, or AH.
    Local(Packet<B>),
}

impl<B> Handoff<B> {
    fn packet(&self) -> &Packet<B> {
        match self {
            Handoff::Encrypt(packet, _) | Handoff::Decrypt(packet) | Handoff::Local(packet) => {
                packet
            }
        }
    }

    fn into_packet(self) -> Packet<B> {
        match self {
            Handoff::Encrypt(packet, _) | Handoff::Decrypt(packet) | Handoff::Local(packet) => {
                packet
            }
        }
    }
}

type Burst<B> = Vec<Handoff<B>>;

/// What other workers have for one worker.
#[derive(Debug)]
pub struct Inbox<B> {
    bursts: ArrayQueue<Burst<B>>,
    /// Emptied bursts, which keep their memory.
    empty: ArrayQueue<Burst<B>>,
}

impl<B> Default for Inbox<B> {
    fn default() -> Self {
        Self {
            bursts: ArrayQueue::new(BURSTS),
            empty: ArrayQueue::new(BURSTS),
        }
    }
}

/// What one worker has for the others, by link.
#[derive(Debug)]
pub(crate) struct Outboxes<B> {
    gathered: Vec<Burst<B>>,
    packets: usize,
}

impl<B> Outboxes<B> {
    /// For so many workers; the only one needs none.
    pub(crate) fn new(workers: usize) -> Self {
        let boxes = if workers > 1 { workers } else { 0 };
        Self {
            gathered: (0..boxes).map(|_| Vec::with_capacity(BURST)).collect(),
            packets: 0,
        }
    }

    /// Packets that wait to be sent.
    pub(crate) fn waiting(&self) -> usize {
        self.packets
    }
}

impl<P: Platform> Worker<P> {
    /// The worker that owns a slot, if another one does.
    #[inline(always)]
    pub(crate) fn other_owner(&self, slot: u32) -> Option<u8> {
        if self.outboxes.gathered.is_empty() {
            return None;
        }
        self.shared.owner(slot).filter(|owner| *owner != self.id)
    }

    /// Hands a packet to another worker.
    #[inline]
    pub(crate) fn hand_over(&mut self, worker: u8, handoff: Handoff<P::Buf>) {
        match self.outboxes.gathered.get_mut(usize::from(worker)) {
            Some(gathered) if gathered.len() < BEHIND => {
                gathered.push(handoff);
                self.outboxes.packets += 1;
            }
            _ => self.drop(handoff.into_packet(), DropReason::HandoffFull),
        }
    }

    /// Sends what has gathered in this run.
    #[inline]
    pub(crate) fn send_handoffs(&mut self) {
        if self.outboxes.packets == 0 {
            return;
        }
        for (gathered, link) in self.outboxes.gathered.iter_mut().zip(&self.shared.links) {
            if gathered.is_empty() {
                continue;
            }
            let empty = link.inbox.empty.pop();
            let fresh = empty.unwrap_or_else(|| Vec::with_capacity(BURST));
            let full = std::mem::replace(gathered, fresh);
            let count = full.len();
            match link.inbox.bursts.push(full) {
                Ok(()) => self.outboxes.packets -= count,
                Err(full) => {
                    let fresh = std::mem::replace(gathered, full);
                    // Where there is no room, memory is enough.
                    drop(link.inbox.empty.push(fresh));
                }
            }
        }
    }

    /// Takes bursts of other workers, until there is as much as a port may bring. Returns how many packets came.
    #[inline]
    pub(crate) fn take_handoffs(&mut self) -> usize {
        let mut packets = 0;
        while packets < BURST
            && let Some(mut burst) = self.shared.links[self.own].inbox.bursts.pop()
        {
            packets += burst.len();
            // Their headers are in the other CPU's cache.
            for handoff in &burst {
                handoff.packet().buf.prefetch();
            }
            for handoff in burst.drain(..) {
                match handoff {
                    Handoff::Encrypt(packet, slot) => {
                        self.vectors.esp_output.push((packet, slot));
                    }
                    Handoff::Decrypt(packet) => esp_input::enter(self, packet),
                    Handoff::Local(packet) => self.vectors.local.push(packet),
                }
            }
            // Beyond what the ring holds memory is let go.
            drop(self.shared.links[self.own].inbox.empty.push(burst));
        }
        packets
    }
}
