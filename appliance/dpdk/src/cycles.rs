//! The counter that a core reads faster than any clock: cycles of the time stamp counter on x86-64, nanoseconds elsewhere. Only
//! differences on one core mean anything.

/// Reads the counter. Neighbouring instructions may move across, by some tens of cycles.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn now() -> u64 {
    // SAFETY: every x86-64 has the instruction, and it touches no memory.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// Reads the counter.
#[cfg(not(target_arch = "x86_64"))]
pub fn now() -> u64 {
    use std::sync::LazyLock;
    use std::time::Instant;
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_counts_up() {
        let first = super::now();
        std::hint::black_box((0..1000).sum::<u64>());
        assert!(super::now() > first);
    }
}
