//! Names of things: one newtype for each, checked when it comes from outside.
//!
//! An id is short printable text. It never holds a blank, a control character or a separator that
//! another id is built with (`.` and `/` join the parts of a [`TaskId`]), and does not begin with `-`, so that no
//! command line takes it for an option.

use std::{borrow::Borrow, fmt, str::FromStr};

use compact_str::{CompactString, ToCompactString, format_compact};
use serde::{Deserialize, Serialize};

/// The longest id, in bytes; a [`TaskId`] joins two.
pub const ID_BYTES_MAX: usize = 128;
/// The longest task id, in bytes: whatever [`TaskId::of_job`] and [`TaskId::of_framework`] can make.
pub const TASK_ID_BYTES_MAX: usize = ID_BYTES_MAX + 1 + ID_BYTES_MAX;

/// Text is not a legal id. A refusal records the sentence, so it shows text in an escaped form that
/// is the same in every year; `{:?}` may differ with the version of Rust.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// Nothing was given.
    #[error("{what} is empty")]
    Empty { what: &'static str },
    /// More than [`ID_BYTES_MAX`] bytes, or than [`TASK_ID_BYTES_MAX`] for a task.
    #[error("{what} is {bytes} bytes long, more than {max}")]
    TooLong { what: &'static str, bytes: usize, max: usize },
    /// A character that this id may not hold.
    #[error("{what} \"{}\" holds '{}', which is none of {allowed}", text.escape_default(), character.escape_default())]
    Character { what: &'static str, text: CompactString, character: char, allowed: &'static str },
    /// An id that a command line would take for an option.
    #[error("{what} \"{}\" begins with '-'; begin it with a letter or digit", text.escape_default())]
    Dash { what: &'static str, text: CompactString },
    /// A role with nothing before, after or between its slashes.
    #[error("role name \"{}\" has an empty part; a role is NAME, or NAME/NAME", text.escape_default())]
    EmptyPart { text: CompactString },
    /// A task id that is neither `job.index` nor `framework/name`.
    #[error("task id \"{}\" is neither JOB.INDEX nor FRAMEWORK/NAME", text.escape_default())]
    TaskShape { text: CompactString },
}

/// Which bytes an id may hold.
type Legal = [bool; 256];

/// Letters and digits of ASCII, and `extra`.
const fn letters_digits_and(extra: &str) -> Legal {
    let mut legal = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let letter_or_digit = (byte as u8).is_ascii_alphanumeric();
        legal[byte] = letter_or_digit;
        byte += 1;
    }
    let mut at = 0;
    while at < extra.len() {
        legal[extra.as_bytes()[at] as usize] = true;
        at += 1;
    }
    legal
}

fn check(what: &'static str, text: &str, legal: &Legal, allowed: &'static str) -> Result<(), Error> {
    check_within(ID_BYTES_MAX, what, text, legal, allowed)
}

fn check_within(max: usize, what: &'static str, text: &str, legal: &Legal, allowed: &'static str) -> Result<(), Error> {
    if text.is_empty() {
        return Err(Error::Empty { what });
    }
    if text.len() > max {
        return Err(Error::TooLong { what, bytes: text.len(), max });
    }
    if text.bytes().all(|byte| legal[usize::from(byte)]) {
        return if text.starts_with('-') { Err(Error::Dash { what, text: text.into() }) } else { Ok(()) };
    }
    let is_legal = |c: &char| u8::try_from(*c).is_ok_and(|byte| legal[usize::from(byte)]);
    let character = text.chars().find(|c| !is_legal(c)).expect("a byte that is not legal is of such a character");
    Err(Error::Character { what, text: text.into(), character, allowed })
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $extra:literal $(, $more:path)?) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(CompactString);

        impl $name {
            const LEGAL: Legal = letters_digits_and($extra);

            #[doc = concat!("Checks text from outside and makes it a ", $what, ".")]
            pub fn new(text: impl AsRef<str>) -> Result<Self, Error> {
                let text = text.as_ref();
                check($what, text, &Self::LEGAL, concat!("a-z A-Z 0-9 ", $extra))?;
                $($more(text)?;)?
                Ok(Self(text.into()))
            }

            /// The text of the id.
            #[inline]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl Borrow<str> for $name {
            #[inline]
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self, Error> {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = CompactString::deserialize(from)?;
                check($what, &text, &Self::LEGAL, concat!("a-z A-Z 0-9 ", $extra))
                    .map_err(serde::de::Error::custom)?;
                $($more(&text).map_err(serde::de::Error::custom)?;)?
                Ok(Self(text))
            }
        }
    };
}

/// Every part of a path has a name.
fn no_empty_part(role: &str) -> Result<(), Error> {
    if role.split('/').any(str::is_empty) { Err(Error::EmptyPart { text: role.into() }) } else { Ok(()) }
}

id! {
    /// A machine.
    AgentId, "agent id", "_-.:"
}
id! {
    /// One agent's directory, by which two agents of one name can be told apart. It follows from a
    /// [`DirectorySecret`](crate::DirectorySecret) that is made once, by chance.
    AgentIdentity, "agent identity", "-"
}
id! {
    /// Work that the cell places itself.
    JobId, "job id", "_-"
}
id! {
    /// An outside scheduler that takes offers.
    FrameworkId, "framework id", "_-"
}
id! {
    /// A name that shares and weights hang on. `/` is kept for the role tree; `*` is the default role.
    RoleName, "role name", "_-*/", no_empty_part
}
id! {
    /// Who sent a command.
    Principal, "principal", "_-.:@/"
}
id! {
    /// The client's idempotency key: the same principal and key mean the same command.
    Key, "idempotency key", "_-.:@/"
}

const LEGAL_TASK_NAME: Legal = letters_digits_and("_-");
const LEGAL_TASK_ID: Legal = letters_digits_and("_-./");

/// One task: `job.index` for a job's task, `framework/name` for a framework's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TaskId(CompactString);

/// Whose task it is, read from its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskOwner<'a> {
    /// The task with this index of this job.
    Job {
        /// The job's id.
        job: &'a str,
        /// From 0.
        index: u32,
    },
    /// The task that this framework calls by this name.
    Framework {
        /// The framework's id.
        framework: &'a str,
        /// The framework's own name for the task.
        name: &'a str,
    },
}

impl TaskId {
    /// The id of a job's task.
    pub fn of_job(job: &JobId, index: u32) -> Self {
        let mut text = job.0.clone();
        text.push('.');
        text.push_str(&index.to_compact_string());
        Self(text)
    }

    /// The id of a framework's task; `name` follows the rules of a [`JobId`].
    pub fn of_framework(framework: &FrameworkId, name: &str) -> Result<Self, Error> {
        check("task name", name, &LEGAL_TASK_NAME, "a-z A-Z 0-9 _-")?;
        Ok(Self(format_compact!("{framework}/{name}")))
    }

    /// Checks text from outside.
    pub fn new(text: impl AsRef<str>) -> Result<Self, Error> {
        let text = text.as_ref();
        check_task(text)?;
        Ok(Self(text.into()))
    }

    /// Whose task it is.
    pub fn owner(&self) -> TaskOwner<'_> {
        split(&self.0).expect("a task id is checked when it is made")
    }

    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_task(text: &str) -> Result<(), Error> {
    check_within(TASK_ID_BYTES_MAX, "task id", text, &LEGAL_TASK_ID, "a-z A-Z 0-9 _-./")?;
    match split(text) {
        Some(_) => Ok(()),
        None => Err(Error::TaskShape { text: text.into() }),
    }
}

fn split(text: &str) -> Option<TaskOwner<'_>> {
    if let Some((job, index)) = text.rsplit_once('.') {
        let canonical = index == "0" || !index.starts_with(['0', '+']);
        let index = index.parse().ok().filter(|_| canonical)?;
        return (!job.is_empty() && !job.contains(['.', '/'])).then_some(TaskOwner::Job { job, index });
    }
    let (framework, name) = text.split_once('/')?;
    let legal = !framework.is_empty() && !name.is_empty() && !name.contains('/');
    legal.then_some(TaskOwner::Framework { framework, name })
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for TaskId {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for TaskId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = CompactString::deserialize(from)?;
        check_task(&text).map_err(serde::de::Error::custom)?;
        Ok(Self(text))
    }
}

/// An offer, numbered by the allocator from 1. Its text form is `o17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OfferId(pub u64);

impl fmt::Display for OfferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "o{}", self.0)
    }
}

impl FromStr for OfferId {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = text.strip_prefix('o').filter(|digits| !digits.starts_with('+'));
        let number = digits.and_then(|digits| digits.parse().ok());
        number.map(Self).ok_or_else(|| Error::Character {
            what: "offer id",
            text: text.into(),
            character: text.chars().next().unwrap_or(' '),
            allowed: "the letter o and a number, as in o17",
        })
    }
}
