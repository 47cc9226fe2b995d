//! Neighbours: one atomic word each, so that a changed MAC needs no publication.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use ravelin_wire::ethernet::Mac;

use crate::stations::Stations;
use crate::tables::{AdjIndex, IfIndex};

/// Neighbours of one node: the kernel's tables are raised to the same bound.
pub const MAX_ADJACENCIES: usize = 65_536;

const RESOLVED: u64 = 1 << 48;

fn word_of([a, b, c, d, e, f]: Mac) -> u64 {
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

#[inline]
fn mac_of(word: u64) -> Option<Mac> {
    let [_, _, a, b, c, d, e, f] = word.to_be_bytes();
    (word & RESOLVED != 0).then_some([a, b, c, d, e, f])
}

/// One neighbour.
#[derive(Debug, Default)]
struct Slot {
    /// MAC in the low 48 bits, [`RESOLVED`] above.
    mac: AtomicU64,
    interface: AtomicU32,
    used: AtomicBool,
}

/// All neighbours, written by the control thread, read by the workers.
#[derive(Debug)]
pub struct Adjacencies {
    slots: Box<[Slot]>,
    stations: Stations,
}

impl Adjacencies {
    /// A table of `count` slots, at most [`MAX_ADJACENCIES`].
    pub fn new(count: usize) -> Self {
        Self {
            slots: (0..count.min(MAX_ADJACENCIES))
                .map(|_| Slot::default())
                .collect(),
            stations: Stations::default(),
        }
    }

    /// How many slots it has.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    fn slot(&self, index: AdjIndex) -> Option<&Slot> {
        self.slots.get(index.0 as usize)
    }

    /// Sets a neighbour; `None` as MAC when it is not resolved.
    pub fn set(&self, index: AdjIndex, interface: IfIndex, mac: Option<Mac>) {
        let Some(slot) = self.slot(index) else { return };
        let word = mac.map_or(0, |mac| word_of(mac) | RESOLVED);
        let old = (
            slot.interface.load(Ordering::Relaxed),
            slot.mac.load(Ordering::Relaxed),
        );
        if old == (u32::from(interface.0), word) {
            return;
        }
        if let Some(gone) = mac_of(old.1) {
            self.stations.forget(IfIndex(old.0 as u16), gone);
        }
        if let Some(mac) = mac {
            self.stations.learn(interface, mac);
        }
        slot.interface
            .store(u32::from(interface.0), Ordering::Relaxed);
        slot.mac.store(word, Ordering::Release);
    }

    /// The stations of the neighbours.
    pub fn stations(&self) -> &Stations {
        &self.stations
    }

    /// Where a neighbour is. Does not count as use.
    pub fn interface(&self, index: AdjIndex) -> Option<IfIndex> {
        let slot = self.slot(index)?;
        Some(IfIndex(slot.interface.load(Ordering::Relaxed) as u16))
    }

    /// Where a neighbour is, and its MAC if it is resolved. Marks it as used.
    #[inline]
    pub fn get(&self, index: AdjIndex) -> Option<(IfIndex, Option<Mac>)> {
        let slot = self.slot(index)?;
        let word = slot.mac.load(Ordering::Acquire);
        if !slot.used.load(Ordering::Relaxed) {
            slot.used.store(true, Ordering::Relaxed);
        }
        let interface = IfIndex(slot.interface.load(Ordering::Relaxed) as u16);
        Some((interface, mac_of(word)))
    }

    /// Whether its MAC is known. Does not count as use.
    pub fn is_resolved(&self, index: AdjIndex) -> bool {
        self.slot(index)
            .is_some_and(|slot| slot.mac.load(Ordering::Acquire) & RESOLVED != 0)
    }

    /// Whether it was used since the last call.
    pub fn take_used(&self, index: AdjIndex) -> bool {
        self.slot(index)
            .is_some_and(|slot| slot.used.swap(false, Ordering::Relaxed))
    }
}
