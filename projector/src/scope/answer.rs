//! What became of a command, and what happened to one thing.

use log_schema::{Key, Offset, Principal, TimeMs};

use super::{Direction, Page, Pick, Range, Scope};
use crate::{
    Error, key,
    row::{Answer, DecisionRow, Entity, Moment, RefusalRow, TimelineEntry, Verdict, View, timeline::Stored},
    store,
};

/// How many decisions are looked at for the answer to one command: as many as may have been written
/// between a command and its answer.
pub const DECISIONS_IN_FLIGHT_MAX: usize = 10_000;

/// Some entries of a timeline, and where to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// The entries, in the order that was asked for.
    pub entries: Vec<TimelineEntry>,
    /// The decision and index behind which to go on; none at the end.
    pub next: Option<(Offset, u32)>,
}

impl Scope {
    /// What became of the command at an offset; none while nothing is decided.
    ///
    /// A record that is no command, such as a decision, counts as done when it is answered.
    pub fn answer_of(&self, command: Offset) -> Result<Option<Answer>, Error> {
        let Some(decision) = self.decision_about(command)? else { return Ok(None) };
        let verdict = if let Some(row) = self.get::<RefusalRow>(&command)? {
            Verdict::Refused(row.refusal)
        } else if let Some(first) = self.repeated(command)? {
            Verdict::Repeats(first)
        } else {
            Verdict::Done
        };
        Ok(Some(Answer { command, decided: decision.at, verdict }))
    }

    /// What became of the last command that a principal sent under a key, repeats left out.
    pub fn answer_by_key(&self, principal: &Principal, client_key: &Key) -> Result<Option<Answer>, Error> {
        let mut prefix = Vec::new();
        key::write_key_prefix(principal, client_key, &mut prefix);
        let mut range = Range::of(&prefix, Direction::Backwards);
        range.end_behind(&prefix, self.as_of);
        let mut command = None;
        self.scan(View::Keys, &range, |_, bytes| {
            command = Some(store::decode::<Offset>(View::Keys, bytes)?);
            Ok(false)
        })?;
        command.map_or(Ok(None), |command| self.answer_of(command))
    }

    /// The last decision at or before this scope's offset; none before the first.
    pub fn decision(&self) -> Result<Option<DecisionRow>, Error> {
        self.decision_up_to(self.as_of)
    }

    /// The last decision at or before an offset, if it is kept.
    pub(crate) fn decision_up_to(&self, offset: Offset) -> Result<Option<DecisionRow>, Error> {
        let newest = Pick::<DecisionRow>::all().backwards().after(offset.next()).limit(1);
        Ok(self.page(&newest)?.rows.pop())
    }

    /// The decision that answered what is at an offset; none while nothing is decided.
    pub fn decision_about(&self, offset: Offset) -> Result<Option<DecisionRow>, Error> {
        let behind = Pick::all().after(offset).limit(1);
        let mut next: Page<DecisionRow> = self.page(&behind)?;
        for _ in 0..DECISIONS_IN_FLIGHT_MAX {
            let Some(decision) = next.rows.pop() else { break };
            if decision.to >= offset {
                return self.within(offset, decision).map(Some);
            }
            next = self.page(&Pick::all().after(decision.at.offset).limit(1))?;
        }
        self.check_horizon(offset)?;
        Ok(None)
    }

    /// The decision, unless the one that answered `offset` was trimmed away and this is a later one.
    fn within(&self, offset: Offset, decision: DecisionRow) -> Result<DecisionRow, Error> {
        if decision.from <= offset {
            return Ok(decision);
        }
        Err(Error::Trimmed { asked: offset, horizon: self.store.horizon() })
    }

    fn repeated(&self, command: Offset) -> Result<Option<Offset>, Error> {
        let mut key = vec![View::Repeats as u8];
        key.extend_from_slice(&command.0.to_be_bytes());
        self.settle(self.store.read_key(View::Repeats, &key, self.as_of))
    }

    /// What happened to one thing, from the horizon up to this scope's offset. `after` is the decision
    /// and index of an entry, as in [`Timeline::next`].
    pub fn timeline(
        &self,
        entity: &Entity,
        after: Option<(Offset, u32)>,
        limit: usize,
        direction: Direction,
    ) -> Result<Timeline, Error> {
        let mut prefix = Vec::new();
        entity.write_prefix(&mut prefix);
        let mut range = Range::of(&prefix, direction);
        range.end_behind(&prefix, self.as_of);
        if let Some((offset, index)) = after {
            range.skip_to_behind(&[&prefix[..], &offset.0.to_be_bytes(), &index.to_be_bytes()].concat());
        }
        let mut found = Timeline { entries: Vec::new(), next: None };
        self.scan(View::Timeline, &range, |key, bytes| {
            if found.entries.len() >= limit {
                found.next = found.entries.last().map(|entry| (entry.at.offset, entry.index));
                return Ok(false);
            }
            found.entries.push(read_entry(&key[prefix.len()..], bytes)?);
            Ok(true)
        })?;
        Ok(found)
    }

    /// When the last decision at or before this scope's offset was made; 0 before the first.
    pub fn time(&self) -> Result<TimeMs, Error> {
        Ok(self.decision()?.map_or(TimeMs(0), |decision| decision.at.time))
    }
}

/// Reads an entry from the part of its key behind the entity, and its value.
fn read_entry(place: &[u8], bytes: &[u8]) -> Result<TimelineEntry, Error> {
    let offset = store::read_offset(place).unwrap_or_default();
    let index = place.last_chunk().map_or(0, |index| u32::from_be_bytes(*index));
    let Stored(time, command, event, text) = store::decode(View::Timeline, bytes)?;
    Ok(TimelineEntry { at: Moment { offset, time }, index, command, event, text })
}
