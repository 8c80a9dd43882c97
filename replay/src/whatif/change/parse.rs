//! Changes as they are written on a command line.

use log_schema::{AgentId, JobId, command::Policy, id, quantity::MilliCpu, resources};

use super::{ADDED_AGENTS_MAX, AddedAgents, Changes, Factor};

/// Text is not a change.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// Without its `=`.
    #[error("{text:?} is not NAME=VALUE, as in {example}")]
    NotAPair { text: String, example: &'static str },
    /// A parameter that cannot be set.
    #[error(
        "{name:?} is no parameter: there are policy, offer_ttl_ms, agent_lost_after_ms, key_kept_ms and ended_kept_ms"
    )]
    ParameterUnknown { name: String },
    /// A value that the parameter cannot have.
    #[error("{name} cannot be {value:?}: it is {expected}")]
    Value { name: String, value: String, expected: &'static str },
    /// Not `COUNTx{…}`.
    #[error("{text:?} is not COUNTx{{RESOURCES}}, as in 20x{{cpu=8,mem=32Gi}}")]
    Agents { text: String },
    /// More agents than one what-if adds.
    #[error("{count} agents are more than {ADDED_AGENTS_MAX}")]
    TooManyAgents { count: u64 },
    /// Resources that cannot be read.
    #[error("the resources of the added agents")]
    Resources { source: resources::Error },
    /// Not a factor.
    #[error("{text:?} is not a factor with at most three decimals, as in 2.0")]
    Factor { text: String },
    /// Not an id.
    #[error("not an id")]
    Id(#[from] id::Error),
}

impl Changes {
    /// Adds `policy=spread` and the like.
    pub fn add_set(&mut self, text: &str) -> Result<(), Error> {
        let (name, value) = pair(text, "policy=spread")?;
        let number = || {
            let wrong =
                |_| Error::Value { name: name.into(), value: value.into(), expected: "a number of milliseconds" };
            value.parse().map(Some).map_err(wrong)
        };
        match name {
            "policy" => self.set.policy = Some(policy(value)?),
            "offer_ttl_ms" => self.set.offer_ttl_ms = number()?,
            "agent_lost_after_ms" => self.set.agent_lost_after_ms = number()?,
            "key_kept_ms" => self.set.key_kept_ms = number()?,
            "ended_kept_ms" => self.set.ended_kept_ms = number()?,
            other => return Err(Error::ParameterUnknown { name: other.into() }),
        }
        Ok(())
    }

    /// Adds `20x{cpu=8,mem=32Gi}` and the like.
    pub fn add_agents(&mut self, text: &str) -> Result<(), Error> {
        self.add_agents.push(text.parse()?);
        Ok(())
    }

    /// Adds an agent that leaves.
    pub fn add_drop_agent(&mut self, text: &str) -> Result<(), Error> {
        self.drop_agents.insert(AgentId::new(text)?);
        Ok(())
    }

    /// Adds `JOB=2.0` and the like.
    pub fn add_scale(&mut self, text: &str) -> Result<(), Error> {
        let (job, by) = pair(text, "web=2.0")?;
        self.scale.insert(JobId::new(job)?, by.parse()?);
        Ok(())
    }
}

fn pair<'a>(text: &'a str, example: &'static str) -> Result<(&'a str, &'a str), Error> {
    let (name, value) = text.split_once('=').ok_or_else(|| Error::NotAPair { text: text.into(), example })?;
    Ok((name.trim(), value.trim()))
}

fn policy(value: &str) -> Result<Policy, Error> {
    match value {
        "binpack" => Ok(Policy::Binpack),
        "spread" => Ok(Policy::Spread),
        other => Err(Error::Value { name: "policy".into(), value: other.into(), expected: "binpack or spread" }),
    }
}

/// Reads `2`, `2.0` or `0.125` as thousandths, exactly: the text form of a number of CPUs, without `500m`.
pub(super) fn factor(text: &str) -> Result<Factor, Error> {
    let wrong = || Error::Factor { text: text.into() };
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let MilliCpu(thousandths) = text.parse().ok().filter(|_| plain).ok_or_else(wrong)?;
    Ok(Factor(thousandths))
}

pub(super) fn added_agents(text: &str) -> Result<AddedAgents, Error> {
    let wrong = || Error::Agents { text: text.into() };
    let (count, rest) = text.split_once('x').ok_or_else(wrong)?;
    let inside = rest.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).ok_or_else(wrong)?;
    let count: u64 = count.trim().parse().ok().filter(|count| *count > 0).ok_or_else(wrong)?;
    let fits = u32::try_from(count).ok().filter(|count| *count <= ADDED_AGENTS_MAX);
    let count = fits.ok_or(Error::TooManyAgents { count })?;
    let capacity = blanks_for_commas(inside).parse().map_err(|source| Error::Resources { source })?;
    Ok(AddedAgents { count, capacity })
}

/// Commas part resources here, where a shell would split at blanks; those inside `[…]` part ports.
fn blanks_for_commas(text: &str) -> String {
    let mut depth = 0_u32;
    let part = |c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c == ',' && depth == 0 { ' ' } else { c }
    };
    text.chars().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_and_written_alike() {
        let mut changes = Changes::default();
        assert_eq!(changes.to_string(), "nothing");
        changes.add_set("policy=spread").expect("a parameter");
        changes.add_agents("20x{cpu=8,mem=32Gi,ports=[1-2,5-6]}").expect("agents");
        changes.add_drop_agent("a1").expect("an id");
        changes.add_scale("web=2.5").expect("a factor");
        let written =
            "--set policy=spread --add-agents 20x{cpu=8,mem=32Gi,ports=1-2,5-6} --drop-agent a1 --scale web=2.500";
        assert_eq!(changes.to_string(), written);
    }

    #[test]
    fn what_is_not_a_change_is_refused_by_name() {
        let mut changes = Changes::default();
        assert!(matches!(changes.add_set("weight=1"), Err(Error::ParameterUnknown { .. })));
        assert!(matches!(changes.add_set("policy=fifo"), Err(Error::Value { .. })));
        assert!(matches!(changes.add_agents("cpu=8"), Err(Error::Agents { .. })));
        assert!(matches!(changes.add_agents("0x{cpu=8}"), Err(Error::Agents { .. })));
        assert!(matches!(changes.add_agents("200000x{cpu=8}"), Err(Error::TooManyAgents { .. })));
        assert!(matches!(changes.add_scale("web=500m"), Err(Error::Factor { .. })));
        assert!(matches!(changes.add_scale("web"), Err(Error::NotAPair { .. })));
        assert!(changes.is_empty());
    }

    #[test]
    fn a_factor_rounds_half_up_and_never_passes_the_most() {
        assert_eq!((Factor(1500).of(3), Factor(500).of(1), Factor(100).of(4)), (5, 1, 0));
        assert_eq!(Factor(u64::MAX).of(7), 1_000_000);
    }
}
