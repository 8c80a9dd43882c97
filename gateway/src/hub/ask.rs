//! A command and its answer: append, then wait until the decision is read from the log.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use log_schema::{Command, Envelope, Offset};
use tokio::sync::oneshot;

use super::{Answered, Entry, Hub, cursor::read_decision};

/// A command has no answer.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// The log took nothing, and will not take the same.
    #[error("the log does not take the command")]
    Rejected { source: command_log::Error },
    /// The append may or may not have happened.
    #[error("the log did not answer; it is unknown whether the command is in it")]
    AppendUnknown { source: Option<command_log::Error> },
    /// The command is in the log, and nobody has answered it yet.
    #[error("the command is in the log at offset {at}, and was not decided within {waited_ms} ms")]
    Undecided { at: Offset, waited_ms: u128 },
    /// The gateway reads no further.
    #[error("the gateway reads no further: {why}")]
    Halted { why: String },
}

impl Hub {
    /// Appends a command and waits for its answer, for so long.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        command: &Command,
        envelope: &Envelope,
        patience: Duration,
    ) -> Result<Answered, Error> {
        let until = tokio::time::Instant::now() + patience;
        self.check_halted()?;
        let append = self.log.append(vec![command.to_record(envelope)]);
        let offsets = match tokio::time::timeout_at(until, append).await {
            Err(_) => return Err(Error::AppendUnknown { source: None }),
            Ok(appended) => appended.map_err(append_failed)?,
        };
        let at = *offsets.first().ok_or(Error::AppendUnknown { source: None })?;
        self.appended.fetch_add(1, Ordering::Relaxed);
        match self.answer_to(at)? {
            Wait::Over(answered) => Ok(answered),
            Wait::For(answer) => match tokio::time::timeout_at(until, answer).await {
                Ok(Ok(answered)) => Ok(answered),
                Ok(Err(_)) => self.check_halted().and(Err(Error::Undecided { at, waited_ms: 0 })),
                Err(_) => Err(Error::Undecided { at, waited_ms: patience.as_millis() }),
            },
        }
    }

    /// The answer to the command at `at`, which was decided long ago by the decision at `decided`.
    pub(crate) async fn old_answer(&self, at: Offset, decided: projector::row::Moment) -> Option<Answered> {
        if let Some(answered) = self.recent_answer(at) {
            return Some(answered);
        }
        let decision = read_decision(self, decided.offset).await.ok()?;
        let decided = projector::Decided { offset: decided.offset, time: decided.time, decision };
        Some(Answered::new(at, Arc::new(decided)))
    }

    /// The answer to the command at `at`, where it was decided lately.
    pub(crate) fn recent_answer(&self, at: Offset) -> Option<Answered> {
        match self.state().ring.answering(at)? {
            Entry::Decision(decided) => Some(Answered::new(at, Arc::clone(decided))),
            Entry::Epoch(_) => None,
        }
    }

    /// The answer where it was read already, or a way to wait for it: nothing comes in between.
    fn answer_to(&self, at: Offset) -> Result<Wait, Error> {
        let mut state = self.state();
        self.check_halted()?;
        if let Some(Entry::Decision(decided)) = state.ring.answering(at) {
            return Ok(Wait::Over(Answered::new(at, Arc::clone(decided))));
        }
        Ok(Wait::For(state.answers.wait(at)))
    }

    fn check_halted(&self) -> Result<(), Error> {
        match self.halted() {
            Some(halted) => Err(Error::Halted { why: halted.to_string() }),
            None => Ok(()),
        }
    }
}

enum Wait {
    Over(Answered),
    For(oneshot::Receiver<Answered>),
}

/// A refusal of the log's bounds took nothing; any other error leaves it open.
fn append_failed(source: command_log::Error) -> Error {
    match source {
        command_log::Error::Oversize { .. }
        | command_log::Error::BatchTooLarge { .. }
        | command_log::Error::Closed
        | command_log::Error::Rejected { .. } => Error::Rejected { source },
        other => Error::AppendUnknown { source: Some(other) },
    }
}
