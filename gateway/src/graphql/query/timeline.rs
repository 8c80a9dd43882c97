//! What happened to one thing, as short lines.

use async_graphql::{Object, SimpleObject};
use log_schema::Offset;
use projector::{
    Direction, Scope,
    row::{Entity, TimelineEntry},
};

use crate::{
    error::RequestError,
    event::{EventCursor, Since},
    graphql::error::graphql,
    graphql::page::{PAGE_MAX, limit},
    graphql::scalar::{OffsetText, TimeText},
};

/// One event in the history of one thing.
#[derive(Clone, Debug)]
pub struct TimelineLine(TimelineEntry);

/// One event in the history of one thing.
#[Object]
impl TimelineLine {
    /// The offset of the decision.
    async fn offset(&self) -> OffsetText {
        self.0.at.offset.into()
    }

    /// When the log took the decision.
    async fn time(&self) -> TimeText {
        self.0.at.time.into()
    }

    /// The cursor of the event, as in `events`.
    async fn cursor(&self) -> String {
        cursor(&self.0).to_string()
    }

    /// The offset of the command that brought it about.
    async fn command_offset(&self) -> OffsetText {
        self.0.command.into()
    }

    /// The name of the event, such as `task.placed`.
    async fn event(&self) -> &str {
        &self.0.event
    }

    /// A few words for people, such as `on a17`.
    async fn text(&self) -> &str {
        &self.0.text
    }
}

/// A part of a history.
#[derive(SimpleObject)]
pub struct Timeline {
    /// The events, in the order that was asked for.
    pub lines: Vec<TimelineLine>,
    /// Give this as `after` for the lines that follow; none at the end.
    pub next: Option<String>,
}

fn cursor(entry: &TimelineEntry) -> EventCursor {
    EventCursor { offset: entry.at.offset, index: usize::try_from(entry.index).unwrap_or(usize::MAX) }
}

/// A part of the history of one thing.
pub(crate) fn read(
    scope: &Scope,
    entity: &Entity,
    first: Option<i32>,
    after: Option<&str>,
    newest_first: bool,
) -> async_graphql::Result<Timeline> {
    let limit = limit("first", first).map_err(graphql)?;
    if limit == 0 {
        // No line is no place to continue from: `next` would say that there are no lines.
        let error = RequestError::OutOfRange { field: "first", value: 0, min: 1, max: PAGE_MAX.into() };
        return Err(graphql(error));
    }
    let after = after.map(|text| place(text, scope)).transpose().map_err(graphql)?;
    let direction = if newest_first { Direction::Backwards } else { Direction::Forwards };
    let found = scope.timeline(entity, after, limit, direction).map_err(graphql)?;
    let next = found.next.map(|(offset, index)| format!("{offset}:{index}"));
    Ok(Timeline { lines: found.entries.into_iter().map(TimelineLine).collect(), next })
}

fn place(text: &str, scope: &Scope) -> Result<(Offset, u32), RequestError> {
    match text.parse() {
        Ok(Since::Event(EventCursor { offset, .. })) if offset > scope.offset() => {
            Err(RequestError::Ahead { asked: offset, newest: scope.offset() })
        }
        Ok(Since::Event(EventCursor { offset, index })) => Ok((offset, u32::try_from(index).unwrap_or(u32::MAX))),
        Ok(_) | Err(_) => Err(RequestError::BadInput { field: "after", why: format!("{text:?} is not a cursor") }),
    }
}
