//! The client's commands: one file each, with its arguments, its GraphQL documents and its answer.
//!
//! None of them opens a log or a database: all they know they were told by a gateway.

pub(crate) mod agents;
pub(crate) mod cell;
pub(crate) mod completions;
pub(crate) mod events;
pub(crate) mod follow;
pub(crate) mod frameworks;
pub(crate) mod job;
pub(crate) mod jobs;
pub(crate) mod kill;
pub(crate) mod logs;
pub(crate) mod offers;
pub(crate) mod parameters;
mod piece;
pub(crate) mod ps;
pub(crate) mod refusals;
pub(crate) mod remove_agent;
pub(crate) mod restart;
pub(crate) mod role;
pub(crate) mod roles;
pub(crate) mod run;
pub(crate) mod scale;
pub(crate) mod stop;
pub(crate) mod submit;
pub(crate) mod waits;
pub(crate) mod why;

use std::process::ExitCode;

use clap::Args;
use log_schema::{Key, Principal};
use serde_json::{Value, json};

use crate::{
    cli::{
        Global,
        parse::{self, AtArg},
    },
    client::{Address, Answer, Client, Error},
    duration,
    exit::Failure,
    output::{self, Format, Node, node::now_ms},
};

/// Who asks where nothing else is known.
const PRINCIPAL_DEFAULT: &str = "cli";
/// How many things a list shows where nothing else is said.
pub(crate) const LIMIT_DEFAULT: usize = 10_000;

/// What every client command works with.
pub(crate) struct Context {
    /// The gateway.
    pub(crate) client: Client,
    /// How answers are written.
    pub(crate) format: Format,
}

impl Context {
    /// Finds the gateway that is meant. Nothing is sent yet.
    pub(crate) fn new(global: &Global) -> Result<Self, Error> {
        let address = Address::find(global.gateway.as_deref(), global.dir.as_deref())?;
        Ok(Self { client: Client::new(address, principal(global.principal.as_deref())), format: global.output })
    }
}

/// The name to ask under: what was said, or the name of the user as far as it is legal.
fn principal(said: Option<&str>) -> String {
    let user = std::env::var("USER").ok();
    let legal = |name: &String| Principal::new(name).is_ok();
    said.map(Into::into).or(user).filter(legal).unwrap_or_else(|| PRINCIPAL_DEFAULT.into())
}

/// What every read takes.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Reading {
    /// As of when: an offset, a time such as 2026-07-29T10:15:00Z, or how long ago, as in 5m.
    #[arg(long, value_name = "OFFSET|TIME", allow_hyphen_values = true)]
    pub(crate) at: Option<AtArg>,
}

impl Reading {
    /// The variable `$at` of a document.
    pub(crate) fn at(&self) -> Value {
        match &self.at {
            None => Value::Null,
            Some(AtArg::Offset(offset)) => json!({ "offset": offset.to_string() }),
            Some(AtArg::Time(time)) => json!({ "time": time }),
            Some(AtArg::Ago(millis)) => json!({ "time": now_ms().saturating_sub(*millis).to_string() }),
        }
    }
}

/// What every list takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Listing {
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// How many to show at most.
    #[arg(long, value_name = "COUNT", default_value_t = LIMIT_DEFAULT, hide_default_value = true)]
    #[arg(value_parser = parse::whole(1..=usize::MAX), allow_negative_numbers = true)]
    pub(crate) limit: usize,
}

/// What every change takes.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Asking {
    /// The idempotency key: repeated with the same key, a command has its effect once.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<Key>,
}

impl Asking {
    /// The key as text.
    pub(crate) fn key(&self) -> Option<&str> {
        self.key.as_ref().map(Key::as_str)
    }
}

/// Shows what a change did. A repeat did nothing, and what the first one did may have been changed since: how it is now
/// is what `text` has to tell, and that this is a repeat is said beside it.
fn show_change(context: &Context, answer: &Answer, text: impl FnOnce(Node<'_>) -> String) -> anyhow::Result<ExitCode> {
    if answer.is_repeat() {
        let first = answer.first_offset();
        output::notice(&format!(
            "this was done already, at offset {first}, under the same key, and was not done again"
        ));
    }
    output::show(context.format, &answer.payload, || text(Node::of(&answer.payload)))?;
    Ok(ExitCode::SUCCESS)
}

/// What every command takes that ends tasks.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Grace {
    /// How long a task may take from SIGTERM to SIGKILL; the grace of its job where nothing is said. Asked again with
    /// less, it cuts the grace of what is being ended.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, conflicts_with = "force")]
    grace: Option<u64>,
    /// SIGKILL at once.
    #[arg(short, long)]
    force: bool,
}

impl Grace {
    /// The input with the grace, where one was given.
    pub(crate) fn with(&self, mut input: Value) -> Value {
        let grace_ms = if self.force { Some(0) } else { self.grace };
        if let (Some(grace_ms), Value::Object(fields)) = (grace_ms, &mut input) {
            fields.insert("graceMs".into(), grace_ms.into());
        }
        input
    }
}

/// The thing that was asked for, or an error that says that it is not there.
pub(crate) fn there(found: Value, what: &str, name: &str, list: &str) -> Result<Value, Failure> {
    if found.is_null() {
        return Err(Failure::new(format!("there is no {what} {name}")).hint(format!("`{list}` lists what there is")));
    }
    Ok(found)
}

/// `1 task`, `2 tasks`.
pub(crate) fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// A runtime for commands that listen to streams: one thread is enough.
pub(crate) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Every document that is sent to gateways; a test holds them against the schema.
#[cfg(test)]
pub(crate) const DOCUMENTS: &[(&str, &str)] = &[
    ("agents", agents::DOCUMENT),
    ("cell", cell::DOCUMENT),
    ("events", events::DOCUMENT),
    ("events of what", events::KNOWN),
    ("events -f", events::STREAM),
    ("follow", follow::EVENTS),
    ("frameworks", frameworks::DOCUMENT),
    ("job", job::DOCUMENT),
    ("jobs", jobs::DOCUMENT),
    ("kill", kill::DOCUMENT),
    ("logs", logs::STREAM),
    ("logs of a job", logs::JOB),
    ("offers", offers::DOCUMENT),
    ("parameters", parameters::DOCUMENT),
    ("parameters set", parameters::SET),
    ("ps", ps::DOCUMENT),
    ("ps of a job", ps::JOB),
    ("refusals", refusals::DOCUMENT),
    ("remove-agent", remove_agent::DOCUMENT),
    ("restart", restart::DOCUMENT),
    ("role set", role::DOCUMENT),
    ("roles", roles::DOCUMENT),
    ("scale", scale::DOCUMENT),
    ("stop", stop::DOCUMENT),
    ("submit", submit::DOCUMENT),
    ("submit FILE", submit::FIND),
    ("submit --wait", submit::WATCH),
    ("why task", why::TASK),
    ("why job", why::JOB),
];

#[cfg(test)]
mod tests;
