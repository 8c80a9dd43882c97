//! How a projection knows that it is whole: counts and sums of hashes of what was written.
//!
//! ```text
//!   live       rows as they are now: a change takes the row before out of the sum and puts the new one in
//!   stretch    versions of rows and facts that were written in the current stretch of the log
//!   closed     the tallies of all stretches before, each of which is kept as a record of its own
//! ```
//!
//! Sums do not depend on order, so a scan in any order has to give the same. They go to the disk in the
//! write batch of the rows: a file that is missing or ends early leaves rows and sums that differ, which
//! checksums of blocks cannot see. They are against damage, not against people.

use log_schema::Offset;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use crate::Position;

/// How many offsets share a tally of what was written.
pub(crate) const STRETCH_OFFSETS: u64 = 4_096;
/// Odd numbers that keep the parts of a hash apart.
const OF_KEYS: u64 = 0x9e37_79b9_7f4a_7c15;
const OF_VERSIONS: u64 = 0xd6e8_feb8_6659_fd93;
/// Stands for the value of a version that ends a row.
const ENDED: u64 = 0x51_7cc1_b727_220a;

/// How many things, and the sum of their hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    pub(crate) sum: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, hash: u64) {
        self.count = self.count.wrapping_add(1);
        self.sum = self.sum.wrapping_add(hash);
    }

    fn take(&mut self, hash: u64) {
        self.count = self.count.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(hash);
    }

    fn hash(self, stretch: u64) -> u64 {
        mix(mix(stretch, self.count), self.sum)
    }
}

/// What was written, up to one position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tallies {
    /// The rows as they are now.
    pub(crate) live: Tally,
    /// The current stretch.
    pub(crate) stretch: u64,
    /// What was written in it.
    pub(crate) written: Tally,
    /// The stretches before.
    pub(crate) closed: Tally,
}

/// How far the rows have come, and what they have to add up to then. One record, so that both are of one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    pub(crate) position: Position,
    pub(crate) tallies: Tallies,
}

impl Tallies {
    /// Notes a new version of a row, with the hash of the row before and of the row now, if there is one.
    pub(crate) fn row(&mut self, at: Offset, key: u64, before: Option<u64>, now: Option<u64>) {
        before.into_iter().for_each(|hash| self.live.take(hash));
        now.into_iter().for_each(|hash| self.live.add(hash));
        self.written.add(of_version(key, now, at));
    }

    /// Notes a fact.
    pub(crate) fn fact(&mut self, hash: u64) {
        self.written.add(hash);
    }

    /// Goes on to the stretch of an offset. Returns the stretch that is closed by it, to be kept, if something
    /// was written there.
    pub(crate) fn move_to(&mut self, at: Offset) -> Option<(u64, Tally)> {
        let stretch = stretch_of(at);
        if stretch == self.stretch {
            return None;
        }
        let (number, tally) = (self.stretch, self.written);
        (self.stretch, self.written) = (stretch, Tally::default());
        if tally.count == 0 {
            return None;
        }
        self.closed.add(tally.hash(number));
        Some((number, tally))
    }
}

/// Adds the tally of a closed stretch, as it was kept.
pub(crate) fn add_closed(closed: &mut Tally, stretch: u64, tally: Tally) {
    closed.add(tally.hash(stretch));
}

/// The stretch that an offset lies in.
pub(crate) fn stretch_of(at: Offset) -> u64 {
    at.0 / STRETCH_OFFSETS
}

/// The hash of a key.
pub(crate) fn of_key(key: &[u8]) -> u64 {
    XxHash3_64::oneshot(key)
}

/// The hash of a row or a fact.
pub(crate) fn of_row(key: u64, value: &[u8]) -> u64 {
    mix(key, XxHash3_64::oneshot(value))
}

/// The hash of one version of a row; of the end of a row where there is none.
pub(crate) fn of_version(key: u64, row: Option<u64>, at: Offset) -> u64 {
    mix(row.unwrap_or_else(|| mix(key, ENDED)) ^ OF_VERSIONS, at.0)
}

/// Both in one: the halves of a product, neither factor of which is 0.
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from((a ^ OF_KEYS) | 1) * u128::from(b ^ OF_VERSIONS);
    #[allow(clippy::cast_possible_truncation, reason = "both halves are used")]
    let (low, high) = (product as u64, (product >> 64) as u64);
    low ^ high ^ a.rotate_left(23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_that_are_on_disks_stay_what_they_are() {
        let key = of_key(b"job");
        let row = of_row(key, b"row");
        assert_eq!(
            (key, row, of_version(key, Some(row), Offset(7)), of_version(key, None, Offset(7))),
            (
                12_162_887_130_681_101_785,
                17_399_992_243_004_351_590,
                2_211_497_926_158_657_829,
                11_826_116_288_562_471_031
            ),
            "another hash is another FORMAT of the directory"
        );
    }

    #[test]
    fn a_sum_differs_when_values_are_exchanged_lost_or_written_twice() {
        let sum = |rows: &[(&str, &str)]| {
            let mut tally = Tally::default();
            rows.iter().for_each(|(key, value)| tally.add(of_row(of_key(key.as_bytes()), value.as_bytes())));
            tally
        };
        let whole = sum(&[("a", "1"), ("b", "2")]);
        assert_eq!(whole, sum(&[("b", "2"), ("a", "1")]));
        for other in [&[("a", "2"), ("b", "1")][..], &[("a", "1")], &[("a", "1"), ("b", "2"), ("b", "2")]] {
            assert_ne!(whole, sum(other));
        }
    }
}
