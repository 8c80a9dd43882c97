//! The idempotency keys of late: who asked what, and at which offset it was answered.
//!
//! A key is remembered for `key_kept_ms` of log time, and at most [`KEYS_MAX`] are: past that the
//! oldest go first. A command whose key is forgotten is decided anew; names that are taken and
//! states that have passed then refuse most repetitions by themselves.

use std::collections::VecDeque;

use indexmap::IndexMap;
use log_schema::{Offset, TimeMs, decision::AskedV1, id::Key, id::Principal};
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};

/// The most keys that are remembered.
pub const KEYS_MAX: usize = 1_000_000;

/// One remembered command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    principal: Principal,
    key: Key,
    digest: u64,
    at: Offset,
    until: TimeMs,
}

/// What is remembered of commands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Keys {
    oldest_first: VecDeque<Remembered>,
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

    /// Remembers a key until some time.
    pub fn remember(&mut self, asked: &AskedV1, at: Offset, until: TimeMs) {
        let AskedV1 { principal, key, digest } = asked.clone();
        self.by_key.insert((principal.clone(), key.clone()), (at, digest));
        self.oldest_first.push_back(Remembered { principal, key, digest, at, until });
        if self.oldest_first.len() > KEYS_MAX {
            self.forget_oldest();
        }
    }

    /// Forgets what is over.
    pub fn expire(&mut self, now: TimeMs) {
        while self.oldest_first.front().is_some_and(|oldest| oldest.until <= now) {
            self.forget_oldest();
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

    fn forget_oldest(&mut self) {
        let oldest = self.oldest_first.pop_front().expect("there is an oldest");
        self.by_key.swap_remove(&(oldest.principal, oldest.key));
    }
}
