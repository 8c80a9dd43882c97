//! What operators say about agents, roles and the cell.

use async_graphql::{Enum, InputObject};
use log_schema::command::{ActivateLogicV1, Policy, RemoveAgentV1, SetParametersV1, SetRoleV1};

use super::parse;
use crate::{error::RequestError, graphql::scalar::MillisText};

/// How an agent is chosen among those that fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "Policy", remote = "Policy")]
pub enum PolicyInput {
    /// The agent with the least CPU free, then the least memory, then the first admitted.
    Binpack,
    /// The agent with the most CPU free, then the most memory, then the first admitted.
    Spread,
}

/// What `removeAgent` asks for.
#[derive(Clone, Debug, InputObject)]
pub struct RemoveAgentInput {
    /// Which agent; its tasks are lost.
    pub agent: String,
    /// The idempotency key; see `SubmitJobInput`.
    pub key: Option<String>,
}

/// What `setRole` asks for.
#[derive(Clone, Debug, InputObject)]
pub struct SetRoleInput {
    /// Which role.
    pub role: String,
    /// Its weight among the roles, from 1; a role that was never set weighs 1.
    pub weight: u32,
    /// The idempotency key; see `SubmitJobInput`.
    pub key: Option<String>,
}

/// What `setParameters` asks for; what is absent stays as it is.
#[derive(Clone, Debug, Default, InputObject)]
pub struct SetParametersInput {
    /// How agents are chosen for jobs' tasks.
    pub policy: Option<PolicyInput>,
    /// How long an offer stands.
    pub offer_ttl_ms: Option<MillisText>,
    /// How long an unreachable agent may come back to its tasks.
    pub agent_lost_after_ms: Option<MillisText>,
    /// How long an idempotency key is remembered.
    pub key_kept_ms: Option<MillisText>,
    /// How long an ended job, or an ended task of a framework, keeps its name.
    pub ended_kept_ms: Option<MillisText>,
    /// The idempotency key; see `SubmitJobInput`.
    pub key: Option<String>,
}

/// What `activateLogic` asks for.
#[derive(Clone, Debug, InputObject)]
pub struct ActivateLogicInput {
    /// The version of the allocator's logic that decides from the next command on.
    pub version: u32,
    /// The idempotency key; see `SubmitJobInput`.
    pub key: Option<String>,
}

impl RemoveAgentInput {
    pub(crate) fn command(&self) -> Result<RemoveAgentV1, RequestError> {
        Ok(RemoveAgentV1 { agent: parse("agent", &self.agent)? })
    }
}

impl SetRoleInput {
    pub(crate) fn command(&self) -> Result<SetRoleV1, RequestError> {
        Ok(SetRoleV1 { role: parse("role", &self.role)?, weight: self.weight })
    }
}

impl SetParametersInput {
    pub(crate) fn command(&self) -> SetParametersV1 {
        let millis = |text: Option<MillisText>| text.map(|millis| millis.0);
        SetParametersV1 {
            policy: self.policy.map(Into::into),
            offer_ttl_ms: millis(self.offer_ttl_ms),
            agent_lost_after_ms: millis(self.agent_lost_after_ms),
            key_kept_ms: millis(self.key_kept_ms),
            ended_kept_ms: millis(self.ended_kept_ms),
        }
    }
}

impl ActivateLogicInput {
    pub(crate) fn command(&self) -> ActivateLogicV1 {
        ActivateLogicV1 { version: self.version }
    }
}
