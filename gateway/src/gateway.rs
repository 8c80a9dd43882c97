//! What every request of a gateway shares.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_graphql::{Request, Response};
use command_log::telemetry::Telemetry;
use futures_util::stream::BoxStream;
use log_schema::Key;
use tokio::sync::watch;

use crate::{
    answer,
    budget::{self, Budget},
    config::Waits,
    error::{RequestError, no_answer},
    guard::Prepared,
    hub::Hub,
    link::{marks::Marks, registry::Agents},
    metrics::Metrics,
    moment::Moments,
    queries::{Queries, REQUESTS_MAX},
    rows::Rows,
    schema::CellSchema,
};

/// How long a query or mutation may take, mutations' wait included.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);

/// The parts of a running gateway.
pub(crate) struct Gateway {
    pub(crate) cell: String,
    /// By which it is told from every other one that has run or will run.
    pub(crate) name: String,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    pub(crate) patience: Duration,
    pub(crate) waits: Waits,
    pub(crate) hub: Arc<Hub>,
    pub(crate) rows: Arc<Rows>,
    pub(crate) telemetry: Arc<dyn Telemetry>,
    pub(crate) agents: Agents,
    pub(crate) marks: Marks,
    pub(crate) metrics: Metrics,
    pub(crate) schema: CellSchema,
    pub(crate) shutdown: Shutdown,
    pub(crate) keys: Keys,
    pub(crate) queries: Queries,
}

impl Gateway {
    /// Runs a query or a mutation to its end, or to the end of its time. For the threads of queries: resolvers
    /// give their thread away now and then, so that the time ends whatever they do.
    pub(crate) async fn execute(self: &Arc<Self>, Prepared { request, kind }: Prepared) -> Response {
        let Some(_admitted) = self.queries.admit() else {
            let why = format!("{REQUESTS_MAX} requests are answered at this time, and no more may; try again later");
            return no_answer(RequestError::Busy { why });
        };
        let budget = Budget::new(self.queries.places(kind));
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
    pub(crate) fn stream(self: &Arc<Self>, request: Request) -> BoxStream<'static, Response> {
        self.schema.execute_stream(self.equip(request))
    }

    fn equip(self: &Arc<Self>, mut request: Request) -> Request {
        let moments = Moments::of(&mut request);
        request.data(Arc::clone(self)).data(moments)
    }
}

/// Resolves when the gateway is told to end.
#[derive(Clone, Debug)]
pub(crate) struct Shutdown(pub(crate) watch::Receiver<bool>);

impl Shutdown {
    pub(crate) async fn over(mut self) {
        // An error means that whoever could have said so is gone.
        let _ = self.0.wait_for(|is_over| *is_over).await;
    }
}

/// Idempotency keys for clients that bring none: unlike those of any other gateway or start.
#[derive(Debug)]
pub(crate) struct Keys {
    seed: u64,
    next: AtomicU64,
}

impl Keys {
    pub(crate) fn new() -> Self {
        use std::hash::{BuildHasher, Hasher};
        // The standard library seeds each state from the system's randomness.
        let seed = std::hash::RandomState::new().build_hasher().finish();
        Self { seed, next: AtomicU64::new(0) }
    }

    pub(crate) fn pick(&self) -> Key {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Key::new(format!("gateway-{:016x}-{number}", self.seed)).expect("letters, digits and dashes make a legal key")
    }
}
