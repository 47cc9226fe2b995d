//! Hints to the CPU's caches.

/// Octets of a cache line.
pub const LINE_OCTETS: usize = 64;

/// Starts to bring the lines of `octets` of `value` into the first-level cache. Waits for nothing and reads nothing. The value begins a
/// line.
#[inline(always)]
pub fn prefetch_part<T: ?Sized>(value: &T, octets: std::ops::Range<usize>) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let start = std::ptr::from_ref(value).cast::<i8>();
        let first = octets.start / LINE_OCTETS * LINE_OCTETS;
        for at in (first..octets.end).step_by(LINE_OCTETS) {
            // SAFETY: a prefetch never faults, wherever it points.
            unsafe { _mm_prefetch(start.wrapping_add(at), _MM_HINT_T0) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (value, octets);
}

/// Starts to bring all lines of `value` into the first-level cache.
#[inline(always)]
pub fn prefetch<T: ?Sized>(value: &T) {
    prefetch_part(value, 0..size_of_val(value));
}
