//! [`Command::ReportAgent`](log_schema::Command::ReportAgent): an agent joins, changes, or comes back.

use std::collections::BTreeMap;

use compact_str::CompactString;
use log_schema::{
    AgentId, AgentIdentity, Event, Refusal,
    command::ReportAgentV1,
    event::{
        AgentAdmittedV1, AgentChangedV1, AgentIdentifiedV1, AgentOvercommittedV1, AgentRelievedV1, AgentReturnedV1,
        AgentStrayedV1, OfferEnd, OfferEndedV1,
    },
};

use super::{
    Emit,
    check_run::{at_most, check_amounts},
};
use crate::{
    share::AGENTS_MAX,
    state::agents::{Agent, AgentNo, Standing},
};

/// The most attributes of one agent.
pub const ATTRIBUTES_MAX: usize = 1024;
/// The most bytes in all names and values of an agent's attributes.
pub const ATTRIBUTE_BYTES_MAX: usize = 32 * 1024;

pub(super) fn decide(emit: &mut Emit<'_>, command: ReportAgentV1) -> Result<(), Refusal> {
    check_amounts(&command.capacity)?;
    check_attributes(&command.attributes)?;
    let known = emit.state.agents.by_id(&command.agent);
    match known {
        None => check_agent_count(emit.state.agents.count())?,
        Some(known) => check_known(known)?,
    }
    // An agent that is known may have lost everything; its tasks are no reason to doubt it.
    if known.is_none() && command.capacity.cpu.is_zero() && command.capacity.mem.is_zero() {
        return Err(Refusal::CapacityEmpty { agent: command.agent });
    }
    known.map_or(Ok(()), |known| check_identity(known, &command))?;
    let ReportAgentV1 { agent, identity, strayed, .. } = command.clone();
    match known {
        None => admit(emit, command),
        Some(_) => update(emit, command),
    }
    identify(emit, agent.clone(), identity);
    if let Some(obeyed) = strayed {
        emit.emit(Event::AgentStrayed(AgentStrayedV1 { agent, obeyed }));
    }
    Ok(())
}

/// While an agent is up, its name is its own: another directory would take over its tasks, and know none of them.
fn check_identity(known: &Agent, command: &ReportAgentV1) -> Result<(), Refusal> {
    match (&known.identity, &command.identity) {
        (Some(holder), Some(identity)) if holder != identity && known.is_up() => Err(Refusal::AgentIdentityTaken {
            agent: command.agent.clone(),
            identity: identity.clone(),
            holder: holder.clone(),
        }),
        _ => Ok(()),
    }
}

/// An agent that does not say its identity keeps the one that is known.
fn identify(emit: &mut Emit<'_>, agent: AgentId, identity: Option<AgentIdentity>) {
    let known = emit.state.agents.by_id(&agent).and_then(|known| known.identity.clone());
    if let Some(identity) = identity.filter(|identity| known.as_ref() != Some(identity)) {
        emit.emit(Event::AgentIdentified(AgentIdentifiedV1 { agent, identity }));
    }
}

fn check_attributes(attributes: &BTreeMap<CompactString, CompactString>) -> Result<(), Refusal> {
    at_most("attributes", attributes.len(), ATTRIBUTES_MAX)?;
    let bytes = attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    at_most("bytes of attributes", bytes, ATTRIBUTE_BYTES_MAX)
}

fn check_agent_count(count: u32) -> Result<(), Refusal> {
    if count >= AGENTS_MAX {
        return Err(Refusal::TooMany { what: "agents".into(), max: u64::from(AGENTS_MAX) });
    }
    Ok(())
}

fn check_known(known: &Agent) -> Result<(), Refusal> {
    if known.standing == Standing::Leaving {
        return Err(Refusal::AgentLeaving { agent: known.id.clone() });
    }
    Ok(())
}

fn admit(emit: &mut Emit<'_>, command: ReportAgentV1) {
    let ReportAgentV1 { agent, capacity, attributes, tasks_max, .. } = command;
    let number = emit.state.agents.next_number();
    emit.emit(Event::AgentAdmitted(AgentAdmittedV1 { agent, number, capacity, attributes, tasks_max }));
}

/// What the agent has now is the truth, whatever its tasks hold.
fn update(emit: &mut Emit<'_>, command: ReportAgentV1) {
    let ReportAgentV1 { agent, capacity, attributes, tasks_max, .. } = command;
    let number = emit.state.agents.number(&agent).expect("looked up before");
    let known = emit.state.agents.get(number);
    let (away, offers) = (!known.is_up(), known.offers.clone());
    if (&known.capacity, &known.attributes, known.tasks_max) != (&capacity, &attributes, tasks_max) {
        for offer in offers {
            emit.emit(Event::OfferEnded(OfferEndedV1 { offer, reason: OfferEnd::AgentChanged }));
        }
        let known = emit.state.agents.get(number);
        // First overcommitted, then changed: at no moment does it promise what it does not have.
        if !known.overcommitted && !known.allocated.fits_in(&capacity) {
            let used = known.allocated.clone();
            let event = AgentOvercommittedV1 { agent: agent.clone(), used, capacity: capacity.clone() };
            emit.emit(Event::AgentOvercommitted(event));
        }
        emit.emit(Event::AgentChanged(AgentChangedV1 { agent: agent.clone(), capacity, attributes, tasks_max }));
        relieve_if_enough(emit, number);
    }
    if away {
        emit.emit(Event::AgentReturned(AgentReturnedV1 { agent }));
    }
}

/// Says that an overcommitted agent has enough again, where it has.
pub(super) fn relieve_if_enough(emit: &mut Emit<'_>, number: AgentNo) {
    let agent = emit.state.agents.get(number);
    if agent.overcommitted && agent.allocated.fits_in(&agent.capacity) {
        emit.emit(Event::AgentRelieved(AgentRelievedV1 { agent: agent.id.clone() }));
    }
}
