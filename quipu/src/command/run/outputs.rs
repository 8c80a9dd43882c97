//! Which streams of output are listened to, which are to be asked for again, and what is missing.
//!
//! Pure: it is told what came and what time it is. Who asks and who writes is `session`.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::console::Stream;
use crate::{
    client::{Error, socket::FeedId},
    command::piece::Place,
};

/// Output that is not there yet is asked for again after so long, so often.
const AGAIN: Duration = Duration::from_millis(200);
const ATTEMPTS_MAX: u32 = 50;
/// How long output may still come when the job is over.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// The same, if its agent has no link to this gateway, or has no such output: either may be so soon, or never.
const DRAIN_ABSENT_MAX: Duration = Duration::from_secs(2);

/// A stream of output that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub task: String,
    pub stream: Stream,
    pub incarnation: u64,
    /// How far it was read: where it is asked for again.
    pub place: Place,
    attempts: u32,
    /// Its agent had no link to this gateway, or no such output, when it was last asked for.
    is_absent: bool,
}

/// Why there is no output of a task.
#[derive(Debug)]
struct Missing {
    why: String,
    is_told: bool,
}

/// The output of one job.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    listening: BTreeMap<FeedId, Wanted>,
    /// Output that was not there yet, and when to ask again.
    later: Vec<(Instant, Wanted)>,
    /// Tasks whose output was asked for and did not come.
    missing: BTreeMap<String, Missing>,
    /// Since when the job is over.
    over_since: Option<Instant>,
}

impl Wanted {
    /// One stream of one run, which was not asked for yet.
    pub fn new(task: String, stream: Stream, incarnation: u64) -> Self {
        Self { task, stream, incarnation, place: Place::default(), attempts: 0, is_absent: false }
    }
}

impl Outputs {
    /// It is listened to.
    pub fn began(&mut self, id: FeedId, wanted: Wanted) {
        self.listening.insert(id, wanted);
    }

    /// Something came; says of what.
    pub fn came(&mut self, id: FeedId) -> Option<&mut Wanted> {
        let wanted = self.listening.get_mut(&id)?;
        self.missing.remove(&wanted.task);
        (wanted.is_absent, wanted.attempts) = (false, 0);
        Some(wanted)
    }

    /// A stream was heard to its end.
    pub fn ended(&mut self, id: FeedId) {
        if let Some(wanted) = self.listening.remove(&id) {
            self.missing.remove(&wanted.task);
        }
    }

    /// A stream cannot be had now: what an agent or the rows do not know yet they will know soon.
    /// Returns what a person should know at once: an agent that is not here may never come.
    pub fn failed(&mut self, id: FeedId, error: &Error, now: Instant) -> Option<String> {
        let wanted = self.listening.remove(&id)?;
        let is_apart = error.code() == Some("AGENT_UNAVAILABLE");
        let is_told = self.missing.get(&wanted.task).is_some_and(|missing| missing.is_told);
        let missing = Missing { why: error.to_string(), is_told: is_told || is_apart };
        let news = (is_apart && !is_told).then(|| missing.notice(&wanted.task));
        self.missing.insert(wanted.task.clone(), missing);
        if wanted.attempts < ATTEMPTS_MAX {
            let is_absent = is_apart || error.code() == Some("NOT_FOUND");
            self.later.push((now + AGAIN, Wanted { attempts: wanted.attempts + 1, is_absent, ..wanted }));
        }
        news
    }

    /// What is to be asked for again by now.
    pub fn due(&mut self, now: Instant) -> Vec<Wanted> {
        let (due, later) = std::mem::take(&mut self.later).into_iter().partition(|(at, _)| *at <= now);
        self.later = later;
        let due: Vec<(Instant, Wanted)> = due;
        due.into_iter().map(|(_, wanted)| wanted).collect()
    }

    /// The job is over: no run begins any more.
    pub fn job_is_over(&mut self, now: Instant) {
        self.over_since.get_or_insert(now);
    }

    /// When there is something to do, if nothing comes.
    pub fn next_alarm(&self) -> Option<Instant> {
        self.later.iter().map(|(at, _)| *at).chain(self.give_up_at()).min()
    }

    /// Whether the job is over, and no output is worth waiting for.
    pub fn is_done(&self, now: Instant) -> bool {
        let nothing_left = self.listening.is_empty() && self.later.is_empty();
        self.give_up_at().is_some_and(|until| nothing_left || now >= until)
    }

    fn give_up_at(&self) -> Option<Instant> {
        let mut wanted = self.listening.values().chain(self.later.iter().map(|(_, wanted)| wanted));
        let patience = if wanted.all(|wanted| wanted.is_absent) { DRAIN_ABSENT_MAX } else { DRAIN_MAX };
        self.over_since.map(|since| since + patience)
    }

    /// Whether some output never came.
    pub fn is_any_missing(&self) -> bool {
        !self.missing.is_empty()
    }

    /// What is missing in the end and was not told.
    pub fn untold(&self) -> impl Iterator<Item = String> {
        self.missing.iter().filter(|(_, missing)| !missing.is_told).map(|(task, missing)| missing.notice(task))
    }
}

impl Missing {
    fn notice(&self, task: &str) -> String {
        format!("the output of {task} is not to be had: {}", self.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str) -> Error {
        Error::Request { code: Some(code.into()), message: format!("said {code}") }
    }

    fn listening() -> Outputs {
        let mut outputs = Outputs::default();
        outputs.began(1, Wanted::new("web.0".into(), Stream::Out, 7));
        outputs
    }

    #[test]
    fn output_that_is_not_there_yet_is_asked_for_again_without_a_word() {
        let (mut outputs, now) = (listening(), Instant::now());
        assert_eq!(outputs.failed(1, &error("NOT_FOUND"), now), None);
        assert_eq!((outputs.due(now), outputs.next_alarm()), (vec![], Some(now + AGAIN)));
        let due = outputs.due(now + AGAIN);
        assert_eq!(due.len(), 1);
        outputs.began(2, due[0].clone());
        assert!(outputs.came(2).is_some());
        assert_eq!(outputs.untold().count(), 0);
    }

    #[test]
    fn output_that_broke_off_is_asked_for_again_from_where_it_was_read_up_to() {
        let (mut outputs, now) = (listening(), Instant::now());
        outputs.came(1).expect("listened to").place = Place(812);
        outputs.failed(1, &error("AGENT_UNAVAILABLE"), now);
        assert_eq!(outputs.due(now + AGAIN)[0].place, Place(812));
    }

    #[test]
    fn an_agent_without_a_link_to_this_gateway_is_told_at_once_and_only_once() {
        let (mut outputs, now) = (listening(), Instant::now());
        let told = outputs.failed(1, &error("AGENT_UNAVAILABLE"), now);
        assert_eq!(told.as_deref(), Some("the output of web.0 is not to be had: said AGENT_UNAVAILABLE"));
        outputs.began(2, outputs.later[0].1.clone());
        assert_eq!(outputs.failed(2, &error("AGENT_UNAVAILABLE"), now), None);
        assert_eq!(outputs.untold().count(), 0);
    }

    #[test]
    fn what_is_said_only_in_the_end_is_what_was_not_said_before() {
        let (mut outputs, now) = (listening(), Instant::now());
        outputs.failed(1, &error("NOT_FOUND"), now);
        assert_eq!(outputs.untold().collect::<Vec<_>>(), ["the output of web.0 is not to be had: said NOT_FOUND"]);
    }

    #[test]
    fn output_that_may_never_be_there_is_not_waited_for_as_long_as_output_that_is_late() {
        let now = Instant::now();
        let late = ("UNAVAILABLE", DRAIN_MAX);
        for (code, patience) in [late, ("NOT_FOUND", DRAIN_ABSENT_MAX), ("AGENT_UNAVAILABLE", DRAIN_ABSENT_MAX)] {
            let mut outputs = listening();
            assert!(!outputs.is_done(now + DRAIN_MAX), "the job is not over");
            outputs.failed(1, &error(code), now);
            outputs.job_is_over(now);
            assert!(!outputs.is_done(now + patience - AGAIN), "{code}");
            assert!(outputs.is_done(now + patience), "{code}");
            // That it is being asked for again makes no difference.
            let again = outputs.due(now + AGAIN).remove(0);
            outputs.began(2, again);
            assert!(outputs.is_done(now + patience), "{code}");
        }
    }

    #[test]
    fn nothing_is_waited_for_when_all_was_heard() {
        let (mut outputs, now) = (listening(), Instant::now());
        outputs.job_is_over(now);
        assert!(!outputs.is_done(now));
        outputs.ended(1);
        assert!(outputs.is_done(now));
    }

    #[test]
    fn what_never_comes_is_given_up() {
        let (mut outputs, mut now) = (listening(), Instant::now());
        for id in 2..=ATTEMPTS_MAX + 1 {
            outputs.failed(id - 1, &error("NOT_FOUND"), now);
            now += AGAIN;
            let again = outputs.due(now).remove(0);
            outputs.began(id, again);
        }
        outputs.failed(ATTEMPTS_MAX + 1, &error("NOT_FOUND"), now);
        assert_eq!(outputs.due(now + AGAIN), []);
    }
}
