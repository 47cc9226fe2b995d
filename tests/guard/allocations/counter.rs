//! An allocator that counts what the thread asks for while it is being watched, and tells where the first requests came from.

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;

/// Requests whose origin is told.
const TOLD: u64 = 5;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static REQUESTS: Cell<u64> = const { Cell::new(0) };
    static TO_TELL: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator behind the counter.
pub struct Counting;

fn request() {
    if !WATCHED.get() {
        return;
    }
    REQUESTS.set(REQUESTS.get() + 1);
    if TO_TELL.get() > 0 {
        TO_TELL.set(TO_TELL.get() - 1);
        // Telling allocates too.
        WATCHED.set(false);
        println!("an allocation from\n{}", Backtrace::force_capture());
        WATCHED.set(true);
    }
}

// SAFETY: every request goes unchanged to the system's allocator, whose contract is this one's. The counter neither allocates while
// it watches nor touches the memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        request();
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above; `memory` came from `System`.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        request();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, octets: usize) -> *mut u8 {
        request();
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, octets) }
    }
}

/// From now on requests are not expected: the first ones are told with where they came from.
pub fn tell() {
    TO_TELL.set(TOLD);
}

/// Runs `work` and returns how often it asked for memory.
pub fn requests_of(work: impl FnOnce()) -> u64 {
    REQUESTS.set(0);
    WATCHED.set(true);
    work();
    WATCHED.set(false);
    REQUESTS.get()
}
