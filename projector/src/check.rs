//! Whether rows and facts add up to what was written: all rows at once when a projection is opened, everything
//! in slices while it is used.
//!
//! A check in slices is of one position. Rows are read as of it, so that it is not disturbed by what is
//! folded meanwhile. What the horizon has passed may be gone, so stretches below it are not compared.

use std::{collections::BTreeMap, sync::Arc};

use log_schema::Offset;
use rocksdb::{DBRawIterator, ReadOptions};

use crate::{
    Error, key,
    scope::{self, FOOTER_BYTES},
    store::{self, Store, VERSION_BYTES},
    tally::{self, Kept, Tally},
};

/// How many rows, versions or facts one slice looks at.
pub const SLICE_ROWS_MAX: usize = 5_000;

/// A check that goes on slice by slice.
pub struct Check {
    store: Arc<Store>,
    kept: Kept,
    stage: Stage,
    /// The last key that was looked at in this stage.
    after: Option<Vec<u8>>,
    live: Tally,
    written: BTreeMap<u64, Tally>,
}

/// What is looked at, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Live,
    Versions,
    Facts,
}

/// What a slice has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slice {
    /// There is more to look at.
    More,
    /// All adds up.
    Whole,
    /// The horizon has passed the moment that was checked: another check is needed.
    Passed,
}

/// Checks that the rows of a database that was just opened are those that were written last. Reads every
/// row as it is now.
pub(crate) fn rows_now(store: &Store) -> Result<(), Error> {
    let mut live = Tally::default();
    let mut rows = store.db().raw_iterator_cf_opt(store.rows(), store::reading(Offset(u64::MAX)));
    rows.seek_to_first();
    while let Some((key, value)) = rows.item() {
        live.add(tally::of_row(tally::of_key(key), value));
        rows.next();
    }
    rows.status().map_err(failed)?;
    match store.kept()? {
        Some(kept) => compare("rows", kept.tallies.live, live),
        None if store.has_facts()? => Err(Error::NotWhole { what: "there are facts and no position".into() }),
        None => compare("rows", Tally::default(), live),
    }
}

impl Check {
    /// A check of what is there now; none where nothing is folded yet.
    pub(crate) fn begin(store: Arc<Store>) -> Result<Option<Self>, Error> {
        let kept = store.settle(store.kept())?;
        Ok(kept.map(|kept| Self {
            store,
            kept,
            stage: Stage::Live,
            after: None,
            live: Tally::default(),
            written: BTreeMap::new(),
        }))
    }

    /// Looks at some more. An error that is damage is told to the writer of the projection too.
    pub fn slice(&mut self) -> Result<Slice, Error> {
        let found = self.look();
        let store = Arc::clone(&self.store);
        store.settle(found)
    }

    fn look(&mut self) -> Result<Slice, Error> {
        if self.store.horizon() > self.kept.position.offset {
            return Ok(Slice::Passed);
        }
        let is_over = match self.stage {
            Stage::Live => self.look_at_rows(),
            Stage::Versions => self.look_at_versions(),
            Stage::Facts => self.look_at_facts(),
        };
        // Had the horizon passed it meanwhile, RocksDB may have refused, or given less.
        if self.store.horizon() > self.kept.position.offset {
            return Ok(Slice::Passed);
        }
        if !is_over? {
            return Ok(Slice::More);
        }
        self.after = None;
        self.stage = match self.stage {
            Stage::Live => {
                compare("rows", self.kept.tallies.live, self.live)?;
                Stage::Versions
            }
            Stage::Versions => Stage::Facts,
            Stage::Facts => return self.conclude().map(|()| Slice::Whole),
        };
        Ok(Slice::More)
    }

    fn look_at_rows(&mut self) -> Result<bool, Error> {
        let store = Arc::clone(&self.store);
        let mut rows = self.resume(&store, store.rows(), store::reading(self.kept.position.offset));
        for _ in 0..SLICE_ROWS_MAX {
            let Some((key, value)) = rows.item() else { return over(&rows) };
            self.live.add(tally::of_row(tally::of_key(key), value));
            self.after = Some(key.to_vec());
            rows.next();
        }
        rows.status().map_err(failed).map(|()| false)
    }

    /// A slice ends with the last version of a row: it goes on behind a key.
    fn look_at_versions(&mut self) -> Result<bool, Error> {
        let store = Arc::clone(&self.store);
        let mut options = store::reading(self.kept.position.offset);
        options.set_iter_start_ts(store::version(store.horizon().next().min(self.kept.position.offset)));
        let mut versions = self.resume(&store, store.rows(), options);
        let mut seen = 0;
        while let Some((shown, value)) = versions.item() {
            let (versioned, footer) = shown.split_at(shown.len() - FOOTER_BYTES);
            let (key, version) = versioned.split_at(versioned.len() - VERSION_BYTES);
            if seen >= SLICE_ROWS_MAX && self.after.as_deref() != Some(key) {
                return Ok(false);
            }
            let at = store::read_offset(version).unwrap_or_default();
            let hash = tally::of_key(key);
            let row = (!scope::is_deleted(footer)).then(|| tally::of_row(hash, value));
            self.written.entry(tally::stretch_of(at)).or_default().add(tally::of_version(hash, row, at));
            if self.after.as_deref() != Some(key) {
                self.after = Some(key.to_vec());
            }
            seen += 1;
            versions.next();
        }
        over(&versions)
    }

    fn look_at_facts(&mut self) -> Result<bool, Error> {
        let store = Arc::clone(&self.store);
        let mut facts = self.resume(&store, store.facts(), ReadOptions::default());
        for _ in 0..SLICE_ROWS_MAX {
            let Some((key, value)) = facts.item() else { return over(&facts) };
            let at = store::read_offset(value).unwrap_or_default();
            if at <= self.kept.position.offset {
                let hash = tally::of_row(tally::of_key(key), value);
                self.written.entry(tally::stretch_of(at)).or_default().add(hash);
            }
            self.after = Some(key.to_vec());
            facts.next();
        }
        facts.status().map_err(failed).map(|()| false)
    }

    /// Compares the stretches that lie above the horizon as a whole.
    fn conclude(&self) -> Result<(), Error> {
        let tallies = &self.kept.tallies;
        let mut wanted = BTreeMap::new();
        let mut closed = Tally::default();
        for (stretch, tally) in self.store.closed_stretches(tallies.stretch)? {
            tally::add_closed(&mut closed, stretch, tally);
            wanted.insert(stretch, tally);
        }
        compare("tallies", tallies.closed, closed)?;
        wanted.insert(tallies.stretch, tallies.written);
        let horizon = self.store.horizon();
        let first = if horizon == Offset(0) { 0 } else { tally::stretch_of(horizon) + 1 };
        for stretch in wanted.keys().chain(self.written.keys()).filter(|stretch| **stretch >= first) {
            let of = |tallies: &BTreeMap<u64, Tally>| tallies.get(stretch).copied().unwrap_or_default();
            let from = stretch * tally::STRETCH_OFFSETS;
            compare(&format!("versions and facts from offset {from} on"), of(&wanted), of(&self.written))?;
        }
        Ok(())
    }

    /// An iterator behind the last key that was looked at.
    fn resume<'a>(
        &self,
        store: &'a Store,
        family: &rocksdb::ColumnFamily,
        mut options: ReadOptions,
    ) -> DBRawIterator<'a> {
        if let Some(after) = &self.after {
            options.set_iterate_lower_bound(key::after(after));
        }
        let mut iterator = store.db().raw_iterator_cf_opt(family, options);
        iterator.seek_to_first();
        iterator
    }
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Check").field("stage", &self.stage).finish_non_exhaustive()
    }
}

fn over(iterator: &DBRawIterator<'_>) -> Result<bool, Error> {
    iterator.status().map_err(failed).map(|()| true)
}

fn failed(source: rocksdb::Error) -> Error {
    Error::Storage { doing: "check the rows", source }
}

fn compare(what: &str, written: Tally, found: Tally) -> Result<(), Error> {
    if written == found {
        return Ok(());
    }
    let (written, found) = match (written.count, found.count) {
        (written, found) if written == found => return Err(Error::NotWhole { what: format!("{what} have changed") }),
        counts => counts,
    };
    Err(Error::NotWhole { what: format!("{found} {what} are there, and {written} were written") })
}
