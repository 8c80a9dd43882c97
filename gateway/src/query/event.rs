//! Events as pages: the same events, filter and cursors as the subscription's.

use std::{cell::Cell, sync::Arc};

use async_graphql::{
    Context, Object, Result, SimpleObject,
    connection::{Connection, Edge},
};
use projector::{Decided, Pick, row::DecisionRow};

use crate::{
    budget::{self, LOOKS_PER_DECISION},
    context::gateway,
    error::{RequestError, graphql},
    event::{EventCursor, EventFilter, LogEvent, Since, events_of, owners::Owners, stream::EventStream},
    gateway::Gateway,
    hub::cursor::read_decision,
    page::{self, limit},
    scalar::OffsetText,
};

/// How many decisions one page looks at.
pub const DECISIONS_PER_PAGE_MAX: usize = 5_000;

/// What a page of events says beside them.
#[derive(SimpleObject)]
pub struct EventPageExtra {
    /// The offset of the newest decision that the gateway has read.
    pub as_of: Option<OffsetText>,
    /// Where to go on, even where the page is empty because the filter let nothing through: give it
    /// as `after` going forwards and as `before` going backwards.
    pub looked_to: Option<String>,
}

type EventPage = Connection<String, LogEvent, EventPageExtra>;

/// See [`super::Query`].
#[derive(Default)]
pub struct EventQuery;

#[Object]
impl EventQuery {
    /// Events in the order of the log: the `first` ones `after` a place, or the `last` ones `before`
    /// it. A place is the cursor of an event, an offset, or `start`.
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        filter: Option<EventFilter>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<EventPage> {
        let (gateway, filter) = (gateway(ctx), filter.unwrap_or_default());
        let page = match (&after, last, &before) {
            (_, None, None) => forwards(gateway, filter, first, after.as_deref()).await,
            (None, _, _) if first.is_none() => backwards(gateway, filter, last, before.as_deref()).await,
            _ => Err(RequestError::BadInput {
                field: "page",
                why: "give either first and after, or last and before".into(),
            }),
        };
        page.map_err(graphql)
    }
}

fn since(field: &'static str, text: Option<&str>) -> std::result::Result<Since, RequestError> {
    let Some(text) = text else { return Ok(Since::Start) };
    text.parse().map_err(|why| RequestError::BadInput { field, why: format!("{text:?} is {why}") })
}

async fn forwards(
    gateway: &Arc<Gateway>,
    filter: EventFilter,
    first: Option<i32>,
    after: Option<&str>,
) -> std::result::Result<EventPage, RequestError> {
    let limit = limit("first", first)?;
    let mut stream = EventStream::open(gateway, since("after", after)?, filter).await?;
    let mut events: Vec<LogEvent> = Vec::new();
    for _ in 0..DECISIONS_PER_PAGE_MAX {
        if events.len() > limit || stream.is_at_end() {
            break;
        }
        events.extend(stream.next_decision().await?);
        budget::look(LOOKS_PER_DECISION).await?;
    }
    let has_next = events.len() > limit || !stream.is_at_end();
    events.truncate(limit);
    let looked_to = if has_next { events.last().map(LogEvent::after).or(stream.passed()) } else { stream.passed() };
    Ok(connection(gateway, events, after.is_some(), has_next, looked_to))
}

async fn backwards(
    gateway: &Arc<Gateway>,
    filter: EventFilter,
    last: Option<i32>,
    before: Option<&str>,
) -> std::result::Result<EventPage, RequestError> {
    filter.check()?;
    let limit = limit("last", last)?;
    let end = before.map(|text| since("before", Some(text))).transpose()?;
    let scope = gateway.rows.as_of(None)?;
    let mut pick = Pick::<DecisionRow>::all().backwards().limit(DECISIONS_PER_PAGE_MAX);
    let is_before: Box<dyn Fn(&EventCursor) -> bool + Send> = match end {
        None | Some(Since::Now) => Box::new(|_| true),
        Some(Since::Start) => Box::new(|_| false),
        Some(Since::Offset(offset)) => {
            pick = pick.after(offset);
            Box::new(|_| true)
        }
        Some(Since::Event(event)) => {
            pick = pick.after(event.offset.next());
            Box::new(move |cursor| *cursor < event)
        }
    };
    let looked = Cell::new(0);
    let rows = scope.page_where(&pick, |row| {
        looked.set(looked.get() + 1);
        row.events > 0
    })?;
    budget::look(looked.into_inner()).await?;
    let (mut events, mut looked_to, mut owners) = (Vec::new(), None, Owners::default());
    for row in &rows.rows {
        if events.len() > limit {
            break;
        }
        let decision = read_decision(&gateway.hub, row.at.offset).await?;
        budget::look(LOOKS_PER_DECISION).await?;
        let decided = Arc::new(Decided { offset: row.at.offset, time: row.at.time, decision });
        let all: Vec<_> = events_of(&decided).filter(|event| is_before(&event.after())).collect();
        looked_to = Some(EventCursor { offset: row.at.offset, index: 0 });
        for event in all.into_iter().rev() {
            if owners.want(gateway, &filter, &event).await? {
                events.push(event);
            }
        }
    }
    let has_previous = events.len() > limit || rows.next.is_some();
    events.truncate(limit);
    events.reverse();
    let looked_to = events.first().map(LogEvent::after).or(looked_to);
    let mut page = connection(gateway, events, has_previous, before.is_some(), looked_to);
    page.has_previous_page = has_previous;
    Ok(page)
}

fn connection(
    gateway: &Gateway,
    events: Vec<LogEvent>,
    has_previous: bool,
    has_next: bool,
    looked_to: Option<EventCursor>,
) -> EventPage {
    let as_of = gateway.hub.now().decided.map(Into::into);
    let extra = EventPageExtra { as_of, looked_to: looked_to.map(|cursor| cursor.to_string()) };
    let mut connection = Connection::with_additional_fields(has_previous, has_next, extra);
    connection.edges = events.into_iter().map(|event| Edge::new(event.after().to_string(), event)).collect();
    connection
}
