//! What clients send, checked and turned into commands. Nothing here asks or appends.

pub mod cell;
pub mod event;
pub mod framework;
pub mod job;

use std::{collections::BTreeMap, error::Error, fmt::Display, str::FromStr};

use async_graphql::InputObject;
use log_schema::job::RunSpecV1;
use projector::{Row, Scope};

use crate::{error::RequestError, graphql::scalar::MillisText};

/// The wait between SIGTERM and SIGKILL where none is given, in milliseconds.
pub const KILL_GRACE_MS: u64 = 10_000;

/// An environment variable.
#[derive(Clone, Debug, InputObject)]
pub struct EnvInput {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Reads text that names or measures something; `field` is where the client wrote it.
pub(crate) fn parse<T>(field: &'static str, text: &str) -> Result<T, RequestError>
where
    T: FromStr,
    T::Err: Error,
{
    text.parse().map_err(|error: T::Err| RequestError::bad(field, &error))
}

/// Refuses a name that nothing can have: a filter for it lets nothing through, and does not say why.
pub(crate) fn check_name<T>(field: &'static str, name: Option<&str>) -> Result<(), RequestError>
where
    T: FromStr,
    T::Err: Error,
{
    name.map_or(Ok(()), |name| parse::<T>(field, name).map(drop))
}

/// Refuses to read what belongs to a thing that does not exist: an empty list would not say so.
pub(crate) fn known<R: Row>(scope: &Scope, what: &'static str, id: &R::Id) -> Result<(), RequestError>
where
    R::Id: Display,
{
    match scope.get::<R>(id)? {
        Some(_) => Ok(()),
        None => Err(RequestError::unknown(what, id, scope.offset())),
    }
}

/// What a task runs.
pub(crate) fn run(
    command: Vec<String>,
    env: Vec<EnvInput>,
    directory: Option<String>,
    kill_grace_ms: Option<MillisText>,
) -> Result<RunSpecV1, RequestError> {
    let kill_grace_ms = kill_grace_ms.map_or(KILL_GRACE_MS, |grace| grace.0);
    let mut variables = BTreeMap::new();
    for EnvInput { name, value } in env {
        if variables.contains_key(&name) {
            return Err(RequestError::BadInput { field: "env", why: format!("{name:?} is given twice") });
        }
        variables.insert(name, value);
    }
    Ok(RunSpecV1 { argv: command, env: variables, directory, kill_grace_ms })
}
