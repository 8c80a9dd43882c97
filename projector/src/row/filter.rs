//! Filters: which agents' offers a framework does not want, and for how long.
//!
//! Reviving or suppressing drops all filters of a framework at once, and removing an agent drops those
//! of all frameworks on it. Their rows are then not touched: [`FilterRow::counts`] tells.

use log_schema::{
    AgentId, FrameworkId,
    event::{FilterExpiredV1, FilterSetV1},
};
use serde::{Deserialize, Serialize};

use super::{AgentRow, AgentState, FrameworkRow, Moment, Row, View};
use crate::fold::{Fault, Now, Table};

/// The name of this projection.
pub const NAME: &str = "filters";
/// Its version; see [`super::VERSIONS`].
pub const VERSION: u32 = 1;

/// A framework wants no offers of one agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterRow {
    /// Who wants no offers.
    pub framework: FrameworkId,
    /// Of which agent.
    pub agent: AgentId,
    /// For how long, counted from the first tick after `set`.
    pub filter_ms: u64,
    /// When it was set.
    pub set: Moment,
    /// The [`FrameworkRow::filter_generation`] in which it was set.
    pub generation: u32,
}

impl Row for FilterRow {
    type Id = (FrameworkId, AgentId);
    const VIEW: View = View::Filters;

    fn id(&self) -> Self::Id {
        (self.framework.clone(), self.agent.clone())
    }

    fn write_key((framework, agent): &Self::Id, key: &mut Vec<u8>) {
        key.extend_from_slice(framework.as_str().as_bytes());
        key.push(0);
        key.extend_from_slice(agent.as_str().as_bytes());
    }
}

impl FilterRow {
    /// Whether it still holds: its framework dropped no filters since, and its agent is the same one.
    pub fn counts(&self, framework: &FrameworkRow, agent: &AgentRow) -> bool {
        let same_agent = agent.state != AgentState::Removed && agent.admitted <= self.set;
        self.generation == framework.filter_generation && same_agent
    }
}

pub(crate) fn set(
    frameworks: &mut Table<FrameworkRow>,
    filters: &mut Table<FilterRow>,
    now: &Now,
    event: &FilterSetV1,
) -> Result<(), Fault> {
    let generation = frameworks.expect(&event.framework)?.filter_generation;
    let FilterSetV1 { framework, agent, filter_ms } = event.clone();
    filters.put(FilterRow { framework, agent, filter_ms, set: now.moment, generation })
}

pub(crate) fn expired(filters: &mut Table<FilterRow>, event: &FilterExpiredV1) -> Result<(), Fault> {
    filters.remove(&(event.framework.clone(), event.agent.clone()))
}
