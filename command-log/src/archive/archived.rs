//! A log whose beginning is in an archive. Its readers do not notice.

use std::sync::Arc;

use log_schema::{Offset, Record};

use super::Archive;
use crate::{BoxFuture, Error, Log, Stored, Watermarks};

/// Reads from the archive what the log no longer has, and everything else from the log.
#[derive(Debug)]
pub struct ArchivedLog<L> {
    archive: Arc<Archive>,
    log: L,
}

impl<L: Log> ArchivedLog<L> {
    /// Joins both. Refuses an archive that ends before the log begins, or that is of another log.
    pub async fn join(archive: Archive, log: L) -> Result<Self, Error> {
        let marks = log.watermarks().await?;
        let joined = Self { archive: Arc::new(archive), log };
        joined.check(marks).await?;
        Ok(joined)
    }

    /// The last record that both have is the same. Both may have more: the chain of the archive covers what is before.
    async fn check(&self, Watermarks { low, high }: Watermarks) -> Result<(), Error> {
        let next = self.archive.next();
        if next > high {
            return Err(Error::Lost { acked: next, found: high });
        }
        if next < low {
            return Err(Error::Missing { at: next, found: low });
        }
        let Some(last) = next.previous().filter(|last| *last >= low) else { return Ok(()) };
        let (archived, logged) = (self.archive.read_blocking(last, 0).await?, self.log.read(last, 0).await?);
        match (archived.first(), logged.first()) {
            (Some(archived), Some(logged)) if archived.record == logged.record => Ok(()),
            _ => Err(Error::OtherLog { at: last }),
        }
    }

    fn low(&self, marks: Watermarks) -> Watermarks {
        Watermarks { low: self.archive.first().map_or(marks.low, |first| first.min(marks.low)), ..marks }
    }

    /// The log is asked first: only where it no longer has the record is the archive.
    async fn read_at(&self, from: Offset, bytes_max: usize) -> Result<Vec<Stored>, Error> {
        match self.log.read(from, bytes_max).await {
            Err(Error::BelowLow { low, .. }) if from >= self.archive.next() => {
                Err(Error::Missing { at: from, found: low })
            }
            Err(Error::BelowLow { .. }) => self.archive.read_blocking(from, bytes_max).await,
            answer => answer,
        }
    }
}

impl<L: Log> Log for ArchivedLog<L> {
    fn append(&self, batch: Vec<Record>) -> BoxFuture<'_, Result<Vec<Offset>, Error>> {
        self.log.append(batch)
    }

    fn read(&self, from: Offset, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Stored>, Error>> {
        Box::pin(self.read_at(from, bytes_max))
    }

    fn watermarks(&self) -> BoxFuture<'_, Result<Watermarks, Error>> {
        Box::pin(async move { Ok(self.low(self.log.watermarks().await?)) })
    }

    fn wait_past(&self, offset: Offset) -> BoxFuture<'_, Result<(), Error>> {
        self.log.wait_past(offset)
    }
}
