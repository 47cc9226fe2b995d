//! How times are spread: counts of them in classes that are at most 1/16 wide, from a microsecond to more than an hour.

/// Classes of one power of two, as a power of two.
const CLASS_BITS: u32 = 4;
const CLASSES: usize = (u32::BITS as usize) << CLASS_BITS;

/// Counted times.
#[derive(Debug)]
pub struct Histogram {
    counts: [u32; CLASSES],
    all: u64,
    max_us: u32,
}

impl Histogram {
    /// Of no time yet.
    pub fn new() -> Self {
        Self {
            counts: [0; CLASSES],
            all: 0,
            max_us: 0,
        }
    }

    /// Counts one.
    pub fn add(&mut self, time_us: u32) {
        if let Some(count) = self.counts.get_mut(class(time_us)) {
            *count = count.saturating_add(1);
        }
        self.all += 1;
        self.max_us = self.max_us.max(time_us);
    }

    /// Microseconds that so many of a thousand times do not exceed, at most 1/16 too long; `None` without times.
    pub fn per_mille(&self, share: u64) -> Option<u32> {
        let rank = (self.all * share).div_ceil(1000).max(1);
        let mut seen = 0;
        for (class, count) in self.counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                return Some(longest(class).min(self.max_us));
            }
        }
        None
    }

    /// The longest time.
    pub fn max_us(&self) -> u32 {
        self.max_us
    }
}

/// The first 16 numbers have a class each, each further power of two has 16 classes.
fn class(time_us: u32) -> usize {
    let shift = (u32::BITS - time_us.leading_zeros()).saturating_sub(CLASS_BITS + 1);
    ((shift << CLASS_BITS) + (time_us >> shift)) as usize
}

/// The longest time of a class.
fn longest(class: usize) -> u32 {
    let width = 1 << CLASS_BITS;
    let shift = (class / width).saturating_sub(1);
    let within = class - (shift * width);
    u32::try_from(((within as u64 + 1) << shift) - 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_lies_in_a_class_that_is_hardly_wider_than_itself() {
        for time in (0..100_000).chain([u32::MAX / 2, u32::MAX - 1, u32::MAX]) {
            let end = longest(class(time));
            assert!(end >= time, "{time} is not beyond {end}");
            assert!(end - time <= time / 16, "{time} and {end}");
            assert!(time == 0 || class(time - 1) <= class(time));
        }
        assert!(class(u32::MAX) < CLASSES);
    }

    #[test]
    fn shares_are_those_of_the_times() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.per_mille(500), None);
        (1..=10_000).for_each(|time| histogram.add(time));
        for (share, wanted) in [(500, 5_000), (990, 9_900), (999, 9_990), (1000, 10_000)] {
            let found = histogram.per_mille(share).unwrap();
            assert!(
                (wanted..=wanted + wanted / 16).contains(&found),
                "{found} for {wanted}"
            );
        }
        assert_eq!(histogram.max_us(), 10_000);
    }
}
