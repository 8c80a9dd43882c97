//! Opening the log again: everything that was acked is there, or start-up refuses and says why.
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
    acked::{Acked, Statement},
    entry,
    store::{self, Store},
};
use crate::{Error, lock::Lock};

/// A log that is whole and ready for its writer.
pub(super) struct Recovered {
    /// The store, open for writing.
    pub(super) store: Store,
    /// The watermark, raised to the end of the store.
    pub(super) acked: Acked,
    /// One past the last record.
    pub(super) high: Offset,
}

/// Opens the log in `path`. Refuses before it changes anything but the lock file.
pub(super) fn recover(path: &Path, options: &Options) -> Result<Recovered, Error> {
    let error = |source| Error::Io { doing: "create the directory", path: path.to_owned(), source };
    std::fs::create_dir_all(path).map_err(error)?;
    let lock = Lock::take(path)?;
    let place = store_in(path);
    let known = Acked::open(path)?;
    let found = if place.join("CURRENT").exists() { store::inspect(&place, options)? } else { Offset(0) };
    judge(path, known.as_ref().map(|(_, said)| said), found)?;
    let store = Store::open(&place, options, lock)?;
    let Some((mut acked, said)) = known else {
        return Ok(Recovered { store, acked: Acked::create(path)?, high: Offset(0) });
    };
    add_missing(&store, &said)?;
    let high = store.end()?;
    judge(path, Some(&said), high)?;
    acked.state(&Statement::durable(high))?;
    Ok(Recovered { store, acked, high })
}

/// Where below a log's directory its store is.
pub(super) fn store_in(path: &Path) -> PathBuf {
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
    let end = store.end()?;
    if end >= said.high {
        return Ok(());
    }
    tracing::info!(from = %end, to = %said.high, "restored the last group of records from the watermark");
    let mut batch = WriteBatch::default();
    for (at, value) in (said.first.0..).map(Offset).zip(said.values()).filter(|(at, _)| *at >= end) {
        entry::check(at, value)?;
        batch.put(entry::key(at), value);
    }
    store.write(batch)
}
