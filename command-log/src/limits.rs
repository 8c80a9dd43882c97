//! What a log takes: the bounds that every log shares, so that a batch good for one is good for all.

use log_schema::{Offset, Record, record::PAYLOAD_BYTES_MAX};

use crate::{Error, Stored, Watermarks};

/// The most records in one batch.
pub const BATCH_RECORDS_MAX: usize = 65_536;
/// The most payload bytes in one batch.
pub const BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a record costs a read beside its payload, so that many empty records have a bound too.
pub(crate) const RECORD_OVERHEAD_BYTES: usize = 16;

/// Refuses a batch that no log takes, and names the first reason.
pub fn check(batch: &[Record]) -> Result<(), Error> {
    let oversize = batch.iter().position(|record| record.payload.len() > PAYLOAD_BYTES_MAX);
    if let Some(index) = oversize {
        let Record { kind, ref payload, .. } = batch[index];
        return Err(Error::Oversize { index, kind, bytes: payload.len(), bytes_max: PAYLOAD_BYTES_MAX });
    }
    let bytes = batch.iter().map(|record| record.payload.len()).sum();
    if batch.len() > BATCH_RECORDS_MAX || bytes > BATCH_BYTES_MAX {
        return Err(Error::BatchTooLarge { records: batch.len(), bytes });
    }
    Ok(())
}

/// How much one read may still return.
#[derive(Debug)]
pub(crate) struct Budget {
    left: Option<usize>,
    first: bool,
}

impl Budget {
    /// A read of at most `bytes_max` payload bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { left: Some(bytes_max), first: true }
    }

    /// Takes this record if it fits; the first one always does.
    pub(crate) fn takes(&mut self, stored: &Stored) -> bool {
        self.takes_bytes(stored.record.payload.len())
    }

    /// Takes a record with so many payload bytes if it fits; the first one always does.
    pub(crate) fn takes_bytes(&mut self, bytes: usize) -> bool {
        let cost = bytes + RECORD_OVERHEAD_BYTES;
        let rest = self.left.and_then(|left| left.checked_sub(cost));
        let taken = self.first || rest.is_some();
        self.first = false;
        self.left = rest;
        taken
    }
}

impl Watermarks {
    /// Refuses an offset that cannot be read from: below the low or above the high watermark.
    pub fn admit(&self, from: Offset) -> Result<(), Error> {
        if from < self.low {
            return Err(Error::BelowLow { from, low: self.low });
        }
        if from > self.high {
            return Err(Error::BeyondHigh { from, high: self.high });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use log_schema::Kind;

    use super::*;

    fn record(bytes: usize) -> Record {
        Record::v1(Kind::Tick, vec![0; bytes])
    }

    #[test]
    fn the_largest_payload_is_taken_and_one_byte_more_is_refused_by_name() {
        assert!(check(&[record(PAYLOAD_BYTES_MAX)]).is_ok());
        let refused = check(&[record(1), record(PAYLOAD_BYTES_MAX + 1)]).unwrap_err();
        assert!(matches!(refused, Error::Oversize { index: 1, bytes, .. } if bytes == PAYLOAD_BYTES_MAX + 1));
    }

    #[test]
    fn a_batch_has_a_most_of_records_and_of_bytes() {
        assert!(check(&vec![record(0); BATCH_RECORDS_MAX]).is_ok());
        let many = check(&vec![record(0); BATCH_RECORDS_MAX + 1]).unwrap_err();
        assert_eq!(many.code(), "batch_too_large");
        let heavy = check(&vec![record(PAYLOAD_BYTES_MAX); BATCH_BYTES_MAX / PAYLOAD_BYTES_MAX + 1]).unwrap_err();
        assert_eq!(heavy.code(), "batch_too_large");
    }
}
