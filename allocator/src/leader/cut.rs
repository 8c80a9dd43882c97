//! Cuts answers into decisions that fit one record each.

use std::collections::VecDeque;

use command_log::reader::Reader;
use log_schema::{AnswerV1, DecisionV1, Offset, Record, record::PAYLOAD_BYTES_MAX};

use crate::{
    answer::{Unreadable, answer},
    decide::size::encoded_len,
    state::State,
};

/// The most bytes of answers in one decision, which leaves room for its other fields below
/// [`log_schema::record::PAYLOAD_BYTES_MAX`]. A single answer is smaller: see
/// [`crate::decide::size`].
const ANSWERS_BYTES_MAX: usize = PAYLOAD_BYTES_MAX - 1024;

/// A decision that was made and is still to be read back.
#[derive(Clone, Debug)]
pub(super) struct Made {
    /// The last offset that it answers.
    pub to: Offset,
    /// Its record.
    pub record: Record,
}

/// Decides everything that waits, in order, and returns the decisions to append.
pub(super) fn decide_all(
    state: &mut State,
    reader: &Reader,
    from: Offset,
    undecided: &mut VecDeque<(Offset, Record)>,
) -> Result<Vec<Made>, Unreadable> {
    let mut made = Vec::new();
    let mut open = Open::new(from);
    for (at, record) in undecided.drain(..) {
        if let Some(answer) = answer(state, at, &record)? {
            let bytes = encoded_len(&answer);
            if open.bytes + bytes > ANSWERS_BYTES_MAX
                && let Some(to) = at.previous().filter(|_| !open.answers.is_empty())
            {
                made.push(std::mem::replace(&mut open, Open::new(at)).close(to, reader));
            }
            open.bytes += bytes;
            open.answers.push(answer);
        }
        open.last = Some(at);
    }
    if let Some(to) = open.last {
        made.push(open.close(to, reader));
    }
    Ok(made)
}

/// A decision that takes more answers.
struct Open {
    from: Offset,
    last: Option<Offset>,
    answers: Vec<AnswerV1>,
    bytes: usize,
}

impl Open {
    fn new(from: Offset) -> Self {
        Self { from, last: None, answers: Vec::new(), bytes: 0 }
    }

    fn close(self, to: Offset, reader: &Reader) -> Made {
        let chain = reader.chain_at(to).expect("the chain of what was read and not answered is known");
        let Self { from, answers, .. } = self;
        let decision = DecisionV1 { epoch: reader.epoch(), from, to, chain, answers };
        Made { to, record: decision.to_record() }
    }
}
