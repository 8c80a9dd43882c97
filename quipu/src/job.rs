//! A job as the CLI sends it: `JobInput` of the gateway's schema, already checked as far as one can here.

use std::{collections::BTreeMap, str::FromStr};

use log_schema::{JobId, Resources, RoleName};
use serde::{Serialize, Serializer};

/// Whether the tasks of a job are meant to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Kind {
    /// Runs until it is stopped.
    Service,
    /// Runs to its end.
    Batch,
}

/// When an ended task is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum RestartOn {
    /// Never.
    Never,
    /// After a failure or a loss.
    Failure,
    /// After any end that was not asked for.
    Any,
}

/// How a constraint compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Operator {
    /// The attribute is one of the values.
    In,
    /// The attribute is none of the values, or absent.
    NotIn,
    /// The attribute is present.
    Exists,
}

/// A whole job. What is absent is left to the gateway, whose schema says what then holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Job {
    /// The name of the job.
    pub(crate) name: JobId,
    /// Service or batch.
    pub(crate) kind: Kind,
    /// The role whose share it uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<RoleName>,
    /// How many tasks.
    pub(crate) count: u32,
    /// What one task needs, ports aside.
    #[serde(serialize_with = "as_text")]
    pub(crate) resources: Resources,
    /// How many ports one task needs.
    pub(crate) ports: u16,
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
    /// Environment variables.
    #[serde(serialize_with = "as_pairs")]
    pub(crate) env: BTreeMap<String, String>,
    /// The working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) directory: Option<String>,
    /// Milliseconds between SIGTERM and SIGKILL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kill_grace_ms: Option<u64>,
    /// Where the tasks may run.
    pub(crate) constraints: Vec<Constraint>,
    /// What happens when a task ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) restart: Option<Restart>,
}

/// When and how often an ended task is started again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Restart {
    /// After which ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) on: Option<RestartOn>,
    /// How many restarts one task may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<u32>,
    /// The wait before the first restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backoff_ms: Option<u64>,
    /// The longest wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backoff_max_ms: Option<u64>,
}

/// One condition on an agent's attributes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Constraint {
    /// The attribute's name.
    pub(crate) attribute: String,
    /// How it is compared.
    pub(crate) operator: Operator,
    /// The values that it is compared with.
    pub(crate) values: Vec<String>,
}

impl FromStr for Constraint {
    type Err = String;

    /// Reads `zone=north`, `zone=north,south`, `zone!=north` or `ssd`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (attribute, operator, values) = match text.split_once('=') {
            None => (text, Operator::Exists, ""),
            Some((left, values)) => match left.strip_suffix('!') {
                Some(attribute) => (attribute, Operator::NotIn, values),
                None => (left, Operator::In, values),
            },
        };
        let values: Vec<String> =
            values.split(',').map(Into::into).filter(|value: &String| !value.is_empty()).collect();
        let is_word = !attribute.is_empty() && !attribute.contains(|c: char| c.is_whitespace() || "!=<>,".contains(c));
        let has_values = values.first().is_some_and(|value| !value.starts_with('='));
        if is_word && (operator == Operator::Exists || has_values) {
            return Ok(Self { attribute: attribute.into(), operator, values });
        }
        Err("expected zone=north, zone=north,south, zone!=north or ssd".into())
    }
}

fn as_text<S: Serializer>(resources: &Resources, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(resources)
}

#[derive(Serialize)]
struct Pair<'a> {
    name: &'a str,
    value: &'a str,
}

fn as_pairs<S: Serializer>(env: &BTreeMap<String, String>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(env.iter().map(|(name, value)| Pair { name, value }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constraint(attribute: &str, operator: Operator, values: &[&str]) -> Constraint {
        let values = values.iter().copied().map(Into::into).collect();
        Constraint { attribute: attribute.into(), operator, values }
    }

    #[test]
    fn constraints_have_a_short_form() {
        let known = [
            ("zone=north", constraint("zone", Operator::In, &["north"])),
            ("zone=north,south", constraint("zone", Operator::In, &["north", "south"])),
            ("zone!=north", constraint("zone", Operator::NotIn, &["north"])),
            ("ssd", constraint("ssd", Operator::Exists, &[])),
        ];
        for (text, meant) in known {
            assert_eq!(text.parse(), Ok(meant), "{text}");
        }
        for text in ["", "=a", "zone=", "zone==a", "zo ne", "a<b", "!=x"] {
            assert!(text.parse::<Constraint>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_job_is_written_as_the_gateway_reads_it() {
        let job = Job {
            name: JobId::new("web").expect("legal"),
            kind: Kind::Service,
            role: None,
            count: 2,
            resources: "cpu=0.5 mem=64Mi".parse().expect("legal"),
            ports: 1,
            command: vec!["serve".into()],
            env: BTreeMap::from([("A".into(), "1".into())]),
            directory: None,
            kill_grace_ms: Some(5000),
            constraints: vec![constraint("zone", Operator::NotIn, &["north"])],
            restart: Some(Restart { on: Some(RestartOn::Any), backoff_ms: Some(10), ..Restart::default() }),
        };
        insta::assert_snapshot!(serde_json::to_string_pretty(&job).expect("written"), @r#"
        {
          "name": "web",
          "kind": "SERVICE",
          "count": 2,
          "resources": "cpu=0.5 mem=64Mi",
          "ports": 1,
          "command": [
            "serve"
          ],
          "env": [
            {
              "name": "A",
              "value": "1"
            }
          ],
          "killGraceMs": 5000,
          "constraints": [
            {
              "attribute": "zone",
              "operator": "NOT_IN",
              "values": [
                "north"
              ]
            }
          ],
          "restart": {
            "on": "ANY",
            "backoffMs": 10
          }
        }
        "#);
    }
}
