//! Queries and mutations over HTTP: `POST /graphql` with a JSON body.

use std::{sync::Arc, time::Duration};

use async_graphql::{Request, Response as Answer, ServerError, Value};
use axum::{
    body::Body,
    extract::{Request as HttpRequest, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use command_log::trace::TraceParent;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::{
    Door, answer,
    error::server_error,
    guard::{self, BODY_BYTES_MAX, Kind},
};
use crate::{desk::Desk, health, identity::Caller};

/// The media type of bodies.
const JSON: &str = "application/json";
/// The media type of answers to clients that ask for it.
const GRAPHQL_JSON: &str = "application/graphql-response+json";

/// Answers one request.
pub(crate) async fn graphql(State(door): State<Arc<Door>>, request: HttpRequest) -> Response {
    let desk = &door.desk;
    desk.metrics.requests.add(1);
    let (Parts { headers, .. }, body) = request.into_parts();
    let body = read(&headers, body, door.body_wait).await;
    let prepared = match body {
        Ok(body) => prepare(&headers, &body),
        Err(refused) => Err(refused),
    };
    match prepared {
        Ok((request, caller)) => {
            if let Err(error) = desk.rows.check() {
                desk.metrics.turned_away.add(1);
                return health::not_yet(JSON, to_json(&Answer::from_errors(vec![server_error(error)])));
            }
            let done = execute(Arc::clone(&door), request.data(caller));
            // Dropped with the client's connection, it ends: nobody works for those who left.
            let running = match trace_of(&headers) {
                Some(trace) => desk.queries.spawn(trace.during(done)),
                None => desk.queries.spawn(done),
            };
            match running.outcome().await {
                Some(Ok(done)) => answer(&headers, done),
                Some(Err(error)) => turn_away(desk, StatusCode::BAD_REQUEST, error),
                None => {
                    let error = guard::coded("the gateway could not answer this request".into(), "INTERNAL");
                    turn_away(desk, StatusCode::INTERNAL_SERVER_ERROR, error)
                }
            }
        }
        Err((status, error)) => turn_away(desk, status, error),
    }
}

fn turn_away(desk: &Desk, status: StatusCode, error: ServerError) -> Response {
    desk.metrics.turned_away.add(1);
    let answer = answer::bounded(Answer::from_errors(vec![error]));
    (status, [(header::CONTENT_TYPE, JSON)], to_json(&answer)).into_response()
}

/// An answer as it goes over the wire.
struct Done {
    json: String,
    has_failed: bool,
}

/// Reads the document and runs it, on the threads of queries.
async fn execute(door: Arc<Door>, request: Request) -> Result<Done, ServerError> {
    let prepared = guard::prepare(request)?;
    if prepared.kind == Kind::Subscription {
        let why = "subscriptions need a WebSocket: connect to /graphql with graphql-transport-ws";
        return Err(ServerError::new(why, None));
    }
    let answer = door.execute(prepared).await;
    let has_failed = answer.data == Value::Null && !answer.errors.is_empty();
    Ok(Done { json: to_json(&answer), has_failed })
}

/// The trace that a request belongs to. One that cannot be read is none, as the standard has it.
fn trace_of(headers: &HeaderMap) -> Option<TraceParent> {
    headers.get("traceparent")?.to_str().ok()?.parse().ok()
}

/// Reads a body that is no longer, and takes no longer, than it may.
async fn read(headers: &HeaderMap, body: Body, wait: Duration) -> Result<Vec<u8>, (StatusCode, ServerError)> {
    let too_large = || no(StatusCode::PAYLOAD_TOO_LARGE, format!("a request has at most {BODY_BYTES_MAX} bytes"));
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    // A body that says that it is too large is not read at all.
    if length.is_some_and(|length| length > BODY_BYTES_MAX) {
        return Err(too_large());
    }
    let read = async {
        let (mut chunks, mut read) = (body.into_data_stream(), Vec::new());
        while let Some(chunk) = chunks.next().await {
            let unread = |error| no(StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}"));
            read.extend_from_slice(&chunk.map_err(unread)?);
            if read.len() > BODY_BYTES_MAX {
                return Err(too_large());
            }
        }
        Ok(read)
    };
    let Ok(read) = timeout(wait, read).await else {
        let why = format!("the body of a request may take {} ms, and did not come", wait.as_millis());
        return Err(no(StatusCode::REQUEST_TIMEOUT, why));
    };
    read
}

fn no(status: StatusCode, why: String) -> (StatusCode, ServerError) {
    (status, guard::coded(why, "BAD_INPUT"))
}

/// Reads a request, or says with which status it is turned away.
#[expect(clippy::result_large_err, reason = "made at most once a request")]
fn prepare(headers: &HeaderMap, body: &[u8]) -> Result<(Request, Caller), (StatusCode, ServerError)> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if media_type.split(';').next().map(str::trim) != Some(JSON) {
        return Err(no(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("send the request as {JSON}")));
    }
    let request = one_request(body)
        .map_err(|why| no(StatusCode::BAD_REQUEST, format!("the body is not one GraphQL request: {why}")))?;
    let caller = Caller::of_headers(headers).map_err(|error| no(StatusCode::BAD_REQUEST, error.to_string()))?;
    Ok((request, caller))
}

fn one_request(body: &[u8]) -> Result<Request, String> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err("a request is a JSON object with \"query\", and comes alone".to_owned());
    }
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

/// An answer, in the media type that the client asks for.
fn answer(headers: &HeaderMap, done: Done) -> Response {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let is_strict = accepts.into_iter().any(|accept| accept.contains(GRAPHQL_JSON));
    let status = if is_strict && done.has_failed { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let media_type = if is_strict { GRAPHQL_JSON } else { JSON };
    (status, [(header::CONTENT_TYPE, media_type)], done.json).into_response()
}

fn to_json(answer: &Answer) -> String {
    serde_json::to_string(answer).expect("what GraphQL answers can be written as JSON")
}
