//! [`Command::DeclineOffers`](log_schema::Command::DeclineOffers): a framework gives offers back.

use std::collections::BTreeSet;

use log_schema::{
    Event, OfferId, Principal, Refusal,
    command::DeclineOffersV1,
    event::{FilterSetV1, OfferEnd, OfferEndedV1},
};

use super::{Emit, check_run::in_range, frameworks::active_framework};
use crate::state::{State, agents::AgentNo, frameworks::FrameworkNo};

/// The most offers in one command.
pub const OFFERS_PER_COMMAND_MAX: usize = 256;
/// The longest filter: a year.
const FILTER_MS_MAX: u64 = 31_536_000_000;

pub(super) fn decide(emit: &mut Emit<'_>, command: &DeclineOffersV1, by: &Principal) -> Result<(), Refusal> {
    check_filter(command.filter_ms)?;
    let framework = active_framework(emit.state, &command.framework, by)?;
    let offers = own_offers(emit.state, framework, &command.offers)?;
    check_offer_count(&command.offers)?;
    let agents: BTreeSet<_> = offers.iter().map(|offer| emit.state.frameworks.offers[offer].agent).collect();
    for agent in agents {
        set_filter(emit, framework, agent, command.filter_ms);
    }
    for offer in offers {
        emit.emit(Event::OfferEnded(OfferEndedV1 { offer, reason: OfferEnd::Declined }));
    }
    Ok(())
}

/// The named offers, each once, which must stand and be the framework's own.
pub(super) fn own_offers(state: &State, number: FrameworkNo, named: &[OfferId]) -> Result<BTreeSet<OfferId>, Refusal> {
    if named.is_empty() {
        return Err(Refusal::OffersEmpty {});
    }
    let offers: BTreeSet<_> = named.iter().copied().collect();
    let standing = &state.frameworks.offers;
    if let Some(offer) = offers.iter().copied().find(|offer| !standing.contains_key(offer)) {
        return Err(Refusal::OfferUnknown { offer });
    }
    if let Some(offer) = offers.iter().copied().find(|offer| standing[offer].framework != number) {
        let framework = state.frameworks.get(number).id.clone();
        return Err(Refusal::OfferOfAnother { offer, framework });
    }
    Ok(offers)
}

pub(super) fn check_offer_count(named: &[OfferId]) -> Result<(), Refusal> {
    too_many_in_one("offers", named.len(), OFFERS_PER_COMMAND_MAX)
}

pub(super) fn too_many_in_one(what: &str, asked: usize, max: usize) -> Result<(), Refusal> {
    if asked > max {
        return Err(Refusal::TooManyInOne { what: what.into(), asked: asked as u64, max: max as u64 });
    }
    Ok(())
}

pub(super) fn check_filter(filter_ms: u64) -> Result<(), Refusal> {
    in_range("filter_ms", filter_ms, 0, FILTER_MS_MAX)
}

/// Sets a filter, where the framework takes offers and the filter lasts.
pub(super) fn set_filter(emit: &mut Emit<'_>, number: FrameworkNo, agent: AgentNo, filter_ms: u64) {
    let framework = emit.state.frameworks.get(number);
    if filter_ms == 0 || !framework.wants_offers() {
        return;
    }
    let (framework, agent) = (framework.id.clone(), emit.state.agents.get(agent).id.clone());
    emit.emit(Event::FilterSet(FilterSetV1 { framework, agent, filter_ms }));
}
