//! From the text of an id to the small number that the state uses for it.
//!
//! A hash table where a reader of the core would expect an ordered map: it is only ever asked, never
//! walked, so its order reaches no decision. It holds numbers alone; the text of each is with the
//! thing that has it, which whoever asks wants to see next anyway. It is not part of a snapshot; the
//! owner rebuilds it.

use std::hash::BuildHasher;

use hashbrown::{HashTable, hash_table::Entry};
use rustc_hash::FxBuildHasher;

/// Numbers by name. Each method is told how to find the name of a number that is here.
#[derive(Clone, Debug, Default)]
pub struct Names(HashTable<u32>);

impl Names {
    /// The number of a name.
    pub fn get<'a>(&self, name: &str, name_of: impl Fn(u32) -> &'a str) -> Option<u32> {
        self.0.find(hash(name), |number| name_of(*number) == name).copied()
    }

    /// Gives a name its number.
    pub fn insert<'a>(&mut self, name: &str, number: u32, name_of: impl Fn(u32) -> &'a str) {
        match self.0.entry(hash(name), |other| name_of(*other) == name, |other| hash(name_of(*other))) {
            Entry::Occupied(_) => panic!("{name} has a number already"),
            Entry::Vacant(place) => drop(place.insert(number)),
        }
    }

    /// Forgets the name of a number.
    pub fn remove(&mut self, name: &str, number: u32) {
        let found = self.0.find_entry(hash(name), |other| *other == number);
        found.expect("a name that is forgotten was known").remove();
    }
}

fn hash(name: &str) -> u64 {
    FxBuildHasher.hash_one(name)
}
