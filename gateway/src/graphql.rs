//! The GraphQL door: queries, mutations and subscriptions over HTTP and WebSockets.
//!
//! ```text
//!   http, socket ──> guard ──> Door ──> schema ──> query, mutation, subscription ──> desk
//! ```
//!
//! Resolvers parse, ask the desk once, and map its answer. The folders are named like the parts of the schema.

mod answer;
mod context;
mod error;
mod event;
mod guard;
pub(crate) mod http;
mod input;
mod moment;
mod mutation;
mod page;
mod query;
mod scalar;
pub(crate) mod schema;
pub(crate) mod socket;
mod subscription;

use std::{sync::Arc, time::Duration};

use async_graphql::{Request, Response};
use futures_util::stream::BoxStream;

use self::{
    error::no_answer,
    guard::{Kind, Prepared},
    moment::Moments,
    schema::CellSchema,
};
use crate::{
    budget::{self, Budget},
    desk::{Desk, REQUEST_TIME_MAX},
    error::RequestError,
    queries::REQUESTS_MAX,
};

/// The door to one desk.
pub(crate) struct Door {
    pub(crate) desk: Arc<Desk>,
    schema: CellSchema,
    /// How long the body of a request may take.
    body_wait: Duration,
}

impl Door {
    pub(crate) fn new(desk: Arc<Desk>, body_wait: Duration) -> Self {
        Self { desk, schema: schema::build(), body_wait }
    }

    /// Runs a query or a mutation to its end, or to the end of its time. For the threads of queries: resolvers
    /// give their thread away now and then, so that the time ends whatever they do.
    pub(crate) async fn execute(&self, Prepared { request, kind }: Prepared) -> Response {
        let queries = &self.desk.queries;
        let Some(_admitted) = queries.admit() else {
            let why = format!("{REQUESTS_MAX} requests are answered at this time, and no more may; try again later");
            return no_answer(RequestError::Busy { why });
        };
        let places = match kind {
            Kind::Query | Kind::Subscription => queries.for_reads(),
            Kind::Mutation => queries.for_commands(),
        };
        let budget = Budget::new(places);
        let running = budget.spend(self.schema.execute(self.equip(request)));
        match tokio::time::timeout(REQUEST_TIME_MAX, running).await {
            Ok(_) if budget.is_spent() => no_answer(budget::answer_too_large()),
            Ok(done) => answer::bounded(done),
            Err(_) => {
                let why = format!("the request took longer than {} s", REQUEST_TIME_MAX.as_secs());
                no_answer(RequestError::Busy { why })
            }
        }
    }

    /// Runs a subscription.
    pub(crate) fn stream(&self, request: Request) -> BoxStream<'static, Response> {
        self.schema.execute_stream(self.equip(request))
    }

    fn equip(&self, mut request: Request) -> Request {
        let moments = Moments::of(&mut request);
        request.data(Arc::clone(&self.desk)).data(moments)
    }
}
