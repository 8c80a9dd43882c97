//! Whether the gateway lives, is ready, and what it has counted.

use std::{fmt::Write, sync::Arc};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use log_schema::EpochNumber;

use crate::{desk::Desk, rows::Reading};

/// Says where things are.
pub(crate) async fn index(State(desk): State<Arc<Desk>>) -> String {
    format!(
        "Quipu cell {}\n\n\
         POST /graphql   queries and mutations, as application/json\n\
         GET  /graphql   subscriptions, as a WebSocket with graphql-transport-ws\n\
         GET  /healthz   whether this process answers\n\
         GET  /readyz    whether it has read the log and the cell is led\n\
         GET  /metrics   counters, as Prometheus reads them\n\
         GET  /v1/link   the link of agents\n",
        desk.cell
    )
}

/// The process answers.
pub(crate) async fn alive() -> &'static str {
    "alive\n"
}

/// The gateway has read what was in the log when it began, and somebody leads.
pub(crate) async fn ready(State(desk): State<Arc<Desk>>) -> Response {
    match why_not(&desk) {
        None => (StatusCode::OK, "ready\n".to_owned()).into_response(),
        Some(why) => not_yet("text/plain; charset=utf-8", format!("not ready: {why}\n")),
    }
}

fn why_not(desk: &Desk) -> Option<String> {
    if let Some(halted) = desk.hub.halted() {
        return Some(format!("the log is read no further: {halted}"));
    }
    if let Some(reading) = desk.rows.reading() {
        let Reading { next, goal } = reading;
        return Some(format!("reading the log: {} % (offset {next} of {goal})", reading.percent()));
    }
    (desk.hub.now().epoch == EpochNumber(0)).then(|| "nobody has led this cell yet; start an allocator".to_owned())
}

/// When a client is to ask again, in seconds.
const RETRY_AFTER: &str = "1";

/// The answer to a request that cannot be answered yet.
pub(crate) fn not_yet(media_type: &'static str, body: String) -> Response {
    let headers = [(header::CONTENT_TYPE, media_type), (header::RETRY_AFTER, RETRY_AFTER)];
    (StatusCode::SERVICE_UNAVAILABLE, headers, body).into_response()
}

/// Counters in Prometheus' text form.
pub(crate) async fn metrics(State(desk): State<Arc<Desk>>) -> Response {
    let high = desk.hub.log.watermarks().await.map(|marks| marks.high.0).ok();
    let (now, counted) = (desk.hub.now(), &desk.metrics);
    let folded = desk.rows.newest().0;
    let mut page = Page::default();
    if let Some(high) = high {
        page.gauge("quipu_log_high_offset", "The offset that the next record gets", high);
        page.gauge("quipu_gateway_lag_records", "Records that were not judged yet", high.saturating_sub(now.next.0));
    }
    page.gauge("quipu_gateway_next_offset", "The first offset that was not judged", now.next.0);
    page.gauge("quipu_gateway_answered_offset", "The last offset that was answered", now.answered.map_or(0, |at| at.0));
    page.gauge("quipu_projection_offset", "The newest offset that rows reflect", folded);
    page.gauge(
        "quipu_projection_lag_records",
        "Judged records that rows do not reflect",
        now.next.0.saturating_sub(folded + 1),
    );
    page.gauge("quipu_epoch", "The current reign; 0: nobody has led yet", now.epoch.0);
    page.gauge("quipu_gateway_halted", "1: the log is read no further", u64::from(now.halted));
    page.counter("quipu_commands_read_total", "Commands and ticks that were read", now.counts.commands);
    page.counter("quipu_decisions_total", "Decisions that count", now.counts.decisions);
    page.counter("quipu_decisions_void_total", "Decisions of reigns that were over", now.counts.decisions_void);
    page.counter(
        "quipu_decisions_duplicate_total",
        "Decisions that repeat one that counts",
        now.counts.decisions_duplicate,
    );
    page.counter("quipu_epochs_void_total", "Claims to lead that came too late", now.counts.epochs_void);
    page.counter("quipu_commands_appended_total", "Commands that this gateway appended", desk.hub.commands_appended());
    page.counter("quipu_agent_commands_total", "Those of them that came from agents", counted.agent_commands.value());
    page.counter("quipu_refusals_total", "Refusals that mutations were answered with", counted.refusals.value());
    page.counter("quipu_mutations_unanswered_total", "Mutations without an answer", counted.unanswered.value());
    page.counter("quipu_requests_total", "GraphQL requests over HTTP", counted.requests.value());
    page.counter("quipu_requests_turned_away_total", "Requests that were not executed", counted.turned_away.value());
    page.counter("quipu_events_sent_total", "Events given to subscriptions", counted.events_sent.value());
    page.counter("quipu_samples_total", "Samples that agents sent", counted.samples.value());
    page.gauge("quipu_requests_running", "Queries and mutations that are answered now", desk.queries.running());
    page.gauge("quipu_sockets", "Open GraphQL sockets", counted.sockets.value());
    page.gauge("quipu_subscriptions", "Running subscriptions", counted.subscriptions.value());
    page.gauge("quipu_agents_connected", "Agents with a link to this gateway", desk.agents.count() as u64);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page.text).into_response()
}

/// A page of metrics.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.line("gauge", name, help, value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.line("counter", name, help, value);
    }

    fn line(&mut self, sort: &str, name: &str, help: &str, value: u64) {
        let written = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {sort}\n{name} {value}\n");
        written.expect("text in memory takes all");
    }
}
