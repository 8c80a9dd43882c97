//! `quipu events`: what happened, and what happens, in the order of the log.

mod line;

use std::process::ExitCode;

use log_schema::{AgentId, Event, FrameworkId, JobId, TaskId};
use serde_json::{Value, json};

use super::{Context, Failure, runtime};
use crate::{
    cli::parse,
    client::socket::{Feed, Message, Socket},
    output,
};

/// What is asked.
pub(crate) const DOCUMENT: &str = "
query Events($filter: EventFilter!, $first: Int, $after: String, $last: Int, $before: String) {
  events(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
    lookedTo pageInfo { hasNextPage hasPreviousPage }
    nodes { offset index cursor time commandOffset name job task agent framework offer role body }
  }
}";

/// What is listened to with `-f`.
pub(crate) const STREAM: &str = "
subscription Events($since: String!, $filter: EventFilter!) {
  events(since: $since, filter: $filter) {
    offset index cursor time commandOffset name job task agent framework offer role body
  }
}";

/// What is asked about the things that a filter names.
pub(crate) const KNOWN: &str = "
query EventSubjects(
  $job: String!, $ofJob: Boolean!, $task: String!, $ofTask: Boolean!, $agent: String!, $ofAgent: Boolean!,
  $framework: String!, $ofFramework: Boolean!
) {
  job(name: $job) @include(if: $ofJob) { name }
  task(name: $task) @include(if: $ofTask) { name }
  agent(name: $agent) @include(if: $ofAgent) { name }
  framework(name: $framework) @include(if: $ofFramework) { name }
}";

/// How many events are shown where neither a place nor a number is given.
const LINES_DEFAULT: usize = 50;
/// How many events are asked for at a time.
const PAGE_EVENTS: usize = 500;
/// The most events that are shown where no place is given: they are held until the oldest of them is known.
const NEWEST_MAX: usize = 10_000;

/// `quipu events`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu events                                 the newest
  quipu events -f                              what happens from now on
  quipu events -f --since start --job web      all that ever happened to a job, and happens
  quipu events --since 1200 --kind task        events of tasks behind an offset
  quipu events --kind placement.deferred -o json

With -o json each event is one line; its `cursor` is what --since goes on from.")]
pub(crate) struct Args {
    /// Show more as it comes.
    #[arg(short, long)]
    follow: bool,
    /// Where to begin: start, now, an offset, or the cursor of an event.
    #[arg(long, value_name = "start|now|OFFSET|CURSOR", value_parser = since)]
    since: Option<String>,
    /// How many to show at most; without --since, the newest.
    #[arg(short = 'n', long = "lines", value_name = "COUNT")]
    #[arg(value_parser = parse::whole(1..=usize::MAX), allow_negative_numbers = true)]
    lines: Option<usize>,
    /// Only these kinds, such as task.placed, or all of one sort, as in task; may be given several times.
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    kind: Vec<Kind>,
    /// Only events about this job or its tasks.
    #[arg(long, value_name = "JOB")]
    job: Option<JobId>,
    /// Only events about this task.
    #[arg(long, value_name = "TASK")]
    task: Option<TaskId>,
    /// Only events about this agent, its tasks and its offers.
    #[arg(long, value_name = "AGENT")]
    agent: Option<AgentId>,
    /// Only events about this framework, its tasks and its offers.
    #[arg(long, value_name = "FRAMEWORK")]
    framework: Option<FrameworkId>,
}

/// The names of events that one `--kind` stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kind(Vec<&'static str>);

fn kind(text: &str) -> Result<Kind, String> {
    let is_meant = |name: &&&str| **name == text || name.split_once('.').is_some_and(|(sort, _)| sort == text);
    let names: Vec<_> = Event::NAMES.iter().filter(is_meant).copied().collect();
    if names.is_empty() { Err(format!("events are {}", Event::NAMES.join(" "))) } else { Ok(Kind(names)) }
}

fn since(text: &str) -> Result<String, String> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_cursor = text.split_once(':').is_some_and(|(offset, index)| is_number(offset) && is_number(index));
    if matches!(text, "start" | "now") || is_number(text) || is_cursor {
        return Ok(text.into());
    }
    Err("expected start, now, an offset, or the cursor of an event, as in 812:0".into())
}

/// Shows events.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    match (args.follow, args.since.as_deref()) {
        (true, since) => runtime()?.block_on(follow(args, since.unwrap_or("now"), context))?,
        (false, Some(since)) => forwards(args, since, context)?,
        (false, None) => newest(args, context)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn filter(args: &Args) -> Value {
    let names: Vec<_> = args.kind.iter().flat_map(|kind| kind.0.iter()).collect();
    json!({ "names": names, "job": args.job, "task": args.task, "agent": args.agent, "framework": args.framework })
}

async fn follow(args: &Args, since: &str, context: &Context) -> anyhow::Result<()> {
    let mut socket = Socket::open(context.client.address(), context.client.principal(), None).await?;
    for (what, name) in unknown(args, context)? {
        output::notice(&format!("there is no {what} {name} now; its events are shown as they come"));
    }
    let variables = json!({ "since": since, "filter": filter(args) });
    socket.start(Feed { document: STREAM, variables, resume }).await;
    let mut left = args.lines.unwrap_or(usize::MAX);
    while left > 0 {
        match socket.next().await? {
            Message::Item(_, data) => left -= write(&data["events"], left, context)?,
            Message::Over(_) => return Ok(()),
            Message::Failed(_, error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Goes on behind the last event of a message.
pub(crate) fn resume(variables: &mut Value, data: &Value) {
    let cursor = data["events"].as_array().and_then(|events| events.last()).map(|event| event["cursor"].clone());
    if let Some(cursor @ Value::String(_)) = cursor {
        variables["since"] = cursor;
    }
}

fn forwards(args: &Args, since: &str, context: &Context) -> anyhow::Result<()> {
    let mut after = json!(since);
    let most = if since == "now" { 0 } else { args.lines.unwrap_or(usize::MAX) };
    let mut left = most;
    while left > 0 {
        let variables = json!({ "filter": filter(args), "first": PAGE_EVENTS.min(left), "after": after });
        let mut data = context.client.query(DOCUMENT, variables)?;
        left -= write(&data["events"]["nodes"], left, context)?;
        after = data["events"]["lookedTo"].take();
        if data["events"]["pageInfo"]["hasNextPage"] != json!(true) || after.is_null() {
            break;
        }
    }
    if left == most {
        tell_none(args, context)?;
    }
    Ok(())
}

fn newest(args: &Args, context: &Context) -> anyhow::Result<()> {
    let wanted = args.lines.unwrap_or(LINES_DEFAULT);
    if wanted > NEWEST_MAX {
        let what = format!("at most {NEWEST_MAX} events are shown without --since, not {wanted}");
        return Err(Failure::usage(what).hint("name where to begin, as in `quipu events --since start`").into());
    }
    let (mut pages, mut left, mut before) = (Vec::new(), wanted, Value::Null);
    // A page looks at a limited number of decisions: behind an empty one there may be events that the filter wants.
    while left > 0 {
        let variables = json!({ "filter": filter(args), "last": PAGE_EVENTS.min(left), "before": before });
        let mut data = context.client.query(DOCUMENT, variables)?;
        let page = &mut data["events"];
        let nodes = page["nodes"].take();
        left -= nodes.as_array().map_or(0, Vec::len).min(left);
        pages.push(nodes);
        before = page["lookedTo"].take();
        if page["pageInfo"]["hasPreviousPage"] != json!(true) || before.is_null() {
            break;
        }
    }
    for page in pages.iter().rev() {
        write(page, wanted, context)?;
    }
    if left == wanted {
        tell_none(args, context)?;
    }
    Ok(())
}

/// Says that there are no events, and which names of the filter nothing has.
fn tell_none(args: &Args, context: &Context) -> anyhow::Result<()> {
    output::notice("no events");
    for (what, name) in unknown(args, context)? {
        output::notice(&format!("there is no {what} {name}"));
    }
    Ok(())
}

/// The names of the filter that nothing has now.
fn unknown(args: &Args, context: &Context) -> anyhow::Result<Vec<(&'static str, String)>> {
    let named = [
        ("job", "ofJob", args.job.as_ref().map(ToString::to_string)),
        ("task", "ofTask", args.task.as_ref().map(ToString::to_string)),
        ("agent", "ofAgent", args.agent.as_ref().map(ToString::to_string)),
        ("framework", "ofFramework", args.framework.as_ref().map(ToString::to_string)),
    ];
    if named.iter().all(|(_, _, name)| name.is_none()) {
        return Ok(Vec::new());
    }
    let mut variables = json!({});
    for (what, of, name) in &named {
        variables[*what] = json!(name.as_deref().unwrap_or_default());
        variables[*of] = json!(name.is_some());
    }
    let data = context.client.query(KNOWN, variables)?;
    let missing = |(what, _, name): (&'static str, _, Option<String>)| {
        name.filter(|_| data[what].is_null()).map(|name| (what, name))
    };
    Ok(named.into_iter().filter_map(missing).collect())
}

/// Writes so many events of an array at most, and returns how many.
fn write(events: &Value, most: usize, context: &Context) -> anyhow::Result<usize> {
    let events = events.as_array().map(Vec::as_slice).unwrap_or_default();
    let shown = &events[..events.len().min(most)];
    let text: Result<Vec<_>, _> = shown.iter().map(|event| line::text(context.format, event)).collect();
    output::write(&text?.concat())?;
    Ok(shown.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_one_event_or_all_of_one_sort() {
        assert_eq!(kind("task.placed"), Ok(Kind(vec!["task.placed"])));
        assert!(kind("job").is_ok_and(|kind| kind.0.len() > 3 && kind.0.iter().all(|name| name.starts_with("job."))));
        assert!(kind("tsk").is_err_and(|text| text.contains("task.placed")));
    }

    #[test]
    fn a_place_is_checked_before_it_is_sent() {
        for text in ["start", "now", "812", "812:3"] {
            assert!(since(text).is_ok(), "{text}");
        }
        for text in ["", "yesterday", ":", "8:", "-1"] {
            assert!(since(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_stream_goes_on_behind_the_last_event_that_came() {
        let mut variables = json!({ "since": "now" });
        resume(&mut variables, &json!({ "events": [{ "cursor": "7:0" }, { "cursor": "7:1" }] }));
        assert_eq!(variables["since"], "7:1");
        resume(&mut variables, &json!({ "events": [] }));
        assert_eq!(variables["since"], "7:1");
    }
}
