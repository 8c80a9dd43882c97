//! The embedded log against bare RocksDB with a synced write-ahead log.

use std::{
    error::Error,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use command_log::embedded::{EmbeddedLog, Options};
use log_schema::Record;
use rocksdb::{DB, WriteBatch, WriteOptions};

use crate::workload::{Case, Measured, append, read_back};

pub(crate) async fn measure(case: &Case) -> Result<Measured, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let (ours, bare) = (dir.path().join("log"), dir.path().join("bare"));
    let log = EmbeddedLog::open(&ours, Options::default())?;
    let db = open_bare(&bare)?;
    let (mut took_log, mut took_bare, mut next) = (Duration::ZERO, Duration::ZERO, 0_u64);
    for round in case.rounds() {
        took_bare += append_bare(&db, case.batches(round.clone()), &mut next)?;
        took_log += append(&log, case.batches(round)).await?;
    }
    drop(log);
    let again = Arc::new(EmbeddedLog::open(&ours, Options::default())?);
    let answer = read_back(again, case.records()).await?;
    Ok(Measured { name: "append_embedded", acked: "acked after fsync", answer, log: took_log, bare: took_bare })
}

fn append_bare(db: &DB, batches: Vec<Vec<Record>>, next: &mut u64) -> Result<Duration, Box<dyn Error>> {
    let mut synced = WriteOptions::default();
    synced.set_sync(true);
    let start = Instant::now();
    for batch in batches {
        let mut writes = WriteBatch::default();
        for record in &batch {
            writes.put(next.to_be_bytes(), &record.payload);
            *next += 1;
        }
        db.write_opt(writes, &synced)?;
    }
    Ok(start.elapsed())
}

fn open_bare(path: &Path) -> Result<DB, rocksdb::Error> {
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    options.set_compression_type(rocksdb::DBCompressionType::Lz4);
    DB::open(&options, path)
}
