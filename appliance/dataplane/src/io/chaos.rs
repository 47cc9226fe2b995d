//! The faulty twin of a port: what a bad network does to frames on their way between a port and its worker, or between two links.
//! Frames are lost, damaged, doubled and overtaken, each with its own probability, by a seed, so that a run can be repeated.
//!
//! Counts what it does, so that a test can account for every frame. It knows no time: a delayed frame waits for later frames to
//! overtake it, or for as many calls without any.

use std::collections::VecDeque;
use std::sync::Arc;

use ravelin_esp::PacketBuf;

use crate::counters::Counter;
use crate::platform::{BURST, Pool, PortIo};

/// Frames under way at most: a longer delay than any replay window.
pub const MAX_DELAYED: usize = 8_192;
/// Frames that wait for the port at most; beyond that the worker keeps them.
const MAX_READY: usize = 1_024;
/// Damage spares the Ethernet header: a frame for another station would prove nothing.
const ETHERNET_OCTETS: usize = 14;

/// How bad the network is. Probabilities in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Frames that are lost.
    pub lost: u16,
    /// Frames in which one octet changes.
    pub damaged: u16,
    /// Frames that arrive twice; the copy may be delayed.
    pub doubled: u16,
    /// Frames that others overtake.
    pub delayed: u16,
    /// How many frames overtake a delayed one at most.
    pub overtaken_by: u16,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Tally {
    /// Frames that came.
    pub taken: Counter,
    /// Frames that were lost.
    pub lost: Counter,
    /// Frames that were damaged.
    pub damaged: Counter,
    /// Copies that were made.
    pub doubled: Counter,
    /// Frames that were held back.
    pub delayed: Counter,
    /// Frames that went on: taken - lost + doubled, once nothing is held back any more.
    pub given: Counter,
}

/// Marsaglia's xorshift64.
#[derive(Clone, Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound.max(1)
    }

    fn chance(&mut self, thousandths: u16) -> bool {
        self.below(1000) < u64::from(thousandths)
    }
}

/// One direction.
#[derive(Debug)]
pub struct Chaos<B> {
    faults: Faults,
    random: Random,
    /// Frames with the number of others that are still to overtake them.
    delayed: Vec<(u64, B)>,
    ready: VecDeque<B>,
    tally: Arc<Tally>,
}

impl<B: PacketBuf> Chaos<B> {
    /// A network with these faults. Equal seeds do the same to equal frames.
    pub fn new(seed: u64, faults: Faults) -> Self {
        // The generator stands still at zero.
        let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).max(1);
        Self {
            faults,
            random: Random(seed),
            delayed: Vec::new(),
            ready: VecDeque::new(),
            tally: Arc::default(),
        }
    }

    /// What was done so far.
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// Takes one frame.
    pub fn take(&mut self, mut frame: B, pool: &mut impl Pool<B>) {
        self.tally.taken.add(1);
        if self.random.chance(self.faults.lost) {
            self.tally.lost.add(1);
            return;
        }
        if self.random.chance(self.faults.damaged) && self.damage(frame.data_mut()) {
            self.tally.damaged.add(1);
        }
        let copy = if self.random.chance(self.faults.doubled) {
            copy(&frame, pool)
        } else {
            None
        };
        self.send(frame);
        if let Some(copy) = copy {
            self.tally.doubled.add(1);
            self.send(copy);
        }
        self.step();
    }

    /// Nothing came: what is held back moves on all the same.
    pub fn idle(&mut self) {
        self.step();
    }

    /// The next frame that has arrived.
    pub fn pop(&mut self) -> Option<B> {
        let frame = self.ready.pop_front()?;
        self.tally.given.add(1);
        Some(frame)
    }

    /// Whether frames are held back or ready.
    pub fn is_empty(&self) -> bool {
        self.delayed.is_empty() && self.ready.is_empty()
    }

    fn damage(&mut self, octets: &mut [u8]) -> bool {
        let Some(room) = octets.len().checked_sub(ETHERNET_OCTETS + 1) else {
            return false;
        };
        let at = ETHERNET_OCTETS + self.random.below(room as u64 + 1) as usize;
        octets[at] ^= 1 + self.random.below(255) as u8;
        true
    }

    fn send(&mut self, frame: B) {
        if self.delayed.len() < MAX_DELAYED && self.random.chance(self.faults.delayed) {
            let overtaken_by = 1 + self.random.below(u64::from(self.faults.overtaken_by));
            self.tally.delayed.add(1);
            // One more, for the step that ends this frame's own arrival.
            self.delayed.push((overtaken_by + 1, frame));
        } else {
            self.ready.push_back(frame);
        }
    }

    fn step(&mut self) {
        for (left, _) in &mut self.delayed {
            *left -= 1;
        }
        let mut at = 0;
        while at < self.delayed.len() {
            if self.delayed[at].0 == 0 {
                let (_, frame) = self.delayed.swap_remove(at);
                self.ready.push_back(frame);
            } else {
                at += 1;
            }
        }
    }
}

fn copy<B: PacketBuf>(frame: &B, pool: &mut impl Pool<B>) -> Option<B> {
    let mut copy = pool.alloc()?;
    if !copy.append(frame.octets()) {
        return None;
    }
    copy.data_mut().copy_from_slice(frame.data());
    Some(copy)
}

/// A port behind a bad network, in both directions.
#[derive(Debug)]
pub struct ChaosPort<B, P, L> {
    port: P,
    pool: L,
    inbound: Chaos<B>,
    outbound: Chaos<B>,
    /// Frames of the port, on their way into `inbound`.
    arrived: Vec<B>,
    /// Frames that the port has still to take.
    leaving: Vec<B>,
}

impl<B: PacketBuf, P: PortIo<B>, L: Pool<B>> ChaosPort<B, P, L> {
    /// Wraps a port. Copies come from `pool`.
    pub fn new(port: P, pool: L, inbound: Chaos<B>, outbound: Chaos<B>) -> Self {
        Self {
            port,
            pool,
            inbound,
            outbound,
            arrived: Vec::with_capacity(BURST),
            leaving: Vec::with_capacity(BURST),
        }
    }
}

impl<B: PacketBuf, P: PortIo<B>, L: Pool<B>> ChaosPort<B, P, L> {
    fn flush(&mut self) {
        self.leaving
            .extend(std::iter::from_fn(|| self.outbound.pop()));
        self.port.transmit(&mut self.leaving);
    }
}

impl<B: PacketBuf, P: PortIo<B>, L: Pool<B>> PortIo<B> for ChaosPort<B, P, L> {
    fn receive(&mut self, out: &mut Vec<B>) {
        if self.inbound.ready.len() < MAX_READY {
            self.port.receive(&mut self.arrived);
        }
        if self.arrived.is_empty() {
            self.inbound.idle();
        }
        for frame in self.arrived.drain(..) {
            self.inbound.take(frame, &mut self.pool);
        }
        out.extend(std::iter::from_fn(|| self.inbound.pop()).take(BURST));
        // Nobody calls `transmit` without frames.
        self.outbound.idle();
        self.flush();
    }

    fn transmit(&mut self, frames: &mut Vec<B>) {
        if self.leaving.len() < MAX_READY {
            for frame in frames.drain(..) {
                self.outbound.take(frame, &mut self.pool);
            }
        }
        self.flush();
    }
}

#[cfg(test)]
mod tests;
