//! How far a long reading has come, on standard error and only for people.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use crate::output;

/// How often the line is written again.
const SHOW_EVERY: Duration = Duration::from_millis(200);

/// One line that is written over and over.
pub struct Progress {
    what: &'static str,
    begun: Instant,
    shown: Option<Instant>,
    is_wanted: bool,
}

impl Progress {
    /// Nothing shown yet; what takes no time shows nothing.
    pub fn new(what: &'static str) -> Self {
        Self { what, begun: Instant::now(), shown: None, is_wanted: std::io::stderr().is_terminal() }
    }

    /// Shows how far it is, if the last time was a while ago.
    pub fn show(&mut self, at: replay::Progress) {
        if !self.is_wanted || self.shown.unwrap_or(self.begun).elapsed() < SHOW_EVERY {
            return;
        }
        self.shown = Some(Instant::now());
        let percent = at.next.0.saturating_mul(100) / at.end.0.max(1);
        output::write_err(&format!("\r{} {} of {} records ({percent} %)", self.what, at.next, at.end));
    }

    /// Clears the line.
    pub fn done(&self) {
        if self.shown.is_some() {
            output::write_err("\r\x1b[K");
        }
    }
}
