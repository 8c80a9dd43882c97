//! An archive of a log: written segment by segment, and then the log may forget.

use std::path::Path;

use command_log::{
    Log,
    archive::Archive,
    embedded::{EmbeddedLog, FrozenLog, Options},
    file::Summary,
    kafka::KafkaLog,
};
use log_schema::Offset;
use replay::Progress as Reached;
use tokio::sync::watch;

use super::{Told, copy::BATCH_BYTES};
use crate::{
    cli,
    exit::Failure,
    output,
    server::{
        layout::Layout,
        open_log::{self, Place, ToRead},
        progress::Progress,
        stop_on_signal,
    },
};

/// Seals segments, and says what the archive holds then.
pub(super) async fn archive(args: &cli::Archive) -> anyhow::Result<Told> {
    let stop = stop_on_signal()?;
    let directory = directory(&args.place)?;
    if args.follow && matches!(open_log::place(&args.place, false)?, Place::Directory(_)) {
        let what = "--follow needs a log in Kafka: one in a directory is read as it is now";
        return Err(Failure::usage(what).hint("leave it out, and run the command again when there is more").into());
    }
    let mut archive = Archive::open_to_write(directory)?;
    let ToRead { log, not_seen } = open_log::to_archive(&args.place).await?;
    let had = archive.next();
    archive.check(&*log).await?;
    let high = log.watermarks().await?.high;
    seal_until(&mut archive, &*log, high, args).await?;
    if args.follow {
        follow(&mut archive, &*log, args, stop).await?;
    }
    let whole = verify(&archive)?;
    output::notice(&format!("note: {not_seen}"));
    Ok(Told { did: "archived", records: whole.next.0 - had.0, whole })
}

/// Seals whole segments below an offset, and the rest if it is wanted.
async fn seal_until(archive: &mut Archive, log: &dyn Log, end: Offset, args: &cli::Archive) -> anyhow::Result<()> {
    let mut progress = Progress::new("archived");
    while let Some(segment_end) = segment_end(archive.next(), end, args) {
        archive.seal(log, segment_end).await?;
        progress.show(Reached { next: segment_end, end });
    }
    progress.done();
    Ok(())
}

/// Where the next segment ends; `None` if there is too little for one.
fn segment_end(next: Offset, end: Offset, args: &cli::Archive) -> Option<Offset> {
    let whole = Offset(next.0 + args.segment_records);
    if whole <= end { Some(whole) } else { (args.all && next < end).then_some(end) }
}

/// Seals each segment as soon as the log has its last record.
async fn follow(
    archive: &mut Archive,
    log: &dyn Log,
    args: &cli::Archive,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    loop {
        let last = Offset(archive.next().0 + args.segment_records - 1);
        tokio::select! {
            _ = stop.wait_for(|stopped| *stopped) => return Ok(()),
            reached = log.wait_past(last) => reached?,
        }
        seal_until(archive, log, last.next(), args).await?;
        output::say(&format!("archived up to offset {}", archive.next()));
    }
}

/// A log that can forget its beginning.
enum Trimmed {
    Kafka(KafkaLog),
    Embedded(EmbeddedLog),
}

impl Trimmed {
    async fn open(place: &Place) -> anyhow::Result<Self> {
        Ok(match place {
            Place::Kafka(config) => Self::Kafka(KafkaLog::open(config).await?),
            Place::Directory(root) => {
                let path = Layout::new(root.clone()).log();
                // Looked at first: a directory without a log does not become one.
                drop(FrozenLog::open(&path)?);
                Self::Embedded(EmbeddedLog::open(&path, Options::default())?)
            }
        })
    }

    fn log(&self) -> &dyn Log {
        match self {
            Self::Kafka(log) => log,
            Self::Embedded(log) => log,
        }
    }

    async fn forget(&self, below: Offset) -> anyhow::Result<Offset> {
        match self {
            Self::Kafka(log) => Ok(log.forget(below).await?),
            Self::Embedded(log) => {
                log.forget(below).await?;
                Ok(below)
            }
        }
    }
}

/// Reads all that the archive has, compares it with what the log has, and only then lets it forget.
pub(super) async fn trim(args: &cli::Trim) -> anyhow::Result<Told> {
    let place = open_log::place(&args.place, false)?;
    let archive = open_log::archive(directory(&args.place)?)?;
    let whole = verify(&archive)?;
    let trimmed = Trimmed::open(&place).await?;
    let log = trimmed.log();
    archive.check(log).await?;
    let marks = log.watermarks().await?;
    let below = trim_end(args, &whole, marks.high)?;
    compare(&archive, log, marks.low, below).await?;
    let low = if below > marks.low { trimmed.forget(below).await? } else { marks.low };
    if low > marks.low && matches!(place, Place::Directory(_)) {
        output::notice(
            "note: name the archive from now on wherever trimmed records are needed: `quipu up --archive`, audit, export",
        );
    }
    Ok(Told { did: "forgot", records: low.0 - marks.low.0, whole })
}

/// The first offset that is not forgotten, of a log that ends at `high`.
fn trim_end(args: &cli::Trim, archived: &Summary, high: Offset) -> anyhow::Result<Offset> {
    let first_kept = Offset(high.0.saturating_sub(args.keep));
    let archived_end = if archived.first > Offset(0) { Offset(0) } else { archived.next };
    let end = args.below.map_or(first_kept.min(archived_end), Offset);
    if end > archived_end {
        let what = format!("the archive has offsets {} to {}, and not all below {end}", archived.first, archived.next);
        return Err(Failure::new(what).hint("run `quipu log archive` first, or trim less").into());
    }
    if end > first_kept {
        let what = format!("the log ends at offset {high}, and of its newest {} records none is forgotten", args.keep);
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

fn directory(place: &cli::LogPlace) -> anyhow::Result<&Path> {
    let missing = || Failure::usage("the directory of the archive is missing").hint("add --archive DIR");
    Ok(place.options.archive.as_deref().ok_or_else(missing)?)
}

fn verify(archive: &Archive) -> anyhow::Result<Summary> {
    let mut progress = Progress::new("read");
    let end = archive.next();
    let whole = archive.verify(&mut |next| progress.show(Reached { next, end }))?;
    progress.done();
    Ok(whole)
}
