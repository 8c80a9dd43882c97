//! Deciding a recorded log again, record by record, and comparing bytes.
//!
//! ```text
//!   record ──Reader rule──> command: kept until a decision answers it
//!                           decision that counts: answer its range again, encode, compare
//! ```
//!
//! The state here comes from commands alone: what recorded decisions say is compared, never folded.

use std::collections::VecDeque;

use allocator::{State, answer, answer::Unreadable};
use command_log::{
    Stored,
    reader::{Halt, Reader, Verdict},
};
use log_schema::{AnswerV1, DecisionV1, Kind, Offset, codec};
use serde::Serialize;
use serde_json::Value;

/// The first place where deciding again gives something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where the recorded decision is.
    pub decision_at: Offset,
    /// The command whose answer differs; `None` where only the decision's encoding does.
    pub command_at: Option<Offset>,
    /// The kind of that command.
    pub command: Option<&'static str>,
    /// The first byte of the decision's payload that differs, where payloads were compared.
    pub first_byte: Option<usize>,
    /// What the log's commands give, as readable JSON.
    pub expected: Value,
    /// What the log says, as readable JSON.
    pub recorded: Value,
}

/// Deciding again stopped.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// The reader rule stops at this record.
    #[error("the log cannot be followed past offset {}", halt.at())]
    Halt {
        #[source]
        halt: Box<Halt>,
        /// The first answer that differs, where that tells what was changed.
        difference: Option<Box<Difference>>,
    },
    /// A decision is not what its commands give.
    #[error("the decision at {} is not what deciding again gives", difference.decision_at)]
    Differs { difference: Box<Difference> },
    /// A record that this program is too old for.
    #[error("the log cannot be answered")]
    Unreadable(#[from] Unreadable),
}

/// A place in a log that is decided again.
#[derive(Clone, Debug, Default)]
pub struct Redecider {
    reader: Reader,
    state: State,
    undecided: VecDeque<Stored>,
    answers: u64,
    refusals: u64,
}

impl Redecider {
    /// Judges the next record; a decision that counts is made again and compared.
    pub fn step(&mut self, stored: &Stored) -> Result<Verdict, Error> {
        let verdict = match self.reader.judge(stored) {
            Ok(verdict) => verdict,
            Err(halt) => return Err(self.explain(halt, stored)),
        };
        if let Verdict::Decision(recorded) = &verdict {
            self.compare(recorded, stored)?;
        }
        self.undecided.push_back(stored.clone());
        Ok(verdict)
    }

    /// The reader, past the last record.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The allocator's state as of the last decision.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The records that no decision has answered, in order.
    pub fn undecided(&self) -> &VecDeque<Stored> {
        &self.undecided
    }

    /// How many answers were made again.
    pub fn answers(&self) -> u64 {
        self.answers
    }

    /// How many of them were refusals.
    pub fn refusals(&self) -> u64 {
        self.refusals
    }

    fn compare(&mut self, recorded: &DecisionV1, stored: &Stored) -> Result<(), Error> {
        let range = self.take_range(recorded);
        let decided = self.decide(recorded, &range)?.to_record();
        if decided == stored.record {
            return Ok(());
        }
        let made: DecisionV1 = codec::decode("decision", &decided.payload).expect("encoded just above");
        let mut difference = difference(stored.offset, &range, &made.answers, &recorded.answers);
        difference.first_byte = first_byte(&decided.payload, &stored.record.payload);
        Err(Error::Differs { difference: Box::new(difference) })
    }

    /// The records that a decision answers, taken out of those that wait.
    fn take_range(&mut self, recorded: &DecisionV1) -> Vec<Stored> {
        let answered = self.undecided.partition_point(|stored| stored.offset <= recorded.to);
        self.undecided.drain(..answered).collect()
    }

    fn decide(&mut self, recorded: &DecisionV1, range: &[Stored]) -> Result<DecisionV1, Unreadable> {
        let mut answers = Vec::with_capacity(recorded.answers.len());
        for Stored { offset, record, .. } in range {
            answers.extend(answer(&mut self.state, *offset, record)?);
        }
        self.answers += answers.len() as u64;
        self.refusals += answers.iter().filter(|answer| answer.refusal.is_some()).count() as u64;
        let DecisionV1 { epoch, from, to, chain, .. } = *recorded;
        Ok(DecisionV1 { epoch, from, to, chain, answers })
    }

    /// Finds out which answer a changed record gives, where a decision no longer fits its records.
    fn explain(&mut self, halt: Halt, stored: &Stored) -> Error {
        let recorded = match &halt {
            Halt::ChainMismatch { .. } => codec::decode::<DecisionV1>("decision", &stored.record.payload).ok(),
            _ => None,
        };
        let difference = recorded.and_then(|recorded| {
            let range = self.take_range(&recorded);
            let made = self.decide(&recorded, &range).ok()?;
            let differs = made.answers != recorded.answers;
            differs.then(|| Box::new(difference(stored.offset, &range, &made.answers, &recorded.answers)))
        });
        Error::Halt { halt: Box::new(halt), difference }
    }
}

fn difference(decision_at: Offset, range: &[Stored], made: &[AnswerV1], recorded: &[AnswerV1]) -> Difference {
    let (expected, recorded) = first_difference(made, recorded);
    let command_at = expected.into_iter().chain(recorded).map(|answer| answer.at).min();
    let command = range.iter().find(|stored| Some(stored.offset) == command_at);
    Difference {
        decision_at,
        command_at,
        command: command.and_then(|stored| Kind::from_number(stored.record.kind)).map(Kind::name),
        first_byte: None,
        expected: readable(expected),
        recorded: readable(recorded),
    }
}

/// Where two payloads begin to differ.
fn first_byte(one: &[u8], other: &[u8]) -> Option<usize> {
    (one != other).then(|| one.iter().zip(other).take_while(|(one, other)| one == other).count())
}

/// The first pair of answers that differ; one side is missing where the other says more.
fn first_difference<'a>(
    expected: &'a [AnswerV1],
    recorded: &'a [AnswerV1],
) -> (Option<&'a AnswerV1>, Option<&'a AnswerV1>) {
    let same = expected.iter().zip(recorded).take_while(|(one, other)| one == other).count();
    (expected.get(same), recorded.get(same))
}

fn readable(answer: Option<&AnswerV1>) -> Value {
    serde_json::to_value(answer).expect("an answer can be written as JSON")
}
