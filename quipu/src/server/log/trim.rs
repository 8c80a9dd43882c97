//! A log forgets its beginning, once an archive has it.

use std::path::Path;

use command_log::{
    Log, Watermarks,
    archive::Archive,
    embedded::{EmbeddedLog, FrozenLog, Options},
    kafka::KafkaLog,
};
use log_schema::Offset;
use serde::{Deserialize, Serialize};

use super::{
    Told,
    archive::{directory, verify},
    copy::BATCH_BYTES,
};
use crate::{
    cli,
    exit::Failure,
    output,
    server::{
        control,
        layout::Layout,
        open_log::{self, Place},
    },
};

/// How much is to go.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct Wanted {
    /// The first offset that the log is to keep.
    below: Option<u64>,
    /// How many of the newest records it keeps at least.
    keep: u64,
}

/// Reads all that the archive has, compares it with what the log has, and only then lets it forget. A cell that runs
/// does so itself: nobody else may write to its log.
pub(super) async fn trim(args: &cli::Trim) -> anyhow::Result<Told> {
    let place = open_log::place(&args.place, false)?;
    let dir = directory(&args.place)?;
    let archive = open_log::archive(dir)?;
    let whole = verify(&archive)?;
    let wanted = Wanted { below: args.below, keep: args.keep };
    let records = match &place {
        Place::Kafka(config) => {
            let log = KafkaLog::open(config).await?;
            let (low, below) = range(&archive, &log, wanted).await?;
            if below > low { log.forget(below).await?.0 - low.0 } else { 0 }
        }
        Place::Directory(root) => {
            let layout = Layout::new(root);
            match control::ask_to_trim(&layout, dir, wanted).await? {
                Some(records) => records,
                None => of_stopped(&layout, dir, wanted).await?,
            }
        }
    };
    Ok(Told { did: "forgot", records, whole })
}

async fn of_stopped(layout: &Layout, archive: &Path, wanted: Wanted) -> anyhow::Result<u64> {
    let path = layout.log();
    // Looked at first: a directory without a log does not become one.
    drop(FrozenLog::open(&path)?);
    let log = EmbeddedLog::open(&path, Options::default())?;
    let records = of_embedded(&log, archive, wanted).await?;
    if records > 0 {
        output::notice(
            "note: name the archive from now on wherever trimmed records are needed: `quipu up --archive`, audit, export",
        );
    }
    Ok(records)
}

/// Lets a log of this machine forget; returns how many records are forgotten.
pub(in crate::server) async fn of_embedded(log: &EmbeddedLog, archive: &Path, wanted: Wanted) -> anyhow::Result<u64> {
    let archive = open_log::archive(archive)?;
    let (low, below) = range(&archive, log, wanted).await?;
    if below <= low {
        return Ok(0);
    }
    log.forget(below).await?;
    Ok(below.0 - low.0)
}

/// From where to where a log may forget: all of it is in the archive, record by record.
async fn range(archive: &Archive, log: &dyn Log, wanted: Wanted) -> anyhow::Result<(Offset, Offset)> {
    archive.check(log).await?;
    let Watermarks { low, high } = log.watermarks().await?;
    let below = trim_end(wanted, archive, high)?;
    compare(archive, log, low, below).await?;
    Ok((low, below))
}

/// The first offset that is not forgotten, of a log that ends at `high`.
fn trim_end(wanted: Wanted, archive: &Archive, high: Offset) -> anyhow::Result<Offset> {
    let first_kept = Offset(high.0.saturating_sub(wanted.keep));
    let (first, next) = (archive.first().unwrap_or(Offset(0)), archive.next());
    let archived_end = if first > Offset(0) { Offset(0) } else { next };
    let end = wanted.below.map_or(first_kept.min(archived_end), Offset);
    if end > archived_end {
        let what = format!("the archive has offsets {first} to {next}, and not all below {end}");
        return Err(Failure::new(what).hint("run `quipu log archive` first, or trim less").into());
    }
    if end > first_kept {
        let what =
            format!("the log ends at offset {high}, and of its newest {} records none is forgotten", wanted.keep);
        let hint = format!(
            "trim below {first_kept} at most; or, if every allocator and gateway of the cell was started with \
             --archive, say with --keep how many records are enough"
        );
        return Err(Failure::new(what).hint(hint).into());
    }
    Ok(end)
}

/// That log and archive hold the same in `from..end`.
async fn compare(archive: &Archive, log: &dyn Log, from: Offset, end: Offset) -> anyhow::Result<()> {
    let mut next = from;
    while next < end {
        let (archived, logged) = (archive.read(next, BATCH_BYTES)?, log.read(next, BATCH_BYTES).await?);
        let pairs = archived.iter().zip(&logged);
        if let Some((archived, _)) = pairs.clone().find(|(archived, logged)| archived.record != logged.record) {
            let what = format!("archive and log hold different records at offset {}", archived.offset);
            return Err(Failure::new(what).hint("name the archive of this very cell; nothing was forgotten").into());
        }
        next = Offset(next.0 + pairs.len() as u64);
    }
    Ok(())
}
