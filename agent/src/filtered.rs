//! The reader rule on the filtered log of the agents' link: which epochs and decisions are obeyed.
//!
//! The gateway has applied the whole rule to the whole log; this is the half of it that still holds on
//! the view (see [`command_log::remote::protocol`]): epochs follow each other, and each decision begins
//! at or before the first offset that is not answered. Chains are not checked: they cover records that
//! an agent does not get. After a reconnection a decision may overlap what was obeyed; its answers at
//! offsets that were obeyed are dropped, each by its `at`.

use command_log::remote::{Position, protocol::LinkStored};
use log_schema::{Chain, DecisionV1, EpochNumber, EpochV1, Kind, Offset, codec};

/// The view is not a log; nothing more of it can be obeyed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// A newer program wrote the record.
    #[error("the record at {at} is of kind {kind} version {version}, which this program does not know")]
    Unknown { at: Offset, kind: u16, version: u16 },
    /// An epoch or a decision that cannot be read.
    #[error("the record at {at} cannot be read")]
    Unreadable { at: Offset, source: codec::Error },
    /// A claim that does not follow the current epoch.
    #[error("the record at {at} claims epoch {claimed}, but the current one is {current}")]
    EpochSkipped { at: Offset, claimed: EpochNumber, current: EpochNumber },
    /// Something was left out between two decisions.
    #[error("the decision at {at} answers from {from}, but {expected} is the first offset without an answer")]
    Gap { at: Offset, from: Offset, expected: Offset },
}

/// A place in the view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FilteredReader {
    epoch: EpochNumber,
    to: Option<(Offset, Chain)>,
    next: Offset,
    joined: Option<(Offset, Chain)>,
}

impl FilteredReader {
    /// A reader that goes on after what was obeyed.
    pub fn resume(position: Position) -> Self {
        let Position { next, epoch, to, chain, joined } = position;
        Self { epoch, to: Some((to, chain)), next, joined: Some(joined) }
    }

    /// A reader that begins after what the cell told about itself, for an agent without a memory.
    pub fn begin(epoch: EpochNumber, to: Option<(Offset, Chain)>) -> Self {
        Self { epoch, to, next: to.map_or(Offset(0), |(to, _)| to.next()), joined: to }
    }

    /// The last offset whose answer was obeyed.
    pub fn to(&self) -> Option<Offset> {
        self.to.map(|(to, _)| to)
    }

    /// Where a new connection resumes; nothing was obeyed where it is absent.
    pub fn position(&self) -> Option<Position> {
        let (to, chain) = self.to?;
        Some(Position { next: self.next, epoch: self.epoch, to, chain, joined: self.joined? })
    }

    /// Judges a record and moves past it; what it returns is to be obeyed.
    pub fn judge(&mut self, stored: &LinkStored) -> Result<Option<DecisionV1>, Error> {
        let LinkStored { offset: at, ref record, .. } = *stored;
        if at < self.next {
            return Ok(None);
        }
        let kind = Kind::from_number(record.kind).filter(|_| record.version == 1);
        let kind = kind.ok_or(Error::Unknown { at, kind: record.kind, version: record.version })?;
        let unreadable = |source| Error::Unreadable { at, source };
        let obeyed = match kind {
            Kind::Epoch => {
                let claim: EpochV1 = codec::decode("epoch", &record.payload).map_err(unreadable)?;
                self.judge_epoch(at, claim.epoch)?;
                None
            }
            Kind::Decision => {
                self.judge_decision(at, codec::decode("decision", &record.payload).map_err(unreadable)?)?
            }
            // Commands are not for agents; a gateway leaves them out.
            _ => None,
        };
        self.next = at.next();
        Ok(obeyed)
    }

    fn judge_epoch(&mut self, at: Offset, claimed: EpochNumber) -> Result<(), Error> {
        let current = self.epoch;
        if claimed > current.next() {
            return Err(Error::EpochSkipped { at, claimed, current });
        }
        self.epoch = current.max(claimed);
        Ok(())
    }

    fn judge_decision(&mut self, at: Offset, mut decision: DecisionV1) -> Result<Option<DecisionV1>, Error> {
        let DecisionV1 { epoch, from, to, chain, .. } = decision;
        if epoch > self.epoch {
            return Err(Error::EpochSkipped { at, claimed: epoch, current: self.epoch });
        }
        if epoch < self.epoch || self.to().is_some_and(|obeyed| to <= obeyed) {
            return Ok(None);
        }
        let expected = self.to().map_or(Offset(0), Offset::next);
        if from > expected {
            return Err(Error::Gap { at, from, expected });
        }
        decision.answers.retain(|answer| answer.at >= expected);
        self.to = Some((to, chain));
        self.joined = self.joined.or(self.to);
        Ok(Some(decision))
    }
}

#[cfg(test)]
mod tests {
    use command_log::remote::protocol::LinkRecord;
    use log_schema::{AnswerV1, Principal, Record, TimeMs};

    use super::*;

    fn stored(at: u64, record: Record) -> LinkStored {
        LinkStored { offset: Offset(at), time: TimeMs(0), record: LinkRecord::from(record) }
    }

    fn decision(at: u64, epoch: u64, from: u64, to: u64) -> LinkStored {
        let answer = |at| AnswerV1 { at: Offset(at), asked: None, refusal: None, repeats: None, events: Vec::new() };
        let answers = (from..=to).map(answer).collect();
        let chain = Chain::default();
        let decision = DecisionV1 { epoch: EpochNumber(epoch), from: Offset(from), to: Offset(to), chain, answers };
        stored(at, decision.to_record())
    }

    fn epoch(at: u64, epoch: u64) -> LinkStored {
        let node = Principal::new("n1").expect("a legal name");
        stored(at, EpochV1 { epoch: EpochNumber(epoch), node, logic_version: 1 }.to_record())
    }

    fn position(next: u64, to: u64) -> Position {
        let (chain, joined) = (Chain::default(), (Offset(8), Chain::default()));
        Position { next: Offset(next), epoch: EpochNumber(1), to: Offset(to), chain, joined }
    }

    fn reader() -> FilteredReader {
        FilteredReader::resume(position(10, 8))
    }

    fn obeyed(reader: &mut FilteredReader, stored: &LinkStored) -> Option<Vec<u64>> {
        let decision = reader.judge(stored).expect("a view that is a log");
        decision.map(|decision| decision.answers.iter().map(|answer| answer.at.0).collect())
    }

    #[test]
    fn decisions_that_follow_each_other_are_obeyed_once() {
        let mut reader = reader();
        assert_eq!(obeyed(&mut reader, &decision(11, 1, 9, 10)), Some(vec![9, 10]));
        assert_eq!(obeyed(&mut reader, &decision(11, 1, 9, 10)), None);
        assert_eq!(obeyed(&mut reader, &decision(12, 1, 9, 10)), None);
        assert_eq!(reader.position(), Some(position(13, 10)));
    }

    #[test]
    fn a_decision_that_overlaps_what_was_obeyed_gives_only_its_rest() {
        let mut reader = reader();
        assert_eq!(obeyed(&mut reader, &decision(14, 1, 5, 11)), Some(vec![9, 10, 11]));
    }

    #[test]
    fn a_decision_of_an_earlier_reign_is_void() {
        let mut reader = reader();
        assert_eq!(obeyed(&mut reader, &epoch(10, 2)), None);
        assert_eq!(obeyed(&mut reader, &decision(11, 1, 9, 10)), None);
        assert_eq!(obeyed(&mut reader, &decision(12, 2, 9, 10)), Some(vec![9, 10]));
    }

    #[test]
    fn a_gap_or_a_skipped_epoch_halts() {
        assert!(matches!(reader().judge(&decision(12, 1, 10, 11)), Err(Error::Gap { .. })));
        assert!(matches!(reader().judge(&epoch(12, 3)), Err(Error::EpochSkipped { .. })));
        assert!(matches!(reader().judge(&decision(12, 2, 9, 11)), Err(Error::EpochSkipped { .. })));
    }

    #[test]
    fn a_record_of_a_newer_program_halts() {
        let mut record = epoch(10, 2);
        record.record.version = 2;
        assert!(matches!(reader().judge(&record), Err(Error::Unknown { .. })));
    }
}
