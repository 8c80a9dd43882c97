//! What is in a log's directory: everything that was acked, or an error that says what is not.
//!
//! Whatever opens a log, to go on with it or only to read it, comes through [`look`], which changes no byte.
//!
//! ```text
//!                        the store ends at     0         below first   first..high      at high or above
//! no watermark                           new log         refuse: what was acked cannot be known
//! statement first..high       below first: lost, refuse  lost, refuse  add from body    serve
//! ```

use std::path::{Path, PathBuf};

use log_schema::Offset;
use rocksdb::WriteBatch;

use super::{
    Options,
    acked::{self, Acked, Statement},
    entry,
    store::{OpenFiles, Store},
};
use crate::{Error, lock::Lock};

/// A log that is whole and ready for its writer.
pub(super) struct Recovered {
    /// The store, open for writing.
    pub(super) store: Store,
    /// The watermark, raised to the end of the store.
    pub(super) acked: Acked,
    /// The first record that is kept.
    pub(super) low: Offset,
    /// One past the last record.
    pub(super) high: Offset,
}

/// A directory that was looked at and found whole.
pub(super) struct Whole {
    /// The store, open for reading; `None` if there is none yet.
    pub(super) store: Option<Store>,
    /// Where the store ends.
    pub(super) end: Offset,
    /// What the watermark says; `None` if there never was one.
    pub(super) said: Option<Statement>,
    /// Whether all of the watermark's file could be read.
    pub(super) is_mark_whole: bool,
}

/// Opens the log in `path`. Refuses before it changes anything but the lock file.
pub(super) fn recover(path: &Path, options: &Options) -> Result<Recovered, Error> {
    let error = |source| Error::Io { doing: "create the directory", path: path.to_owned(), source };
    std::fs::create_dir_all(path).map_err(error)?;
    let lock = Lock::take(path)?;
    drop(look(path, options, OpenFiles::Few)?);
    let store = Store::open(&store_in(path), options, lock)?;
    let Some((mut acked, said)) = Acked::open(path)? else {
        return Ok(Recovered { store, acked: Acked::create(path)?, low: Offset(0), high: Offset(0) });
    };
    add_missing(&store, &said)?;
    let (low, high) = (said.low, store.end(said.low)?);
    judge(path, Some(&said), high)?;
    acked.state(&Statement::durable(low, high))?;
    Ok(Recovered { store, acked, low, high })
}

/// Checks what can be checked without reading all sorted files. The statement is read first: a writer that goes on
/// meanwhile makes the store longer than it says, never shorter.
pub(super) fn look(path: &Path, options: &Options, open_files: OpenFiles) -> Result<Whole, Error> {
    let (said, is_mark_whole) = acked::read(path)?.map_or((None, true), |(said, is_whole)| (Some(said), is_whole));
    let low = said.as_ref().map_or(Offset(0), |said| said.low);
    let place = store_in(path);
    let (store, end) = if place.join("CURRENT").exists() {
        let (store, end) = Store::inspect(&place, low, options, open_files)?;
        (Some(store), end)
    } else {
        (None, Offset(0))
    };
    judge(path, said.as_ref(), end)?;
    Ok(Whole { store, end, said, is_mark_whole })
}

/// Where below a log's directory its store is.
fn store_in(path: &Path) -> PathBuf {
    path.join("store")
}

/// Refuses a store that ends below what was acked.
fn judge(path: &Path, said: Option<&Statement>, found: Offset) -> Result<(), Error> {
    match said {
        Some(said) if found < said.first => Err(Error::Lost { acked: said.first, found }),
        None if found > Offset(0) => {
            Err(Error::WatermarkUnreadable { path: path.join("acked"), why: "it is missing, though there are records" })
        }
        Some(_) | None => Ok(()),
    }
}

/// Writes the records that the statement holds and the store does not.
fn add_missing(store: &Store, said: &Statement) -> Result<(), Error> {
    let end = store.end(said.low)?;
    if end >= said.high {
        return Ok(());
    }
    tracing::info!(from = %end, to = %said.high, "restored the last group of records from the watermark");
    let mut batch = WriteBatch::default();
    for (at, value) in said.values_from(end) {
        entry::check(at, value)?;
        batch.put(entry::key(at), value);
    }
    store.write(batch)
}
