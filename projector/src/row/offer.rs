//! Offers: what of which agent was offered to whom, and how that ended.

use log_schema::{
    AgentId, FrameworkId, OfferId, Resources,
    event::{OfferEnd, OfferEndedV1, OfferMadeV1},
};
use serde::{Deserialize, Serialize};

use super::{Moment, Row, View};
use crate::fold::{Fault, Now, Table};

/// The name of this projection.
pub const NAME: &str = "offers";
/// Its version; see [`super::VERSIONS`].
pub const VERSION: u32 = 1;

/// One offer. It stays after its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferRow {
    /// Which offer.
    pub id: OfferId,
    /// To whom.
    pub framework: FrameworkId,
    /// Of which agent.
    pub agent: AgentId,
    /// What was offered.
    pub resources: Resources,
    /// Whether it stands.
    pub state: OfferState,
    /// When it was made.
    pub made: Moment,
    /// When it ended, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Moment>,
}

/// Whether an offer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferState {
    /// It may be accepted.
    Standing,
    /// It stands no more.
    Ended(OfferEnd),
}

impl Row for OfferRow {
    type Id = OfferId;
    const VIEW: View = View::Offers;

    fn id(&self) -> OfferId {
        self.id
    }

    fn write_key(id: &OfferId, key: &mut Vec<u8>) {
        key.extend_from_slice(&id.0.to_be_bytes());
    }

    fn index(&self) -> Option<Vec<u8>> {
        (self.state == OfferState::Standing).then(|| {
            let mut key = vec![View::OffersByFramework as u8];
            key.extend_from_slice(self.framework.as_str().as_bytes());
            key.push(0);
            Self::write_key(&self.id, &mut key);
            key
        })
    }

    fn is_live(&self) -> bool {
        self.state == OfferState::Standing
    }
}

pub(crate) fn made(offers: &mut Table<OfferRow>, now: &Now, event: &OfferMadeV1) -> Result<(), Fault> {
    let OfferMadeV1 { offer, framework, agent, resources } = event.clone();
    let (state, made, ended) = (OfferState::Standing, now.moment, None);
    offers.put(OfferRow { id: offer, framework, agent, resources, state, made, ended })
}

/// Ends an offer and returns its row.
pub(crate) fn ended<'a>(
    offers: &'a mut Table<OfferRow>,
    now: &Now,
    event: &OfferEndedV1,
) -> Result<&'a OfferRow, Fault> {
    let row = offers.must(&event.offer)?;
    row.state = OfferState::Ended(event.reason);
    row.ended = Some(now.moment);
    Ok(row)
}
