//! What is changed in a fork: parameters, agents and workload. No floating point: factors are thousandths.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use allocator::State;
use log_schema::{
    AgentId, Class, Command, Envelope, JobId, Key, Principal, Record, Resources,
    command::{Policy, RemoveAgentV1, ReportAgentV1, ScaleJobV1, SetParametersV1},
    job::TASKS_PER_JOB_MAX,
};

mod parse;

pub use parse::Error;

/// The most agents that one what-if adds.
pub const ADDED_AGENTS_MAX: u32 = 100_000;

/// By how much a job is scaled, in thousandths: `2.0` is 2000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor(pub u64);

/// Agents that join at the fork, all alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedAgents {
    /// How many.
    pub count: u32,
    /// What each has.
    pub capacity: Resources,
}

/// Everything that a fork changes; the default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Parameters that are set at the fork; what history sets of them later is passed over.
    pub set: SetParametersV1,
    /// Agents that join at the fork, as `whatif-1`, `whatif-2` ….
    pub add_agents: Vec<AddedAgents>,
    /// Agents that leave at the fork; what history says of them later is passed over.
    pub drop_agents: BTreeSet<AgentId>,
    /// Jobs that have more or fewer tasks.
    pub scale: BTreeMap<JobId, Factor>,
}

/// What becomes of a command of history in the fork.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rewritten {
    /// It stays as it is.
    Same,
    /// It says something else.
    Changed(Record),
    /// It is not said.
    Dropped,
}

impl Changes {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What becomes of a record of history that comes after the fork.
    pub fn rewrite(&self, record: &Record) -> Rewritten {
        let Ok((envelope, command)) = Command::from_record(record) else { return Rewritten::Same };
        let changed = match command {
            Command::ReportAgent(c) if self.drop_agents.contains(&c.agent) => return Rewritten::Dropped,
            Command::RemoveAgent(c) if self.drop_agents.contains(&c.agent) => return Rewritten::Dropped,
            Command::MarkAgentUnreachable(c) if self.drop_agents.contains(&c.agent) => return Rewritten::Dropped,
            Command::SetParameters(c) => Command::SetParameters(self.without_set(&c)),
            Command::SubmitJob(mut c) => {
                c.job.count = self.scaled(&c.job.id, c.job.count, 1);
                Command::SubmitJob(c)
            }
            Command::ScaleJob(mut c) => {
                c.count = self.scaled(&c.job, c.count, 0);
                Command::ScaleJob(c)
            }
            other => other,
        };
        let changed = changed.to_record(&envelope);
        if changed == *record { Rewritten::Same } else { Rewritten::Changed(changed) }
    }

    /// The commands that are said at the fork, in order.
    pub fn inserted(&self, state: &State) -> Vec<Record> {
        let set = (self.set != SetParametersV1::default()).then(|| Command::SetParameters(self.set.clone()));
        let removed = self.drop_agents.iter().filter(|agent| state.agents.by_id(agent).is_some());
        let removed = removed.map(|agent| Command::RemoveAgent(RemoveAgentV1 { agent: agent.clone() }));
        let commands = set.into_iter().chain(self.joined(state)).chain(removed).chain(self.rescaled(state));
        commands.enumerate().map(|(index, command)| command.to_record(&envelope(index))).collect()
    }

    /// Reports of the agents that join, under names that are free.
    fn joined(&self, state: &State) -> Vec<Command> {
        let names = (1_u64..).map(|n| AgentId::new(format!("whatif-{n}")).expect("a legal id"));
        let mut free = names.filter(|name| state.agents.by_id(name).is_none());
        let each = self.add_agents.iter().flat_map(|added| (0..added.count).map(|_| &added.capacity));
        each.map(|capacity| {
            let agent = free.next().expect("names do not run out");
            let attributes = BTreeMap::new();
            Command::ReportAgent(ReportAgentV1 {
                agent,
                capacity: capacity.clone(),
                attributes,
                tasks_max: None,
                identity: None,
                strayed: None,
            })
        })
        .collect()
    }

    /// Jobs that are there already get their new number of tasks.
    fn rescaled(&self, state: &State) -> Vec<Command> {
        let known = self.scale.keys().filter_map(|job| {
            let known = state.jobs.get(state.jobs.number(job.as_str())?);
            Some((job, known.count, self.scaled(job, known.count, 0)))
        });
        known
            .filter(|(_, before, after)| before != after)
            .map(|(job, _, count)| Command::ScaleJob(ScaleJobV1 { job: job.clone(), count }))
            .collect()
    }

    fn scaled(&self, job: &JobId, count: u32, min: u32) -> u32 {
        self.scale.get(job).map_or(count, |factor| factor.of(count).max(min))
    }

    fn without_set(&self, command: &SetParametersV1) -> SetParametersV1 {
        let set = &self.set;
        SetParametersV1 {
            policy: command.policy.filter(|_| set.policy.is_none()),
            offer_ttl_ms: command.offer_ttl_ms.filter(|_| set.offer_ttl_ms.is_none()),
            agent_lost_after_ms: command.agent_lost_after_ms.filter(|_| set.agent_lost_after_ms.is_none()),
            key_kept_ms: command.key_kept_ms.filter(|_| set.key_kept_ms.is_none()),
            ended_kept_ms: command.ended_kept_ms.filter(|_| set.ended_kept_ms.is_none()),
        }
    }
}

impl Factor {
    /// A number of tasks times this, rounded half up.
    pub fn of(self, count: u32) -> u32 {
        let thousandths = u64::from(count).saturating_mul(self.0).saturating_add(500);
        u32::try_from(thousandths / 1000).unwrap_or(u32::MAX).min(TASKS_PER_JOB_MAX)
    }
}

impl FromStr for Factor {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        parse::factor(text)
    }
}

impl FromStr for AddedAgents {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        parse::added_agents(text)
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

impl fmt::Display for Changes {
    /// The changes as options of the command line; `nothing` if there are none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = parameters(&self.set).into_iter().map(|(name, value)| format!("--set {name}={value}"));
        let added = self
            .add_agents
            .iter()
            .map(|added| format!("--add-agents {}x{{{}}}", added.count, added.capacity.to_string().replace(' ', ",")));
        let dropped = self.drop_agents.iter().map(|agent| format!("--drop-agent {agent}"));
        let scaled = self.scale.iter().map(|(job, factor)| format!("--scale {job}={factor}"));
        let all: Vec<_> = set.chain(added).chain(dropped).chain(scaled).collect();
        f.write_str(if all.is_empty() { "nothing" } else { "" })?;
        f.write_str(&all.join(" "))
    }
}

/// The parameters that are set, by name.
fn parameters(set: &SetParametersV1) -> Vec<(&'static str, String)> {
    let policy = set.policy.map(|policy| match policy {
        Policy::Binpack => "binpack".to_owned(),
        Policy::Spread => "spread".to_owned(),
    });
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    let all = [
        ("policy", policy),
        ("offer_ttl_ms", number(set.offer_ttl_ms)),
        ("agent_lost_after_ms", number(set.agent_lost_after_ms)),
        ("key_kept_ms", number(set.key_kept_ms)),
        ("ended_kept_ms", number(set.ended_kept_ms)),
    ];
    all.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect()
}

fn envelope(index: usize) -> Envelope {
    Envelope {
        principal: Principal::new("whatif").expect("a legal principal"),
        key: Key::new(format!("whatif-{index}")).expect("a legal key"),
        caused_by: None,
        class: Class::Exogenous,
    }
}
