//! Cuts answers into decisions that fit one record each.

use std::{collections::VecDeque, io};

use command_log::reader::Reader;
use log_schema::{AnswerV1, DecisionV1, Offset, Record};

use crate::{
    answer::{Unreadable, answer},
    state::State,
};

/// A decision is closed when its answers pass this size. One answer adds at most what
/// [`crate::advance`] and the largest command allow, which keeps a decision below
/// [`log_schema::record::PAYLOAD_BYTES_MAX`].
const ANSWERS_BYTES_MAX: usize = 384 * 1024;

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
    let mut from = from;
    while let Some((to, answers)) = answer_some(state, undecided)? {
        let chain = reader.chain_at(to).expect("the chain of what was read and not answered is known");
        let decision = DecisionV1 { epoch: reader.epoch(), from, to, chain, answers };
        made.push(Made { to, record: decision.to_record() });
        from = to.next();
    }
    Ok(made)
}

/// Answers records until the answers are enough for one decision; `None` when nothing waits.
fn answer_some(
    state: &mut State,
    undecided: &mut VecDeque<(Offset, Record)>,
) -> Result<Option<(Offset, Vec<AnswerV1>)>, Unreadable> {
    let mut answers = Vec::new();
    let mut bytes = 0;
    let mut last = None;
    while bytes < ANSWERS_BYTES_MAX
        && let Some((at, record)) = undecided.pop_front()
    {
        last = Some(at);
        if let Some(answer) = answer(state, at, &record)? {
            bytes += encoded_len(&answer);
            answers.push(answer);
        }
    }
    Ok(last.map(|to| (to, answers)))
}

/// How long an answer is as MessagePack.
fn encoded_len(answer: &AnswerV1) -> usize {
    let mut counted = Counted(0);
    rmp_serde::encode::write_named(&mut counted, answer).expect("what the schema can say can be encoded");
    counted.0
}

/// Counts the bytes written to it.
struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
