//! A log as it can be read and not written: up to where it reached when it was opened.
//!
//! A [`View`] has no `append`. Whoever holds one can neither change the log nor wait for it to grow,
//! so a live log and a stopped one are read alike.

use command_log::{Error, Log, Stored, Watermarks};
use log_schema::Offset;

/// The payload bytes that are read at once.
const READ_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How far the reading of a log has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The next offset to be read.
    pub next: Offset,
    /// One past the last offset that will be read.
    pub end: Offset,
}

/// Told after every batch that was read.
pub type OnProgress<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// A log, read only, as far as it reached when the view was opened.
pub struct View<'a> {
    log: &'a dyn Log,
    marks: Watermarks,
}

impl<'a> View<'a> {
    /// Looks at a log as it is now.
    pub async fn open(log: &'a dyn Log) -> Result<Self, Error> {
        Ok(Self { log, marks: log.watermarks().await? })
    }

    /// The first offset that can be read.
    pub fn low(&self) -> Offset {
        self.marks.low
    }

    /// One past the last offset that can be read.
    pub fn high(&self) -> Offset {
        self.marks.high
    }

    /// Reads every record in order, until one of them is refused.
    pub async fn for_each<E: From<Error>>(
        &self,
        progress: OnProgress<'_>,
        mut visit: impl FnMut(Stored) -> Result<(), E>,
    ) -> Result<(), E> {
        let Watermarks { low: mut next, high: end } = self.marks;
        while next < end {
            let batch = self.log.read(next, READ_BYTES_MAX).await?;
            let Some(last) = batch.last() else { return Err(Error::BeyondHigh { from: end, high: next }.into()) };
            next = last.offset.next();
            for stored in batch.into_iter().filter(|stored| stored.offset < end) {
                visit(stored)?;
            }
            progress(Progress { next: next.min(end), end });
        }
        Ok(())
    }
}
