//! One reign: fold the log, claim the next epoch, then decide until something ends it.

use std::{
    collections::VecDeque,
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use command_log::{Log, Stored};
use log_schema::{Class, Command, Envelope, EpochNumber, EpochV1, Key, Offset, Record, command::TickV1};
use tokio::{sync::watch, time::Instant};

use super::{
    Config, Error,
    clock::{Clock, Reading},
    cut::decide_all,
    fold::Fold,
    liveness::Liveness,
    snapshot::Saver,
    standby::{Ended, stand_by},
};
use crate::{
    LOGIC_VERSION,
    state::timers::{NextTick, TICK_COALESCE_MS},
};

/// The longest wait for a tick in one go: log time may have come nearer to it than was expected.
const TICK_WAIT_MAX: Duration = Duration::from_secs(60);

/// A log that takes longer to say how long it is was out of reach.
const REACHED_WITHIN: Duration = Duration::from_secs(1);

/// What can happen to a leader.
enum Input {
    /// The log grew.
    Records(Vec<Stored>),
    /// Log time is to move on.
    TickDue,
    /// Agents may have fallen silent.
    LookForSilence,
    /// It is time to go.
    Stop,
}

/// A leader with its epoch.
struct Reign<'a> {
    log: Arc<dyn Log>,
    config: &'a Config,
    fold: Fold<'a>,
    liveness: Liveness,
    saver: Saver<'a>,
    epoch: EpochNumber,
    /// Where the claim of this epoch is.
    claimed_at: Offset,
    /// The tick that is on its way: appended, not read back.
    tick_pending: Option<Record>,
    /// Since when timers wait for a tick to run from.
    unanchored_since: Option<Instant>,
}

/// Folds the log until a leader is missed, claims the next epoch and leads until told to stop.
pub(super) async fn reign(
    log: Arc<dyn Log>,
    config: &Config,
    clock: &mut Clock,
    stop: &mut watch::Receiver<bool>,
) -> Result<(), Error> {
    let mut fold = Fold::open(Arc::clone(&log), config, clock).await?;
    fold.catch_up(&*log).await?;
    let (mut liveness, mut saver) = (Liveness::new(config), Saver::new(config, fold.began)?);
    saver.save_when_due(&fold);
    if stand_by(&mut fold, &mut liveness, &mut saver, config, stop).await? == Ended::Stopped {
        return saver.save(&fold);
    }
    let epoch = fold.reader.epoch().next();
    let claim = EpochV1 { epoch, node: config.node.clone(), logic_version: LOGIC_VERSION };
    let claimed_at = claim_in(&*log, &mut fold, &claim).await?;
    let mut reign =
        Reign { log, config, fold, liveness, saver, epoch, claimed_at, tick_pending: None, unanchored_since: None };
    tracing::info!(epoch = epoch.0, from = reign.fold.next_from().0, "leading");
    reign.decide().await?;
    loop {
        match reign.next_input(stop).await? {
            Input::Records(batch) => {
                // The very record: a tick of an earlier leader that comes late must not let a second one of
                // this leader set out, whose time would be older than what lies between them.
                reign.tick_pending =
                    reign.tick_pending.filter(|pending| batch.iter().all(|stored| stored.record != *pending));
                reign.fold.take(batch, Some(reign.claimed_at))?;
                // Before more is decided: the state of a leader that never rests is that of the log only now.
                reign.saver.save_when_due(&reign.fold);
                reign.decide().await?;
            }
            Input::TickDue => reign.append_tick().await?,
            Input::LookForSilence => reign.mark_silent().await?,
            Input::Stop => return reign.saver.save(&reign.fold),
        }
    }
}

/// Appends a claim and reads until it is seen to count; returns where it is.
async fn claim_in(log: &dyn Log, fold: &mut Fold<'_>, claim: &EpochV1) -> Result<Offset, Error> {
    let appended = log.append(vec![claim.to_record()]).await?;
    let at = appended.first().copied().expect("one record was appended");
    while fold.reader.next() <= at {
        let batch = fold.follower.next_batch().await?;
        fold.take(batch, Some(at))?;
    }
    Ok(at)
}

impl Reign<'_> {
    /// Time comes before records: a log that never rests must not keep it from moving on. One tick at a
    /// time is on its way, so records come in between.
    async fn next_input(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Input, Error> {
        loop {
            let tick_at = self.next_tick_at();
            if tick_at.is_some_and(|at| at <= Instant::now()) && !*stop.borrow() {
                return Ok(Input::TickDue);
            }
            let look_again = async {
                match tick_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            return Ok(tokio::select! {
                biased;
                _ = stop.wait_for(|stopped| *stopped) => Input::Stop,
                // Whether it is time is asked again: log time may pass more slowly than this machine's.
                () = look_again => continue,
                () = self.liveness.next_look() => Input::LookForSilence,
                batch = self.fold.follower.next_batch() => Input::Records(batch?),
            });
        }
    }

    /// Decides what waits, and appends the decisions; a tick goes along while there is a backlog.
    ///
    /// One decision at a time: a log may lose a record of a batch and keep a later one, and a decision
    /// that is missed by the next one halts every reader.
    async fn decide(&mut self) -> Result<(), Error> {
        if !self.fold.has_commands() {
            return Ok(());
        }
        let from = self.fold.next_from();
        let Fold { reader, state, undecided, made, .. } = &mut self.fold;
        let decisions = decide_all(state, reader, from, undecided)?;
        let mut records: VecDeque<Record> = decisions.iter().map(|made| made.record.clone()).collect();
        made.extend(decisions);
        while let Some(record) = records.pop_front() {
            let mut batch = vec![record];
            if records.is_empty() && self.tick_pending.is_none() && self.fold.state.has_backlog() {
                batch.push(self.tick());
            }
            self.log.append(batch).await?;
        }
        Ok(())
    }

    async fn append_tick(&mut self) -> Result<(), Error> {
        let tick = self.tick();
        self.log.append(vec![tick]).await?;
        Ok(())
    }

    /// A tick with log time as it is now. One that is not appended at once says an older time: it is not
    /// kept for later.
    fn tick(&mut self) -> Record {
        self.unanchored_since = None;
        let told = self.fold.clock.tick(read_clocks());
        if let Some(by_ms) = told.wall_set_by_ms {
            let wall_ahead_ms = told.wall_ahead_ms;
            tracing::warn!(
                by_ms,
                wall_ahead_ms,
                "the wall clock was set; log time comes to it by one part in a hundred"
            );
        }
        let tick = self.command(&Command::Tick(TickV1 { now: told.now }), "tick");
        self.tick_pending = Some(tick.clone());
        tick
    }

    /// Nobody is accused by a leader that is cut off itself: heartbeats come the same way as the log.
    async fn mark_silent(&mut self) -> Result<(), Error> {
        let silent = self.liveness.silent(&self.fold.state);
        if silent.is_empty() {
            return Ok(());
        }
        let asked = Instant::now();
        if self.log.watermarks().await.is_err() || asked.elapsed() > REACHED_WITHIN {
            tracing::warn!(silent = silent.len(), "the log is out of reach; agents are given time anew");
            self.liveness.begin_again();
            return Ok(());
        }
        let commands = silent.into_iter().map(|mark| {
            tracing::warn!(agent = %mark.agent, silent_ms = mark.silent_ms, "agent is silent");
            self.command(&Command::MarkAgentUnreachable(mark), "silence")
        });
        let batch = commands.collect();
        self.log.append(batch).await?;
        Ok(())
    }

    /// A command of the leader's own. Its key is not remembered: what it says is idempotent.
    fn command(&self, command: &Command, what: &str) -> Record {
        let key = Key::new(format!("{what}-{}", self.epoch)).expect("a legal key");
        let principal = self.config.node.clone();
        command.to_record(&Envelope { principal, key, caused_by: None, class: Class::Exogenous })
    }

    /// When to append a tick, or to look again whether it is time; `None` where none is needed.
    fn next_tick_at(&mut self) -> Option<Instant> {
        if self.tick_pending.is_some() {
            return None;
        }
        let now = Instant::now();
        Some(match self.fold.state.next_tick()? {
            NextTick::Now => now,
            NextTick::Soon => *self.unanchored_since.get_or_insert(now) + Duration::from_millis(TICK_COALESCE_MS),
            NextTick::At(due) => now + self.fold.clock.until(due, read_clocks()).min(TICK_WAIT_MAX),
        })
    }
}

/// Reads both clocks of this machine: they decide when a tick is appended and which time it says.
#[expect(clippy::disallowed_methods, reason = "the shell reads the clock and writes it into the log")]
pub(super) fn read_clocks() -> Reading {
    static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Reading { monotonic: STARTED.elapsed(), wall }
}
