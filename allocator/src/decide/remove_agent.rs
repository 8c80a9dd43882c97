//! [`Command::RemoveAgent`](log_schema::Command::RemoveAgent): an agent leaves for good.

use log_schema::{Event, Refusal, command::RemoveAgentV1, event::AgentLeavingV1};

use super::{Emit, mark_agent_unreachable::staying_agent};

pub(super) fn decide(emit: &mut Emit<'_>, command: &RemoveAgentV1) -> Result<(), Refusal> {
    staying_agent(emit.state, &command.agent)?;
    emit.emit(Event::AgentLeaving(AgentLeavingV1 { agent: command.agent.clone() }));
    Ok(())
}
