//! What is typical of many delays: a median, exact, in whole milliseconds.

use std::collections::BTreeMap;

/// Delays, counted by length.
#[derive(Clone, Debug, Default)]
pub struct Typical {
    counts: BTreeMap<u64, u64>,
    total: u64,
}

impl Typical {
    /// Counts one more.
    pub fn add(&mut self, ms: u64) {
        *self.counts.entry(ms).or_insert(0) += 1;
        self.total += 1;
    }

    /// The median of all; the upper one of two.
    pub fn median(&self) -> Option<u64> {
        at_rank(self.counts.iter(), self.total / 2)
    }

    /// The median of those that are longer than `ms`.
    pub fn median_above(&self, ms: u64) -> Option<u64> {
        let longer = || self.counts.range(ms + 1..);
        let total: u64 = longer().map(|(_, count)| count).sum();
        at_rank(longer(), total / 2)
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }
}

fn at_rank<'a>(mut counts: impl Iterator<Item = (&'a u64, &'a u64)>, rank: u64) -> Option<u64> {
    let mut passed = 0;
    counts.find_map(|(ms, count)| {
        passed += count;
        (passed > rank).then_some(*ms)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_that_of_all_or_of_the_longer_ones() {
        let mut typical = Typical::default();
        assert_eq!((typical.median(), typical.median_above(0)), (None, None));
        for ms in [10, 10, 20, 40, 80] {
            typical.add(ms);
        }
        assert_eq!(typical.median(), Some(20));
        assert_eq!(typical.median_above(10), Some(40));
        assert_eq!(typical.median_above(80), None);
    }
}
