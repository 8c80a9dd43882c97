//! How fast the leader of a fork answers.

/// Whose pace the leader of a fork keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// History's: each record waits for its answer as long as it did there.
    History,
    /// Its own: history's ticks are not said, and every record waits for the usual time.
    Own,
}
