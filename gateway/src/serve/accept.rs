//! The loop that takes connections, and the service of each: HTTP/1 with time-outs.

use std::{pin::pin, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
    response::{IntoResponse, Response},
};
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};

use super::{
    connections::{Connections, Slot, Use},
    peer::Peer,
};
use crate::{config::Waits, shutdown::Shutdown};

/// The wait after connections could not be taken: most likely no descriptor was left.
const ACCEPT_WAIT: Duration = Duration::from_millis(100);

/// Serves until the gateway is told to end, and then until the last request has its answer.
pub(super) async fn accept(
    listener: TcpListener,
    app: Router,
    connections: Arc<Connections>,
    waits: Waits,
    shutdown: Shutdown,
) {
    let (served, is_served) = watch::channel(());
    let mut over = pin!(shutdown.clone().over());
    loop {
        let accepted = tokio::select! {
            () = &mut over => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let Some(slot) = connections.admit() else { continue };
                let (app, shutdown, is_served) = (app.clone(), shutdown.clone(), is_served.clone());
                tokio::spawn(async move {
                    serve(stream, app, slot, waits, shutdown).await;
                    drop(is_served);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                connections.make_room();
                sleep(ACCEPT_WAIT).await;
            }
        }
    }
    drop((listener, is_served));
    served.closed().await;
}

async fn serve(stream: TcpStream, app: Router, slot: Slot, waits: Waits, shutdown: Shutdown) {
    send_at_once(&stream);
    let io = TokioIo::new(Peer::new(stream, waits.stalled, slot.clone()));
    let app = TowerToHyperService::new(app);
    let service = hyper::service::service_fn(|request: Request<Incoming>| {
        let has_room = slot.serve(Use::of(request.method(), request.uri().path()));
        let (answered, slot) = (has_room.then(|| app.call(request)), slot.clone());
        async move {
            let Some(answered) = answered else { return Ok(no_room()) };
            let answer = answered.await;
            // A socket lasts, and is nobody's to close.
            if answer.as_ref().is_ok_and(|answer| answer.status() != StatusCode::SWITCHING_PROTOCOLS) {
                slot.wait();
            }
            answer
        }
    });
    let mut builder = http1::Builder::new();
    let builder = builder.timer(TokioTimer::new()).header_read_timeout(waits.head);
    let mut connection = pin!(builder.serve_connection(io, service).with_upgrades());
    let mut over = pin!(shutdown.over());
    let mut is_over = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended");
                }
                return;
            }
            () = &mut over, if !is_over => {
                is_over = true;
                connection.as_mut().graceful_shutdown();
            }
            () = slot.must_leave() => return,
        }
    }
}

fn no_room() -> Response<Body> {
    let headers = [(header::CONNECTION, "close"), (header::RETRY_AFTER, "1")];
    (StatusCode::SERVICE_UNAVAILABLE, headers, "too many clients are connected; try again later\n").into_response()
}

/// Small messages are what agents and subscribers wait for: the system is not to keep one back until the one
/// before is acknowledged.
fn send_at_once(connection: &TcpStream) {
    if let Err(error) = connection.set_nodelay(true) {
        tracing::debug!(%error, "a connection may be slow");
    }
}
