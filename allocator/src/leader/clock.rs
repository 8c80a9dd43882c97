//! The leader's clock: log time, from a monotonic clock that is anchored to the wall clock.
//!
//! The wall clock of a machine may be wrong at boot and may be set forward or back at any time. Timers
//! and idempotency keys must not notice, so the wall clock never says how much time has passed:
//!
//! ```text
//!   log time = newest tick in the log + monotonic time since this process knows it, ± 1/100 of that
//!                                                                                    towards the wall clock
//! ```
//!
//! - The first tick of a cell says the wall clock's time, whatever that is.
//! - From then on log time passes as the monotonic clock does. Where it differs from the wall clock it
//!   runs at most [`SLEW_PARTS`]⁻¹ faster or slower, until both agree. It never jumps and never runs back.
//! - A leader that starts knows no time but the log's: while nobody leads, log time stands still.
//!
//! Reads no clock itself: it is fed with readings, so that every step can be tested.

use std::time::Duration;

use log_schema::TimeMs;

/// Log time that differs from the wall clock runs faster or slower by one of so many parts.
pub const SLEW_PARTS: u32 = 100;
/// A wall clock that moved by so much more or less than the monotonic clock was set by somebody.
const STEP_MIN_MS: i64 = 1_000;

/// What two clocks say at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Time since some moment, by a clock that nobody can set.
    pub monotonic: Duration,
    /// Time since 1970, by a clock that anybody may set.
    pub wall: Duration,
}

/// What a tick is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Log time.
    pub now: TimeMs,
    /// By how many milliseconds somebody set the wall clock since the tick before.
    pub wall_set_by_ms: Option<i64>,
    /// By how many milliseconds the wall clock is ahead of log time.
    pub wall_ahead_ms: i64,
}

/// Log time at one reading, from which it goes on.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    log_time: Duration,
    monotonic: Duration,
}

/// Log time as far as this process knows it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// `None` before the cell's first tick.
    anchor: Option<Anchor>,
    /// Wall clock minus monotonic clock at the last tick.
    wall_minus_monotonic_ms: Option<i64>,
}

impl Clock {
    /// Takes note of the newest tick in the log, which may be another leader's.
    pub fn observe(&mut self, log_time: TimeMs, reading: Reading) {
        // A time that was said already comes back later than it was said: heeding it would lose the
        // way to the log and back with every tick.
        let is_news =
            log_time > TimeMs(0) && self.anchor.is_none_or(|_| Duration::from_millis(log_time.0) > self.now(reading));
        if is_news {
            let log_time = Duration::from_millis(log_time.0);
            self.anchor = Some(Anchor { log_time, monotonic: reading.monotonic });
        }
    }

    /// Log time now.
    pub fn now(&self, reading: Reading) -> Duration {
        let Some(anchor) = self.anchor else { return reading.wall };
        let elapsed = reading.monotonic.saturating_sub(anchor.monotonic);
        let steady = anchor.log_time + elapsed;
        let slew_max = elapsed / SLEW_PARTS;
        let faster = reading.wall.saturating_sub(steady).min(slew_max);
        let slower = steady.saturating_sub(reading.wall).min(slew_max);
        (steady + faster).saturating_sub(slower)
    }

    /// What a tick says now; log time goes on from there.
    pub fn tick(&mut self, reading: Reading) -> Told {
        let log_time = self.now(reading);
        self.anchor = Some(Anchor { log_time, monotonic: reading.monotonic });
        let difference = millis(reading.wall) - millis(reading.monotonic);
        let before = self.wall_minus_monotonic_ms.replace(difference);
        let set_by = before.map(|before| difference - before).filter(|by| by.abs() >= STEP_MIN_MS);
        let now = TimeMs(u64::try_from(log_time.as_millis()).unwrap_or(u64::MAX));
        Told { now, wall_set_by_ms: set_by, wall_ahead_ms: millis(reading.wall) - millis(log_time) }
    }

    /// How long to wait until log time may have come to `due`.
    pub fn until(&self, due: TimeMs, reading: Reading) -> Duration {
        Duration::from_millis(due.0).saturating_sub(self.now(reading))
    }
}

/// Milliseconds, at most a quarter of what fits, so that differences cannot overflow.
fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX).min(i64::MAX / 4)
}
