//! What the agent must not forget: which starts were begun, what was reported, how far it obeyed.
//!
//! An append-only file of checked entries. A start is on the disk *before* anything of the task is
//! made, so a start that was begun is never begun again, whatever dies in between: at worst it is
//! reported as failed. How far the agent obeyed may lag behind on the disk; what is then obeyed a
//! second time changes nothing. A torn last entry is dropped; it was never acted on.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use command_log::remote::Position;
use log_schema::{Chain, EpochNumber, Offset, TaskState, codec};
use serde::{Deserialize, Serialize};

use crate::{process_tree, sandbox::TaskKey};

/// The file is rewritten with what still matters once it has grown by this much, and doubled.
const REWRITE_BYTES: u64 = 4 << 20;
/// Length and checksum before each entry.
const HEAD_BYTES: usize = 8;

/// The journal could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("could not {doing} the journal {path}")]
pub struct Error {
    /// What was tried.
    doing: &'static str,
    /// Which file.
    path: PathBuf,
    /// The disk's answer.
    source: io::Error,
}

/// What is known of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The offset of the decision that placed it.
    pub at: Offset,
    /// The last offset that this decision answered.
    pub to: Offset,
    /// The last state whose report is in the log.
    pub reported: Option<TaskState>,
    /// Its supervisor was about to be started: from here on something of the task may have run.
    pub attempted: bool,
    /// The machine was booted since. What was written without waiting for the disk may then be lost.
    pub is_of_earlier_boot: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Entry {
    Begun { key: TaskKey, at: Offset, to: Offset },
    Reported { key: TaskKey, state: TaskState },
    Removed { key: TaskKey },
    Obeyed(Obeyed),
    Attempted { key: TaskKey },
    Booted { boot: String },
}

#[derive(Serialize, Deserialize)]
struct Obeyed {
    epoch: EpochNumber,
    to: Offset,
    next: Offset,
    chain: Chain,
    joined: (Offset, Chain),
}

impl From<Position> for Obeyed {
    fn from(Position { next, epoch, to, chain, joined }: Position) -> Self {
        Self { epoch, to, next, chain, joined }
    }
}

/// The journal of one agent.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
    rewritten_bytes: u64,
    begun: BTreeMap<TaskKey, Begun>,
    position: Option<Position>,
    boot: String,
}

impl Journal {
    /// Opens the journal, or begins one, and rewrites it with what still matters.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let failed = |doing| move |source| Error { doing, path: path.to_owned(), source };
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(failed("read"))?,
        };
        let file = File::options().append(true).create(true).open(path).map_err(failed("open"))?;
        let (path, begun) = (path.to_owned(), BTreeMap::new());
        let mut journal = Self { path, file, bytes: 0, rewritten_bytes: 0, begun, position: None, boot: String::new() };
        for entry in entries(&bytes) {
            journal.fold(&entry);
        }
        journal.fold(&Entry::Booted { boot: process_tree::boot_id() });
        journal.rewrite()?;
        Ok(journal)
    }

    /// Says that these starts are about to be made; on the disk when this returns.
    pub fn begin(&mut self, starts: &[(TaskKey, Offset, Offset)]) -> Result<(), Error> {
        let begun = |(key, at, to): &(TaskKey, Offset, Offset)| Entry::Begun { key: key.clone(), at: *at, to: *to };
        self.append(&starts.iter().map(begun).collect::<Vec<_>>())?;
        self.sync()
    }

    /// Says that the supervisor of this start is about to be started, without waiting for the disk: the
    /// end of the agent loses nothing of this, and the end of the machine is noticed by its boot.
    pub fn attempted(&mut self, key: &TaskKey) -> Result<(), Error> {
        self.append(&[Entry::Attempted { key: key.clone() }])
    }

    /// Says that the report of this state is in the log.
    pub fn reported(&mut self, key: &TaskKey, state: TaskState) -> Result<(), Error> {
        self.append(&[Entry::Reported { key: key.clone(), state }])
    }

    /// Forgets a start whose sandbox is gone.
    pub fn removed(&mut self, key: &TaskKey) -> Result<(), Error> {
        self.append(&[Entry::Removed { key: key.clone() }])
    }

    /// Says how far the agent obeyed.
    pub fn obeyed(&mut self, position: Position) -> Result<(), Error> {
        self.append(&[Entry::Obeyed(position.into())])?;
        if self.bytes > REWRITE_BYTES + 2 * self.rewritten_bytes { self.rewrite() } else { Ok(()) }
    }

    /// Brings everything to the disk.
    pub fn sync(&mut self) -> Result<(), Error> {
        self.file.sync_data().map_err(|source| Error { doing: "sync", path: self.path.clone(), source })
    }

    /// What is known of a start, if it was begun here.
    pub fn known(&self, key: &TaskKey) -> Option<Begun> {
        self.begun.get(key).copied()
    }

    /// Every start that was begun here and not forgotten, in order of task.
    pub fn begun(&self) -> impl Iterator<Item = (&TaskKey, &Begun)> {
        self.begun.iter()
    }

    /// How far the agent obeyed.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    fn append(&mut self, entries: &[Entry]) -> Result<(), Error> {
        let bytes: Vec<u8> = entries.iter().flat_map(frame).collect();
        self.file.write_all(&bytes).map_err(|source| Error { doing: "write", path: self.path.clone(), source })?;
        self.bytes += bytes.len() as u64;
        for entry in entries {
            self.fold(entry);
        }
        Ok(())
    }

    fn fold(&mut self, entry: &Entry) {
        match entry {
            Entry::Begun { key, at, to } => {
                let begun = Begun { at: *at, to: *to, reported: None, attempted: false, is_of_earlier_boot: false };
                self.begun.insert(key.clone(), begun);
            }
            Entry::Reported { key, state } => {
                if let Some(begun) = self.begun.get_mut(key) {
                    begun.reported = begun.reported.max(Some(*state));
                }
            }
            Entry::Removed { key } => {
                self.begun.remove(key);
            }
            Entry::Obeyed(Obeyed { epoch, to, next, chain, joined }) => {
                let (next, epoch, to, chain, joined) = (*next, *epoch, *to, *chain, *joined);
                self.position = Some(Position { next, epoch, to, chain, joined });
            }
            Entry::Attempted { key } => {
                if let Some(begun) = self.begun.get_mut(key) {
                    begun.attempted = true;
                }
            }
            Entry::Booted { boot } => {
                let is_another = self.boot != *boot;
                self.begun.values_mut().for_each(|begun| begun.is_of_earlier_boot |= is_another);
                self.boot.clone_from(boot);
            }
        }
    }

    /// Puts a file with only what matters in the place of the present one.
    fn rewrite(&mut self) -> Result<(), Error> {
        let bytes: Vec<u8> = self.essence().iter().flat_map(frame).collect();
        let draft = self.path.with_extension("draft");
        let write = || -> io::Result<File> {
            fs::write(&draft, &bytes)?;
            File::open(&draft)?.sync_all()?;
            fs::rename(&draft, &self.path)?;
            self.path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())?;
            File::options().append(true).open(&self.path)
        };
        self.file = write().map_err(|source| Error { doing: "rewrite", path: self.path.clone(), source })?;
        self.bytes = bytes.len() as u64;
        self.rewritten_bytes = self.bytes;
        Ok(())
    }

    fn essence(&self) -> Vec<Entry> {
        let obeyed = self.position.map(|position| Entry::Obeyed(position.into()));
        let booted = [Some(Entry::Booted { boot: self.boot.clone() })];
        self.starts(true).chain(booted).chain(self.starts(false)).chain([obeyed]).flatten().collect()
    }

    /// The starts of earlier boots, or of this one.
    fn starts(&self, of_earlier_boots: bool) -> impl Iterator<Item = Option<Entry>> {
        let meant = self.begun.iter().filter(move |(_, begun)| begun.is_of_earlier_boot == of_earlier_boots);
        meant.flat_map(|(key, begun)| {
            let attempted = begun.attempted.then(|| Entry::Attempted { key: key.clone() });
            let reported = begun.reported.map(|state| Entry::Reported { key: key.clone(), state });
            [Some(Entry::Begun { key: key.clone(), at: begun.at, to: begun.to }), attempted, reported]
        })
    }
}

fn frame(entry: &Entry) -> Vec<u8> {
    let payload = codec::encode(entry);
    let length = u32::try_from(payload.len()).expect("an entry is short");
    let head = [length.to_le_bytes(), crc32fast::hash(&payload).to_le_bytes()].concat();
    [head, payload].concat()
}

/// Every whole entry from the start on, up to the first that is torn.
fn entries(mut bytes: &[u8]) -> impl Iterator<Item = Entry> {
    std::iter::from_fn(move || {
        let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
        let length = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
        let (payload, rest) = rest.split_at_checked(length)?;
        let checksum = u32::from_le_bytes(head[4..].try_into().ok()?);
        let entry = (crc32fast::hash(payload) == checksum).then(|| codec::decode("journal entry", payload).ok());
        bytes = rest;
        entry?
    })
}

#[cfg(test)]
mod tests {
    use log_schema::{Incarnation, TaskId};

    use super::*;

    fn key(task: &str) -> TaskKey {
        TaskKey { task: TaskId::new(task).expect("a legal id"), incarnation: Incarnation(1) }
    }

    fn begun(at: u64, reported: Option<TaskState>) -> Begun {
        Begun { at: Offset(at), to: Offset(at - 1), reported, attempted: false, is_of_earlier_boot: false }
    }

    #[test]
    fn what_was_written_is_known_after_a_restart() {
        let dir = tempfile::tempdir().expect("a directory for tests");
        let path = dir.path().join("journal");
        let (to, chain, joined) = (Offset(7), Chain([7; 32]), (Offset(1), Chain::default()));
        let position = Position { next: Offset(9), epoch: EpochNumber(2), to, chain, joined };
        let mut journal = Journal::open(&path).expect("a new journal");
        let starts = [(key("a.0"), Offset(5), Offset(4)), (key("b.0"), Offset(6), Offset(5))];
        journal.begin(&starts).expect("a write");
        journal.reported(&key("a.0"), TaskState::Finished).expect("a write");
        journal.reported(&key("a.0"), TaskState::Running).expect("a write");
        journal.removed(&key("b.0")).expect("a write");
        journal.obeyed(position).expect("a write");
        for _ in 0..2 {
            let journal = Journal::open(&path).expect("the same journal");
            assert_eq!(journal.known(&key("a.0")), Some(begun(5, Some(TaskState::Finished))));
            assert_eq!(journal.known(&key("b.0")), None);
            assert_eq!(journal.position(), Some(position));
        }
    }

    #[test]
    fn a_torn_entry_is_dropped_and_those_before_it_stay() {
        let dir = tempfile::tempdir().expect("a directory for tests");
        let path = dir.path().join("journal");
        let mut journal = Journal::open(&path).expect("a new journal");
        journal.begin(&[(key("a.0"), Offset(5), Offset(4))]).expect("a write");
        let first = fs::read(&path).expect("the file").len();
        journal.begin(&[(key("b.0"), Offset(6), Offset(5))]).expect("a write");
        let whole = fs::read(&path).expect("the file");
        for cut in first..whole.len() {
            fs::write(&path, &whole[..cut]).expect("a torn file");
            let journal = Journal::open(&path).expect("a journal");
            assert_eq!(journal.begun().map(|(key, _)| key.clone()).collect::<Vec<_>>(), [key("a.0")]);
        }
    }
    #[test]
    fn a_start_of_an_earlier_boot_is_told_from_one_of_this() {
        let dir = tempfile::tempdir().expect("a directory for tests");
        let path = dir.path().join("journal");
        let mut journal = Journal::open(&path).expect("a new journal");
        journal.append(&[Entry::Booted { boot: "an earlier one".into() }]).expect("a write");
        journal.begin(&[(key("a.0"), Offset(5), Offset(4))]).expect("a write");
        let mut journal = Journal::open(&path).expect("the same journal");
        journal.begin(&[(key("b.0"), Offset(6), Offset(5))]).expect("a write");
        journal.attempted(&key("b.0")).expect("a write");
        for _ in 0..2 {
            let journal = Journal::open(&path).expect("the same journal");
            let known = |task: &str| journal.known(&key(task)).map(|begun| (begun.is_of_earlier_boot, begun.attempted));
            assert_eq!((known("a.0"), known("b.0")), (Some((true, false)), Some((false, true))));
        }
    }
}
