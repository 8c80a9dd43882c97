//! Reading what is no longer in memory, by readers that are kept where they stopped.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use log_schema::Offset;

use super::{
    Config,
    client::{Reader, reader_at},
    tailer::next_of,
};
use crate::{Error, Stored, kept::Kept, limits::Budget};

/// What each may have fetched beforehand.
const QUEUED_KIB: u32 = 16 * 1024;
/// How long a read may take.
const READ_MAX: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(100);

/// Makes readers, and keeps some.
pub(super) struct ColdReaders {
    config: Config,
    topic: String,
    kept: Kept<Place>,
}

/// A reader, and where it is.
struct Place {
    reader: Reader,
    next: Offset,
    /// Read, and not returned: it did not fit.
    over: Option<Stored>,
}

impl ColdReaders {
    pub fn new(config: &Config, topic: &str) -> Self {
        Self { config: config.clone(), topic: topic.to_owned(), kept: Kept::default() }
    }

    /// Reads from `from` on, up to `high`, on a thread that may block.
    pub async fn read(self: Arc<Self>, from: Offset, high: Offset, bytes_max: usize) -> Result<Vec<Stored>, Error> {
        crate::blocking(move || {
            let mut place = match self.kept.take(from) {
                Some(place) => place,
                None => self.open(from)?,
            };
            let records = place.read(high, bytes_max, &self.config)?;
            self.kept.keep(place.next, place);
            Ok(records)
        })
        .await
    }

    fn open(&self, from: Offset) -> Result<Place, Error> {
        let reader = reader_at(&self.config, &self.topic, from, QUEUED_KIB)?;
        Ok(Place { reader, next: from, over: None })
    }
}

impl Place {
    fn read(&mut self, high: Offset, bytes_max: usize, config: &Config) -> Result<Vec<Stored>, Error> {
        let begun = Instant::now();
        let (mut records, mut budget) = (Vec::new(), Budget::new(bytes_max));
        while self.next < high {
            match self.take()? {
                Some(stored) if budget.takes(&stored) => {
                    self.next = stored.offset.next();
                    records.push(stored);
                }
                Some(stored) => {
                    self.over = Some(stored);
                    break;
                }
                None if !records.is_empty() => break,
                None if begun.elapsed() > READ_MAX => {
                    let why = format!("record {} has not come within {} s", self.next, READ_MAX.as_secs());
                    return Err(Error::Unreachable { place: config.to_string(), source: why.into() });
                }
                None => {}
            }
        }
        Ok(records)
    }

    fn take(&mut self) -> Result<Option<Stored>, Error> {
        match self.over.take() {
            Some(stored) => Ok(Some(stored)),
            None => next_of(&self.reader, self.next, LOOK),
        }
    }
}
