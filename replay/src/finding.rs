//! What is wrong with a log, as every check of it says it.

use log_schema::Offset;
use serde::Serialize;

use crate::redecide::Difference;

/// The first thing that is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The record at which the audit stopped.
    pub at: Offset,
    /// A name for the sort of finding: `decision_differs`, or that of the reader's halt.
    pub code: &'static str,
    /// A sentence for people.
    pub message: String,
    /// What can be done about it.
    pub hint: &'static str,
    /// The first answer that differs, where one does.
    pub difference: Option<Difference>,
}
