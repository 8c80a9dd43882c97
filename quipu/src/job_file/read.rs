//! What each field of a job means.

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

use log_schema::{
    Resources,
    job::{CONSTRAINTS_PER_JOB_MAX, PORTS_PER_TASK_MAX, TASKS_PER_JOB_MAX},
};
use toml::de::DeValue;

use super::{
    fault::{Faults, closest},
    table::{Table, expected},
};
use crate::{
    cli::parse::resources as resources_of_text,
    duration,
    job::{Constraint, Job, Kind, Operator, Restart, RestartOn},
};

const KINDS: &[(&str, Kind)] = &[("service", Kind::Service), ("batch", Kind::Batch)];
const RESTARTS_ON: &[(&str, RestartOn)] =
    &[("never", RestartOn::Never), ("failure", RestartOn::Failure), ("any", RestartOn::Any)];
const OPERATORS: &[(&str, Operator)] =
    &[("in", Operator::In), ("not_in", Operator::NotIn), ("exists", Operator::Exists)];

/// Reads a job; nothing, where a field that it cannot do without is wrong.
pub(super) fn job(mut table: Table<'_, '_>, faults: &mut Faults<'_>) -> Option<Job> {
    let (has_name, has_kind) = (table.has("name"), table.has("kind"));
    let name = table.take("name", faults, parsed);
    let name = table.require("name", name, has_name, faults);
    let kind = table.take("kind", faults, |value| word(value, KINDS));
    let kind = table.require("kind", kind, has_kind, faults);
    let role = table.take("role", faults, parsed);
    let count = table.take("count", faults, |value| number(value, 1, TASKS_PER_JOB_MAX));
    let resources = resources(&mut table, faults);
    let ports = table.take("ports", faults, |value| number(value, 0, PORTS_PER_TASK_MAX.into()));
    let command = command(&mut table, faults);
    let env = env(&mut table, faults);
    let directory = table.take("directory", faults, text);
    let kill_grace_ms = table.take("kill_grace", faults, time);
    let constraints = table.take("constraints", faults, constraints).unwrap_or_default();
    let restart = table.table("restart", faults, |table, faults| Some(restart(table, faults)));
    table.refuse_the_rest(faults);
    Some(Job {
        name: name?,
        kind: kind?,
        role,
        count: count.unwrap_or(1),
        resources: resources?,
        ports: ports.and_then(|ports| u16::try_from(ports).ok()).unwrap_or(0),
        command: command?,
        env,
        directory,
        kill_grace_ms,
        constraints,
        restart,
    })
}

/// `resources = "cpu=0.5 mem=64Mi"`, or a table of the same names.
fn resources(table: &mut Table<'_, '_>, faults: &mut Faults<'_>) -> Option<Resources> {
    let was_there = table.has("resources");
    let resources = table.take("resources", faults, |value| {
        let text = match value {
            DeValue::Table(amounts) => {
                let part = |(name, amount): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
                    let amount =
                        scalar(amount.get_ref()).ok_or_else(|| expected("a number or text", amount.get_ref()))?;
                    Ok(format!("{}={amount}", name.get_ref()))
                };
                amounts.iter().map(part).collect::<Result<Vec<_>, String>>()?.join(" ")
            }
            value => text(value)?,
        };
        let resources = resources_of_text(&text)?;
        if resources.ports.is_empty() {
            Ok(resources)
        } else {
            Err("ports are asked for by their number: `ports = 1`".into())
        }
    });
    table.require("resources", resources, was_there, faults)
}

/// `command = ["program", "argument"]`, or `script = "one line or many"`, which `/bin/sh -c` runs.
fn command(table: &mut Table<'_, '_>, faults: &mut Faults<'_>) -> Option<Vec<String>> {
    let (has_command, has_script) = (table.has("command"), table.has("script"));
    let command = table.take("command", faults, |value| match value {
        DeValue::Array(words) if !words.is_empty() => words.iter().map(|word| text(word.get_ref())).collect(),
        _ => Err("expected a list of texts, as in [\"python3\", \"-m\", \"http.server\"]".into()),
    });
    let script = table.take("script", faults, text).map(|script| vec!["/bin/sh".into(), "-c".into(), script]);
    if has_command && has_script {
        faults.add(table.at("script"), &table.field("script"), "a job has either a command or a script, not both");
    }
    if !has_command && !has_script {
        faults.add(table.at("command"), &table.field("command"), "is missing; `script` would do as well");
    }
    command.or(script)
}

fn env(table: &mut Table<'_, '_>, faults: &mut Faults<'_>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for (name, value, key) in table.pairs("env", faults) {
        if let Some(value) = scalar(value.get_ref()) {
            env.insert(name, value);
        } else {
            let field = table.field(&format!("env.{name}"));
            faults.add(key.start, &field, expected("text, a number or true or false", value.get_ref()));
        }
    }
    env
}

/// Texts such as `"zone=north"`, or tables with `attribute`, `operator` and `values`.
fn constraints(value: &DeValue<'_>) -> Result<Vec<Constraint>, String> {
    let values = value.as_array().ok_or_else(|| expected("a list, as in [\"zone=north\"]", value))?;
    if values.len() > CONSTRAINTS_PER_JOB_MAX {
        return Err(format!("{} constraints are more than {CONSTRAINTS_PER_JOB_MAX}", values.len()));
    }
    values.iter().map(|value| constraint(value.get_ref())).collect()
}

fn constraint(value: &DeValue<'_>) -> Result<Constraint, String> {
    let Some(table) = value.as_table() else { return parsed(value) };
    let known = ["attribute", "operator", "values"];
    if let Some((name, _)) = table.iter().find(|(name, _)| !known.contains(&name.get_ref().as_ref())) {
        let name = name.get_ref();
        return Err(format!("`{name}` is not a known field of a constraint; those are {}", known.join(", ")));
    }
    let attribute = table.get("attribute").ok_or("a constraint needs an `attribute`")?;
    let operator = table.get("operator").map(|operator| word(operator.get_ref(), OPERATORS)).transpose()?;
    let values = match table.get("values").map(toml::Spanned::get_ref) {
        None => Vec::new(),
        Some(DeValue::Array(values)) => values.iter().map(|value| text(value.get_ref())).collect::<Result<_, _>>()?,
        Some(other) => return Err(expected("`values` to be a list of texts", other)),
    };
    Ok(Constraint { attribute: text(attribute.get_ref())?, operator: operator.unwrap_or(Operator::In), values })
}

fn restart(mut table: Table<'_, '_>, faults: &mut Faults<'_>) -> Restart {
    let restart = Restart {
        on: table.take("on", faults, |value| word(value, RESTARTS_ON)),
        limit: table.take("limit", faults, |value| number(value, 0, u32::MAX)),
        backoff_ms: table.take("backoff", faults, time),
        backoff_max_ms: table.take("backoff_max", faults, time),
    };
    table.refuse_the_rest(faults);
    restart
}

fn text(value: &DeValue<'_>) -> Result<String, String> {
    value.as_str().map(Into::into).ok_or_else(|| expected("text", value))
}

/// Text as it is, and numbers and truths as they are written.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().into()),
        DeValue::Float(number) => Some(number.as_str().into()),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Integer(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn parsed<T>(value: &DeValue<'_>) -> Result<T, String>
where
    T: FromStr,
    T::Err: Display,
{
    text(value)?.parse().map_err(|error: T::Err| error.to_string())
}

fn number(value: &DeValue<'_>, min: u32, max: u32) -> Result<u32, String> {
    let number = value.as_integer().ok_or_else(|| expected(&format!("a whole number from {min} to {max}"), value))?;
    let found = i64::from_str_radix(number.as_str(), number.radix()).ok().and_then(|number| u32::try_from(number).ok());
    found
        .filter(|found| (min..=max).contains(found))
        .ok_or_else(|| format!("{number} is not a number from {min} to {max}"))
}

/// A duration in milliseconds.
fn time(value: &DeValue<'_>) -> Result<u64, String> {
    let text = value.as_str().ok_or_else(|| expected("a duration, as in \"10s\"", value))?;
    duration::parse(text)
}

fn word<T: Copy>(value: &DeValue<'_>, words: &[(&str, T)]) -> Result<T, String> {
    let text = text(value)?;
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    if let Some((_, meant)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*meant);
    }
    match closest(&text, &known) {
        Some(meant) => Err(format!("{text:?} is none of {}; is {meant:?} meant?", known.join(", "))),
        None => Err(format!("{text:?} is none of {}", known.join(", "))),
    }
}
