//! Events as pages: the same events, filter and cursors as the subscription's.

use async_graphql::{
    Context, Object, Result, SimpleObject,
    connection::{Connection, Edge},
};

use crate::{
    budget::{self, LOOKS_PER_DECISION},
    desk::Desk,
    error::RequestError,
    event::{
        EventCursor, EventFilter, LogEvent, Since,
        backwards::{Back, DECISIONS_MAX},
    },
    graphql::{
        context::{caller, desk},
        error::graphql,
        input::event::EventFilterInput,
        page::{self, limit},
        scalar::OffsetText,
    },
    identity::Caller,
};

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
        filter: Option<EventFilterInput>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<EventPage> {
        let filter = filter.unwrap_or_default().filter().map_err(graphql)?;
        let asked = Asked { desk: desk(ctx), caller: caller(ctx), filter };
        let page = match (&after, last, &before) {
            (_, None, None) => asked.forwards(first, after.as_deref()).await,
            (None, _, _) if first.is_none() => asked.backwards(last, before.as_deref()).await,
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

/// Events that a client asks for.
struct Asked<'a> {
    desk: &'a Desk,
    caller: &'a Caller,
    filter: EventFilter,
}

impl Asked<'_> {
    async fn forwards(self, first: Option<i32>, after: Option<&str>) -> std::result::Result<EventPage, RequestError> {
        let limit = limit("first", first)?;
        let mut stream = self.desk.follow(self.caller, ("after", since("after", after)?), self.filter).await?;
        let mut events: Vec<LogEvent> = Vec::new();
        for _ in 0..DECISIONS_MAX {
            if events.len() > limit || stream.is_at_end() {
                break;
            }
            events.extend(stream.next_decision().await?);
            budget::look(LOOKS_PER_DECISION).await?;
        }
        let has_next = events.len() > limit || !stream.is_at_end();
        events.truncate(limit);
        let looked_to = if has_next { events.last().map(LogEvent::after).or(stream.passed()) } else { stream.passed() };
        Ok(connection(self.desk, events, (after.is_some(), has_next), looked_to))
    }

    async fn backwards(self, last: Option<i32>, before: Option<&str>) -> std::result::Result<EventPage, RequestError> {
        let limit = limit("last", last)?;
        let end = before.map(|text| since("before", Some(text))).transpose()?;
        let Back { events, looked_to, has_more } =
            self.desk.events_before(self.caller, end, self.filter, limit).await?;
        Ok(connection(self.desk, events, (has_more, before.is_some()), looked_to))
    }
}

fn connection(
    desk: &Desk,
    events: Vec<LogEvent>,
    (has_previous, has_next): (bool, bool),
    looked_to: Option<EventCursor>,
) -> EventPage {
    let as_of = desk.hub.now().decided.map(Into::into);
    let extra = EventPageExtra { as_of, looked_to: looked_to.map(|cursor| cursor.to_string()) };
    let mut connection = Connection::with_additional_fields(has_previous, has_next, extra);
    connection.edges = events.into_iter().map(|event| Edge::new(event.after().to_string(), event)).collect();
    connection
}
