//! What a start that failed means for its machine. It is no command of its own: it follows from a status.
//!
//! ```text
//! program at fault    counts against the agent for its job or framework: others are tried first
//! machine at fault    the same; and where this happens to several owners, the agent is suspended
//! ports at fault      they are given to nobody for a while
//! ```
//!
//! A program that is not there fails everywhere, so only the machine's own faults suspend it: jobs with
//! typing errors must not take one agent after the other out of the cell.

use log_schema::{
    Event, PortRanges, TaskId, TaskOwner,
    event::{AgentPortsHeldV1, AgentStartFailedV1, AgentSuspendedV1, OfferEnd, OfferEndedV1, StartFault},
    task::{EndReason, EndV1},
};

use super::{Emit, decline_offers::set_filter};
use crate::state::agents::{Agent, AgentNo, Owner};

/// For how long a failed start counts against an agent.
pub const FAILED_START_COUNTS_MS: u64 = 60_000;
/// The most jobs and frameworks whose failed starts count against one agent.
pub const FAILED_STARTS_PER_AGENT_MAX: usize = 64;
/// An agent is suspended when the machine was at fault for so many jobs and frameworks.
pub const FAILED_STARTS_TO_SUSPEND: usize = 3;
/// How long the first suspension lasts; each one that follows without a good start lasts twice as long.
pub const SUSPENDED_MS: u64 = 30_000;
/// The longest suspension: a quarter of an hour.
pub const SUSPENDED_MS_MAX: u64 = 900_000;
/// For how long a port that another program holds is given to nobody.
pub const PORTS_HELD_MS: u64 = 300_000;

/// Counts the failed start of a task against its agent, if its end was one.
pub(super) fn after_failed_start(emit: &mut Emit<'_>, number: AgentNo, task: &TaskId, end: &EndV1) {
    match end.reason {
        EndReason::CannotStart => count(emit, number, task, StartFault::Program),
        EndReason::MachineFault => {
            count(emit, number, task, StartFault::Machine);
            keep_offers_away(emit, number, task);
            suspend_if_unwell(emit, number);
        }
        EndReason::PortsHeld => hold_ports(emit, number, end.ports.clone()),
        EndReason::Exited
        | EndReason::Signalled
        | EndReason::OutOfMemory
        | EndReason::SupervisorDied
        | EndReason::Requested
        | EndReason::AgentLost
        | EndReason::NeverBegan => {}
    }
}

fn count(emit: &mut Emit<'_>, number: AgentNo, task: &TaskId, fault: StartFault) {
    let agent = emit.state.agents.get(number);
    let before = agent.failed_starts.get(&Owner::of(task));
    // Said once while it counts: a job of a thousand tasks that cannot start is one failure, not a thousand.
    let is_news = before.is_none_or(|before| before.fault < fault);
    if !is_news || (before.is_none() && agent.failed_starts.len() >= FAILED_STARTS_PER_AGENT_MAX) {
        return;
    }
    let (agent, task) = (agent.id.clone(), task.clone());
    let event = AgentStartFailedV1 { agent, task, fault, counts_ms: FAILED_START_COUNTS_MS };
    emit.emit(Event::AgentStartFailed(event));
}

/// Offers of the agent go to other frameworks for as long as the failure counts.
fn keep_offers_away(emit: &mut Emit<'_>, number: AgentNo, task: &TaskId) {
    let TaskOwner::Framework { framework, .. } = task.owner() else { return };
    let Some(framework) = emit.state.frameworks.number(framework) else { return };
    // A filter of the framework's own is kept: it may be longer.
    if !emit.state.frameworks.get(framework).filters.contains_key(&number) {
        set_filter(emit, framework, number, FAILED_START_COUNTS_MS);
    }
}

fn suspend_if_unwell(emit: &mut Emit<'_>, number: AgentNo) {
    let agent = emit.state.agents.get(number);
    if agent.suspended.is_some() || !is_unwell(agent) {
        return;
    }
    let offers = agent.offers.clone();
    let factor = 1_u64.checked_shl(agent.suspensions).unwrap_or(u64::MAX);
    let event = AgentSuspendedV1 {
        agent: agent.id.clone(),
        suspended_ms: SUSPENDED_MS.saturating_mul(factor).min(SUSPENDED_MS_MAX),
        suspensions: agent.suspensions.saturating_add(1),
    };
    // First suspended, then its offers end: what they held must not be offered again meanwhile.
    emit.emit(Event::AgentSuspended(event));
    for offer in offers {
        emit.emit(Event::OfferEnded(OfferEndedV1 { offer, reason: OfferEnd::AgentSuspended }));
    }
}

/// After a suspension one fault is enough, until a task has run.
fn is_unwell(agent: &Agent) -> bool {
    let faults = agent.failed_starts.values().filter(|failed| failed.fault == StartFault::Machine).count();
    faults >= FAILED_STARTS_TO_SUSPEND || agent.suspensions > 0
}

fn hold_ports(emit: &mut Emit<'_>, number: AgentNo, ports: PortRanges) {
    if !ports.is_empty() {
        let agent = emit.state.agents.get(number).id.clone();
        emit.emit(Event::AgentPortsHeld(AgentPortsHeldV1 { agent, ports, held_ms: PORTS_HELD_MS }));
    }
}
