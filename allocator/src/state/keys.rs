//! Recent idempotency keys: who asked what, and at which offset it was answered.
//!
//! A key is remembered for `key_kept_ms` at least, and at most [`KEYS_MAX`] are: past that the
//! oldest go first. A command whose key is forgotten is decided again; names that are taken and
//! states that have passed then refuse most repetitions by themselves.
//!
//! ```text
//!   log:   tick T1 ....... command K ... tick T2 ... tick T3 .............. tick T4
//!                                │        │           │                     │
//!     read from the clock before K ───────┘           └── after K: K's time starts here
//! ```
//!
//! Log time stands still between two ticks, so the last tick (T1) may be hours older than the
//! command, and a time that starts there may be over at once. The next tick (T2) may have been on
//! its way to the log for as long as the log was out of reach, with a time from before the command.
//! A leader reads its clock for T3 after it has read T2 in the log, so T3 is never too early.

use std::collections::VecDeque;

use indexmap::IndexMap;
use log_schema::{Offset, TimeMs, decision::AskedV1, id::Key, id::Principal};
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};

/// The most keys that are remembered.
pub const KEYS_MAX: usize = 1_000_000;

/// The part of its time by which a key's time may start late, and by which it may be forgotten late.
const SLACK_PER_WINDOW: u64 = 8;

/// One remembered command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    principal: Principal,
    key: Key,
    digest: u64,
    at: Offset,
    /// For how long it is kept, in milliseconds of log time.
    kept_ms: u64,
    expiry: Expiry,
}

/// When a key is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Expiry {
    /// Its time starts with the second tick from now.
    Unticked,
    /// Its time starts with the next tick.
    TickedOnce,
    /// At this time.
    At(TimeMs),
}

/// What is remembered of commands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Keys {
    oldest_first: VecDeque<Remembered>,
    /// How many keys, from the newest on, wait for a tick.
    waiting: usize,
    /// Where a key was answered. A hash map: only ever asked, never walked.
    #[serde(skip)]
    by_key: IndexMap<(Principal, Key), (Offset, u64), FxBuildHasher>,
}

impl Keys {
    /// Where a key was answered before, and the digest of what was asked then.
    pub fn find(&self, principal: &Principal, key: &Key) -> Option<(Offset, u64)> {
        // One lookup per client command; the clones are short inline strings.
        self.by_key.get(&(principal.clone(), key.clone())).copied()
    }

    /// Remembers a key for some time.
    pub fn remember(&mut self, asked: &AskedV1, at: Offset, kept_ms: u64) {
        let AskedV1 { principal, key, digest } = asked.clone();
        self.by_key.insert((principal.clone(), key.clone()), (at, digest));
        let expiry = Expiry::Unticked;
        self.oldest_first.push_back(Remembered { principal, key, digest, at, kept_ms, expiry });
        self.waiting += 1;
        if self.oldest_first.len() > KEYS_MAX {
            self.forget_oldest();
        }
    }

    /// Log time has moved on: starts the time of keys, and forgets those whose time is over.
    pub fn tick(&mut self, now: TimeMs) {
        let first = self.oldest_first.len() - self.waiting;
        for key in self.oldest_first.range_mut(first..) {
            key.expiry = match key.expiry {
                Expiry::Unticked => Expiry::TickedOnce,
                Expiry::TickedOnce | Expiry::At(_) => {
                    self.waiting -= 1;
                    Expiry::At(now.after(key.kept_ms))
                }
            };
        }
        while self.oldest_expiry().is_some_and(|expiry| expiry <= now) {
            self.forget_oldest();
        }
    }

    /// When log time should move on for the sake of keys: not at once, so that one tick serves many.
    pub fn next_tick(&self, now: TimeMs) -> Option<TimeMs> {
        let slack = |kept_ms: u64| kept_ms / SLACK_PER_WINDOW;
        match self.oldest_first.back() {
            Some(newest) if self.waiting > 0 => Some(now.after(slack(newest.kept_ms))),
            _ => self.oldest_first.front().and_then(|oldest| Some(self.oldest_expiry()?.after(slack(oldest.kept_ms)))),
        }
    }

    /// How many keys are remembered.
    pub fn count(&self) -> usize {
        self.oldest_first.len()
    }

    /// Rebuilds what a snapshot does not hold.
    pub fn restore(&mut self) {
        for Remembered { principal, key, digest, at, .. } in &self.oldest_first {
            self.by_key.insert((principal.clone(), key.clone()), (*at, *digest));
        }
    }

    /// When the oldest key is forgotten, if its time has started.
    fn oldest_expiry(&self) -> Option<TimeMs> {
        match self.oldest_first.front()?.expiry {
            Expiry::At(expiry) => Some(expiry),
            Expiry::Unticked | Expiry::TickedOnce => None,
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self.oldest_first.pop_front().expect("there is an oldest");
        self.waiting = self.waiting.min(self.oldest_first.len());
        self.by_key.swap_remove(&(oldest.principal, oldest.key));
    }
}
