//! The part of an SA that must outlive the process (design decision D17): a few words per SA in shared memory, written before the
//! packet leaves.
//!
//! What a restart makes of it is the rule of [`ravelin_types::numbers::resume`].

use std::sync::atomic::{AtomicU64, Ordering};

use dpdk_rs::{LINE_OCTETS, prefetch};
use ravelin_types::Numbers;
use ravelin_types::numbers::Remembered;

/// Words of one SA's record: a cache line, because records side by side are written by different workers.
const WORDS: usize = LINE_OCTETS / size_of::<AtomicU64>();

/// Words for so many SAs.
pub const fn words(slots: usize) -> usize {
    slots * WORDS
}

const WORD_IDENTITY: usize = 0;
const WORD_EPOCH: usize = 1;
const WORD_OUTBOUND: usize = 2;
const WORD_INBOUND: usize = 3;
/// Octets out and in, which the control thread writes for SAs whose volume is limited.
const WORDS_OCTETS: [usize; 2] = [4, 5];

/// Shared words: a mapping that survives the process, or ordinary memory in tests.
pub trait StateCells: Send + Sync + 'static {
    /// Word `index`, or `None` beyond the end.
    fn word(&self, index: usize) -> Option<&AtomicU64>;
}

impl StateCells for Box<[AtomicU64]> {
    fn word(&self, index: usize) -> Option<&AtomicU64> {
        self.get(index)
    }
}

/// Identity of an SA pair in the mapping; never 0.
fn identity(inbound_spi: u32, outbound_spi: u32) -> u64 {
    u64::from(inbound_spi) << 32 | u64::from(outbound_spi)
}

/// Reads what the mapping holds for this pair in `slot`.
pub fn recall(
    cells: &impl StateCells,
    slot: u32,
    inbound_spi: u32,
    outbound_spi: u32,
) -> Option<Remembered> {
    let word = |at: usize| {
        cells
            .word(slot as usize * WORDS + at)
            .map(|cell| cell.load(Ordering::Acquire))
    };
    if word(WORD_IDENTITY)? != identity(inbound_spi, outbound_spi) {
        return None;
    }
    Some(Remembered {
        epoch: word(WORD_EPOCH)? as u32,
        last: Numbers {
            outbound: word(WORD_OUTBOUND)?,
            inbound: word(WORD_INBOUND)?,
        },
    })
}

/// Starts the record of a pair; `false` when the slot lies beyond the mapping.
pub fn begin(
    cells: &impl StateCells,
    slot: u32,
    inbound_spi: u32,
    outbound_spi: u32,
    state: Remembered,
) -> bool {
    let base = slot as usize * WORDS;
    let words = [
        identity(inbound_spi, outbound_spi),
        u64::from(state.epoch),
        state.last.outbound,
        state.last.inbound,
    ];
    // The identity goes first to zero and last to its value, so that a crash in between leaves no half record.
    let Some(first) = cells.word(base) else {
        return false;
    };
    first.store(0, Ordering::SeqCst);
    for (at, value) in words.iter().enumerate().skip(1) {
        match cells.word(base + at) {
            Some(cell) => cell.store(*value, Ordering::Release),
            None => return false,
        }
    }
    first.store(words[0], Ordering::SeqCst);
    true
}

/// Octets that the SA in `slot` has carried, out and in. Whether they are of the same SA is what [`recall`] tells.
pub fn recall_octets(cells: &impl StateCells, slot: u32) -> [u64; 2] {
    WORDS_OCTETS.map(|at| {
        cells
            .word(slot as usize * WORDS + at)
            .map_or(0, |cell| cell.load(Ordering::Acquire))
    })
}

/// Stores them.
pub fn store_octets(cells: &impl StateCells, slot: u32, octets: [u64; 2]) {
    for (at, value) in WORDS_OCTETS.into_iter().zip(octets) {
        if let Some(cell) = cells.word(slot as usize * WORDS + at) {
            cell.store(value, Ordering::Release);
        }
    }
}

/// Brings the record of a slot towards the cache.
#[inline(always)]
pub fn warm(cells: &impl StateCells, slot: u32) {
    if let Some(cell) = cells.word(slot as usize * WORDS) {
        prefetch(cell);
    }
}

/// Forgets the record of a slot.
pub fn forget(cells: &impl StateCells, slot: u32) {
    if let Some(cell) = cells.word(slot as usize * WORDS) {
        cell.store(0, Ordering::SeqCst);
    }
}

/// Stores the last outbound number, before any packet of it leaves.
#[inline]
pub fn store_outbound(cells: &impl StateCells, slot: u32, sequence: u64) {
    if let Some(cell) = cells.word(slot as usize * WORDS + WORD_OUTBOUND) {
        cell.store(sequence, Ordering::Release);
    }
}

/// Stores the right edge of the inbound window, before any packet behind it is forwarded.
#[inline]
pub fn store_inbound(cells: &impl StateCells, slot: u32, sequence: u64) {
    if let Some(cell) = cells.word(slot as usize * WORDS + WORD_INBOUND) {
        cell.store(sequence, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_by_both_spis_only() {
        let cells: Box<[AtomicU64]> = (0..words(4)).map(|_| AtomicU64::new(0)).collect();
        let state = |outbound, inbound| Remembered {
            epoch: 3,
            last: Numbers { outbound, inbound },
        };
        assert_eq!(recall(&cells, 1, 0x1000, 7), None);
        assert!(begin(&cells, 1, 0x1000, 7, state(10, 20)));
        assert_eq!(recall(&cells, 1, 0x1000, 7), Some(state(10, 20)));
        assert_eq!(recall(&cells, 1, 0x1000, 8), None);
        store_outbound(&cells, 1, 99);
        store_inbound(&cells, 1, 98);
        assert_eq!(recall(&cells, 1, 0x1000, 7), Some(state(99, 98)));
        forget(&cells, 1);
        assert_eq!(recall(&cells, 1, 0x1000, 7), None);
        store_octets(&cells, 3, [5, 6]);
        assert_eq!(recall_octets(&cells, 3), [5, 6]);
        assert_eq!(recall_octets(&cells, 2), [0, 0]);
        assert_eq!(recall(&cells, 3, 5, 6), None, "its own place");
        let beyond = words(4) as u32;
        assert!(!begin(&cells, beyond, 1, 1, state(0, 0)));
    }
}
