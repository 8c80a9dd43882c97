//! Queries and mutations over HTTP: `POST /graphql` with a JSON body.

use std::sync::Arc;

use async_graphql::{Request, Response as Answer, ServerError, Value};
use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use command_log::trace::TraceParent;

use crate::{gateway::Gateway, guard, identity::Caller};

/// The media type of bodies.
const JSON: &str = "application/json";
/// The media type of answers to clients that ask for it.
const GRAPHQL_JSON: &str = "application/graphql-response+json";

/// Answers one request.
pub(crate) async fn graphql(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    gateway.metrics.requests.add(1);
    match prepare(&headers, body) {
        Ok((request, caller)) => {
            let done = gateway.execute(request.data(caller));
            let done = match trace_of(&headers) {
                Some(trace) => trace.during(done).await,
                None => done.await,
            };
            answer(&headers, &done)
        }
        Err((status, error)) => {
            gateway.metrics.turned_away.add(1);
            let answer = Answer::from_errors(vec![error]);
            (status, [(header::CONTENT_TYPE, JSON)], to_json(&answer)).into_response()
        }
    }
}

/// The trace that a request belongs to. One that cannot be read is none, as the standard has it.
fn trace_of(headers: &HeaderMap) -> Option<TraceParent> {
    headers.get("traceparent")?.to_str().ok()?.parse().ok()
}

/// Reads a request, or says with which status it is turned away.
#[expect(clippy::result_large_err, reason = "made at most once a request")]
fn prepare(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(Request, Caller), (StatusCode, ServerError)> {
    let no = |status, why: String| (status, ServerError::new(why, None));
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if media_type.split(';').next().map(str::trim) != Some(JSON) {
        return Err(no(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("send the request as {JSON}")));
    }
    let body = body.map_err(|rejection| no(rejection.status(), rejection.body_text()))?;
    let request = one_request(&body)
        .map_err(|why| no(StatusCode::BAD_REQUEST, format!("the body is not one GraphQL request: {why}")))?;
    let caller = Caller::of_headers(headers).map_err(|error| no(StatusCode::BAD_REQUEST, error.to_string()))?;
    let prepared = guard::prepare(request).map_err(|error| (StatusCode::BAD_REQUEST, error))?;
    if prepared.is_subscription {
        let why = "subscriptions need a WebSocket: connect to /graphql with graphql-transport-ws".to_owned();
        return Err(no(StatusCode::BAD_REQUEST, why));
    }
    Ok((prepared.request, caller))
}

fn one_request(body: &[u8]) -> Result<Request, String> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err("a request is a JSON object with \"query\", and comes alone".to_owned());
    }
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

/// An answer, in the media type that the client asks for.
fn answer(headers: &HeaderMap, answer: &Answer) -> Response {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let is_strict = accepts.into_iter().any(|accept| accept.contains(GRAPHQL_JSON));
    let has_failed = answer.data == Value::Null && !answer.errors.is_empty();
    let status = if is_strict && has_failed { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let media_type = if is_strict { GRAPHQL_JSON } else { JSON };
    (status, [(header::CONTENT_TYPE, media_type)], to_json(answer)).into_response()
}

fn to_json(answer: &Answer) -> String {
    serde_json::to_string(answer).expect("what GraphQL answers can be written as JSON")
}
