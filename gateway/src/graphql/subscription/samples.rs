//! What agents say of their machines, as it comes.

use async_graphql::{Context, Result, Subscription};
use futures_util::{Stream, stream};
use log_schema::AgentId;
use tokio::sync::broadcast::error::RecvError;

use crate::{graphql::context::desk, graphql::error::graphql, graphql::input::parse, graphql::query::usage::Sample};

/// See [`super::Subscription`].
#[derive(Default)]
pub struct SampleSubscription;

#[Subscription]
impl SampleSubscription {
    /// Samples of one agent or of all, once a second each. A client that is too slow misses some.
    async fn samples(&self, ctx: &Context<'_>, agent: Option<String>) -> Result<impl Stream<Item = Sample> + use<>> {
        let agent = agent.map(|name| parse::<AgentId>("agent", &name)).transpose().map_err(graphql)?;
        let heard = desk(ctx).follow_samples();
        Ok(stream::unfold((heard, agent), |(mut heard, agent)| async move {
            loop {
                match heard.recv().await {
                    Ok(sample) if agent.as_ref().is_none_or(|agent| *agent == sample.agent) => {
                        return Some((Sample(sample), (heard, agent)));
                    }
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        }))
    }
}
