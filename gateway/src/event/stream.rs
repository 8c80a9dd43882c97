//! Events from some place on, through a filter: no gap, no repeat.

use std::{collections::VecDeque, sync::Arc};

use log_schema::Offset;
use projector::Decided;

use super::{
    EventCursor, EventFilter, LogEvent, Since, events_of,
    owners::Owners,
    place::{check_cursor, check_reached},
};
use crate::{
    budget,
    error::RequestError,
    hub::{Anchor, Cursor, Entry, Hub, cursor::read_decision},
    rows::Rows,
};

/// A place in the events that a filter wants.
pub(crate) struct EventStream {
    hub: Arc<Hub>,
    rows: Arc<Rows>,
    cursor: Cursor,
    filter: EventFilter,
    /// Events up to here were given before.
    skip: Option<EventCursor>,
    owners: Owners,
    /// Decisions that were read and not looked at yet.
    waiting: VecDeque<Arc<Decided>>,
    passed: Option<EventCursor>,
}

impl EventStream {
    /// Opens the stream at its place, which the client gave as `field`.
    pub(crate) async fn open(
        hub: &Arc<Hub>,
        rows: &Arc<Rows>,
        (field, since): (&'static str, Since),
        filter: EventFilter,
    ) -> Result<Self, RequestError> {
        let (cursor, first) = place(hub, rows, (field, since)).await?;
        let skip = match since {
            Since::Event(after) => Some(after),
            Since::Start | Since::Now | Since::Offset(_) => None,
        };
        let waiting = first.into_iter().collect();
        let (hub, rows, owners) = (Arc::clone(hub), Arc::clone(rows), Owners::default());
        Ok(Self { hub, rows, cursor, filter, skip, owners, waiting, passed: skip })
    }

    /// The events of the next decisions that hold any which are wanted; waits for them.
    pub(crate) async fn next(&mut self) -> Result<Vec<LogEvent>, RequestError> {
        loop {
            let events = self.next_decision().await?;
            budget::yield_in_time().await;
            if !events.is_empty() {
                return Ok(events);
            }
        }
    }

    /// The wanted events of the next decision, perhaps none; waits for the decision.
    pub(crate) async fn next_decision(&mut self) -> Result<Vec<LogEvent>, RequestError> {
        while self.waiting.is_empty() {
            let entries = self.cursor.step().await?;
            self.waiting.extend(entries.into_iter().filter_map(|entry| match entry {
                Entry::Decision(decided) => Some(decided),
                Entry::Epoch(_) => None,
            }));
        }
        let Some(decided) = self.waiting.front().cloned() else { return Ok(Vec::new()) };
        let events = self.wanted(&decided).await?;
        // Only now: a call that is dropped before this looks at the decision again.
        self.waiting.pop_front();
        self.owners.forget(&decided);
        let last = decided.decision.events().count().saturating_sub(1);
        self.passed = Some(EventCursor { offset: decided.offset, index: last });
        Ok(events)
    }

    /// Whether everything that the gateway has read was looked at.
    pub(crate) fn is_at_end(&self) -> bool {
        self.waiting.is_empty() && self.cursor.position() >= self.hub.now().next
    }

    /// The place behind everything that was looked at.
    pub(crate) fn passed(&self) -> Option<EventCursor> {
        self.passed
    }

    async fn wanted(&mut self, decided: &Arc<Decided>) -> Result<Vec<LogEvent>, RequestError> {
        let mut wanted = Vec::new();
        for event in events_of(decided) {
            let is_new = self.skip.is_none_or(|skip| event.after() > skip);
            if is_new && self.owners.want(&self.rows, &self.filter, &event).await? {
                wanted.push(event);
            }
        }
        Ok(wanted)
    }
}

/// The cursor at a place, and the decision that the place is in, where it is far back.
async fn place(
    hub: &Arc<Hub>,
    rows: &Rows,
    (field, since): (&'static str, Since),
) -> Result<(Cursor, Option<Arc<Decided>>), RequestError> {
    match since {
        Since::Start => Ok((Cursor::oldest(hub), None)),
        Since::Now => Ok((Cursor::newest(hub), None)),
        Since::Event(after) => {
            let recent = Cursor::recent(hub, after.offset);
            let decision = match (check_cursor(hub, field, after).await, recent) {
                // The log was trimmed up to here; the newest entries are in memory.
                (Err(RequestError::Trimmed { .. }), Some(cursor)) => return Ok((cursor, None)),
                (checked, None) => checked?,
                (checked, Some(cursor)) => return checked.map(|_| (cursor, None)),
            };
            let cursor = Cursor::resume(hub, after.offset.next(), Anchor::of(after.offset, &decision));
            let time = rows.as_of(None)?.get::<projector::row::DecisionRow>(&after.offset)?;
            let time = time.map(|row| row.at.time).unwrap_or_default();
            Ok((cursor, Some(Arc::new(Decided { offset: after.offset, time, decision }))))
        }
        Since::Offset(offset) => {
            check_reached(hub, offset).await?;
            Ok((after_offset(hub, rows, offset).await?, None))
        }
    }
}

/// A cursor behind any offset: judged from the last decision before it on.
async fn after_offset(hub: &Arc<Hub>, rows: &Rows, offset: Offset) -> Result<Cursor, RequestError> {
    if let Some(cursor) = Cursor::recent(hub, offset.next()) {
        return Ok(cursor);
    }
    let before = rows.as_of(Some(offset.min(rows.newest())))?.decision()?;
    let anchor = match before {
        None => Anchor::default(),
        Some(decision) => {
            let at = decision.at.offset;
            Anchor::of(at, &read_decision(hub, at).await?)
        }
    };
    Ok(Cursor::resume(hub, offset.next(), anchor))
}
