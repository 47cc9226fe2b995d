//! A set of numbers that mostly come in a row, wherever the row begins: one bit for each, no allocation per number.

use std::collections::BTreeSet;

/// How far before its first number a row may still reach: numbers that were overtaken.
const REACH: u64 = 1 << 16;
/// Length of the row that has bits: 16 MiB of them. What lies outside is kept one by one.
const ROW: u64 = 1 << 27;

/// Which numbers were seen.
#[derive(Debug, Default)]
pub struct Seen {
    from: Option<u64>,
    row: Vec<u64>,
    outside: BTreeSet<u64>,
    count: u64,
}

impl Seen {
    /// Takes a number in; `false` when it was there before.
    pub fn insert(&mut self, number: u64) -> bool {
        let from = *self.from.get_or_insert(number.saturating_sub(REACH));
        let fresh = match number.checked_sub(from).filter(|at| *at < ROW) {
            Some(at) => self.mark(at),
            None => self.outside.insert(number),
        };
        self.count += u64::from(fresh);
        fresh
    }

    /// How many different numbers were seen.
    pub fn count(&self) -> u64 {
        self.count
    }

    fn mark(&mut self, at: u64) -> bool {
        let (word, bit) = ((at / 64) as usize, 1 << (at % 64));
        if self.row.len() <= word {
            self.row.resize(2 * word + 1, 0);
        }
        let fresh = self.row[word] & bit == 0;
        self.row[word] |= bit;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_second_time_from_the_first() {
        let mut seen = Seen::default();
        let base = 7 << 40;
        for number in [
            base,
            base + 1,
            base + 70_000,
            base - 3,
            0,
            u64::MAX,
            base + ROW,
        ] {
            assert!(seen.insert(number), "{number}");
            assert!(!seen.insert(number), "{number}");
        }
        assert_eq!(seen.count(), 7);
    }
}
