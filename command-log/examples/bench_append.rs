//! Measures synced appends of the embedded log against bare RocksDB, side by side.
//!
//! ```text
//! cargo run -p command-log --example bench_append [-- --smoke]
//! ```
//! Both sides append the same records in batches, in turns of one round each, so that whatever else the
//! machine does falls on both. Before anything is reported the log is opened again and read, and its
//! count and hash chain must be those of the workload. One JSON object per line. The disk is that of
//! the temporary directory (`TMPDIR`).

use std::{
    error::Error,
    ops::Range,
    path::Path,
    time::{Duration, Instant},
};

use command_log::{
    Follower, Log,
    embedded::{EmbeddedLog, Options},
};
use log_schema::{Chain, Kind, Offset, Record};
use rocksdb::{DB, WriteBatch, WriteOptions};

const VALUE_BYTES: usize = 200;

/// One line of the report: so many batches of one size, in so many rounds.
struct Case {
    batch: u64,
    batches_per_round: u64,
    rounds: u64,
}

impl Case {
    fn rounds(&self) -> impl Iterator<Item = Range<u64>> {
        let (size, rounds) = (self.batch * self.batches_per_round, self.rounds);
        (0..rounds).map(move |round| round * size..(round + 1) * size)
    }

    fn records(&self) -> u64 {
        self.batch * self.batches_per_round * self.rounds
    }
}

fn cases(smoke: bool) -> [Case; 3] {
    if smoke {
        return [(1, 5, 2), (100, 5, 2), (10_000, 1, 2)].map(case);
    }
    [(1, 400, 8), (100, 200, 8), (10_000, 10, 16)].map(case)
}

fn case((batch, batches_per_round, rounds): (u64, u64, u64)) -> Case {
    Case { batch, batches_per_round, rounds }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let smoke = std::env::args().any(|argument| argument == "--smoke");
    for case in cases(smoke) {
        measure(&case).await?;
    }
    Ok(())
}

async fn measure(case: &Case) -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let (ours, bare) = (dir.path().join("log"), dir.path().join("bare"));
    let log = EmbeddedLog::open(&ours, Options::default())?;
    let db = open_bare(&bare)?;
    let (mut took_log, mut took_bare) = (Duration::ZERO, Duration::ZERO);
    for round in case.rounds() {
        took_bare += append_bare(&db, round.clone(), case.batch)?;
        took_log += append_log(&log, round, case.batch).await?;
    }
    drop(log);
    let answer = read_back(&ours, case.records()).await?;
    report(case, &answer, took_log, took_bare);
    Ok(())
}

async fn append_log(log: &EmbeddedLog, round: Range<u64>, batch: u64) -> Result<Duration, Box<dyn Error>> {
    let batches: Vec<Vec<Record>> = batches(round, batch).map(|batch| batch.map(record).collect()).collect();
    let start = Instant::now();
    for batch in batches {
        log.append(batch).await?;
    }
    Ok(start.elapsed())
}

fn append_bare(db: &DB, round: Range<u64>, batch: u64) -> Result<Duration, Box<dyn Error>> {
    let batches: Vec<Vec<(u64, Record)>> =
        batches(round, batch).map(|batch| batch.map(|n| (n, record(n))).collect()).collect();
    let mut synced = WriteOptions::default();
    synced.set_sync(true);
    let start = Instant::now();
    for batch in batches {
        let mut writes = WriteBatch::default();
        for (n, record) in &batch {
            writes.put(n.to_be_bytes(), &record.payload);
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

/// Opens the log again, reads all of it, and returns its chain if it holds exactly the workload.
async fn read_back(path: &Path, records: u64) -> Result<Chain, Box<dyn Error>> {
    let log = std::sync::Arc::new(EmbeddedLog::open(path, Options::default())?);
    let mut follower = Follower::new(log, Offset(0));
    let mut found = Chain::default();
    while follower.position() < Offset(records) {
        for stored in follower.next_batch().await? {
            found = found.link(stored.offset, &stored.record);
        }
    }
    let expected = (0..records).fold(Chain::default(), |chain, n| chain.link(Offset(n), &record(n)));
    assert_eq!((follower.position(), found), (Offset(records), expected), "what was read is not what was appended");
    Ok(found)
}

fn report(case: &Case, answer: &Chain, took_log: Duration, took_bare: Duration) {
    let records = case.records();
    let [value, bare] = [took_log, took_bare].map(|took| u128::from(records) * 1_000_000 / took.as_micros().max(1));
    let ratio = value * 1000 / bare.max(1);
    println!(
        r#"{{"name":"append_embedded_{}","workload":"{VALUE_BYTES}-byte records, batches of {}, acked after fsync","n":{records},"unit":"1/s","value":{value},"answer":"{answer}","bare":{bare},"ratio":{}.{:03}}}"#,
        case.batch,
        case.batch,
        ratio / 1000,
        ratio % 1000,
    );
}

fn batches(round: Range<u64>, batch: u64) -> impl Iterator<Item = Range<u64>> {
    let size = usize::try_from(batch).expect("small");
    round.clone().step_by(size).map(move |begin| begin..(begin + batch).min(round.end))
}

/// The n-th record of the workload: half of its bytes look random, so that it packs like a command.
fn record(n: u64) -> Record {
    let mut state = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut payload = vec![b'q'; VALUE_BYTES];
    for chunk in payload[..VALUE_BYTES / 2].chunks_mut(8) {
        state = (state ^ (state >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        chunk.copy_from_slice(&state.to_be_bytes()[..chunk.len()]);
    }
    Record::v1(Kind::SubmitJob, payload)
}
