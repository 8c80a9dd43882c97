//! Values that rows are made of: moments, resources, counts, names with values.

use async_graphql::{Object, SimpleObject};
use projector::row::{Moment, TaskCounts};

use crate::graphql::scalar::{BytesText, CountText, MillicpuText, MilligpuText, OffsetText, TimeText};

/// Where and when something became true: a decision.
#[derive(Clone, Copy, Debug, SimpleObject)]
#[graphql(name = "Moment")]
pub struct MomentValue {
    /// The offset of the decision.
    pub offset: OffsetText,
    /// When the log took it.
    pub time: TimeText,
}

impl From<Moment> for MomentValue {
    fn from(moment: Moment) -> Self {
        Self { offset: moment.offset.into(), time: moment.time.into() }
    }
}

/// An amount of every kind of resource.
pub struct Resources(pub log_schema::Resources);

/// An amount of every kind of resource.
#[Object]
impl Resources {
    /// The text form, as in `cpu=4 mem=8Gi`.
    async fn text(&self) -> String {
        self.0.to_string()
    }

    /// CPU time, in thousandths of a core.
    async fn cpu(&self) -> MillicpuText {
        self.0.cpu.into()
    }

    /// Memory.
    async fn mem(&self) -> BytesText {
        self.0.mem.into()
    }

    /// Disk space.
    async fn disk(&self) -> BytesText {
        self.0.disk.into()
    }

    /// GPU time, in thousandths of a GPU.
    async fn gpu(&self) -> MilligpuText {
        self.0.gpu.into()
    }

    /// Ports by number, as in `31000-31010,40000`.
    async fn ports(&self) -> String {
        self.0.ports.to_string()
    }

    /// Whole units of anything else.
    async fn custom(&self) -> Vec<Amount> {
        let amount = |(name, units): (&compact_str::CompactString, &u64)| Amount {
            name: name.to_string(),
            units: CountText(*units),
        };
        self.0.custom.iter().map(amount).collect()
    }
}

/// Units of a custom resource.
#[derive(Clone, Debug, SimpleObject)]
pub struct Amount {
    /// The name of the resource.
    pub name: String,
    /// How many.
    pub units: CountText,
}

/// A name and its value.
#[derive(Clone, Debug, SimpleObject)]
pub struct NamedValue {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// Every pair of a map, in order of name.
pub(crate) fn named<'a>(
    pairs: impl IntoIterator<Item = (&'a (impl ToString + 'a), &'a (impl ToString + 'a))>,
) -> Vec<NamedValue> {
    pairs.into_iter().map(|(name, value)| NamedValue { name: name.to_string(), value: value.to_string() }).collect()
}

/// Numbers of tasks by state.
#[derive(Clone, Copy, Debug, SimpleObject)]
#[graphql(name = "TaskCounts")]
pub struct TaskCountsValue {
    /// All together.
    pub total: u32,
    /// Those that hold resources of an agent.
    pub active: u32,
    /// To be placed.
    pub waiting: u32,
    /// Placed, and the agent has not answered yet.
    pub placed: u32,
    /// Being prepared by the agent.
    pub starting: u32,
    /// Running.
    pub running: u32,
    /// Ended, and waiting for their next start.
    pub restarting: u32,
    /// Ended by themselves with exit code 0.
    pub finished: u32,
    /// Ended otherwise.
    pub failed: u32,
    /// Ended because the cell asked for it.
    pub killed: u32,
    /// Lost with their agent.
    pub lost: u32,
    /// Not to be started (again).
    pub withdrawn: u32,
}

impl From<TaskCounts> for TaskCountsValue {
    fn from(counts: TaskCounts) -> Self {
        let (total, active) = (counts.total(), counts.active());
        let TaskCounts { waiting, placed, starting, running, restarting, finished, failed, killed, lost, withdrawn } =
            counts;
        Self {
            total,
            active,
            waiting,
            placed,
            starting,
            running,
            restarting,
            finished,
            failed,
            killed,
            lost,
            withdrawn,
        }
    }
}
