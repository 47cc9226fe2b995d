//! Hints to the CPU's caches.

/// Octets of a cache line.
pub const LINE_OCTETS: usize = 64;

/// Starts to bring the lines of `value` into the first-level cache. Waits for nothing and reads nothing.
#[inline]
pub fn prefetch<T: ?Sized>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let start = std::ptr::from_ref(value).cast::<i8>();
        for at in (0..size_of_val(value)).step_by(LINE_OCTETS) {
            // SAFETY: a prefetch never faults, and the address is inside `value`.
            unsafe { _mm_prefetch(start.add(at), _MM_HINT_T0) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
