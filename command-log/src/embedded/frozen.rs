//! An embedded log as it is now, for readers beside the process that writes it.
//!
//! Takes no lock, changes no byte, and sees no record that is appended later: what an auditor or an
//! analyst needs of a cell that is stopped, or that goes on meanwhile.

use std::{fmt, path::Path, sync::Arc};

use log_schema::{Offset, Record};

use super::{Options, recovery, store::Store};
use crate::{BoxFuture, Error, Log, Stored, Watermarks, blocking};

/// How often opening is tried: the writer may drop a file between the look at the list and at the file.
const TRIES: usize = 5;

/// The records of a directory up to one moment.
pub struct FrozenLog {
    store: Arc<Store>,
    high: Offset,
}

impl FrozenLog {
    /// Opens what the directory `path` holds now.
    ///
    /// Blocks while it reads what was written last. A directory without a log is an error.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let place = recovery::store_in(path.as_ref());
        if !place.join("CURRENT").exists() {
            let source = std::io::ErrorKind::NotFound.into();
            return Err(Error::Io { doing: "find a log in", path: path.as_ref().to_owned(), source });
        }
        let open = || Store::open_frozen(&place, &Options::default());
        let store = (1..TRIES).find_map(|_| open().ok()).map_or_else(open, Ok)?;
        let high = store.end()?;
        Ok(Self { store: Arc::new(store), high })
    }

    fn marks(&self) -> Watermarks {
        Watermarks { low: Offset(0), high: self.high }
    }
}

impl Log for FrozenLog {
    fn append(&self, _batch: Vec<Record>) -> BoxFuture<'_, Result<Vec<Offset>, Error>> {
        Box::pin(async { Err(Error::Closed) })
    }

    fn read(&self, from: Offset, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Stored>, Error>> {
        let (store, marks) = (Arc::clone(&self.store), self.marks());
        Box::pin(async move {
            marks.admit(from)?;
            blocking(move || store.read(from, marks.high, bytes_max)).await
        })
    }

    fn watermarks(&self) -> BoxFuture<'_, Result<Watermarks, Error>> {
        Box::pin(async move { Ok(self.marks()) })
    }

    /// Nothing is appended any more: waiting past the end is an error.
    fn wait_past(&self, offset: Offset) -> BoxFuture<'_, Result<(), Error>> {
        let high = self.high;
        Box::pin(async move { if offset < high { Ok(()) } else { Err(Error::Closed) } })
    }
}

impl fmt::Debug for FrozenLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrozenLog").field("high", &self.high).finish_non_exhaustive()
    }
}
