//! A command and what the cell answers to it.

use log_schema::{Class, Command, Envelope, Key, Offset, Refusal};

use super::{
    Desk,
    access::{self, Access},
};
use crate::{
    error::RequestError,
    event::{LogEvent, events_of},
    hub::Answered,
    identity::Caller,
};

/// What a caller asks the cell to do.
pub(crate) struct Ask {
    /// The idempotency key; one is picked if the caller brings none.
    pub(crate) key: Option<String>,
    pub(crate) class: Class,
    /// The offset that the caller reacts to.
    pub(crate) caused_by: Option<Offset>,
    pub(crate) command: Command,
}

/// A decided command. A repeat answers with what was answered first.
#[derive(Clone, Debug)]
pub(crate) struct Submitted {
    pub(crate) key: Key,
    pub(crate) answered: Answered,
    /// The answer that this command repeats.
    pub(crate) first: Option<Answered>,
}

impl Submitted {
    fn effective(&self) -> &Answered {
        self.first.as_ref().unwrap_or(&self.answered)
    }

    /// Why the cell said no, if it did.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        self.effective().answer().and_then(|answer| answer.refusal.as_ref())
    }

    /// What became true by the command, in order.
    pub(crate) fn events(&self) -> Vec<LogEvent> {
        let effective = self.effective();
        let count = effective.answer().map_or(0, |answer| answer.events.len());
        events_of(&effective.decided).skip(effective.events_before()).take(count).collect()
    }
}

impl Desk {
    /// Appends a command and waits for the cell's answer.
    pub(crate) async fn submit(&self, caller: &Caller, ask: Ask) -> Result<Submitted, RequestError> {
        let Ask { key, class, caused_by, command } = ask;
        access::check(caller, Access::Submit { command: &command, class })?;
        let next = self.hub.now().next;
        if let Some(asked) = caused_by.filter(|cause| *cause >= next) {
            return Err(RequestError::Ahead { asked, newest: next.previous().unwrap_or_default() });
        }
        let key = match key {
            Some(key) => Key::new(&*key).map_err(|error| RequestError::bad("key", &error))?,
            None => self.keys.pick(),
        };
        let envelope = Envelope { principal: caller.principal.clone(), key: key.clone(), caused_by, class };
        let answered = self.hub.ask(&command, &envelope, self.patience).await.map_err(|error| {
            self.metrics.unanswered.add(1);
            RequestError::of_ask(&error, key.as_str())
        })?;
        let first = match answered.answer().and_then(|answer| answer.repeats) {
            None => None,
            Some(first) => Some(self.first_answer(first).await?),
        };
        let submitted = Submitted { key, answered, first };
        self.metrics.refusals.add(u64::from(submitted.refusal().is_some()));
        Ok(submitted)
    }

    /// What was answered to the command that another one repeats.
    async fn first_answer(&self, first: Offset) -> Result<Answered, RequestError> {
        if let Some(answered) = self.hub.recent_answer(first) {
            return Ok(answered);
        }
        // A gateway that has just started knows of the repeat before it has folded what is repeated.
        self.reach_answer(first).await?;
        let found = self.rows.as_of(None)?.answer_of(first)?;
        let old = match found {
            Some(answer) => self.hub.old_answer(first, answer.decided).await,
            None => None,
        };
        let why = || format!("what was answered to the command at offset {first} is not kept any more");
        old.ok_or_else(|| RequestError::Trimmed { why: why() })
    }
}
