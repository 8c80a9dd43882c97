//! Who is offered what is left.

use log_schema::{Event, OfferId, PortRanges, Resources, event::OfferMadeV1};

use crate::{decide::Emit, share::next_framework, state::agents::amounts_of};

/// The most ranges in which one offer holds ports; those that are left over are in the next one.
const PORT_RANGES_PER_OFFER_MAX: usize = 1024;

/// Offers all that is free on one agent to one framework; says whether anything was there to offer.
pub fn step(emit: &mut Emit<'_>) -> bool {
    let state = &emit.state;
    let Some(number) = state.frameworks.offerable.first().copied() else { return false };
    let framework = next_framework(state, number).expect("an offerable agent has a taker");
    let agent = state.agents.get(number);
    let event = OfferMadeV1 {
        offer: OfferId(state.frameworks.newest_offer + 1),
        framework: state.frameworks.get(framework).id.clone(),
        agent: agent.id.clone(),
        resources: offerable(&agent.free),
    };
    emit.emit(Event::OfferMade(event));
    true
}

/// All that is free, but for ports in countless ranges: what is offered fits in a decision.
fn offerable(free: &Resources) -> Resources {
    let ranges = free.ports.ranges();
    if ranges.len() <= PORT_RANGES_PER_OFFER_MAX {
        return free.clone();
    }
    let lowest = ranges[..PORT_RANGES_PER_OFFER_MAX].to_vec();
    Resources { ports: PortRanges::new(lowest).expect("ranges of a legal set"), ..amounts_of(free) }
}
