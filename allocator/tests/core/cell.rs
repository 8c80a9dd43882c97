//! A cell in memory, and everything that is checked of it after each record.
//!
//! Beside the state that decides there is a *follower*, fed only by what was recorded, in decisions
//! cut at random: were anything changed without an event, the two would differ.

use allocator::{State, answer, apply_decision, invariant};
use log_schema::{
    AnswerV1, Chain, Class, Command, DecisionV1, Envelope, EpochNumber, Event, Key, Offset, Principal, Record, TimeMs,
    codec, command::TickV1,
};

use crate::random::Random;

/// A cell with more things than this is checked in full after some records only: the more there is
/// to check, the fewer.
const SMALL: u64 = 300;
const SAMPLE: u64 = 5;
/// What one answer may make: the largest command's own events, a slice, and a last step.
const EVENTS_PER_ANSWER_MAX: usize = 513 + 512 + 66;
/// What one answer may weigh, so that a decision that is closed at 384 KiB stays below 900 KiB.
const ANSWER_BYTES_MAX: usize = 448 * 1024;

/// The cell.
pub(crate) struct Cell {
    pub(crate) state: State,
    follower: State,
    unfollowed: Vec<AnswerV1>,
    followed_to: Offset,
    next: Offset,
    random: Random,
}

impl Cell {
    /// An empty cell; the seed decides how decisions are cut.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: State::default(),
            follower: State::default(),
            unfollowed: Vec::new(),
            followed_to: Offset(0),
            next: Offset(1),
            random: Random::new(seed),
        }
    }

    /// The offset of the record that comes next.
    pub(crate) fn next(&self) -> Offset {
        self.next
    }

    /// Answers one record, and checks everything.
    pub(crate) fn take(&mut self, record: &Record) -> Option<AnswerV1> {
        let at = self.next;
        self.next = at.next();
        let size = self.size();
        let whole = size < SMALL || self.random.one_in(size / SAMPLE);
        let before = whole.then(|| self.state.clone());
        let given = answer(&mut self.state, at, record).expect("a record of this version");
        if let Some(answer) = &given {
            check_size(answer);
        }
        if let Some(before) = before {
            check_snapshot(&before, at, record, given.as_ref(), &self.state);
            check_each_event(before, given.as_ref());
            check_progress(&self.state, at);
        }
        self.unfollowed.extend(given.clone());
        if whole && self.random.one_in(3) {
            self.follow();
        }
        given
    }

    /// Lets the follower fold what was decided, and compares.
    pub(crate) fn follow(&mut self) {
        let answers = std::mem::take(&mut self.unfollowed);
        let (from, to) = (self.followed_to, self.next);
        let decision = DecisionV1 { epoch: EpochNumber(1), from, to, chain: Chain::default(), answers };
        let read: DecisionV1 = codec::decode("decision", &decision.to_record().payload).expect("it was just written");
        assert_eq!(read, decision, "a decision is read as it was written");
        apply_decision(&mut self.follower, &read);
        assert_same(&self.follower, &self.state, "what was recorded does not make the state that decided");
        self.followed_to = to;
    }

    /// How much there is in the state to check.
    fn size(&self) -> u64 {
        let of_jobs: usize = self.state.jobs.iter().map(|job| job.tasks.len()).sum();
        let of_frameworks: usize = self.state.frameworks.iter().map(|framework| framework.tasks.len()).sum();
        let things = [self.state.jobs.count(), self.state.frameworks.count(), self.state.roles.count()];
        (of_jobs + of_frameworks + self.state.keys.count() + things.iter().sum::<usize>()) as u64
            + u64::from(self.state.agents.count())
    }
}

/// The record of a command with a key of its own.
pub(crate) fn record(command: &Command, by: &str, key: &str) -> Record {
    let principal = Principal::new(by).expect("a principal");
    let key = Key::new(key).expect("a key");
    command.to_record(&Envelope { principal, key, caused_by: None, class: Class::Exogenous })
}

/// The record of a tick.
pub(crate) fn tick(now: TimeMs) -> Record {
    record(&Command::Tick(TickV1 { now }), "leader", "tick")
}

fn assert_same(found: &State, expected: &State, what: &str) {
    if found.digest() != expected.digest() {
        let (found, expected) = (format!("{found:#?}"), format!("{expected:#?}"));
        let lines = found.lines().zip(expected.lines()).filter(|(a, b)| a != b).take(20);
        let lines: Vec<_> = lines.map(|(a, b)| format!("{a}\n    instead of {b}")).collect();
        panic!("{what}:\n{}", lines.join("\n"));
    }
}

fn check_size(answer: &AnswerV1) {
    assert!(answer.events.len() <= EVENTS_PER_ANSWER_MAX, "{} events in one answer", answer.events.len());
    let bytes = codec::encode(answer).len();
    assert!(bytes <= ANSWER_BYTES_MAX, "an answer of {bytes} bytes");
}

/// A state read back from a snapshot goes on as the one that was saved.
fn check_snapshot(before: &State, at: Offset, record: &Record, given: Option<&AnswerV1>, after: &State) {
    let mut restored = State::decode(&before.encode()).expect("a snapshot is readable");
    assert_same(&restored, before, "a snapshot is read as it was written");
    let again = answer(&mut restored, at, record).expect("a record of this version");
    assert_eq!(again.as_ref(), given, "a state from a snapshot decides otherwise");
    assert_same(&restored, after, "a state from a snapshot goes on otherwise");
}

/// Every invariant holds after every event.
fn check_each_event(mut state: State, given: Option<&AnswerV1>) {
    let events: &[Event] = given.map_or(&[], |answer| &answer.events);
    for event in events {
        state.apply(event);
        if let Err(broken) = invariant::check_all(&state) {
            panic!("after {event:?}: {broken}");
        }
    }
}

/// With a backlog the next tick does something; without one it does nothing.
fn check_progress(state: &State, at: Offset) {
    let mut next = state.clone();
    let given = answer(&mut next, at.next(), &tick(state.now)).expect("a tick");
    let moved = given.is_some_and(|answer| !answer.events.is_empty());
    assert_eq!(moved, state.has_backlog(), "there is a backlog exactly while a tick moves something on");
}
