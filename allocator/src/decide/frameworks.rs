//! Reviving and suppressing offers, and tearing a framework down.

use log_schema::{
    Event, FrameworkId, Principal, Refusal,
    command::{ReviveOffersV1, SuppressOffersV1, TeardownFrameworkV1},
    event::{FrameworkEndingV1, OffersRevivedV1, OffersSuppressedV1},
};

use super::Emit;
use crate::state::{State, frameworks::FrameworkNo};

pub(super) fn revive_offers(emit: &mut Emit<'_>, command: &ReviveOffersV1, by: &Principal) -> Result<(), Refusal> {
    let number = active_framework(emit.state, &command.framework, by)?;
    let known = emit.state.frameworks.get(number);
    if known.suppressed || !known.filters.is_empty() {
        let framework = command.framework.clone();
        emit.emit(Event::OffersRevived(OffersRevivedV1 { framework }));
    }
    Ok(())
}

pub(super) fn suppress_offers(emit: &mut Emit<'_>, command: &SuppressOffersV1, by: &Principal) -> Result<(), Refusal> {
    let number = active_framework(emit.state, &command.framework, by)?;
    if emit.state.frameworks.get(number).suppressed {
        return Ok(());
    }
    let framework = command.framework.clone();
    emit.emit(Event::OffersSuppressed(OffersSuppressedV1 { framework }));
    Ok(())
}

pub(super) fn teardown_framework(
    emit: &mut Emit<'_>,
    command: &TeardownFrameworkV1,
    by: &Principal,
) -> Result<(), Refusal> {
    active_framework(emit.state, &command.framework, by)?;
    let framework = command.framework.clone();
    emit.emit(Event::FrameworkEnding(FrameworkEndingV1 { framework }));
    Ok(())
}

/// The framework of this name, which must be that of whoever asks, and not be ending.
pub(super) fn active_framework(state: &State, framework: &FrameworkId, by: &Principal) -> Result<FrameworkNo, Refusal> {
    let unknown = || Refusal::FrameworkUnknown { framework: framework.clone() };
    let number = state.frameworks.number(framework.as_str()).ok_or_else(unknown)?;
    check_owner(state, number, by)?;
    if state.frameworks.get(number).ending {
        return Err(Refusal::FrameworkEnding { framework: framework.clone() });
    }
    Ok(number)
}

/// Only who subscribed a framework may speak for it.
pub(super) fn check_owner(state: &State, number: FrameworkNo, by: &Principal) -> Result<(), Refusal> {
    let known = state.frameworks.get(number);
    if known.owner == *by {
        return Ok(());
    }
    let (framework, owner) = (known.id.clone(), known.owner.clone());
    Err(Refusal::FrameworkOfAnother { framework, owner, asked_by: by.clone() })
}
