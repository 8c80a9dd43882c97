//! A hash over everything that can be read as of an offset.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::{
    Error, Scope,
    row::View,
    scope::{Direction, Range},
};

/// The hash of all rows as of an offset, and of the facts from the horizon up to it.
///
/// It does not depend on how decisions were batched, nor on what RocksDB has compacted. Two
/// projections of one log with the same horizon have the same digest at every offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Scope {
    /// The hash of all that this scope can see. Reads everything.
    pub fn digest(&self) -> Result<Digest, Error> {
        let mut hash = Sha256::new();
        for view in [View::Jobs, View::Decisions] {
            let all = Range { lower: vec![0], upper: vec![0xff], direction: Direction::Forwards };
            self.scan(view, &all, |key, value| {
                hash.update((key.len() as u64).to_be_bytes());
                hash.update(key);
                hash.update((value.len() as u64).to_be_bytes());
                hash.update(value);
                Ok(true)
            })?;
        }
        Ok(Digest(hash.finalize().into()))
    }
}
