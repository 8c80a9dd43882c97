//! To whom offers were made: the end of an offer does not say.

use std::collections::BTreeMap;

use log_schema::{AgentId, Event, FrameworkId, OfferId, Offset};
use projector::{Decided, row::OfferRow};

use super::{EventFilter, LogEvent, Subjects};
use crate::{error::RequestError, rows::Rows};

pub(crate) type Owner = (FrameworkId, AgentId);

/// The owners of the offers that were seen to be made, and not yet to end.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    made: BTreeMap<OfferId, Owner>,
}

impl Owners {
    /// Whether the filter wants this event; the end of an offer is about whom the offer was made to.
    pub(crate) async fn want(
        &mut self,
        rows: &Rows,
        filter: &EventFilter,
        event: &LogEvent,
    ) -> Result<bool, RequestError> {
        let at = event.after().offset;
        let event = event.event();
        let mut about = Subjects::of(event);
        if !filter.asks_for_owners() {
            return Ok(filter.wants(event, &about));
        }
        let owner = match event {
            Event::OfferEnded(ended) => self.owner(rows, ended.offer, at).await?,
            _ => None,
        };
        if let Event::OfferMade(made) = event {
            self.made.insert(made.offer, (made.framework.clone(), made.agent.clone()));
        }
        if let Some((framework, agent)) = &owner {
            (about.framework, about.agent) = (Some(framework.as_str()), Some(agent));
        }
        Ok(filter.wants(event, &about))
    }

    /// Lets the offers go that this decision ended.
    pub(crate) fn forget(&mut self, decided: &Decided) {
        for event in decided.decision.events() {
            if let Event::OfferEnded(ended) = event {
                self.made.remove(&ended.offer);
            }
        }
    }

    /// The owner of an offer that ended in the decision at `at`; kept in mind, or read from the rows.
    async fn owner(&self, rows: &Rows, offer: OfferId, at: Offset) -> Result<Option<Owner>, RequestError> {
        if let Some(owner) = self.made.get(&offer) {
            return Ok(Some(owner.clone()));
        }
        owner_in_rows(rows, offer, at).await
    }
}

/// To whom the offer was made that this event ended; of no other event it is asked.
pub(crate) async fn owner_of_ended(rows: &Rows, event: &LogEvent) -> Result<Option<Owner>, RequestError> {
    match event.event() {
        Event::OfferEnded(ended) => owner_in_rows(rows, ended.offer, event.after().offset).await,
        _ => Ok(None),
    }
}

/// Rows of offers stay after their end.
async fn owner_in_rows(rows: &Rows, offer: OfferId, at: Offset) -> Result<Option<Owner>, RequestError> {
    rows.wait_for(at).await?;
    let row = rows.as_of(None)?.get::<OfferRow>(&offer)?;
    Ok(row.map(|row| (row.framework, row.agent)))
}
