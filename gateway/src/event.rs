//! One event of the log, the cursor that names it, and streams of them. Knows no protocol.

pub(crate) mod backwards;
mod filter;
pub(crate) mod owners;
pub(crate) mod place;
pub(crate) mod stream;
mod subject;

use std::{fmt, str::FromStr, sync::Arc};

use log_schema::{Event, Offset};
use projector::Decided;

pub(crate) use self::{filter::EventFilter, subject::Subjects};

/// A place between two events: right after the event `index` of the decision at `offset`.
///
/// Its text is `offset:index`; a client keeps it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventCursor {
    /// The offset of the decision.
    pub offset: Offset,
    /// The number of the event in the decision, from 0.
    pub index: usize,
}

impl fmt::Display for EventCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.offset, self.index)
    }
}

/// Where a stream of events begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// With the first event of the log.
    Start,
    /// With the first event that is decided from now on.
    Now,
    /// With the event after this one.
    Event(EventCursor),
    /// With the first event of a decision behind this offset.
    Offset(Offset),
}

impl FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "neither \"start\", \"now\", the cursor of an event nor an offset";
        let number = |text: &str| -> Result<u64, Self::Err> { text.parse().map_err(|_| EXPECTED) };
        match (text, text.split_once(':')) {
            ("start", _) => Ok(Self::Start),
            ("now", _) => Ok(Self::Now),
            (_, Some((offset, index))) => {
                let index = usize::try_from(number(index)?).map_err(|_| EXPECTED)?;
                Ok(Self::Event(EventCursor { offset: Offset(number(offset)?), index }))
            }
            (offset, None) => Ok(Self::Offset(Offset(number(offset)?))),
        }
    }
}

/// One event of one decision, without a copy of it.
#[derive(Clone, Debug)]
pub struct LogEvent {
    decided: Arc<Decided>,
    answer: usize,
    in_answer: usize,
    index: usize,
}

/// Every event of a decision, in order.
pub(crate) fn events_of(decided: &Arc<Decided>) -> impl Iterator<Item = LogEvent> + use<> {
    let decided = Arc::clone(decided);
    let places: Vec<_> = decided
        .decision
        .answers
        .iter()
        .enumerate()
        .flat_map(|(a, answer)| (0..answer.events.len()).map(move |e| (a, e)))
        .collect();
    places.into_iter().enumerate().map(move |(index, (answer, in_answer))| LogEvent {
        decided: Arc::clone(&decided),
        answer,
        in_answer,
        index,
    })
}

impl LogEvent {
    /// The event itself.
    pub(crate) fn event(&self) -> &Event {
        &self.decided.decision.answers[self.answer].events[self.in_answer]
    }

    /// The place right after it.
    pub(crate) fn after(&self) -> EventCursor {
        EventCursor { offset: self.decided.offset, index: self.index }
    }

    /// The offset of the command that brought it.
    pub(crate) fn command(&self) -> Offset {
        self.decided.decision.answers[self.answer].at
    }

    /// The number of the event in its decision, from 0.
    pub(crate) fn number(&self) -> usize {
        self.index
    }

    /// The decision that states it.
    pub(crate) fn decided(&self) -> &Decided {
        &self.decided
    }

    /// Whom it names.
    pub(crate) fn about(&self) -> Subjects<'_> {
        Subjects::of(self.event())
    }
}
