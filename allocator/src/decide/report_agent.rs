//! [`Command::ReportAgent`](log_schema::Command::ReportAgent): an agent joins, changes, or comes back.

use log_schema::{
    Event, Refusal,
    command::ReportAgentV1,
    event::{AgentAdmittedV1, AgentChangedV1, AgentReturnedV1, OfferEnd, OfferEndedV1},
};

use super::{Emit, check_run::check_amounts};
use crate::{
    share::AGENTS_MAX,
    state::agents::{Agent, Standing},
};

pub(super) fn decide(emit: &mut Emit<'_>, command: ReportAgentV1) -> Result<(), Refusal> {
    check_amounts(&command.capacity)?;
    let agent = command.agent.clone();
    if command.capacity.cpu.is_zero() && command.capacity.mem.is_zero() {
        return Err(Refusal::CapacityEmpty { agent });
    }
    match emit.state.agents.by_id(&agent) {
        None => admit(emit, command),
        Some(known) => {
            check_known(known, &command)?;
            update(emit, command);
            Ok(())
        }
    }
}

fn admit(emit: &mut Emit<'_>, command: ReportAgentV1) -> Result<(), Refusal> {
    if emit.state.agents.count() >= AGENTS_MAX {
        return Err(Refusal::TooMany { what: "agents".into(), max: u64::from(AGENTS_MAX) });
    }
    let ReportAgentV1 { agent, capacity, attributes } = command;
    let number = emit.state.agents.next_number();
    emit.emit(Event::AgentAdmitted(AgentAdmittedV1 { agent, number, capacity, attributes }));
    Ok(())
}

fn check_known(known: &Agent, command: &ReportAgentV1) -> Result<(), Refusal> {
    let agent = command.agent.clone();
    if known.standing == Standing::Leaving {
        return Err(Refusal::AgentLeaving { agent });
    }
    if !known.allocated.fits_in(&command.capacity) {
        let (reported, used) = (Box::new(command.capacity.clone()), Box::new(known.allocated.clone()));
        return Err(Refusal::CapacityBelowUse { agent, reported, used });
    }
    Ok(())
}

fn update(emit: &mut Emit<'_>, command: ReportAgentV1) {
    let ReportAgentV1 { agent, capacity, attributes } = command;
    let known = emit.state.agents.by_id(&agent).expect("looked up before");
    let (away, offers) = (!known.is_up(), known.offers.clone());
    if known.capacity != capacity || known.attributes != attributes {
        for offer in offers {
            emit.emit(Event::OfferEnded(OfferEndedV1 { offer, reason: OfferEnd::AgentChanged }));
        }
        emit.emit(Event::AgentChanged(AgentChangedV1 { agent: agent.clone(), capacity, attributes }));
    }
    if away {
        emit.emit(Event::AgentReturned(AgentReturnedV1 { agent }));
    }
}
