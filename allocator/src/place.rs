//! Where a task goes: `fit` (who can), the index (who should, by the cell's policy), `reasons` (why not).
//!
//! Exact over all agents: the index finds the best agent, not a good one among a sample.

pub mod fit;
pub mod index;
pub mod reasons;

use std::collections::BTreeSet;

use log_schema::command::Policy;

use crate::state::{
    State,
    agents::{Agent, AgentNo},
    queue::{Openness, ShapeNo},
};
use fit::fits;
use index::Index;

/// The best agent for a task of this shape, if it fits on any but those to avoid.
pub fn best_agent(state: &mut State, shape: ShapeNo, avoid: &BTreeSet<AgentNo>) -> Option<AgentNo> {
    let ask = &state.queue.get(shape).ask;
    match &state.queue.get(shape).openness {
        Openness::Blocked(woken) => {
            let candidates = woken.iter().map(|number| state.agents.get(*number));
            let fitting = candidates.filter(|agent| fits(ask, agent) && !avoid.contains(&agent.number));
            best_of(fitting, state.parameters.policy)
        }
        Openness::Open => {
            let index = state.index.get_or_insert_with(|| Index::build(&state.agents));
            index.best(ask, state.parameters.policy, &state.agents, avoid)
        }
    }
}

/// The agent that a task of this shape would fit on if the offers of that agent were rescinded, but for
/// those to avoid.
pub fn best_agent_under_offers(state: &State, shape: ShapeNo, avoid: &BTreeSet<AgentNo>) -> Option<AgentNo> {
    let ask = &state.queue.get(shape).ask;
    // An agent with several offers comes as often; the best stays the best.
    let agents = state.frameworks.offers.values().map(|offer| state.agents.get(offer.agent));
    let wanted = |agent: &&Agent| !avoid.contains(&agent.number) && fit::would_fit_without_offers(ask, agent);
    best_of(agents.filter(wanted), state.parameters.policy)
}

/// The policy's choice among agents that fit; the index makes the same choice without the walk.
pub fn best_of<'a>(agents: impl Iterator<Item = &'a Agent>, policy: Policy) -> Option<AgentNo> {
    let free = |agent: &&Agent| (agent.free.cpu, agent.free.mem);
    let best = match policy {
        Policy::Binpack => agents.min_by_key(|agent| (free(agent), agent.number)),
        Policy::Spread => agents.min_by_key(|agent| (std::cmp::Reverse(free(agent)), agent.number)),
    };
    best.map(|agent| agent.number)
}
