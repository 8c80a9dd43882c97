//! The loop that reads the log: follow, judge, publish.

use std::{sync::Arc, time::Duration};

use command_log::{
    Follower, Stored,
    error::chain,
    reader::{Counts, Halt, Reader, Verdict},
};
use log_schema::{Offset, Record};
use projector::Decided;

use super::{Entry, Halted, Hub, Progress, Reign};

/// The wait before an unreachable log is asked again; it doubles up to the most.
const BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Follows the log until it or the reader rule says that there is no going on.
pub(crate) async fn follow(hub: Arc<Hub>, mut reader: Reader) {
    let mut follower = Follower::new(Arc::clone(&hub.log), reader.next());
    let mut folded = Folded { end: hub.now().next, counts: Counts::default() };
    let mut backoff = BACKOFF;
    loop {
        match follower.next_batch().await {
            Ok(batch) => {
                backoff = BACKOFF;
                if let Err(halt) = take(&hub, &mut reader, &mut folded, batch) {
                    return hub.halt(Halted { what: chain(&halt), hint: halt.hint() });
                }
            }
            Err(error) if error.is_transient() => {
                tracing::warn!(error = chain(&error), "the log cannot be read for now");
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
            Err(error) => {
                let hint = error.hint().unwrap_or("look at the log, then start the gateway again");
                return hub.halt(Halted { what: chain(&error), hint });
            }
        }
    }
}

/// The records that had been folded when the gateway began: those of them that are judged again are
/// no news, and most of all no repetitions.
struct Folded {
    /// The first offset that is news.
    end: Offset,
    /// What was judged before it.
    counts: Counts,
}

impl Folded {
    /// What the reader has judged from `end` on.
    fn news(&self, reader: &Reader) -> Counts {
        let (all, known) = (reader.counts(), self.counts);
        Counts {
            commands: all.commands - known.commands,
            epochs: all.epochs - known.epochs,
            epochs_void: all.epochs_void - known.epochs_void,
            decisions: all.decisions - known.decisions,
            decisions_unchecked: all.decisions_unchecked - known.decisions_unchecked,
            decisions_void: all.decisions_void - known.decisions_void,
            decisions_duplicate: all.decisions_duplicate - known.decisions_duplicate,
        }
    }
}

fn take(hub: &Hub, reader: &mut Reader, folded: &mut Folded, batch: Vec<Stored>) -> Result<(), Halt> {
    let mut entries = Vec::new();
    let judged = batch.into_iter().try_for_each(|stored| {
        let (at, bytes) = (stored.offset, stored.record.payload.len());
        entries.extend(judge(reader, stored)?.map(|entry| (entry, bytes)));
        if at < folded.end {
            folded.counts = reader.counts();
        }
        Ok(())
    });
    let before = hub.now();
    let (next, counts) = (reader.next().max(before.next), folded.news(reader));
    let (answered, epoch) = (reader.last_to(), reader.epoch());
    hub.publish(entries, Progress { next, answered, epoch, counts, ..before });
    judged
}

/// The entry that a record is, if it counts.
pub(super) fn judge(reader: &mut Reader, stored: Stored) -> Result<Option<Entry>, Halt> {
    let verdict = reader.judge(&stored)?;
    let Stored { offset, time, record } = stored;
    Ok(match verdict {
        Verdict::Epoch(claim) => Some(Entry::Epoch(Arc::new(Reign { offset, time, claim, record: compact(&record) }))),
        Verdict::Decision(decision) => Some(Entry::Decision(Arc::new(Decided { offset, time, decision }))),
        Verdict::Command
        | Verdict::VoidEpoch { .. }
        | Verdict::VoidDecision { .. }
        | Verdict::DuplicateDecision { .. } => None,
    })
}

/// The same record in memory of its own, so that it does not keep a whole batch alive.
fn compact(record: &Record) -> Record {
    Record { payload: record.payload.to_vec().into(), ..record.clone() }
}
