//! The files of an archive: how they are named, that they follow each other, and reading within one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use log_schema::{Chain, Offset};

use super::io;
use crate::{
    Error, Stored,
    file::{self, FileReader},
    limits::Budget,
};

/// How a segment's name ends.
const EXTENSION: &str = "qlog";

/// One file.
pub(super) struct Segment {
    pub path: PathBuf,
    pub first: Offset,
    pub next: Offset,
    /// The chain before its first record, as it says itself.
    pub before: Chain,
    /// The chain at its last record, where that is known.
    pub after: Option<Chain>,
}

/// The place of the segment of `first..next`.
pub(super) fn path(dir: &Path, first: Offset, next: Offset) -> PathBuf {
    dir.join(format!("{:020}-{:020}.{EXTENSION}", first.0, next.0))
}

/// The segments of a directory in order. Whatever else lies there is passed over; a gap is refused, and so are two that overlap.
pub(super) fn list(dir: &Path) -> Result<Vec<Segment>, Error> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io("read", dir)(error)),
    };
    let mut segments: Vec<Segment> = Vec::new();
    for entry in entries {
        let path = entry.map_err(io("read", dir))?.path();
        if let Some((first, next)) = range(&path) {
            segments.push(open(path, first, next)?);
        }
    }
    segments.sort_by_key(|segment| segment.first);
    for at in 1..segments.len() {
        let (earlier, later) = segments.split_at_mut(at);
        let (earlier, later) = (&mut earlier[at - 1], &later[0]);
        if earlier.next != later.first {
            return Err(Error::Segments { dir: dir.to_owned(), ends: earlier.next, begins: later.first });
        }
        earlier.after = Some(later.before);
    }
    Ok(segments)
}

fn open(path: PathBuf, first: Offset, next: Offset) -> Result<Segment, Error> {
    let head = FileReader::open(&path)?.summary();
    if head.first != first {
        let why = format!("its name says that it begins at {first}, and it begins at {}", head.first);
        return Err(file::Error::Malformed { path, why }.into());
    }
    Ok(Segment { path, first, next, before: head.before, after: None })
}

/// What a segment's name says that it holds.
fn range(path: &Path) -> Option<(Offset, Offset)> {
    if path.extension()? != EXTENSION {
        return None;
    }
    let (first, next) = path.file_stem()?.to_str()?.split_once('-')?;
    let (first, next): (u64, u64) = (first.parse().ok()?, next.parse().ok()?);
    (first < next).then_some((Offset(first), Offset(next)))
}

/// That a segment goes on where the one before it ended.
pub(super) fn follows(path: &Path, written: Chain, found: Chain) -> Result<(), Error> {
    if written == found {
        return Ok(());
    }
    Err(file::Error::Altered { path: path.to_owned(), written, found }.into())
}

/// A place within a segment, from which reading goes on.
pub(super) struct Position {
    path: PathBuf,
    reader: FileReader,
    /// One past the segment's last record, and the chain there if it is known.
    end: (Offset, Option<Chain>),
    /// Read, and not returned: it did not fit.
    over: Option<Stored>,
}

impl Position {
    /// Opens the segment that has a record, and passes over those before it.
    pub fn at(segments: &[Segment], from: Offset) -> Result<Self, Error> {
        let low = segments.first().map_or(Offset(0), |segment| segment.first);
        let after = segments.partition_point(|segment| segment.first <= from);
        let segment = after.checked_sub(1).map(|at| &segments[at]);
        let segment = segment.filter(|segment| from < segment.next).ok_or(Error::BelowLow { from, low })?;
        let reader = FileReader::open(&segment.path)?;
        let end = (segment.next, segment.after);
        let mut position = Self { path: segment.path.clone(), reader, end, over: None };
        while position.reader.summary().next < from {
            position.next_record()?;
        }
        Ok(position)
    }

    /// Where reading would go on; `None` at the end of the segment.
    pub fn next(&self) -> Option<Offset> {
        let next = self.over.as_ref().map_or(self.reader.summary().next, |stored| stored.offset);
        (next < self.end.0).then_some(next)
    }

    /// Records of this segment: at least one, unless it is at its end.
    pub fn read(&mut self, bytes_max: usize) -> Result<Vec<Stored>, Error> {
        let (mut records, mut budget) = (Vec::new(), Budget::new(bytes_max));
        while self.next().is_some() {
            let stored = match self.over.take() {
                Some(stored) => stored,
                None => self.next_record()?,
            };
            if !budget.takes(&stored) {
                self.over = Some(stored);
                break;
            }
            records.push(stored);
        }
        Ok(records)
    }

    /// The next record. The last one is only returned after what ends the file was found to be in order.
    fn next_record(&mut self) -> Result<Stored, Error> {
        let cut = |next| {
            let why = format!("it ends before {next}, and its name says that it ends before {}", self.end.0);
            Error::from(file::Error::Malformed { path: self.path.clone(), why })
        };
        let stored = self.reader.next().ok_or_else(|| cut(self.reader.summary().next));
        let stored = stored??;
        if stored.offset.next() == self.end.0 {
            self.check_end()?;
        }
        Ok(stored)
    }

    fn check_end(&mut self) -> Result<(), Error> {
        if let Some(beyond) = self.reader.next().transpose()? {
            let why = format!("its name says that it ends before {}, and it has record {}", self.end.0, beyond.offset);
            return Err(file::Error::Malformed { path: self.path.clone(), why }.into());
        }
        match self.end.1 {
            Some(written) => follows(&self.path, written, self.reader.summary().chain),
            None => Ok(()),
        }
    }
}
