//! Whether the kernel ended the main process for passing the memory limit, or only others of the task before.
//!
//! The kernel counts such ends for each control group and does not say whose they were. So the count is looked at
//! once a second while the task runs: an end that was counted well before the main process ended was another's.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

/// How many looks back an end may have been counted that is the main process's. A process with much memory takes its
/// time to end on a busy machine: with two looks, one that was out of memory was taken for one that somebody had killed.
const LOOKS: usize = 5;

/// The kernel's count as of the last looks, the oldest first.
#[derive(Debug, Default)]
pub(super) struct KernelKills(Mutex<VecDeque<u64>>);

impl KernelKills {
    /// Takes note of the count. To be called once a second.
    pub(super) fn look(&self, count: u64) {
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        looks.push_back(count);
        if looks.len() > LOOKS {
            looks.pop_front();
        }
    }

    /// How many of `count`, as read after the main process ended, may have been its own end.
    pub(super) fn recent(&self, count: u64) -> u64 {
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = if looks.len() == LOOKS { looks.front().copied() } else { None };
        count.saturating_sub(before.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_counted_since_the_last_looks_may_be_the_main_process() {
        let kills = KernelKills::default();
        assert_eq!(kills.recent(1), 1, "it ended before the first look");
        for _ in 1..LOOKS {
            kills.look(1);
        }
        assert_eq!(kills.recent(1), 1, "it may have taken all of that time to end");
        kills.look(1);
        assert_eq!((kills.recent(1), kills.recent(2)), (0, 1));
    }
}
