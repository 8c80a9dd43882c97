//! Reading a log from an offset to its end, and on as it grows.

use std::{fmt, sync::Arc};

use log_schema::Offset;

use crate::{Error, Log, Stored};

/// The payload bytes that a follower asks for at once.
pub const FOLLOW_BYTES_MAX: usize = 1024 * 1024;

/// A place in a log that moves on as batches are taken.
pub struct Follower {
    log: Arc<dyn Log>,
    next: Offset,
}

impl Follower {
    /// Follows `log`, beginning with the record at `from`.
    pub fn new(log: Arc<dyn Log>, from: Offset) -> Self {
        Self { log, next: from }
    }

    /// The next records, never none: at the tail this waits for an append.
    ///
    /// A call that is dropped takes nothing: the next one returns the same records.
    pub async fn next_batch(&mut self) -> Result<Vec<Stored>, Error> {
        loop {
            let batch = self.log.read(self.next, FOLLOW_BYTES_MAX).await?;
            if let Some(last) = batch.last() {
                self.next = last.offset.next();
                return Ok(batch);
            }
            self.log.wait_past(self.next).await?;
        }
    }

    /// The offset of the first record that was not taken yet.
    pub fn position(&self) -> Offset {
        self.next
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("next", &self.next).finish_non_exhaustive()
    }
}
