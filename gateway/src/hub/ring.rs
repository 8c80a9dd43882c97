//! The newest entries, in memory, within a bound.

use std::collections::VecDeque;

use log_schema::Offset;

use super::{Anchor, Entry};

/// The most payload bytes whose entries are kept.
pub(crate) const RING_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The most entries that are kept.
pub(crate) const RING_ENTRIES_MAX: usize = 16_384;

/// Every entry at `first..next`, in order of offset.
#[derive(Debug)]
pub(super) struct Ring {
    entries: VecDeque<(Entry, usize)>,
    bytes: usize,
    first: Offset,
    next: Offset,
    /// The last anchor before `first`.
    base: Anchor,
}

impl Ring {
    pub(super) fn new(anchor: Anchor) -> Self {
        // The anchor's own decision is not here, so whoever wants it must read the log.
        let next = anchor.behind();
        Self { entries: VecDeque::new(), bytes: 0, first: next, next, base: anchor }
    }

    /// Keeps an entry and lets the oldest ones go.
    pub(super) fn push(&mut self, entry: Entry, bytes: usize) {
        self.bytes += bytes;
        self.entries.push_back((entry, bytes));
        while self.bytes > RING_BYTES_MAX || self.entries.len() > RING_ENTRIES_MAX {
            self.drop_oldest();
        }
    }

    /// Nothing else counts below `next`.
    pub(super) fn reach(&mut self, next: Offset) {
        self.next = next;
    }

    /// At most `max` entries from `from` on and where to go on; `None` where the ring begins later.
    pub(super) fn since(&self, from: Offset, max: usize) -> Option<(Vec<Entry>, Offset)> {
        if from < self.first {
            return None;
        }
        let start = self.position(from);
        let taken: Vec<Entry> = self.entries.iter().skip(start).take(max).map(|(entry, _)| entry.clone()).collect();
        let is_all = start + taken.len() == self.entries.len();
        let next = match taken.last() {
            Some(last) if !is_all => last.offset().next(),
            _ => self.next.max(from),
        };
        Some((taken, next))
    }

    /// The last anchor before `at`; `None` where the ring begins later.
    pub(super) fn anchor_before(&self, at: Offset) -> Option<Anchor> {
        if at < self.first {
            return None;
        }
        let before = self.entries.iter().take(self.position(at)).rev();
        let decision = before.map(|(entry, _)| entry).find_map(|entry| match entry {
            Entry::Decision(decided) => Some(Anchor::of(decided.offset, &decided.decision)),
            Entry::Epoch(_) => None,
        });
        Some(decision.unwrap_or(self.base))
    }

    /// The decision that answered the command at `at`, while it is here.
    pub(super) fn answering(&self, at: Offset) -> Option<&Entry> {
        let start = self.position(at);
        let found = self.entries.iter().skip(start).find(|(entry, _)| match entry {
            Entry::Decision(decided) => decided.decision.to >= at,
            Entry::Epoch(_) => false,
        });
        let answers = |entry: &Entry| matches!(entry, Entry::Decision(decided) if decided.decision.from <= at);
        found.map(|(entry, _)| entry).filter(|entry| answers(entry))
    }

    /// How many entries lie before `at`.
    fn position(&self, at: Offset) -> usize {
        self.entries.partition_point(|(entry, _)| entry.offset() < at)
    }

    fn drop_oldest(&mut self) {
        let Some((entry, bytes)) = self.entries.pop_front() else { return };
        self.bytes -= bytes;
        self.first = entry.offset().next();
        if let Entry::Decision(decided) = entry {
            self.base = Anchor::of(decided.offset, &decided.decision);
        }
    }
}
