//! What is kept: one file for each projection, with its row and what events do to it.
//!
//! A row is plain data. It knows its id and how the id is written as a key; it knows nothing of
//! RocksDB. Every projection has a `NAME` and a `VERSION`: another version means that the directory
//! is dropped and rebuilt from the log.

use log_schema::{Offset, TimeMs};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub mod agent;
pub mod cell;
pub mod decision;
pub mod filter;
pub mod framework;
pub mod job;
pub mod offer;
pub mod phase;
pub mod refusal;
pub mod role;
pub mod task;
pub mod timeline;
pub mod usage;

pub use agent::{AgentRow, AgentState, FailedStart};
pub use cell::CellRow;
pub use decision::{Answer, DecisionRow, Verdict};
pub use filter::FilterRow;
pub use framework::{FrameworkRow, FrameworkState};
pub use job::{Deferred, JobRow, JobSpecRow, JobState};
pub use offer::{OfferRow, OfferState};
pub use phase::{Phase, TaskCounts};
pub use refusal::RefusalRow;
pub use role::{Dominant, RoleRow};
pub use task::{Run, TaskRow, TaskRunRow};
pub use timeline::{Entity, TimelineEntry};
pub use usage::{Ended, UsageRow};

/// Where and when something became true: the offset and the time of append of a decision record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(Offset, TimeMs)", into = "(Offset, TimeMs)")]
pub struct Moment {
    /// The offset of the decision record.
    pub offset: Offset,
    /// When the log took it.
    pub time: TimeMs,
}

impl From<(Offset, TimeMs)> for Moment {
    fn from((offset, time): (Offset, TimeMs)) -> Self {
        Self { offset, time }
    }
}

impl From<Moment> for (Offset, TimeMs) {
    fn from(Moment { offset, time }: Moment) -> Self {
        (offset, time)
    }
}

/// A kind of row. The number is the first byte of every key of that kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum View {
    /// [`AgentRow`].
    Agents = b'A',
    /// [`CellRow`].
    Cell = b'C',
    /// [`DecisionRow`]; facts.
    Decisions = b'D',
    /// [`FrameworkRow`].
    Frameworks = b'F',
    /// [`FilterRow`].
    Filters = b'G',
    /// [`JobRow`].
    Jobs = b'J',
    /// Which command a principal's key named; facts.
    Keys = b'K',
    /// [`TimelineEntry`]; facts.
    Timeline = b'L',
    /// [`RefusalRow`]; facts.
    Refusals = b'N',
    /// [`OfferRow`].
    Offers = b'O',
    /// [`RoleRow`].
    Roles = b'R',
    /// [`JobSpecRow`].
    JobSpecs = b'S',
    /// [`TaskRow`].
    Tasks = b'T',
    /// [`TaskRunRow`].
    TaskRuns = b'U',
    /// [`UsageRow`].
    Usage = b'V',
    /// Which command was repeated by another; facts.
    Repeats = b'Y',
    /// The tasks that hold resources of an agent.
    TasksByAgent = b'a',
    /// The offers that stand, by framework.
    OffersByFramework = b'o',
}

impl View {
    /// The name for people and errors.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agents => agent::NAME,
            Self::Cell => cell::NAME,
            Self::Decisions | Self::Keys | Self::Repeats => decision::NAME,
            Self::Frameworks => framework::NAME,
            Self::Filters => filter::NAME,
            Self::Jobs | Self::JobSpecs => job::NAME,
            Self::Timeline => timeline::NAME,
            Self::Refusals => refusal::NAME,
            Self::Offers | Self::OffersByFramework => offer::NAME,
            Self::Roles => role::NAME,
            Self::Tasks | Self::TaskRuns | Self::TasksByAgent => task::NAME,
            Self::Usage => usage::NAME,
        }
    }

    /// Whether rows of this kind are written once and never change.
    pub fn is_facts(self) -> bool {
        match self {
            Self::Decisions | Self::Keys | Self::Timeline | Self::Refusals | Self::Repeats => true,
            Self::Agents
            | Self::Cell
            | Self::Frameworks
            | Self::Filters
            | Self::Jobs
            | Self::Offers
            | Self::Roles
            | Self::JobSpecs
            | Self::Tasks
            | Self::TaskRuns
            | Self::Usage
            | Self::TasksByAgent
            | Self::OffersByFramework => false,
        }
    }
}

/// Every projection and its version. What is on disk under other versions is dropped and rebuilt.
pub const VERSIONS: &[(&str, u32)] = &[
    (agent::NAME, agent::VERSION),
    (cell::NAME, cell::VERSION),
    (decision::NAME, decision::VERSION),
    (filter::NAME, filter::VERSION),
    (framework::NAME, framework::VERSION),
    (job::NAME, job::VERSION),
    (offer::NAME, offer::VERSION),
    (refusal::NAME, refusal::VERSION),
    (role::NAME, role::VERSION),
    (task::NAME, task::VERSION),
    (timeline::NAME, timeline::VERSION),
    (usage::NAME, usage::VERSION),
];

/// A row that is found by its id.
pub trait Row: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What a row is found by. `()` where there is only one.
    type Id: Clone + std::fmt::Debug + Eq + std::hash::Hash + Send + Sync;

    /// Which kind of row it is.
    const VIEW: View;

    /// The id of this row.
    fn id(&self) -> Self::Id;

    /// Appends the id as a key whose order is the order of listings.
    fn write_key(id: &Self::Id, key: &mut Vec<u8>);

    /// The key under which a second listing finds this row now, if it is in one.
    fn index(&self) -> Option<Vec<u8>> {
        None
    }

    /// Whether more events are to be expected soon. Only the cache asks.
    fn is_live(&self) -> bool {
        true
    }
}
