//! A whole log to a file, and from one.

use std::{fs, path::Path, sync::Arc};

use anyhow::Context;
use command_log::{
    Log, Stored, Watermarks,
    embedded::{EmbeddedLog, Options},
    file::{self, FileReader, Summary},
    kafka::KafkaLog,
};
use log_schema::{Chain, Offset, Record};
use replay::Progress as Reached;

use super::Told;
use crate::{
    cli,
    exit::Failure,
    output,
    server::{
        layout::Layout,
        open_log::{self, Place, ToRead},
        progress::Progress,
    },
};

/// How many records are appended at once.
const BATCH_RECORDS: usize = 4096;
/// The payload bytes after which a batch is appended, and that are read at once.
pub(super) const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Writes the file, which is read back before it is there.
pub(super) async fn export(args: &cli::Export) -> anyhow::Result<Told> {
    let ToRead { log, not_seen } = open_log::to_read(&args.place).await?;
    let Watermarks { low, high } = log.watermarks().await?;
    if low > Offset(0) {
        return Err(command_log::Error::BelowLow { from: Offset(0), low }.into());
    }
    let mut progress = Progress::new("written");
    let mut show = |next| progress.show(Reached { next, end: high });
    let written = file::write(&*log, (Offset(0), Chain::default()), high, &args.file, &mut show).await?;
    progress.done();
    output::notice(&format!("note: {not_seen}"));
    Ok(Told { did: "wrote", records: records_of(&written), whole: written })
}

fn records_of(summary: &Summary) -> u64 {
    summary.next.0 - summary.first.0
}

/// Appends what the log does not have yet. A log that holds a beginning of the file is continued, so an
/// import that was cut off can be done again.
pub(super) async fn import(args: &cli::Import) -> anyhow::Result<Told> {
    let summary = FileReader::verify(&args.file)?;
    let begins = (summary.first, summary.before);
    if begins != (Offset(0), Chain::default()) {
        return Err(Failure::new(format!("the file begins at offset {}; a log begins at 0", summary.first)).into());
    }
    let log = open_to_fill(&open_log::place(&args.place, true)?).await?;
    let had = compare(&*log, &args.file, summary).await?;
    append(&*log, &args.file, had, summary.next).await?;
    let after = compare(&*log, &args.file, summary).await?;
    anyhow::ensure!(after == summary.next, "the log has {after} records of {}", summary.next);
    Ok(Told { did: "appended", records: summary.next.0 - had.0, whole: summary })
}

async fn open_to_fill(place: &Place) -> anyhow::Result<Arc<dyn Log>> {
    Ok(match place {
        Place::Directory(root) => {
            let path = Layout::new(root).log();
            fs::create_dir_all(root).with_context(|| format!("could not make {}", root.display()))?;
            Arc::new(EmbeddedLog::open(&path, Options::default())?)
        }
        Place::Kafka(config) => Arc::new(KafkaLog::open(&config.clone().for_decisions()).await?),
    })
}

/// One past the last record that log and file have in common; it is an error if the log has any other.
async fn compare(log: &dyn Log, file: &Path, summary: Summary) -> anyhow::Result<Offset> {
    let Watermarks { low, high } = log.watermarks().await?;
    let other = |at: Offset| {
        let what = format!("the log holds something else than the file, from offset {at} on");
        Failure::new(what).hint("import into an empty log: another directory, or another cell")
    };
    if low > Offset(0) || high > summary.next {
        return Err(other(low.max(summary.next)).into());
    }
    let mut wanted = FileReader::open(file)?;
    let mut next = Offset(0);
    while next < high {
        for stored in log.read(next, BATCH_BYTES).await? {
            let same = wanted.next().transpose()?.is_some_and(|wanted| wanted.record == stored.record);
            if !same {
                return Err(other(stored.offset).into());
            }
            next = stored.offset.next();
        }
    }
    Ok(high)
}

async fn append(log: &dyn Log, file: &Path, from: Offset, end: Offset) -> anyhow::Result<()> {
    let mut progress = Progress::new("appended");
    let (mut batch, mut bytes, mut next) = (Vec::new(), 0, from);
    for stored in FileReader::open(file)? {
        let Stored { offset, record, .. } = stored?;
        if offset < from {
            continue;
        }
        bytes += record.payload.len();
        batch.push(record);
        if batch.len() == BATCH_RECORDS || bytes > BATCH_BYTES {
            next = append_at(log, std::mem::take(&mut batch), next).await?;
            bytes = 0;
            progress.show(Reached { next, end });
        }
    }
    append_at(log, batch, next).await?;
    progress.done();
    Ok(())
}

/// Appends records that must come to lie from `next` on: nobody else may append meanwhile.
async fn append_at(log: &dyn Log, batch: Vec<Record>, next: Offset) -> anyhow::Result<Offset> {
    let offsets = log.append(batch).await?;
    match (offsets.first(), offsets.last()) {
        (Some(first), Some(last)) if *first == next => Ok(last.next()),
        (Some(first), _) => {
            let what = format!("somebody else appends to the log: record {next} came to lie at offset {first}");
            Err(Failure::new(what).hint("stop the cell that uses this log, and import into an empty one").into())
        }
        _ => Ok(next),
    }
}
