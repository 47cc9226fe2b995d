//! Inbound SPIs of child SAs: `node(2) | slot(18) | tag(12)` (design decision D7).
//!
//! The slot is planed's array index. A freed slot rests before it is used again, and its tag changes at each use, so that
//! late packets of its former SA find nothing. After a restart the allocator is told what is in use ([`SpiAllocator::reserve`])
//! before it gives anything out; it starts at a random slot with random tags, since it no longer knows what was freed lately.

use std::collections::VecDeque;
use std::time::Duration;

use ravelin_types::{NodeId, SPI_SLOTS, SPI_TAG_BITS, Spi, Time};

/// How long a freed slot rests: above the longest life of a packet on its way (RFC 791: 120 s TTL) and the linger of a
/// replaced SA.
pub const REST: Duration = Duration::from_secs(120);

const TAG_MASK: u32 = (1 << SPI_TAG_BITS) - 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fresh,
    Used,
    Resting,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    state: State,
    tag: u16,
}

/// Allocator of this node's slots. 1 MiB.
pub struct SpiAllocator {
    node: NodeId,
    slots: Vec<Slot>,
    /// Freed slots, the longest rested first.
    resting: VecDeque<(Time, u32)>,
    /// Next slot to look at for one that was never used.
    next_fresh: u32,
    fresh_left: u32,
    used: u32,
}

impl SpiAllocator {
    /// `seed` makes the starting slot and the first tags; take it from a random generator.
    pub fn new(node: NodeId, seed: u64) -> Self {
        let slots = (0..SPI_SLOTS)
            .map(|slot| Slot {
                state: State::Fresh,
                tag: first_tag(seed, slot),
            })
            .collect();
        Self {
            node,
            slots,
            resting: VecDeque::new(),
            next_fresh: (seed >> 32) as u32 % SPI_SLOTS,
            fresh_left: SPI_SLOTS,
            used: 0,
        }
    }

    /// Slots in use.
    pub fn used(&self) -> u32 {
        self.used
    }

    /// Marks an SPI as in use (restart: from the vault, or the HA peer). SPIs of another node are not ours to count.
    pub fn reserve(&mut self, spi: Spi) {
        if spi.node() != self.node {
            return;
        }
        let Some(slot) = self.slots.get_mut(spi.slot() as usize) else {
            return;
        };
        if slot.state == State::Fresh {
            self.fresh_left -= 1;
        }
        if slot.state != State::Used {
            self.used += 1;
        }
        *slot = Slot {
            state: State::Used,
            tag: spi.tag() as u16,
        };
    }

    /// A free SPI, or `None` when all slots are in use or resting.
    pub fn allocate(&mut self, now: Time) -> Option<Spi> {
        // Slots that rested long enough first: it keeps planed's array compact.
        while let Some((freed, index)) = self.resting.front().copied() {
            if now.since(freed) < REST {
                break;
            }
            self.resting.pop_front();
            if let Some(spi) = self.take(index, State::Resting) {
                return Some(spi);
            }
        }
        while self.fresh_left > 0 {
            let index = self.next_fresh;
            self.next_fresh = (index + 1) % SPI_SLOTS;
            if let Some(spi) = self.take(index, State::Fresh) {
                return Some(spi);
            }
        }
        None
    }

    /// Gives an SPI back; its slot rests from now on. Anything but an SPI in use is ignored.
    pub fn release(&mut self, spi: Spi, now: Time) {
        let Some(slot) = self.slots.get_mut(spi.slot() as usize) else {
            return;
        };
        let ours = spi.node() == self.node && u32::from(slot.tag) == spi.tag();
        if ours && slot.state == State::Used {
            slot.state = State::Resting;
            self.used -= 1;
            self.resting.push_back((now, spi.slot()));
        }
    }

    /// Takes the slot if it is in the expected state. Slot 0 of node 0 has reserved SPIs: skip tags until one composes.
    fn take(&mut self, index: u32, expected: State) -> Option<Spi> {
        let node = self.node;
        let slot = self.slots.get_mut(index as usize)?;
        if slot.state != expected {
            return None;
        }
        if expected == State::Fresh {
            self.fresh_left -= 1;
        }
        let spi = (1..=TAG_MASK)
            .find_map(|step| Spi::compose(node, index, (u32::from(slot.tag) + step) & TAG_MASK))?;
        *slot = Slot {
            state: State::Used,
            tag: spi.tag() as u16,
        };
        self.used += 1;
        Some(spi)
    }
}

/// SplitMix64's finaliser, cut to a tag.
fn first_tag(seed: u64, slot: u32) -> u16 {
    let mut z = seed.wrapping_add(u64::from(slot).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) as u32 & TAG_MASK) as u16
}

#[cfg(test)]
mod tests;
