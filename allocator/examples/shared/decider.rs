//! An allocator without a leader: records in, decisions out, and the time that it took.

use std::time::{Duration, Instant};

use allocator::{State, answer};
use log_schema::{AnswerV1, Chain, DecisionV1, EpochNumber, Offset, Record};

/// How many records one decision answers.
const RECORDS_PER_DECISION: usize = 256;

/// A state, where it stands in its log, and the chain of its decisions.
pub(crate) struct Decider {
    pub(crate) state: State,
    pub(crate) chain: Chain,
    next: Offset,
}

impl Decider {
    pub(crate) fn new() -> Self {
        Self { state: State::default(), chain: Chain::default(), next: Offset(0) }
    }

    /// Answers records and encodes the decisions; hands on each with its record, and gives the time
    /// for both. As in the leader, an answer is dropped once its record is made.
    #[expect(clippy::disallowed_methods, reason = "a bench reads the clock; the core does not")]
    pub(crate) fn decide(&mut self, records: &[Record], mut made: impl FnMut(Record, &DecisionV1)) -> Duration {
        let mut took = Duration::ZERO;
        let mut chain = self.chain;
        let end = Offset(self.next.0 + records.len() as u64);
        for records in records.chunks(RECORDS_PER_DECISION) {
            let start = Instant::now();
            let from = self.next;
            let answers: Vec<AnswerV1> = records.iter().filter_map(|record| self.answer(record)).collect();
            let (epoch, to) = (EpochNumber(1), Offset(self.next.0 - 1));
            let decision = DecisionV1 { epoch, from, to, chain: self.chain, answers };
            let record = decision.to_record();
            took += start.elapsed();
            chain = chain.link(end, &record);
            made(record, &decision);
        }
        self.chain = chain;
        took
    }

    fn answer(&mut self, record: &Record) -> Option<AnswerV1> {
        let at = self.next;
        self.next = at.next();
        answer(&mut self.state, at, record).expect("a record of this version")
    }
}
