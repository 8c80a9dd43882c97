//! Texts of the command line that mean more than text. Each error says what would have been right.

use std::str::FromStr;

use log_schema::{AgentId, JobId, MilliCpu, Offset, Resources};
use replay::whatif::change::ADDED_AGENTS_MAX;

use crate::duration;

/// Reads `NAME=VALUE`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err("expected NAME=VALUE".into()),
    }
}

/// Checks `NAME=VALUE`, and keeps it as it is.
pub(crate) fn pair_text(text: &str) -> Result<String, String> {
    pair(text).map(|_| text.into())
}

/// Checks the name of an agent, and keeps it as it is.
pub(crate) fn agent(text: &str) -> Result<String, String> {
    AgentId::new(text).map(|_| text.into()).map_err(|error| error.to_string())
}

/// Checks resources, and keeps them as they are.
pub(crate) fn resources_text(text: &str) -> Result<String, String> {
    resources(text).map(|_| text.into())
}

/// A point in a cell's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AtArg {
    /// An offset of the log.
    Offset(Offset),
    /// A time, as RFC 3339 text in UTC.
    Time(String),
    /// A time before now, in milliseconds.
    Ago(u64),
}

impl FromStr for AtArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(offset) = text.parse() {
            return Ok(Self::Offset(Offset(offset)));
        }
        let is_time = text.ends_with('Z') && text.contains('T') && text.starts_with(|c: char| c.is_ascii_digit());
        match duration::parse(text) {
            Ok(millis) => Ok(Self::Ago(millis)),
            Err(_) if is_time => Ok(Self::Time(text.into())),
            Err(_) => Err("expected an offset, a time such as 2026-07-29T10:15:00Z, or how long ago, as in 5m".into()),
        }
    }
}

/// Agents that a what-if adds, as in `20x{cpu=8,mem=32Gi}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AgentsToAdd {
    /// How many.
    pub(crate) count: u32,
    /// What each has.
    pub(crate) resources: Resources,
}

impl FromStr for AgentsToAdd {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected COUNTx{RESOURCES}, as in 20x{cpu=8,mem=32Gi}";
        let (count, rest) = text.split_once('x').ok_or(EXPECTED)?;
        let resources = rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).ok_or(EXPECTED)?;
        let count = count.parse().ok().filter(|count| *count > 0).ok_or(EXPECTED)?;
        if count > ADDED_AGENTS_MAX {
            return Err(format!("{count} agents are more than {ADDED_AGENTS_MAX}"));
        }
        Ok(Self { count, resources: self::resources(&resources.replace(',', " "))? })
    }
}

/// A job and by how much its number of tasks is multiplied, as in `web=2.0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobFactor {
    /// Which job.
    pub(crate) job: JobId,
    /// The factor, in thousandths.
    pub(crate) thousandths: u64,
}

impl FromStr for JobFactor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (job, factor) = pair(text).map_err(|_| "expected JOB=FACTOR, as in web=2.0")?;
        // The thousandths of a CPU are read by the same rule: exactly, and never as a float.
        let factor: MilliCpu = factor.parse().map_err(|error| format!("{error}"))?;
        Ok(Self { job: JobId::new(job).map_err(|error| error.to_string())?, thousandths: factor.0 })
    }
}

/// Reads resources, with the cause of what is wrong in one line.
pub(crate) fn resources(text: &str) -> Result<Resources, String> {
    text.parse().map_err(|error: log_schema::resources::Error| crate::exit::one_line(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_in_history_is_an_offset_a_time_or_how_long_ago() {
        assert_eq!("1742".parse(), Ok(AtArg::Offset(Offset(1742))));
        assert_eq!("5m".parse(), Ok(AtArg::Ago(300_000)));
        assert_eq!("2026-07-29T10:15:00Z".parse(), Ok(AtArg::Time("2026-07-29T10:15:00Z".into())));
        for text in ["", "yesterday", "-3", "5 minutes", "2026-07-29"] {
            assert!(text.parse::<AtArg>().is_err(), "{text}");
        }
    }

    #[test]
    fn agents_to_add_are_a_count_and_resources() {
        let agents: AgentsToAdd = "20x{cpu=8,mem=32Gi}".parse().expect("legal");
        assert_eq!((agents.count, agents.resources.to_string()), (20, "cpu=8 mem=32Gi".into()));
        for text in ["", "20", "20x", "0x{cpu=1}", "20x{cpu=a}", "x{cpu=1}", "20x{cpu=1"] {
            assert!(text.parse::<AgentsToAdd>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_factor_is_read_exactly() {
        assert_eq!("web=2.5".parse(), Ok(JobFactor { job: JobId::new("web").expect("legal"), thousandths: 2500 }));
        assert!("web".parse::<JobFactor>().is_err());
        assert!("we.b=2".parse::<JobFactor>().is_err());
    }
}
