//! The desk: what every door of a gateway asks. Doors know the desk and not one another.
//!
//! ```text
//!   graphql ─┐                     ┌─ submit   a command, and the cell's answer to it
//!            ├─ Caller, question ──┼─ read     rows as of one moment
//!   link    ─┘                     ├─ follow   events from some place on, without gap or repeat
//!                                  └─ output   what a task writes, here or by relay through another gateway
//! ```
//!
//! Who may ask for what, idempotency keys and the waits for the cell are decided here and nowhere else. Nothing below
//! knows GraphQL.

pub(crate) mod access;
pub(crate) mod agent;
pub(crate) mod keys;
pub(crate) mod marks;
pub(crate) mod output;
pub(crate) mod read;
pub(crate) mod submit;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use command_log::telemetry::{Sample, Telemetry};
use log_schema::AgentId;
use tokio::sync::broadcast;

use self::{access::Access, keys::Keys, marks::Marks};
use crate::{
    error::RequestError,
    event::{
        EventFilter, LogEvent, Since,
        backwards::{self, Back},
        owners::{self, Owner},
        stream::EventStream,
    },
    hub::Hub,
    identity::Caller,
    metrics::Metrics,
    queries::Queries,
    registry::Agents,
    rows::Rows,
    shutdown::Shutdown,
};

/// How long a request may take, whichever door it came by; a command's wait for its answer included.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);

/// What the requests of all doors share.
pub(crate) struct Desk {
    pub(crate) cell: String,
    /// Unique across gateway processes, past and future.
    pub(crate) name: String,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// How long a command may wait for its answer.
    pub(crate) patience: Duration,
    pub(crate) hub: Arc<Hub>,
    pub(crate) rows: Arc<Rows>,
    pub(crate) telemetry: Arc<dyn Telemetry>,
    pub(crate) agents: Agents,
    pub(crate) marks: Marks,
    pub(crate) metrics: Metrics,
    pub(crate) queries: Queries,
    pub(crate) keys: Keys,
    pub(crate) shutdown: Shutdown,
}

impl Desk {
    /// Opens the stream of the events that a filter wants, at a place that the client gave as `field`.
    pub(crate) async fn follow(
        &self,
        caller: &Caller,
        (field, since): (&'static str, Since),
        filter: EventFilter,
    ) -> Result<EventStream, RequestError> {
        access::check(caller, Access::Read)?;
        EventStream::open(&self.hub, &self.rows, (field, since), filter).await
    }

    /// The last events before a place, newest first; from the end of the log if none is given.
    pub(crate) async fn events_before(
        &self,
        caller: &Caller,
        end: Option<Since>,
        filter: EventFilter,
        limit: usize,
    ) -> Result<Back, RequestError> {
        access::check(caller, Access::Read)?;
        backwards::read(&self.hub, &self.rows, end, &filter, limit).await
    }

    /// The holder of the offer that an event ended; `None` for every other event.
    pub(crate) async fn owner_of_ended(&self, event: &LogEvent) -> Result<Option<Owner>, RequestError> {
        owners::owner_of_ended(&self.rows, event).await
    }

    /// What an agent last said of its machine.
    pub(crate) fn sample(&self, agent: &AgentId) -> Option<Arc<Sample>> {
        self.telemetry.latest(agent)
    }

    /// What every agent last said of its machine.
    pub(crate) fn samples(&self) -> Vec<Arc<Sample>> {
        self.telemetry.latest_all()
    }

    /// Samples as they come.
    pub(crate) fn follow_samples(&self) -> broadcast::Receiver<Arc<Sample>> {
        self.telemetry.subscribe()
    }

    /// Takes a sample of an agent that is connected here.
    pub(crate) fn take_sample(&self, sample: Sample) {
        self.metrics.samples.add(1);
        self.telemetry.publish(Sample { gateway: Some(crate::relay::own_url(self.address, &self.name)), ..sample });
    }
}
