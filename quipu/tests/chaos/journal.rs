//! A client's journal: one line for each command that was acked, on the disk before the next one is sent.

use std::{
    fmt,
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    str::FromStr,
};

use log_schema::Offset;

/// What a gateway has said became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acked {
    /// The idempotency key.
    pub(crate) key: String,
    /// Where the command is.
    pub(crate) offset: Offset,
    /// Where the decision is that answers it.
    pub(crate) decision: Offset,
    /// Where the command is that it repeats.
    pub(crate) repeats: Option<Offset>,
    /// The name of the refusal, where the cell said no.
    pub(crate) refusal: Option<String>,
}

impl fmt::Display for Acked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, offset, decision, repeats, refusal } = self;
        let repeats = repeats.map_or_else(|| "-".to_owned(), |repeats| repeats.to_string());
        write!(f, "{key} {offset} {decision} {repeats} {}", refusal.as_deref().unwrap_or("-"))
    }
}

impl FromStr for Acked {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let [key, offset, decision, repeats, refusal] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("{line:?} is no line of a journal"));
        };
        let number = |text: &str| text.parse().map(Offset).map_err(|_| format!("{text:?} in {line:?} is no offset"));
        let given = |text| Some(text).filter(|text| *text != "-");
        Ok(Self {
            key: key.to_owned(),
            offset: number(offset)?,
            decision: number(decision)?,
            repeats: given(repeats).map(number).transpose()?,
            refusal: given(refusal).map(ToOwned::to_owned),
        })
    }
}

/// A journal that is being written.
pub(crate) struct Journal(File);

impl Journal {
    pub(crate) fn create(path: &Path) -> Self {
        Self(File::create_new(path).expect("a writable directory"))
    }

    /// Adds a line, and returns when it is on the disk.
    pub(crate) fn add(&mut self, acked: &Acked) {
        writeln!(self.0, "{acked}").and_then(|()| self.0.sync_data()).expect("a writable directory");
    }
}

/// The lines of a journal; one that cannot be read fails the test.
pub(crate) fn read(from: impl Read) -> impl Iterator<Item = Acked> {
    let lines = BufReader::new(from).lines();
    lines.map(|line| line.expect("readable").parse().unwrap_or_else(|why| panic!("{why}")))
}
