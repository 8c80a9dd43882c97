//! Events before a place, newest first: decisions are found by their rows and read from the log.

use std::{cell::Cell, sync::Arc};

use projector::{Decided, Pick, row::DecisionRow};

use super::{EventCursor, EventFilter, LogEvent, Since, events_of, owners::Owners, place::check_end};
use crate::{
    budget::{self, LOOKS_PER_DECISION},
    error::RequestError,
    hub::{Hub, cursor::read_decision},
    rows::Rows,
};

/// How many decisions one call looks at.
pub const DECISIONS_MAX: usize = 5_000;

/// What was found.
#[derive(Debug)]
pub(crate) struct Back {
    /// In the order of the log.
    pub(crate) events: Vec<LogEvent>,
    /// The place before everything that was looked at.
    pub(crate) looked_to: Option<EventCursor>,
    /// Whether there may be more before it.
    pub(crate) has_more: bool,
}

/// The last `limit` wanted events before a place; before the end of the log if none is given.
pub(crate) async fn read(
    hub: &Hub,
    rows: &Rows,
    end: Option<Since>,
    filter: &EventFilter,
    limit: usize,
) -> Result<Back, RequestError> {
    check_end(hub, end).await?;
    let mut pick = Pick::<DecisionRow>::all().backwards().limit(DECISIONS_MAX);
    match end {
        None | Some(Since::Now | Since::Start) => {}
        Some(Since::Offset(offset)) => pick = pick.after(offset),
        Some(Since::Event(event)) => pick = pick.after(event.offset.next()),
    }
    let is_before = |cursor: &EventCursor| match end {
        None | Some(Since::Now | Since::Offset(_)) => true,
        Some(Since::Start) => false,
        Some(Since::Event(event)) => *cursor < event,
    };
    let looked = Cell::new(0);
    let found = rows.as_of(None)?.page_where(&pick, |row| {
        looked.set(looked.get() + 1);
        row.events > 0
    })?;
    budget::look(looked.into_inner()).await?;
    let (mut events, mut looked_to, mut owners) = (Vec::new(), None, Owners::default());
    for row in &found.rows {
        if events.len() > limit {
            break;
        }
        let decision = read_decision(hub, row.at.offset).await?;
        budget::look(LOOKS_PER_DECISION).await?;
        let decided = Arc::new(Decided { offset: row.at.offset, time: row.at.time, decision });
        let all: Vec<_> = events_of(&decided).filter(|event| is_before(&event.after())).collect();
        looked_to = Some(EventCursor { offset: row.at.offset, index: 0 });
        for event in all.into_iter().rev() {
            if owners.want(rows, filter, &event).await? {
                events.push(event);
            }
        }
    }
    let has_more = events.len() > limit || found.next.is_some();
    events.truncate(limit);
    events.reverse();
    let looked_to = events.first().map(LogEvent::after).or(looked_to);
    Ok(Back { events, looked_to, has_more })
}
