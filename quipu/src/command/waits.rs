//! What is said while nothing of a job runs: after a moment why, then whenever there is another reason.
//!
//! Pure: it is told what happened and what time it is.

use std::time::Duration;

use tokio::time::Instant;

/// What is placed within this time is worth no word.
const QUIET: Duration = Duration::from_secs(1);

/// A job whose tasks may wait for a place.
#[derive(Clone, Debug)]
pub(crate) struct Waits {
    name: String,
    /// Since when it waits; none while nothing of it does.
    since: Option<Instant>,
    why: Option<String>,
    told: Option<String>,
}

impl Waits {
    /// A job that was submitted just now.
    pub(crate) fn new(name: impl Into<String>, now: Instant) -> Self {
        Self { name: name.into(), since: Some(now), why: None, told: None }
    }

    /// The cell says why tasks wait, in a sentence.
    pub(crate) fn deferred(&mut self, why: String, now: Instant) {
        self.since.get_or_insert(now);
        self.why = Some(why);
    }

    /// Nothing waits any more, or the job is over.
    pub(crate) fn placed(&mut self) {
        (self.since, self.why, self.told) = (None, None, None);
    }

    /// When there is something to say.
    pub(crate) fn due(&self) -> Option<Instant> {
        let is_told = self.told.as_ref() == Some(&self.words());
        self.since.filter(|_| !is_told).map(|since| since + QUIET)
    }

    /// What is to be said now, once.
    pub(crate) fn say(&mut self, now: Instant) -> Option<String> {
        self.due().filter(|due| *due <= now)?;
        let words = self.words();
        self.told = Some(words.clone());
        Some(format!("{}: {words}", self.name))
    }

    fn words(&self) -> String {
        self.why.clone().unwrap_or_else(|| "not placed yet; the cell has not said why".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_placed_at_once_is_worth_no_word() {
        let now = Instant::now();
        let mut waits = Waits::new("web", now);
        waits.deferred("1 task waits".into(), now);
        assert_eq!(waits.say(now + QUIET / 2), None);
        waits.placed();
        assert_eq!((waits.due(), waits.say(now + QUIET * 9)), (None, None));
    }

    #[test]
    fn after_a_moment_each_reason_is_said_once() {
        let now = Instant::now();
        let later = now + QUIET;
        let mut waits = Waits::new("web", now);
        assert_eq!(waits.due(), Some(later));
        assert!(waits.say(later).is_some_and(|words| words.starts_with("web: not placed yet")));
        for why in ["no agent is up", "too little CPU"] {
            waits.deferred(why.into(), later);
            assert_eq!(waits.say(later), Some(format!("web: {why}")));
            assert_eq!((waits.due(), waits.say(later + QUIET)), (None, None));
        }
    }
}
