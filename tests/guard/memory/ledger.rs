//! An allocator that keeps a ledger of the pieces in use, by their size.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, Ordering};

/// Pieces of less than this have an account for each of their sizes.
const SMALL_OCTETS: usize = 16_384;
/// What the C library adds to a piece: its size and that of its neighbour.
pub const OVERHEAD_OCTETS: i64 = 16;

/// Pieces in use of each size, and of the larger ones together.
static PIECES: [AtomicI64; SMALL_OCTETS + 1] = [const { AtomicI64::new(0) }; SMALL_OCTETS + 1];
/// Octets of the larger ones.
static LARGE_OCTETS: AtomicI64 = AtomicI64::new(0);

/// The system's allocator behind the ledger.
pub struct Ledger;

fn note(octets: usize, pieces: i64) {
    PIECES[octets.min(SMALL_OCTETS)].fetch_add(pieces, Ordering::Relaxed);
    if octets >= SMALL_OCTETS {
        LARGE_OCTETS.fetch_add(pieces * octets as i64, Ordering::Relaxed);
    }
}

// SAFETY: every request goes unchanged to the system's allocator, whose contract is this one's. The ledger touches no memory but its own.
unsafe impl GlobalAlloc for Ledger {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 1);
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        note(layout.size(), -1);
        // SAFETY: as above; `memory` came from `System`.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 1);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, octets: usize) -> *mut u8 {
        note(layout.size(), -1);
        note(octets, 1);
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, octets) }
    }
}

/// The pieces in use at one moment. It has no piece itself.
pub struct Balance {
    pieces: [i64; SMALL_OCTETS + 1],
    large_octets: i64,
}

/// Takes the balance.
pub fn balance() -> Balance {
    Balance {
        pieces: std::array::from_fn(|octets| PIECES[octets].load(Ordering::Relaxed)),
        large_octets: LARGE_OCTETS.load(Ordering::Relaxed),
    }
}

/// Pieces of one size that came into use.
pub struct Row {
    /// Of each, without what the C library adds; of the larger ones their mean.
    pub octets: i64,
    pub pieces: i64,
}

impl Row {
    /// What they take.
    pub fn total(&self) -> i64 {
        let rounded = (self.octets + OVERHEAD_OCTETS - 1) / OVERHEAD_OCTETS * OVERHEAD_OCTETS;
        self.pieces * (rounded + OVERHEAD_OCTETS)
    }
}

impl Balance {
    /// What came into use since an earlier balance, by size; what went since is negative.
    pub fn since(&self, earlier: &Self) -> Vec<Row> {
        let pairs = self.pieces.iter().zip(&earlier.pieces).enumerate();
        let change = pairs.map(|(octets, (now, then))| (octets, now - then));
        let large = self.large_octets - earlier.large_octets;
        change
            .filter(|(_, pieces)| *pieces != 0)
            .map(|(octets, pieces)| Row {
                octets: if octets == SMALL_OCTETS {
                    large / pieces
                } else {
                    octets as i64
                },
                pieces,
            })
            .collect()
    }
}
