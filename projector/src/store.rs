//! The database: three column families and how a row's key, version and bytes lie in them.
//!
//! ```text
//!   rows    view ‖ id          @ offset (8 bytes, user-defined timestamp)  ->  row, or nothing for an index
//!   facts   view ‖ id                                                      ->  offset ‖ fact
//!   meta    "position" "horizon" "stretch" ‖ number
//! ```
//!
//! Timestamps are big-endian offsets. Column families are flushed together, so that a crash that
//! tears the unsynced log of the database leaves all three at the same moment.

use std::{
    cmp::Ordering,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering as Access},
    },
};

use log_schema::{Offset, codec};
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, CompactionDecision, DB, DBCompressionType,
    DBRecoveryMode, Options as DbOptions, ReadOptions, WriteBatch,
};
use serde::de::DeserializeOwned;

use tokio::sync::watch;

use crate::{
    Error, Position,
    error::chain,
    row::{Row, View},
    tally::{self, Kept, Tallies, Tally},
};

/// The length of a version: an offset.
pub(crate) const VERSION_BYTES: usize = 8;
/// The name of the order of keys; another order is another name.
const ORDER: &str = "quipu.bytes.offset-be";
const ROWS: &str = "rows";
const FACTS: &str = "facts";
const META: &str = "meta";
/// How old a file of a database that is trimmed may become: three days.
const COMPACT_EVERY_S: u64 = 3 * 24 * 60 * 60;
const POSITION: &[u8] = b"position";
const HORIZON: &[u8] = b"horizon";
const STRETCH: &[u8] = b"stretch";

/// An open database.
pub(crate) struct Store {
    db: DB,
    horizon: Arc<AtomicU64>,
    /// What was found to be damaged first.
    damage: watch::Sender<Option<String>>,
}

/// An offset as a version of rows.
pub(crate) fn version(at: Offset) -> [u8; VERSION_BYTES] {
    at.0.to_be_bytes()
}

/// What reads the rows as of an offset.
pub(crate) fn reading(as_of: Offset) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_timestamp(version(as_of));
    options
}

/// The first eight bytes as an offset.
pub(crate) fn read_offset(bytes: &[u8]) -> Option<Offset> {
    bytes.first_chunk().map(|first| Offset(u64::from_be_bytes(*first)))
}

/// Reads what was stored under a view.
pub(crate) fn decode<T: DeserializeOwned>(view: View, bytes: &[u8]) -> Result<T, Error> {
    codec::decode(view.name(), bytes).map_err(|source| Error::Corrupt { view: view.name(), source })
}

impl Store {
    /// Opens or makes the database in `dir`.
    pub(crate) fn open(dir: &Path, memory_bytes: usize, is_trimmed: bool) -> Result<Self, rocksdb::Error> {
        let horizon = Arc::new(AtomicU64::new(0));
        let cache = Cache::new_lru_cache(memory_bytes);
        let families = [
            ColumnFamilyDescriptor::new(ROWS, aging(rows_options(&cache, memory_bytes), is_trimmed)),
            ColumnFamilyDescriptor::new(FACTS, aging(facts_options(&cache, memory_bytes, horizon.clone()), is_trimmed)),
            ColumnFamilyDescriptor::new(META, DbOptions::default()),
        ];
        let mut options = DbOptions::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_atomic_flush(true);
        options.set_max_total_wal_size(4 * memory_bytes as u64);
        options.set_keep_log_file_num(2);
        // Both are what RocksDB does by itself, and relied on: files are checked against what the manifest says of
        // them, and of a write-ahead log that is torn, what comes before is taken. Blocks are checked whenever
        // they are read. None of it sees a manifest or a log that ends early; tallies do.
        options.set_paranoid_checks(true);
        options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
        let db = DB::open_cf_descriptors(&options, dir, families)?;
        let store = Self { db, horizon, damage: watch::Sender::new(None) };
        store.restore_horizon()?;
        Ok(store)
    }

    fn restore_horizon(&self) -> Result<(), rocksdb::Error> {
        let Some(bytes) = self.db.get_cf(self.family(META), HORIZON)? else { return Ok(()) };
        let horizon = read_offset(&bytes).unwrap_or_default();
        self.horizon.store(horizon.0, Access::Release);
        let low = self.db.get_full_history_ts_low(self.rows()).ok();
        if low.is_none_or(|low| low.as_slice() < version(horizon).as_slice()) {
            self.db.increase_full_history_ts_low(self.rows(), version(horizon))?;
        }
        Ok(())
    }

    /// The rows that change.
    pub(crate) fn rows(&self) -> &ColumnFamily {
        self.family(ROWS)
    }

    /// The rows that never change.
    pub(crate) fn facts(&self) -> &ColumnFamily {
        self.family(FACTS)
    }

    fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("the family was opened")
    }

    /// Everything that can be asked of RocksDB itself.
    pub(crate) fn db(&self) -> &DB {
        &self.db
    }

    /// The lowest offset that can be read.
    pub(crate) fn horizon(&self) -> Offset {
        Offset(self.horizon.load(Access::Acquire))
    }

    /// Makes `horizon` the lowest offset that can be read. What is below goes when RocksDB compacts.
    pub(crate) fn raise_horizon(&self, horizon: Offset) -> Result<(), Error> {
        let failed = |source| Error::Storage { doing: "raise the horizon", source };
        self.db.put_cf(self.family(META), HORIZON, version(horizon)).map_err(failed)?;
        self.horizon.store(horizon.0, Access::Release);
        self.db.increase_full_history_ts_low(self.rows(), version(horizon)).map_err(failed)
    }

    /// How far the rows have come.
    pub(crate) fn position(&self) -> Result<Option<Position>, Error> {
        Ok(self.kept()?.map(|kept| kept.position))
    }

    /// How far the rows have come, and what they add up to.
    pub(crate) fn kept(&self) -> Result<Option<Kept>, Error> {
        let read = self.db.get_cf(self.family(META), POSITION);
        let bytes = read.map_err(|source| Error::Storage { doing: "read the position", source })?;
        let decode = |bytes: Vec<u8>| codec::decode("position", &bytes);
        bytes.map(decode).transpose().map_err(|source| Error::Corrupt { view: "position", source })
    }

    /// Writes rows, facts and the position that they make true, all or none.
    pub(crate) fn write(&self, mut batch: WriteBatch, position: &Position, tallies: Tallies) -> Result<(), Error> {
        let kept = Kept { position: position.clone(), tallies };
        batch.put_cf(self.family(META), POSITION, codec::encode(&kept));
        self.db.write(batch).map_err(|source| Error::Storage { doing: "write rows", source })
    }

    /// Puts the tally of a stretch of the log that is closed into a batch.
    pub(crate) fn close_stretch(&self, batch: &mut WriteBatch, stretch: u64, tally: Tally) {
        let key = [STRETCH, &stretch.to_be_bytes()].concat();
        batch.put_cf(self.family(META), key, codec::encode(&tally));
    }

    /// The tallies of the stretches before one.
    pub(crate) fn closed_stretches(&self, before: u64) -> Result<Vec<(u64, Tally)>, Error> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(STRETCH);
        options.set_iterate_upper_bound([STRETCH, &before.to_be_bytes()].concat());
        let mut iterator = self.db.raw_iterator_cf_opt(self.family(META), options);
        let mut found = Vec::new();
        iterator.seek_to_first();
        while let Some((key, value)) = iterator.item() {
            let number = read_offset(&key[STRETCH.len()..]).unwrap_or_default().0;
            let tally = codec::decode("tally", value).map_err(|source| Error::Corrupt { view: "tallies", source })?;
            found.push((number, tally));
            iterator.next();
        }
        iterator.status().map_err(|source| Error::Storage { doing: "read tallies", source })?;
        Ok(found)
    }

    /// Whether there is any fact.
    pub(crate) fn has_facts(&self) -> Result<bool, Error> {
        let mut facts = self.db.raw_iterator_cf(self.facts());
        facts.seek_to_first();
        facts.status().map_err(|source| Error::Storage { doing: "read facts", source })?;
        Ok(facts.valid())
    }

    /// An answer; damage that was met in it is told to whoever waits for it.
    pub(crate) fn settle<T>(&self, answer: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &answer
            && error.is_damage()
        {
            let detail = chain(error);
            self.damage.send_if_modified(|damage| {
                let is_first = damage.is_none();
                damage.get_or_insert(detail);
                is_first
            });
        }
        answer
    }

    /// What is found to be damaged, and a way to wait for it.
    pub(crate) fn damage(&self) -> watch::Receiver<Option<String>> {
        self.damage.subscribe()
    }

    /// The newest version of a row, and its hash.
    pub(crate) fn newest<R: Row>(&self, id: &R::Id) -> Result<Option<(R, u64)>, Error> {
        let mut key = vec![R::VIEW as u8];
        R::write_key(id, &mut key);
        let failed = |source| Error::Storage { doing: "read a row", source };
        let options = reading(Offset(u64::MAX));
        let bytes = self.db.get_pinned_cf_opt(self.rows(), &key, &options).map_err(failed)?;
        let read = |bytes: &[u8]| Ok((decode(R::VIEW, bytes)?, tally::of_row(tally::of_key(&key), bytes)));
        bytes.map(|bytes| read(&bytes)).transpose()
    }

    /// A row as of an offset.
    pub(crate) fn read<R: Row>(&self, id: &R::Id, as_of: Offset) -> Result<Option<R>, Error> {
        let mut key = vec![R::VIEW as u8];
        R::write_key(id, &mut key);
        self.read_key(R::VIEW, &key, as_of)
    }

    /// What is under a key as of an offset.
    pub(crate) fn read_key<T: DeserializeOwned>(
        &self,
        view: View,
        key: &[u8],
        as_of: Offset,
    ) -> Result<Option<T>, Error> {
        let failed = |source| Error::Storage { doing: "read a row", source };
        if view.is_facts() {
            let bytes = self.db.get_pinned_cf(self.facts(), key).map_err(failed)?;
            let fact = bytes.as_deref().and_then(|bytes| self.visible(bytes, as_of));
            return fact.map(|fact| decode(view, fact)).transpose();
        }
        let bytes = self.db.get_pinned_cf_opt(self.rows(), key, &reading(as_of)).map_err(failed)?;
        bytes.map(|bytes| decode(view, &bytes)).transpose()
    }

    /// A fact without its offset, if it lies between the horizon and `as_of`.
    pub(crate) fn visible<'a>(&self, bytes: &'a [u8], as_of: Offset) -> Option<&'a [u8]> {
        let at = read_offset(bytes)?;
        (self.horizon() <= at && at <= as_of).then(|| &bytes[VERSION_BYTES..])
    }
}

fn table_options(cache: &Cache) -> BlockBasedOptions {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_bloom_filter(10.0, false);
    table.set_cache_index_and_filter_blocks(true);
    table
}

fn family_options(cache: &Cache, memory_bytes: usize) -> DbOptions {
    let mut options = DbOptions::default();
    options.set_block_based_table_factory(&table_options(cache));
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(memory_bytes);
    options
}

/// Where a retention trims, files are written again before they are old, without what was trimmed: by itself RocksDB
/// leaves files alone for as long as nothing is written to their keys.
fn aging(mut options: DbOptions, is_trimmed: bool) -> DbOptions {
    options.set_periodic_compaction_seconds(if is_trimmed { COMPACT_EVERY_S } else { 0 });
    options
}

fn rows_options(cache: &Cache, memory_bytes: usize) -> DbOptions {
    let mut options = family_options(cache, memory_bytes);
    options.set_comparator_with_ts(
        ORDER,
        VERSION_BYTES,
        Box::new(compare),
        Box::new(compare_versions),
        Box::new(compare_keys),
    );
    options
}

fn facts_options(cache: &Cache, memory_bytes: usize, horizon: Arc<AtomicU64>) -> DbOptions {
    let mut options = family_options(cache, memory_bytes);
    options.set_compaction_filter("quipu.horizon", move |_level, _key, value| match read_offset(value) {
        Some(at) if at.0 < horizon.load(Access::Acquire) => CompactionDecision::Remove,
        Some(_) | None => CompactionDecision::Keep,
    });
    options
}

/// Keys ascend; of one key, the newest version comes first.
fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (a_key, a_version) = a.split_at(a.len() - VERSION_BYTES);
    let (b_key, b_version) = b.split_at(b.len() - VERSION_BYTES);
    a_key.cmp(b_key).then_with(|| b_version.cmp(a_version))
}

fn compare_versions(a: &[u8], b: &[u8]) -> Ordering {
    a.cmp(b)
}

fn compare_keys(a: &[u8], a_has_version: bool, b: &[u8], b_has_version: bool) -> Ordering {
    let bare = |key: &[u8], has_version: bool| key.len() - if has_version { VERSION_BYTES } else { 0 };
    a[..bare(a, a_has_version)].cmp(&b[..bare(b, b_has_version)])
}
