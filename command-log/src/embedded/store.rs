//! RocksDB as the log uses it: keys that only ever grow, and values that check themselves.
//!
//! Knows no watermark, no queue and no follower.

use std::path::Path;

use log_schema::Offset;
use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, DBRawIterator, DBRecoveryMode, InfoLogger, LogLevel, ReadOptions,
    WriteBatch, WriteOptions,
};

use super::{Options, Verified, entry, frames};
use crate::{Error, Stored, limits::Budget, lock::Lock};

/// How much of the sorted files RocksDB keeps unpacked in memory for readers far from the tail.
const BLOCK_CACHE_BYTES: usize = 16 * 1024 * 1024;
/// How many sorted files may be open at once while the store is inspected.
const INSPECTED_FILES_MAX: i32 = 64;
/// The bytes that are set aside at once for the list of sorted files.
const MANIFEST_BYTES: usize = 64 * 1024;
/// The bytes that are set aside at once for the write-ahead log; by itself RocksDB takes a tenth more than a write buffer.
/// With one family of columns nothing else depends on it.
const WAL_AHEAD_BYTES: u64 = 1024 * 1024;
/// The bytes of one block of a sorted file: large, because records are read in runs.
const BLOCK_BYTES: usize = 32 * 1024;

/// How many sorted files an inspected store keeps open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenFiles {
    /// All, at once: so none is missed when the writer drops it while a reader goes on.
    All,
    /// Few: only the ends are looked at. With no bound RocksDB first tries another way to open, in vain.
    Few,
}

/// An open store. The lock of the one that writes is kept as long as the database.
pub(super) struct Store {
    db: DB,
    _lock: Option<Lock>,
}

impl Store {
    /// Opens the store for writing; makes it if it is not there.
    pub(super) fn open(path: &Path, options: &Options, lock: Lock) -> Result<Self, Error> {
        let db = DB::open(&settings(options), path).map_err(failed("open the store"))?;
        Ok(Self { db, _lock: Some(lock) })
    }

    /// Looks at a store without changing a byte of it: returns it, and where it ends, once everything that can be
    /// checked without reading the whole of it has been.
    pub(super) fn inspect(
        path: &Path,
        low: Offset,
        options: &Options,
        open_files: OpenFiles,
    ) -> Result<(Self, Offset), Error> {
        frames::inspect(path)?;
        let mut settings = settings(options);
        settings.create_if_missing(false);
        match open_files {
            OpenFiles::All => settings.set_max_open_files(-1),
            OpenFiles::Few => settings.set_max_open_files(INSPECTED_FILES_MAX),
        }
        let db = DB::open_for_read_only(&settings, path, false).map_err(failed("read the store"))?;
        let sorted = sorted_through(&db, low)?;
        let end = end(&db, low)?;
        check(&db, sorted, end)?;
        if let Some(last) = end.previous().filter(|last| *last >= low) {
            check(&db, last, end)?;
        }
        Ok((Self { db, _lock: None }, end))
    }

    /// Writes what was put into a batch; returns when it is durable.
    pub(super) fn write(&self, batch: WriteBatch) -> Result<(), Error> {
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        self.db.write_opt(batch, &synced).map_err(failed("append to the store"))
    }

    /// Reads records from `from`, up to `high` and about `bytes_max` bytes.
    pub(super) fn read(&self, from: Offset, high: Offset, bytes_max: usize) -> Result<Vec<Stored>, Error> {
        let mut budget = Budget::new(bytes_max);
        let mut records = Vec::new();
        scan(&self.db, from, high, |at, value| {
            let taken = budget.takes_bytes(value.len().saturating_sub(entry::HEADER_BYTES));
            if taken {
                records.push(entry::decode(at, value)?);
            }
            Ok(taken)
        })?;
        Ok(records)
    }

    /// Checks every record of `from..high`.
    pub(super) fn verify(&self, from: Offset, high: Offset) -> Result<Verified, Error> {
        check(&self.db, from, high)
    }

    /// Checks records of `from..high`, of about `bytes_max` bytes; returns where it ended and how many bytes they had.
    pub(super) fn check_some(&self, from: Offset, high: Offset, bytes_max: usize) -> Result<(Offset, u64), Error> {
        let (mut budget, mut next, mut bytes) = (Budget::new(bytes_max), from, 0);
        scan(&self.db, from, high, |at, value| {
            let taken = budget.takes_bytes(value.len());
            if taken {
                bytes += entry::check(at, value)?.len() as u64;
                next = at.next();
            }
            Ok(taken)
        })?;
        Ok((next, bytes))
    }

    /// Gives back the sorted files that have nothing but records below an offset.
    pub(super) fn drop_below(&self, low: Offset) -> Result<(), Error> {
        let Some(last) = low.previous() else { return Ok(()) };
        let (first, last) = (entry::key(Offset(0)), entry::key(last));
        let drop_files = || self.db.delete_file_in_range(first, last).map_err(failed("drop what was trimmed"));
        drop_files()?;
        // RocksDB drops no file of its first level, so what is left in it is moved down.
        self.db.compact_range(Some(first), Some(last));
        drop_files()
    }

    /// One past the last record in the store, which keeps none below `low`.
    pub(super) fn end(&self, low: Offset) -> Result<Offset, Error> {
        end(&self.db, low)
    }
}

/// Follows the ranges of the sorted files from offset `low` to where they end, and finds any gap.
fn sorted_through(db: &DB, low: Offset) -> Result<Offset, Error> {
    let files = db.live_files().map_err(failed("list the sorted files"))?;
    let mut ranges = Vec::with_capacity(files.len());
    for file in files {
        let (start, end) = (file.start_key.unwrap_or_default(), file.end_key.unwrap_or_default());
        ranges.push((entry::offset(&start, Offset(0))?, entry::offset(&end, Offset(0))?));
    }
    ranges.sort_unstable();
    ranges.into_iter().try_fold(low, |next, (first, last)| match first {
        found if found > next => Err(Error::Missing { at: next, found }),
        _ => Ok(next.max(last.next())),
    })
}

fn end(db: &DB, low: Offset) -> Result<Offset, Error> {
    let mut at = db.raw_iterator_opt(reading());
    at.seek_to_last();
    at.status().map_err(failed("find the end of the store"))?;
    at.key().map_or(Ok(low), |key| Ok(entry::offset(key, low)?.next().max(low)))
}

fn check(db: &DB, from: Offset, high: Offset) -> Result<Verified, Error> {
    let mut seen = Verified { records: 0, bytes: 0 };
    scan(db, from, high, |at, value| {
        seen.bytes += entry::check(at, value)?.len() as u64;
        seen.records += 1;
        Ok(true)
    })?;
    Ok(seen)
}

/// Visits every record of `from..high` in order, and fails at the first one that is not there. The
/// visitor says whether to go on.
fn scan(
    db: &DB,
    from: Offset,
    high: Offset,
    mut visit: impl FnMut(Offset, &[u8]) -> Result<bool, Error>,
) -> Result<(), Error> {
    let mut entries = db.raw_iterator_opt(reading());
    entries.seek(entry::key(from));
    for at in (from.0..high.0).map(Offset) {
        let value = expect(&entries, at, high)?;
        if !visit(at, value)? {
            break;
        }
        entries.next();
    }
    Ok(())
}

fn expect<'a>(entries: &'a DBRawIterator<'_>, at: Offset, high: Offset) -> Result<&'a [u8], Error> {
    let Some((key, value)) = entries.item() else {
        entries.status().map_err(failed("read the store"))?;
        return Err(Error::Missing { at, found: high });
    };
    match entry::offset(key, at)? {
        found if found == at => Ok(value),
        found => Err(Error::Missing { at, found }),
    }
}

fn reading() -> ReadOptions {
    let mut reading = ReadOptions::default();
    reading.set_verify_checksums(true);
    reading
}

fn failed(doing: &'static str) -> impl FnOnce(rocksdb::Error) -> Error {
    move |source| Error::Store { doing, source }
}

fn settings(options: &Options) -> rocksdb::Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&Cache::new_lru_cache(BLOCK_CACHE_BYTES));
    blocks.set_block_size(BLOCK_BYTES);
    let mut settings = rocksdb::Options::default();
    settings.create_if_missing(true);
    settings.set_block_based_table_factory(&blocks);
    settings.set_compression_type(DBCompressionType::Lz4);
    // A torn tail is dropped and the watermark judges it; stricter modes refuse after every crash.
    settings.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    settings.set_manual_wal_flush(false);
    settings.set_track_and_verify_wals_in_manifest(true);
    settings.set_paranoid_checks(true);
    settings.set_write_buffer_size(options.write_buffer_bytes);
    settings.set_max_write_buffer_number(4);
    // There is one writer.
    settings.set_allow_concurrent_memtable_write(false);
    settings.set_max_background_jobs(2);
    // Sixteen by default, for a start that is hardly faster, and that fails sooner where threads are limited.
    settings.set_max_file_opening_threads(2);
    // Room that is set aside and not used is taken from others. A manifest of this log is small.
    settings.set_manifest_preallocation_size(MANIFEST_BYTES);
    settings.set_max_total_wal_size(WAL_AHEAD_BYTES);
    settings.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Warn, relay));
    settings
}

/// Passes on what RocksDB has to say, so that it keeps no log files of its own.
fn relay(level: LogLevel, said: &str) {
    match level {
        LogLevel::Error | LogLevel::Fatal => tracing::error!(target: "rocksdb", "{}", said.trim_end()),
        LogLevel::Warn => tracing::warn!(target: "rocksdb", "{}", said.trim_end()),
        LogLevel::Debug | LogLevel::Info | LogLevel::Header => {
            tracing::debug!(target: "rocksdb", "{}", said.trim_end());
        }
    }
}
