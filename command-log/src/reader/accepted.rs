//! Fingerprints of the decisions that counted last, to tell a repeat from a contradiction.
//!
//! A fingerprint is the length and the CRC-32 of the payload, not a cryptographic hash: a duplicate
//! changes nothing whether it is recognised or not, so an adversary gains nothing by forging one, and
//! a second SHA-256 over every decision would cost each reader as much as the chain does.

use std::collections::VecDeque;

use log_schema::Offset;

/// How many decisions are remembered.
pub const ACCEPTED_MAX: usize = 1024;

/// The decisions that counted last, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Accepted(VecDeque<Fingerprint>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fingerprint {
    from: Offset,
    to: Offset,
    bytes: usize,
    crc: u32,
}

/// How a decision relates to the one that counted for its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    Same,
    Different,
    Forgotten,
}

impl Accepted {
    /// Remembers a decision that counts, and forgets the oldest one if there are too many.
    pub(super) fn remember(&mut self, from: Offset, to: Offset, payload: &[u8]) {
        self.0.push_back(Fingerprint::of(from, to, payload));
        if self.0.len() > ACCEPTED_MAX {
            self.0.pop_front();
        }
    }

    /// Compares a decision of offsets that were all answered before.
    pub(super) fn compare(&self, from: Offset, to: Offset, payload: &[u8]) -> Repeat {
        match self.0.front() {
            Some(oldest) if oldest.from <= from => {}
            _ => return Repeat::Forgotten,
        }
        let repeat = Fingerprint::of(from, to, payload);
        let found = self.0.binary_search_by_key(&from, |accepted| accepted.from);
        if found.is_ok_and(|index| self.0[index] == repeat) { Repeat::Same } else { Repeat::Different }
    }
}

impl Fingerprint {
    fn of(from: Offset, to: Offset, payload: &[u8]) -> Self {
        Self { from, to, bytes: payload.len(), crc: crc32fast::hash(payload) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_is_the_same_range_and_the_same_bytes() {
        let mut accepted = Accepted::default();
        accepted.remember(Offset(4), Offset(6), b"one");
        accepted.remember(Offset(7), Offset(9), b"two");
        assert_eq!(accepted.compare(Offset(7), Offset(9), b"two"), Repeat::Same);
        assert_eq!(accepted.compare(Offset(7), Offset(9), b"too"), Repeat::Different);
        assert_eq!(accepted.compare(Offset(7), Offset(8), b"two"), Repeat::Different);
        assert_eq!(accepted.compare(Offset(5), Offset(9), b"two"), Repeat::Different);
        assert_eq!(accepted.compare(Offset(0), Offset(3), b"two"), Repeat::Forgotten);
    }

    #[test]
    fn what_is_too_long_ago_is_forgotten() {
        let mut accepted = Accepted::default();
        (0..=ACCEPTED_MAX as u64).for_each(|n| accepted.remember(Offset(n), Offset(n), b"same"));
        assert_eq!(accepted.compare(Offset(0), Offset(0), b"same"), Repeat::Forgotten);
        assert_eq!(accepted.compare(Offset(1), Offset(1), b"same"), Repeat::Same);
    }
}
