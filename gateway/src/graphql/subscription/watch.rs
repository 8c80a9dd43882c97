//! Watches: the current row of one thing, whenever it has changed.

use std::{sync::Arc, time::Duration};

use async_graphql::{Context, Result, Subscription};
use futures_util::{Stream, stream};
use projector::Scope;

use crate::{
    error::RequestError,
    graphql::context::desk,
    graphql::error::graphql,
    graphql::input::parse,
    graphql::query::{agent::Agent, job::Job, task::Task},
    rows::Rows,
};

/// The least time between two messages of one watch where nothing is said, in milliseconds.
pub const INTERVAL_MS: u32 = 100;
/// The shortest and the longest that may be asked for, in milliseconds.
pub const INTERVAL_MS_RANGE: (u32, u32) = (10, 60_000);

/// See [`super::Subscription`].
#[derive(Default)]
pub struct WatchSubscription;

#[Subscription]
impl WatchSubscription {
    /// A job, at once and then whenever it has changed; null while there is none of that name.
    async fn watch_job(
        &self,
        ctx: &Context<'_>,
        name: String,
        #[graphql(default_with = "INTERVAL_MS")] interval_ms: u32,
    ) -> Result<impl Stream<Item = Result<Option<Job>>> + use<>> {
        let id = parse("name", &name).map_err(graphql)?;
        let watch = Watch::new(ctx, interval_ms)?;
        Ok(watch.run(move |scope| Job::find(scope, &id), |job| job.row.clone()))
    }

    /// A task, at once and then whenever it has changed; null while there is none of that name.
    async fn watch_task(
        &self,
        ctx: &Context<'_>,
        name: String,
        #[graphql(default_with = "INTERVAL_MS")] interval_ms: u32,
    ) -> Result<impl Stream<Item = Result<Option<Task>>> + use<>> {
        let id = parse("name", &name).map_err(graphql)?;
        let watch = Watch::new(ctx, interval_ms)?;
        Ok(watch.run(move |scope| Task::find(scope, &id), |task| task.row.clone()))
    }

    /// An agent, at once and then whenever it has changed; null while there is none of that name.
    async fn watch_agent(
        &self,
        ctx: &Context<'_>,
        name: String,
        #[graphql(default_with = "INTERVAL_MS")] interval_ms: u32,
    ) -> Result<impl Stream<Item = Result<Option<Agent>>> + use<>> {
        let id = parse("name", &name).map_err(graphql)?;
        let watch = Watch::new(ctx, interval_ms)?;
        Ok(watch.run(move |scope| Agent::find(scope, &id), |agent| agent.row.clone()))
    }
}

/// Looks again after each move of the fold, and not more often than the interval says.
struct Watch {
    rows: Arc<Rows>,
    interval: Duration,
}

/// Where a watch stands: what was shown last, of which moment.
struct Shown<R>(Option<(Option<R>, Scope)>);

impl Watch {
    fn new(ctx: &Context<'_>, interval_ms: u32) -> Result<Self> {
        let (min, max) = INTERVAL_MS_RANGE;
        if !(min..=max).contains(&interval_ms) {
            let error = RequestError::OutOfRange {
                field: "intervalMs",
                value: interval_ms.into(),
                min: min.into(),
                max: max.into(),
            };
            return Err(graphql(error));
        }
        let interval = Duration::from_millis(interval_ms.into());
        Ok(Self { rows: Arc::clone(&desk(ctx).rows), interval })
    }

    /// The things that `find` finds, as long as their rows differ from the one before.
    fn run<T, R, F, G>(self, find: F, row: G) -> impl Stream<Item = Result<Option<T>>> + use<T, R, F, G>
    where
        R: PartialEq + Send + 'static,
        T: Send + 'static,
        F: Fn(Scope) -> Result<Option<T>> + Send + Sync + 'static,
        G: Fn(&T) -> R + Send + Sync + 'static,
    {
        let shared = Arc::new((self, find, row));
        stream::unfold(Some(Shown(None)), move |state| {
            let shared = Arc::clone(&shared);
            async move {
                let (watch, find, row) = &*shared;
                match watch.next(state?, find, row).await {
                    Ok((found, shown)) => Some((Ok(found), Some(shown))),
                    Err(error) => Some((Err(error), None)),
                }
            }
        })
    }

    async fn next<T, R: PartialEq>(
        &self,
        Shown(mut shown): Shown<R>,
        find: &impl Fn(Scope) -> Result<Option<T>>,
        row: &impl Fn(&T) -> R,
    ) -> Result<(Option<T>, Shown<R>)> {
        loop {
            if let Some((_, scope)) = &shown {
                tokio::time::sleep(self.interval).await;
                self.rows.wait_for(scope.offset().next()).await.map_err(graphql)?;
            }
            // Rows that are being built again are no news.
            self.rows.read().await.map_err(graphql)?;
            let scope = self.rows.as_of(None).map_err(graphql)?;
            let found = find(scope.clone())?;
            let now = found.as_ref().map(row);
            let is_news = shown.as_ref().is_none_or(|(before, _)| *before != now);
            if is_news {
                return Ok((found, Shown(Some((now, scope)))));
            }
            shown = Some((now, scope));
        }
    }
}
