//! An embedded log as it is now, for readers beside the process that writes it.
//!
//! Takes no lock, changes no byte, and sees no record that is appended later: what an auditor or an
//! analyst needs of a cell that is stopped, or that goes on meanwhile. It passes the same checks as a log
//! that is opened to go on with, so a log that has lost acked records is refused here too.

use std::{fmt, path::Path, sync::Arc};

use log_schema::{Offset, Record};

use super::{
    Options,
    acked::HALF,
    entry,
    recovery::{self, Whole},
    store::{OpenFiles, Store},
};
use crate::{BoxFuture, Error, Log, Stored, Watermarks, blocking, limits::Budget};

/// How often opening is tried: the writer may drop a file between the look at the list and at the file.
const TRIES: usize = 5;

/// The records of a directory up to one moment.
pub struct FrozenLog {
    store: Option<Arc<Store>>,
    /// The records after the store's last one, which only the watermark has.
    last: Vec<Stored>,
    marks: Watermarks,
    acked: Offset,
    is_mark_whole: bool,
}

impl FrozenLog {
    /// Opens what the directory `path` holds now.
    ///
    /// Blocks while it reads what was written last. A directory without a log is an error.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let open = || Self::of(path, recovery::look(path, &Options::default(), OpenFiles::All)?);
        (1..TRIES).find_map(|_| open().ok()).map_or_else(open, Ok)
    }

    /// Below which offset every record was acked when this was opened; all of them are here.
    pub fn acked(&self) -> Offset {
        self.acked
    }

    /// What may be missing though all that is here was checked, in words; none if the mark of what was acked is whole.
    pub fn doubt(&self) -> Option<&'static str> {
        (!self.is_mark_whole).then_some(HALF)
    }

    fn of(path: &Path, Whole { store, end, said, is_mark_whole }: Whole) -> Result<Self, Error> {
        if store.is_none() && said.is_none() {
            let source = std::io::ErrorKind::NotFound.into();
            return Err(Error::Io { doing: "find a log in", path: path.to_owned(), source });
        }
        let values = said.as_ref().map(|said| said.values_from(end)).into_iter().flatten();
        let last = values.map(|(at, value)| entry::decode(at, value)).collect::<Result<Vec<_>, _>>()?;
        let low = said.as_ref().map_or(Offset(0), |said| said.low);
        let acked = said.map_or(Offset(0), |said| said.first);
        let high = last.last().map_or(end, |stored| stored.offset.next());
        Ok(Self { store: store.map(Arc::new), last, marks: Watermarks { low, high }, acked, is_mark_whole })
    }

    /// Where the store ends and the watermark's records begin.
    fn store_end(&self) -> Offset {
        self.last.first().map_or(self.marks.high, |stored| stored.offset)
    }

    /// Reads from the watermark's records.
    fn read_last(&self, from: Offset, bytes_max: usize) -> Vec<Stored> {
        let mut budget = Budget::new(bytes_max);
        let after = self.last.iter().skip_while(|stored| stored.offset < from);
        after.take_while(|stored| budget.takes(stored)).cloned().collect()
    }
}

impl Log for FrozenLog {
    fn append(&self, _batch: Vec<Record>) -> BoxFuture<'_, Result<Vec<Offset>, Error>> {
        Box::pin(async { Err(Error::Closed) })
    }

    fn read(&self, from: Offset, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Stored>, Error>> {
        Box::pin(async move {
            self.marks.admit(from)?;
            let end = self.store_end();
            match &self.store {
                Some(store) if from < end => {
                    let store = Arc::clone(store);
                    blocking(move || store.read(from, end, bytes_max)).await
                }
                Some(_) | None => Ok(self.read_last(from, bytes_max)),
            }
        })
    }

    fn watermarks(&self) -> BoxFuture<'_, Result<Watermarks, Error>> {
        Box::pin(async move { Ok(self.marks) })
    }

    /// Nothing is appended any more: waiting past the end is an error.
    fn wait_past(&self, offset: Offset) -> BoxFuture<'_, Result<(), Error>> {
        let high = self.marks.high;
        Box::pin(async move { if offset < high { Ok(()) } else { Err(Error::Closed) } })
    }
}

impl fmt::Debug for FrozenLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrozenLog").field("marks", &self.marks).finish_non_exhaustive()
    }
}
