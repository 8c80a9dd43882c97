//! A log whose beginning is in an archive. Its readers do not notice.

use std::sync::{Arc, RwLock};

use log_schema::{Offset, Record};

use super::Archive;
use crate::{BoxFuture, Error, Log, Stored, Watermarks};

/// Reads from the archive what the log no longer has, and everything else from the log.
#[derive(Debug)]
pub struct ArchivedLog<L> {
    /// As it was when it was last looked at: others may add segments.
    archive: RwLock<Arc<Archive>>,
    log: L,
}

impl<L: Log> ArchivedLog<L> {
    /// Joins both, if they belong together: see [`Archive::check`].
    pub async fn join(archive: Archive, log: L) -> Result<Self, Error> {
        archive.check(&log).await?;
        Ok(Self { archive: RwLock::new(Arc::new(archive)), log })
    }

    fn archive(&self) -> Arc<Archive> {
        Arc::clone(&self.archive.read().expect("no holder of the lock panics"))
    }

    /// Looks which segments there are by now.
    fn look_again(&self) -> Result<Arc<Archive>, Error> {
        let archive = Arc::new(Archive::open(self.archive().dir())?);
        *self.archive.write().expect("no holder of the lock panics") = Arc::clone(&archive);
        Ok(archive)
    }

    fn low(&self, marks: Watermarks) -> Watermarks {
        Watermarks { low: self.archive().first().map_or(marks.low, |first| first.min(marks.low)), ..marks }
    }

    /// The log is asked first: only where it no longer has the record is the archive.
    async fn read_at(&self, from: Offset, bytes_max: usize) -> Result<Vec<Stored>, Error> {
        let low = match self.log.read(from, bytes_max).await {
            Err(Error::BelowLow { low, .. }) => low,
            answer => return answer,
        };
        let mut archive = self.archive();
        if from >= archive.next() {
            archive = self.look_again()?;
        }
        if from >= archive.next() {
            return Err(Error::BelowLow { from, low });
        }
        archive.read_blocking(from, bytes_max).await
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
