//! How the program ends: exit codes, and messages that say what happened, why, and what can be done.
//!
//! ```text
//!   0  done                        3  refused by the cell
//!   1  what was asked for failed   4  the gateway cannot be reached
//!   2  wrong usage                 5  timed out, or the outcome is unknown
//! ```
//! `quipu run` ends with the exit code of what it ran instead.

use std::{
    error::Error as StdError,
    io::{self, IsTerminal},
    process::ExitCode,
};

use allocator::leader::checkpoint;

use crate::{
    client, job_file,
    output::{printable, write_err},
};

/// Why the program ends otherwise than well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Code {
    /// What was asked for failed: a job that failed, a thing that is not there.
    Failed = 1,
    /// The command line or a file is wrong.
    Usage = 2,
    /// The cell said no.
    Refused = 3,
    /// Nobody answers at the gateway's address.
    Unreachable = 4,
    /// Nobody knows, or not in time.
    Unknown = 5,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// A failure that a command has words of its own for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Failure {
    /// How the program ends.
    pub(crate) code: Code,
    /// What happened.
    pub(crate) what: String,
    /// What can be done.
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// What was asked for failed.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { code: Code::Failed, what: what.into(), hint: None }
    }

    /// The command line is wrong in a way that the parser cannot see.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self { code: Code::Usage, ..Self::new(what) }
    }

    /// Nobody knows.
    pub(crate) fn unknown(what: impl Into<String>) -> Self {
        Self { code: Code::Unknown, ..Self::new(what) }
    }

    /// Adds what can be done.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Ends the program: says what went wrong, if anything did.
pub(crate) fn conclude(result: anyhow::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => code,
        // Whoever read the output has seen enough of it.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            write_err(&describe(&error, io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()));
            code_of(&error).into()
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// The exit code for an error. One that no command has words for is a failure.
pub(crate) fn code_of(error: &anyhow::Error) -> Code {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.code;
    }
    for cause in error.chain() {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return failure.code;
        }
        if let Some(error) = cause.downcast_ref::<client::Error>() {
            return error.exit_code();
        }
        if cause.is::<job_file::Error>() {
            return Code::Usage;
        }
    }
    Code::Failed
}

/// What can be done about an error, where somebody has said so.
pub(crate) fn hint_of(error: &anyhow::Error) -> Option<String> {
    // One that was added as context is found at the whole error, not in its chain.
    if let Some(hint) = error.downcast_ref::<Failure>().and_then(|failure| failure.hint.clone()) {
        return Some(hint);
    }
    error.chain().find_map(|cause| {
        let failure = cause.downcast_ref::<Failure>().and_then(|failure| failure.hint.clone());
        failure
            .or_else(|| cause.downcast_ref::<client::Error>().and_then(client::Error::hint))
            .or_else(|| cause.downcast_ref::<allocator::leader::Error>()?.hint())
            .or_else(|| cause.downcast_ref::<gateway::Error>()?.hint())
            .or_else(|| cause.downcast_ref::<checkpoint::Error>()?.hint().map(Into::into))
            .or_else(|| cause.downcast_ref::<command_log::Error>()?.hint().map(Into::into))
            .or_else(|| cause.downcast_ref::<command_log::file::Error>()?.hint().map(Into::into))
    })
}

/// What happened; then why, a line for each cause; then what can be done.
fn describe(error: &anyhow::Error, coloured: bool) -> String {
    let mut text = format!("{} {}\n", paint("error:", "1;31", coloured), printable(&error.to_string()));
    for cause in error.chain().skip(1) {
        text.push_str(&format!("  because {}\n", printable(&cause.to_string())));
    }
    if let Some(hint) = hint_of(error) {
        text.push_str(&format!("{} {}\n", paint("hint:", "1;36", coloured), printable(&hint)));
    }
    text
}

fn paint(text: &str, style: &str, coloured: bool) -> String {
    if coloured { format!("\x1b[{style}m{text}\x1b[0m") } else { text.into() }
}

/// An error with its causes, in one line.
pub(crate) fn one_line(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn every_kind_of_error_has_its_code() {
        let refused =
            client::Error::Refused { number: 41, code: "JobUnknown".into(), message: "there is no job x".into() };
        let silent = client::Error::Unreachable {
            url: "http://127.0.0.1:1".into(),
            origin: "the default".into(),
            remedy: "start a cell".into(),
            cause: "refused".into(),
        };
        let known: [(anyhow::Error, Code); 5] = [
            (anyhow::anyhow!("anything"), Code::Failed),
            (Failure::usage("-n 0").into(), Code::Usage),
            (refused.into(), Code::Refused),
            (silent.into(), Code::Unreachable),
            (Failure::unknown("no answer").into(), Code::Unknown),
        ];
        for (error, code) in known {
            assert_eq!(code_of(&error), code, "{error}");
        }
    }

    #[test]
    fn a_code_is_found_below_what_was_said_on_top() {
        let error = Err::<(), _>(Failure::usage("inner")).context("outer").expect_err("an error");
        assert_eq!(code_of(&error), Code::Usage);
    }

    #[test]
    fn a_message_says_what_happened_then_why_then_what_to_do() {
        let error = Err::<(), _>(Failure::new("the disk is full").hint("make room")).context("could not save");
        let error = error.expect_err("an error");
        insta::assert_snapshot!(describe(&error, false), @r"
        error: could not save
          because the disk is full
        hint: make room
        ");
        assert!(describe(&error, true).starts_with("\x1b[1;31merror:\x1b[0m could not save"));
    }

    #[test]
    fn an_error_that_quotes_others_does_not_steer_the_terminal() {
        let error = Err::<(), _>(Failure::new("\x1b[2Jno \u{9b}31mjob").hint("\x1b]0;x\x07")).context("a\x1bb");
        let text = describe(&error.expect_err("an error"), false);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }

    #[test]
    fn a_hint_is_found_wherever_it_is_in_the_chain() {
        let silent = || client::Error::NoCell { dir: "/tmp/x".into(), remedy: "start it".into() };
        let below = Err::<(), _>(silent()).context("could not ask").context("no answer").expect_err("an error");
        assert!(describe(&below, false).ends_with("  because no cell runs in /tmp/x\nhint: start it\n"));
        let on_top = anyhow::Error::from(silent()).context(Failure::new("the log cannot be used").hint("look at it"));
        assert!(
            describe(&on_top, false).ends_with("hint: look at it\n"),
            "the outermost hint is the one that is shown"
        );
        let without = anyhow::Error::from(silent()).context(Failure::new("the log cannot be used"));
        assert!(describe(&without, false).ends_with("hint: start it\n"));
        assert!(!describe(&anyhow::anyhow!("anything").context("more"), false).contains("hint:"));
    }

    #[test]
    fn a_reader_that_had_enough_is_no_failure() {
        let broken = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_broken_pipe(&anyhow::Error::from(broken).context("could not write")));
    }
}
