//! The cell: log time, parameters and the version of the allocator's logic.

use log_schema::{TimeMs, event::ParametersV1};
use serde::{Deserialize, Serialize};

use super::{Moment, Row, View};
use crate::fold::{Fault, Now, Table};

/// The name of this projection.
pub const NAME: &str = "cell";
/// Its version; see [`super::VERSIONS`].
pub const VERSION: u32 = 1;

/// What holds for the whole cell. There is none before the first event about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellRow {
    /// The time of the last tick that had an effect.
    pub now: TimeMs,
    /// The parameters, where they were ever set; else the allocator's defaults hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<ParametersV1>,
    /// The version of the allocator's logic, where one was ever activated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logic: Option<u32>,
    /// When parameters or logic changed last.
    pub changed: Moment,
}

impl Row for CellRow {
    type Id = ();
    const VIEW: View = View::Cell;

    fn id(&self) {}

    fn write_key((): &(), _key: &mut Vec<u8>) {}
}

type Cell = Table<CellRow>;

pub(crate) fn time_advanced(cell: &mut Cell, to: TimeMs) -> Result<(), Fault> {
    cell.or_default(&())?.now = to;
    Ok(())
}

pub(crate) fn parameters_set(cell: &mut Cell, now: &Now, parameters: &ParametersV1) -> Result<(), Fault> {
    let row = cell.or_default(&())?;
    row.parameters = Some(parameters.clone());
    row.changed = now.moment;
    Ok(())
}

pub(crate) fn logic_activated(cell: &mut Cell, now: &Now, version: u32) -> Result<(), Fault> {
    let row = cell.or_default(&())?;
    row.logic = Some(version);
    row.changed = now.moment;
    Ok(())
}
