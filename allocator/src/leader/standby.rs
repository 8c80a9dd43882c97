//! Standing by: an allocator that does not lead folds the same log, and takes over when nobody leads.
//!
//! What is measured is silence where a leader would speak: something has waited for a decision, or
//! log time has not moved on though it should, for as long as is tolerated, and no decision came
//! meanwhile. A cell in which nothing is due needs no leader, so there is no heartbeat to miss. The
//! measure only decides when somebody tries; who leads is decided by the log.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior},
};

use super::{Config, Error, fold::Fold, liveness::Liveness, reign::read_clocks, snapshot::Saver};
use crate::state::timers::NextTick;

/// How often the silence is looked at, as a part of what is tolerated.
const LOOKS_PER_SILENCE: u32 = 8;

/// Why standing by ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Nobody leads.
    Needed,
    /// It is time to go.
    Stopped,
}

/// Folds the log until a leader is missed. Without a tolerated silence, or where nobody has led yet, at once.
pub(super) async fn stand_by(
    fold: &mut Fold<'_>,
    liveness: &mut Liveness,
    saver: &mut Saver<'_>,
    config: &Config,
    stop: &mut watch::Receiver<bool>,
) -> Result<Ended, Error> {
    let Some(tolerated) = config.take_over_after.filter(|_| fold.reader.epoch().0 > 0) else {
        return Ok(Ended::Needed);
    };
    tracing::info!(epoch = fold.reader.epoch().0, "standing by");
    let mut looks = tokio::time::interval((tolerated / LOOKS_PER_SILENCE).max(Duration::from_millis(1)));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut missed_since: Option<Instant> = None;
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stopped| *stopped) => return Ok(Ended::Stopped),
            batch = fold.follower.next_batch() => {
                let led_to = fold.reader.last_to();
                fold.take(batch?, None)?;
                saver.save_when_due(fold);
                // Whoever decides leads; what waits now has waited for that leader from now on.
                if fold.reader.last_to() != led_to {
                    missed_since = None;
                }
            }
            _ = looks.tick() => {
                let now = Instant::now();
                if !is_leader_wanted(fold, liveness, tolerated) {
                    missed_since = None;
                } else if now.duration_since(*missed_since.get_or_insert(now)) >= tolerated {
                    tracing::warn!(silent_ms = tolerated.as_millis(), "nobody leads; taking over");
                    return Ok(Ended::Needed);
                }
            }
        }
    }
}

/// Whether a leader would have something to say: a command waits, a tick is overdue, an agent has
/// been silent for longer than even a leader that is slow takes to notice.
fn is_leader_wanted(fold: &Fold<'_>, liveness: &mut Liveness, tolerated: Duration) -> bool {
    fold.has_commands() || is_tick_overdue(fold) || liveness.is_anyone_silent(&fold.state, tolerated)
}

fn is_tick_overdue(fold: &Fold<'_>) -> bool {
    match fold.state.next_tick() {
        None => false,
        Some(NextTick::Now | NextTick::Soon) => true,
        Some(NextTick::At(due)) => fold.clock.until(due, read_clocks()).is_zero(),
    }
}
