//! Starting and stopping a gateway: opens the projections, follows the log, listens.

mod accept;
mod connections;
mod peer;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use command_log::{Log, remote::protocol::LINK_PATH};
use futures_util::{FutureExt, future::BoxFuture};
use log_schema::{DecisionV1, Kind, Offset, codec};
use projector::{Options, Projector};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};

use self::connections::Connections;
use crate::{
    config::Config,
    desk::{Desk, keys::Keys, marks},
    error::Error,
    graphql::{Door, http, socket},
    health,
    hub::{Anchor, Cursor, Hub, follow},
    link, metrics, origin, parts,
    queries::Queries,
    registry::Agents,
    rows::{Rows, check, fold},
    shutdown::Shutdown,
};

/// How long a gateway that is stopped waits for the last socket to let it go.
const LET_GO_WAIT: Duration = Duration::from_secs(5);

/// A gateway that serves. Dropping it stops it without waiting for anybody.
#[derive(Debug)]
pub struct RunningGateway {
    local_addr: SocketAddr,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    readers: Readers,
    hub: HubHandle,
}

/// The two that read on and on.
#[derive(Debug)]
struct Readers {
    follow: JoinHandle<()>,
    fold: JoinHandle<()>,
}

/// The hub, without its insides in debug output.
struct HubHandle(Arc<Hub>);

impl std::fmt::Debug for HubHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Hub").field(&self.0.now().next).finish()
    }
}

/// Starts a gateway on the present runtime.
pub async fn serve(config: Config) -> Result<RunningGateway, Error> {
    if !config.listen.ip().is_loopback() {
        return Err(Error::NotLoopback { listen: config.listen });
    }
    let listen_failed = |source| Error::Listen { listen: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(listen_failed)?;
    let local_addr = listener.local_addr().map_err(listen_failed)?;
    let (stop, over) = watch::channel(false);
    let (connections, waits) = (Connections::new(config.connections), config.waits);
    let (desk, readers) = open(config, local_addr, Shutdown(over.clone())).await?;
    let hub = HubHandle(Arc::clone(&desk.hub));
    let app = router(desk, waits.body);
    let accepting = accept::accept(listener, app, connections, waits, Shutdown(over.clone()));
    let server = parts::start("the part that takes connections", Arc::clone(&hub.0), Shutdown(over), accepting);
    Ok(RunningGateway { local_addr, stop, server, readers, hub })
}

impl RunningGateway {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Resolves when the gateway can read the log no further; says why.
    pub async fn halted(&self) -> crate::Halted {
        let mut progress = self.hub.0.progress();
        loop {
            if let Some(halted) = self.hub.0.halted() {
                return halted.clone();
            }
            // The hub outlives this handle, so there is always a sender.
            let _ = progress.changed().await;
        }
    }

    /// Closes every socket, ends open requests, and waits until the projections are let go. A gateway that had halted
    /// says why: its end is no good one.
    pub async fn stop(mut self) -> Result<(), crate::Halted> {
        self.stop.send_replace(true);
        let _ = (&mut self.server).await;
        self.readers.follow.abort();
        // The fold ends by itself: aborted, it would leave a batch behind that is still being written.
        let _ = (&mut self.readers.fold).await;
        // Whatever holds the projections has its end of this channel.
        let _ = timeout(LET_GO_WAIT, self.stop.closed()).await;
        self.hub.0.halted().cloned().map_or(Ok(()), Err)
    }
}

impl Drop for RunningGateway {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.server.abort();
        self.readers.follow.abort();
        self.readers.fold.abort();
    }
}

/// Opens the projections and begins to follow the log.
async fn open(config: Config, address: SocketAddr, shutdown: Shutdown) -> Result<(Arc<Desk>, Readers), Error> {
    let options = Options { cell: config.cell.clone(), retention_ms: config.retention_ms, ..Options::default() };
    let dir = config.projections_dir.clone();
    let opening = tokio::task::spawn_blocking(move || Projector::open(&dir, options)).await;
    let projector = opening.expect("opening does not panic").map_err(|source| Error::Projections { source })?;
    let anchor = projector.position().map_or_else(Anchor::default, |position| Anchor {
        epoch: position.epoch,
        to: Some(position.to),
        chain: position.chain,
        decided: Some(position.offset),
    });
    let heard = config.log.watermarks().await.map_err(log_failed)?;
    if anchor.next() < heard.low {
        return Err(log_failed(command_log::Error::BelowLow { from: anchor.next(), low: heard.low }));
    }
    if let Some(folded) = anchor.decided
        && (folded >= heard.high || !has_decision(&*config.log, folded, &anchor).await.map_err(log_failed)?)
    {
        let dir = config.projections_dir.display().to_string();
        return Err(Error::ForeignProjections { dir, folded });
    }
    let hub = Hub::new(Arc::clone(&config.log) as Arc<dyn Log>, anchor);
    let rows = Arc::new(Rows::new(projector.views(), Arc::clone(&hub), heard.high));
    let cursor = Cursor::resume(&hub, anchor.behind(), anchor);
    let (in_hub, until) = (Arc::clone(&hub), shutdown.clone());
    let start = move |name, part: BoxFuture<'static, ()>| parts::start(name, Arc::clone(&in_hub), until.clone(), part);
    let folding = fold::fold(Arc::clone(&hub), Arc::clone(&rows), cursor, projector, shutdown.clone());
    let readers = Readers {
        follow: start("the reader of the log", follow(Arc::clone(&hub), anchor.reader()).boxed()),
        fold: start("the fold into the projections", folding.boxed()),
    };
    start("the check of the projections", check::keep_checking(Arc::clone(&rows), shutdown.clone()).boxed());
    let keys = Keys::new();
    let desk = Desk {
        cell: config.cell,
        name: keys.pick().to_string(),
        address,
        patience: config.patience,
        hub,
        rows,
        telemetry: config.telemetry,
        agents: Agents::default(),
        marks: marks::Marks::new(heard),
        metrics: metrics::Metrics::default(),
        shutdown: shutdown.clone(),
        keys,
        queries: Queries::start().map_err(|source| Error::Threads { source })?,
    };
    let desk = Arc::new(desk);
    start("the part that asks how far the log reaches", marks::keep(Arc::clone(&desk), shutdown).boxed());
    Ok((desk, readers))
}

/// Whether the log has, at an offset, the decision that was folded last. Its chain covers all that went before.
async fn has_decision(log: &dyn Log, at: Offset, anchor: &Anchor) -> Result<bool, command_log::Error> {
    let read = log.read(at, 0).await?;
    let decision = read.first().filter(|stored| stored.record.kind == Kind::Decision.number());
    let decision = decision.and_then(|stored| codec::decode::<DecisionV1>("decision", &stored.record.payload).ok());
    Ok(decision.is_some_and(|decision| Some(decision.to) == anchor.to && decision.chain == anchor.chain))
}

fn log_failed(source: command_log::Error) -> Error {
    Error::Log { source }
}

/// Mounts the doors.
fn router(desk: Arc<Desk>, body_wait: Duration) -> Router {
    let graphql = Router::new()
        .route("/graphql", post(http::graphql).get(socket::upgrade))
        .layer(middleware::from_fn_with_state(Arc::clone(&desk), check_origin))
        .with_state(Arc::new(Door::new(Arc::clone(&desk), body_wait)));
    Router::new()
        .route("/", get(health::index))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route(LINK_PATH, any(link::upgrade))
        .with_state(desk)
        .merge(graphql)
}

/// Turns requests away that come from where they should not.
async fn check_origin(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    match origin::check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(why) => {
            desk.metrics.turned_away.add(1);
            let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            (StatusCode::FORBIDDEN, plain, format!("{why}\n")).into_response()
        }
    }
}
