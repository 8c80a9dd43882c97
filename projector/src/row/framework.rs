//! Frameworks: outside schedulers, their tasks and the offers they hold.

use log_schema::{FrameworkId, Resources, RoleName, event::FrameworkSubscribedV1};
use serde::{Deserialize, Serialize};

use super::{Moment, Phase, Row, TaskCounts, View};
use crate::{
    fold::{Fault, Now, Table},
    ledger,
};

/// The name of this projection.
pub const NAME: &str = "frameworks";
/// Its version; see [`super::VERSIONS`].
pub const VERSION: u32 = 1;

/// One framework. The row of one that is gone stays, until the name subscribes again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameworkRow {
    /// Which framework.
    pub id: FrameworkId,
    /// The role whose share it uses.
    pub role: RoleName,
    /// Whether it is there.
    pub state: FrameworkState,
    /// Whether it wants no offers.
    pub suppressed: bool,
    /// How many tasks it has, by phase; those that ended included.
    pub tasks: TaskCounts,
    /// How many offers stand.
    pub offers: u32,
    /// Grows when all its filters are dropped at once; see [`super::FilterRow`].
    pub filter_generation: u32,
    /// What its tasks hold, without ports.
    pub used: Resources,
    /// What stands offered to it, without ports.
    pub offered: Resources,
    /// When it subscribed.
    pub subscribed: Moment,
    /// Since when it is in its state.
    pub since: Moment,
}

/// Whether a framework is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameworkState {
    /// It may receive offers.
    Subscribed,
    /// Its tasks are being killed.
    Ending,
    /// It is gone.
    Removed,
}

impl Row for FrameworkRow {
    type Id = FrameworkId;
    const VIEW: View = View::Frameworks;

    fn id(&self) -> FrameworkId {
        self.id.clone()
    }

    fn write_key(id: &FrameworkId, key: &mut Vec<u8>) {
        key.extend_from_slice(id.as_str().as_bytes());
    }

    fn is_live(&self) -> bool {
        self.state != FrameworkState::Removed
    }
}

type Frameworks = Table<FrameworkRow>;

/// Starts a row, or revives the one that is there: a task that ended long ago still counts as its task.
/// Returns whether the framework is a new member of its role.
pub(crate) fn subscribed(frameworks: &mut Frameworks, now: &Now, event: &FrameworkSubscribedV1) -> Result<bool, Fault> {
    let before = frameworks.get(&event.framework)?;
    let joins = before.is_none_or(|row| row.state == FrameworkState::Removed);
    let (tasks, generation) = before.map_or_else(Default::default, |row| (row.tasks, row.filter_generation + 1));
    let (offers, used, offered) = match before {
        Some(row) if !joins => (row.offers, row.used.clone(), row.offered.clone()),
        Some(_) | None => Default::default(),
    };
    frameworks.put(FrameworkRow {
        id: event.framework.clone(),
        role: event.role.clone(),
        state: FrameworkState::Subscribed,
        suppressed: false,
        tasks,
        offers,
        filter_generation: generation,
        used,
        offered,
        subscribed: now.moment,
        since: now.moment,
    })?;
    Ok(joins)
}

/// Takes the new state and returns the role. A framework that ends has no filters any more.
pub(crate) fn moved(
    frameworks: &mut Frameworks,
    now: &Now,
    framework: &FrameworkId,
    to: FrameworkState,
) -> Result<RoleName, Fault> {
    let row = frameworks.must(framework)?;
    row.state = to;
    row.since = now.moment;
    row.filter_generation += 1;
    Ok(row.role.clone())
}

/// Suppressing offers and reviving them both drop all filters.
pub(crate) fn suppressed(frameworks: &mut Frameworks, framework: &FrameworkId, suppressed: bool) -> Result<(), Fault> {
    let row = frameworks.must(framework)?;
    row.suppressed = suppressed;
    row.filter_generation += 1;
    Ok(())
}

/// A task that had no row (`from` is none) or was in a phase is now in another.
pub(crate) fn task_stepped(row: &mut FrameworkRow, from: Option<Phase>, to: Phase) -> Result<(), Fault> {
    if let Some(from) = from {
        row.tasks.take(from, 1)?;
    }
    row.tasks.give(to, 1);
    Ok(())
}

pub(crate) fn task_taken(row: &mut FrameworkRow, resources: &Resources) -> Result<(), Fault> {
    ledger::add_scalars(&mut row.used, resources)
}

pub(crate) fn task_freed(row: &mut FrameworkRow, resources: &Resources) -> Result<(), Fault> {
    ledger::sub_scalars(&mut row.used, resources)
}

pub(crate) fn offer_made(row: &mut FrameworkRow, resources: &Resources) -> Result<(), Fault> {
    row.offers += 1;
    ledger::add_scalars(&mut row.offered, resources)
}

pub(crate) fn offer_ended(row: &mut FrameworkRow, resources: &Resources) -> Result<(), Fault> {
    row.offers = ledger::less(row.offers, 1, "offers of a framework")?;
    ledger::sub_scalars(&mut row.offered, resources)
}
