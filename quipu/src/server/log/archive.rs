//! An archive of a log: written segment by segment, each of them read back.

use std::path::Path;

use command_log::{Log, archive::Archive, file::Summary};
use log_schema::Offset;
use replay::Progress as Reached;
use tokio::sync::watch;

use super::Told;
use crate::{
    cli,
    exit::Failure,
    output,
    server::{
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

pub(super) fn directory(place: &cli::LogPlace) -> anyhow::Result<&Path> {
    let missing = || Failure::usage("the directory of the archive is missing").hint("add --archive DIR");
    Ok(place.options.archive.as_deref().ok_or_else(missing)?)
}

pub(super) fn verify(archive: &Archive) -> anyhow::Result<Summary> {
    let mut progress = Progress::new("read");
    let end = archive.next();
    let whole = archive.verify(&mut |next| progress.show(Reached { next, end }))?;
    progress.done();
    Ok(whole)
}
