//! From the text of an id to the small number that the state uses for it.
//!
//! A hash map where a reader of the core would expect an ordered one: it is only ever asked, never
//! walked, so its order reaches no decision. It is not part of a snapshot; the owner rebuilds it.

use std::{borrow::Borrow, hash::Hash};

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

/// Numbers by name.
#[derive(Clone, Debug)]
pub struct Names<K>(IndexMap<K, u32, FxBuildHasher>);

impl<K> Default for Names<K> {
    fn default() -> Self {
        Self(IndexMap::default())
    }
}

impl<K: Hash + Eq + Borrow<str>> Names<K> {
    /// The number of a name.
    pub fn get(&self, name: &str) -> Option<u32> {
        self.0.get(name).copied()
    }

    /// Gives a name its number.
    pub fn insert(&mut self, name: K, number: u32) {
        let before = self.0.insert(name, number);
        assert!(before.is_none(), "a name has one number");
    }

    /// Forgets a name.
    pub fn remove(&mut self, name: &str) {
        self.0.swap_remove(name).expect("a name that is forgotten was known");
    }
}
