//! The lossless stream of events: a cursor on the log that survives reconnections and gateways.

use std::sync::Arc;

use async_graphql::{Context, Result, Subscription};
use futures_util::{Stream, stream};

use crate::{
    error::RequestError,
    event::LogEvent,
    graphql::{
        context::{caller, desk},
        error::graphql,
        input::event::EventFilterInput,
    },
};

/// The most events in one message.
pub const EVENTS_PER_MESSAGE_MAX: usize = 256;

/// See [`super::Subscription`].
#[derive(Default)]
pub struct EventSubscription;

#[Subscription]
impl EventSubscription {
    /// Every wanted event of the log from some place on, in order, without gap or repeat; those that
    /// are there together come together.
    ///
    /// `since` is `now`, `start`, an offset (events of decisions behind it), or the `cursor` of an event:
    /// then the one right after it comes first, on this gateway or any other, however long ago it was.
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = "now")] since: String,
        filter: Option<EventFilterInput>,
    ) -> Result<impl Stream<Item = Result<Vec<LogEvent>>> + use<>> {
        let desk = Arc::clone(desk(ctx));
        let place = since
            .parse()
            .map_err(|why| graphql(RequestError::BadInput { field: "since", why: format!("{since:?} is {why}") }))?;
        let filter = filter.unwrap_or_default().filter().map_err(graphql)?;
        let events = desk.follow(caller(ctx), ("since", place), filter).await.map_err(graphql)?;
        let state = Some((events, Vec::new().into_iter()));
        Ok(stream::unfold(state, move |state| {
            let desk = Arc::clone(&desk);
            async move {
                let (mut events, mut waiting) = state?;
                if waiting.len() == 0 {
                    waiting = match events.next().await {
                        Ok(more) => more.into_iter(),
                        Err(error) => return Some((Err(graphql(error)), None)),
                    };
                }
                let message: Vec<LogEvent> = waiting.by_ref().take(EVENTS_PER_MESSAGE_MAX).collect();
                desk.metrics.events_sent.add(message.len() as u64);
                Some((Ok(message), Some((events, waiting))))
            }
        }))
    }
}
