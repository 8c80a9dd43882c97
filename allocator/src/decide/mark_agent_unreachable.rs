//! [`Command::MarkAgentUnreachable`](log_schema::Command::MarkAgentUnreachable): the leader heard nothing of an agent.

use log_schema::{
    AgentId, Event, Refusal,
    command::MarkAgentUnreachableV1,
    event::{AgentUnreachableV1, OfferEnd, OfferEndedV1},
};

use super::Emit;
use crate::state::{
    State,
    agents::{Agent, Standing},
};

pub(super) fn decide(emit: &mut Emit<'_>, command: &MarkAgentUnreachableV1) -> Result<(), Refusal> {
    let known = staying_agent(emit.state, &command.agent)?;
    let agent = command.agent.clone();
    if known.standing != Standing::Up {
        return Err(Refusal::AgentUnreachableAlready { agent });
    }
    let offers = known.offers.clone();
    // First away, then its offers end: what they held must not be offered or used again meanwhile.
    emit.emit(Event::AgentUnreachable(AgentUnreachableV1 { agent }));
    for offer in offers {
        emit.emit(Event::OfferEnded(OfferEndedV1 { offer, reason: OfferEnd::AgentAway }));
    }
    Ok(())
}

/// The agent of this name, which must not be leaving.
pub(super) fn staying_agent<'a>(state: &'a State, id: &AgentId) -> Result<&'a Agent, Refusal> {
    let agent = state.agents.by_id(id).ok_or_else(|| Refusal::AgentUnknown { agent: id.clone() })?;
    match agent.standing {
        Standing::Leaving => Err(Refusal::AgentLeaving { agent: id.clone() }),
        Standing::Up | Standing::Unreachable(_) => Ok(agent),
    }
}
