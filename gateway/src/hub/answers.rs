//! Who waits for the answer to which command.

use std::{collections::BTreeMap, sync::Arc};

use log_schema::{AnswerV1, Offset};
use projector::Decided;
use tokio::sync::oneshot;

/// What became of one command.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    /// The offset of the command.
    pub(crate) command: Offset,
    /// The decision that answered it.
    pub(crate) decided: Arc<Decided>,
    index: Option<usize>,
}

impl Answered {
    /// What `decided` says about the command at `command`.
    pub(crate) fn new(command: Offset, decided: Arc<Decided>) -> Self {
        let index = decided.decision.answers.binary_search_by_key(&command, |answer| answer.at).ok();
        Self { command, decided, index }
    }

    /// The answer; none for a tick without effect.
    pub(crate) fn answer(&self) -> Option<&AnswerV1> {
        self.index.map(|index| &self.decided.decision.answers[index])
    }

    /// How many events of the decision come before those of the answer.
    pub(crate) fn events_before(&self) -> usize {
        let before = &self.decided.decision.answers[..self.index.unwrap_or(0)];
        before.iter().map(|answer| answer.events.len()).sum()
    }
}

/// Waiters by the offset of their command.
#[derive(Debug, Default)]
pub(super) struct Answers {
    waiting: BTreeMap<Offset, Vec<oneshot::Sender<Answered>>>,
}

impl Answers {
    /// Resolves with the answer to the command at `command`.
    pub(super) fn wait(&mut self, command: Offset) -> oneshot::Receiver<Answered> {
        let (send, receive) = oneshot::channel();
        self.waiting.entry(command).or_default().push(send);
        receive
    }

    /// Answers everyone whose command this decision answers.
    pub(super) fn resolve(&mut self, decided: &Arc<Decided>) {
        let later = self.waiting.split_off(&decided.decision.to.next());
        for (command, waiters) in std::mem::replace(&mut self.waiting, later) {
            let answered = Answered::new(command, Arc::clone(decided));
            for waiter in waiters {
                // Whoever waited may have lost patience.
                let _ = waiter.send(answered.clone());
            }
        }
    }

    /// Nobody will be answered: every waiter is woken with nothing.
    pub(super) fn abandon(&mut self) {
        self.waiting.clear();
    }
}
