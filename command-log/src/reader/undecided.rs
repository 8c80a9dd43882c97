//! The chain at each record that no decision has answered yet.

use std::collections::VecDeque;

use log_schema::{Chain, Offset};

/// The most chains that are kept, of the newest records: 32 MiB of them.
pub const UNDECIDED_MAX: usize = 1 << 20;

/// Chains of consecutive offsets, the oldest first.
#[derive(Clone, Debug)]
pub(super) struct Undecided {
    first: Offset,
    chains: VecDeque<Chain>,
}

impl Undecided {
    /// Nothing yet; the first chain to be pushed is that at `first`.
    pub(super) fn new(first: Offset) -> Self {
        Self { first, chains: VecDeque::new() }
    }

    /// Adds the chain at the next offset, and forgets the oldest one if there are too many.
    pub(super) fn push(&mut self, chain: Chain) {
        self.chains.push_back(chain);
        if self.chains.len() > UNDECIDED_MAX {
            self.drop_first(1);
        }
    }

    /// The chain at `offset`, if it is kept.
    pub(super) fn chain_at(&self, offset: Offset) -> Option<Chain> {
        let index = offset.0.checked_sub(self.first.0)?;
        self.chains.get(usize::try_from(index).ok()?).copied()
    }

    /// Drops all chains up to and with `to`: a decision has answered them.
    pub(super) fn forget_through(&mut self, to: Offset) {
        let answered = to.next().0.saturating_sub(self.first.0);
        self.drop_first(usize::try_from(answered).unwrap_or(usize::MAX).min(self.chains.len()));
    }

    fn drop_first(&mut self, count: usize) {
        self.chains.drain(..count);
        self.first = Offset(self.first.0 + count as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(n: u8) -> Chain {
        Chain([n; 32])
    }

    #[test]
    fn chains_are_found_by_offset_until_they_are_answered() {
        let mut undecided = Undecided::new(Offset(10));
        (10..14).for_each(|n| undecided.push(chain(n)));
        undecided.forget_through(Offset(11));
        let found: Vec<_> = (9..15).map(|n| undecided.chain_at(Offset(n)).map(|chain| chain.0[0])).collect();
        assert_eq!(found, [None, None, None, Some(12), Some(13), None]);
    }

    #[test]
    fn the_oldest_chains_give_way_to_the_newest() {
        let mut undecided = Undecided::new(Offset(0));
        (0..=UNDECIDED_MAX).for_each(|_| undecided.push(chain(7)));
        assert_eq!(undecided.chain_at(Offset(0)), None);
        assert_eq!(undecided.chain_at(Offset(1)), Some(chain(7)));
        assert_eq!(undecided.chain_at(Offset(UNDECIDED_MAX as u64)), Some(chain(7)));
    }
}
