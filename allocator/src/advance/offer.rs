//! Who is offered what is left.

use log_schema::{Event, OfferId, event::OfferMadeV1};

use crate::{decide::Emit, share::next_framework};

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
        resources: agent.free.clone(),
    };
    emit.emit(Event::OfferMade(event));
    true
}
