//! What is typical of many delays: a median, exact, in whole milliseconds.

use std::{collections::BTreeMap, sync::OnceLock};

/// Delays, counted by length.
#[derive(Clone, Debug, Default)]
pub struct Typical {
    counts: BTreeMap<u64, u64>,
    /// Each length, with how many are no longer; reckoned when first asked for.
    up_to: OnceLock<Vec<(u64, u64)>>,
}

impl Typical {
    /// Counts one more.
    pub fn add(&mut self, ms: u64) {
        *self.counts.entry(ms).or_insert(0) += 1;
        self.up_to = OnceLock::new();
    }

    /// The median of all; the upper one of two.
    pub fn median(&self) -> Option<u64> {
        self.median_after(0)
    }

    /// The median of those that are longer than `ms`.
    pub fn median_above(&self, ms: u64) -> Option<u64> {
        let up_to = self.up_to();
        let shorter = up_to.partition_point(|(length, _)| *length <= ms);
        self.median_after(shorter.checked_sub(1).map_or(0, |last| up_to[last].1))
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The median of all but the `passed` shortest.
    fn median_after(&self, passed: u64) -> Option<u64> {
        let up_to = self.up_to();
        let (_, total) = up_to.last()?;
        let rank = passed + (total - passed) / 2;
        let at = up_to.partition_point(|(_, count)| *count <= rank);
        up_to.get(at).map(|(length, _)| *length)
    }

    fn up_to(&self) -> &[(u64, u64)] {
        self.up_to.get_or_init(|| {
            let mut total = 0;
            let add = |(length, count): (&u64, &u64)| {
                total += count;
                (*length, total)
            };
            self.counts.iter().map(add).collect()
        })
    }
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
