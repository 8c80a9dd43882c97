//! Who waits for a place.

use std::collections::BTreeSet;

use log_schema::{
    Event, Incarnation, TaskId,
    event::{OfferEnd, OfferEndedV1, PlacementDeferredV1, TaskPlacedV1},
};

use super::EVENT_BYTES_PER_COMMAND_MAX;
use crate::{
    decide::Emit,
    place::{best_agent, best_agent_under_offers, fit::grant, reasons::reasons},
    share::{next_job, next_role},
    state::{
        agents::{AgentNo, Owner},
        jobs::{Job, JobNo},
        queue::{Openness, ShapeNo, TASKS_PER_TURN},
    },
};

/// Places one task of the job whose turn it is, or says that it fits nowhere; says whether anybody waited.
pub fn step(emit: &mut Emit<'_>) -> bool {
    let Some((job, shape)) = next_job(emit.state) else { return false };
    place_one(emit, job, shape);
    true
}

/// Gives a job that has just come its first turn at once, so that no queue of its role delays a small job;
/// a role that has less for its weight and waits goes first all the same.
pub fn place_job(emit: &mut Emit<'_>, number: JobNo) {
    let events_max = emit.events.len() + TASKS_PER_TURN as usize;
    while emit.events.len() < events_max && emit.bytes_max < EVENT_BYTES_PER_COMMAND_MAX {
        let job = emit.state.jobs.get(number);
        let open = emit.state.queue.get(job.shape).openness == Openness::Open;
        let is_turn = job.waits() && open && next_role(emit.state) == Some(&job.spec.role);
        if !is_turn || !place_one(emit, number, job.shape) {
            return;
        }
    }
}

/// Says of one job that waits with a blocked shape that it fits nowhere; says whether there was one.
/// Where room came up meanwhile, whether it fits is found out when it is its turn.
pub fn say_deferred(emit: &mut Emit<'_>) -> bool {
    let state = &emit.state;
    let fits_nowhere = |job: &JobNo| !state.queue.may_fit(state.jobs.get(*job).shape);
    let Some(job) = state.unsaid.first().copied().filter(fits_nowhere) else { return false };
    defer(emit, job);
    true
}

/// Places the next waiting task of a job, or defers the job; says whether a task was placed.
fn place_one(emit: &mut Emit<'_>, number: JobNo, shape: ShapeNo) -> bool {
    let found = find_agent(emit, number, shape);
    match found {
        Some(agent) => place(emit, number, shape, agent),
        None => defer(emit, number),
    }
    found.is_some()
}

/// An agent on which no start of the job has failed lately, then any. A job may be the only one that cannot
/// start there, so the agent itself stays in use, and a job that fits nowhere else tries it again.
fn find_agent(emit: &mut Emit<'_>, number: JobNo, shape: ShapeNo) -> Option<AgentNo> {
    let job = &emit.state.jobs.get(number).spec.id;
    let avoid = emit.state.failed_on.get(&Owner::job(job)).cloned().unwrap_or_default();
    let find = |emit: &mut Emit<'_>, avoid: &BTreeSet<AgentNo>| {
        best_agent(emit.state, shape, avoid).or_else(|| make_room(emit, shape, avoid))
    };
    let found = find(emit, &avoid);
    if found.is_none() && !avoid.is_empty() { find(emit, &BTreeSet::new()) } else { found }
}

fn place(emit: &mut Emit<'_>, number: JobNo, shape: ShapeNo, agent: AgentNo) {
    let state = &emit.state;
    let job: &Job = state.jobs.get(number);
    let index = job.next_waiting().expect("the job waits");
    let host = state.agents.get(agent);
    let event = TaskPlacedV1 {
        task: TaskId::of_job(&job.spec.id, index),
        incarnation: Incarnation(state.starts + 1),
        agent: host.id.clone(),
        resources: grant(&state.queue.get(shape).ask, host),
        run: None,
    };
    emit.emit(Event::TaskPlaced(event));
}

/// Rescinds the offers of the best agent on which the task would fit without them.
fn make_room(emit: &mut Emit<'_>, shape: ShapeNo, avoid: &BTreeSet<AgentNo>) -> Option<AgentNo> {
    if emit.state.frameworks.offers.is_empty() {
        return None;
    }
    let agent = best_agent_under_offers(emit.state, shape, avoid)?;
    let offers: Vec<_> = emit.state.agents.get(agent).offers.iter().copied().collect();
    for offer in offers {
        emit.emit(Event::OfferEnded(OfferEndedV1 { offer, reason: OfferEnd::NeededByJob }));
    }
    Some(agent)
}

fn defer(emit: &mut Emit<'_>, number: JobNo) {
    let state = &emit.state;
    let job = state.jobs.get(number);
    let event = PlacementDeferredV1 {
        job: job.spec.id.clone(),
        waiting: job.waiting(),
        reasons: reasons(&state.queue.get(job.shape).ask, &state.agents),
    };
    emit.emit(Event::PlacementDeferred(event));
}
