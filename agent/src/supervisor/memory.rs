//! Whether the kernel ended the main process for passing the memory limit, or only others of the task before.
//!
//! The kernel counts such ends for each control group and does not say whose they were. So the count is looked at
//! once a second while the task runs: an end that was counted well before the main process ended was another's.

use std::sync::atomic::{AtomicU64, Ordering};

/// The kernel's count as of the last look and of the look before.
#[derive(Debug, Default)]
pub(super) struct KernelKills {
    last: AtomicU64,
    before: AtomicU64,
}

impl KernelKills {
    /// Takes note of the count. To be called once in a while, by one thread.
    pub(super) fn look(&self, count: u64) {
        self.before.store(self.last.swap(count, Ordering::Relaxed), Ordering::Relaxed);
    }

    /// How many of `count`, as read after the main process ended, may have been its own end. The last look does not
    /// count: it may have come between the kernel's count of that end and the end.
    pub(super) fn recent(&self, count: u64) -> u64 {
        count.saturating_sub(self.before.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_counted_since_the_look_before_the_last_may_be_the_main_process() {
        let kills = KernelKills::default();
        assert_eq!(kills.recent(1), 1, "it ended before the first look");
        kills.look(1);
        assert_eq!(kills.recent(1), 1, "the look may have come between the count and the end");
        kills.look(1);
        assert_eq!((kills.recent(1), kills.recent(2)), (0, 1));
    }
}
