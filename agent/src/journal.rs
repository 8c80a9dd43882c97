//! What the agent must not forget: which starts were begun, what was reported, how far it obeyed.
//!
//! An append-only file of checked entries. A start is on the disk *before* anything of the task is
//! made, so a start that was begun is never begun again, whatever dies in between: at worst it is
//! reported as failed. How far the agent obeyed may lag behind on the disk; what is then obeyed a
//! second time changes nothing. A torn last entry is dropped; it was never acted on.
//!
//! A disk without room ends no agent. Space for what is written about tasks that run is set aside behind the
//! entries, as zeros, which are no entry. If that is used up, or if the disk fails, the journal falls behind: it
//! remembers in memory, the file stays a whole beginning of the story, and a file with all of it takes its place
//! when there is room. Until then nothing is started ([`Journal::secure`]); all else only changes what is asked
//! or reported a second time after a restart.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use command_log::remote::Position;
use log_schema::{Chain, EpochNumber, Offset, TaskState, codec};
use nix::fcntl::posix_fallocate;
use serde::{Deserialize, Serialize};

use crate::{process_tree, sandbox::TaskKey};

/// The file is rewritten with what still matters once it has grown by this much, and doubled.
const REWRITE_BYTES: u64 = 4 << 20;
/// The space set aside behind the entries: some hundred ends and positions.
const SPARE_BYTES: u64 = 64 << 10;
/// Less than what is kept of a start takes.
const START_BYTES_MIN: u64 = 32;
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
    /// Where the next entry goes.
    bytes: u64,
    /// Where the space ends that the disk has given.
    space_end: u64,
    /// Not everything is in the file.
    is_behind: bool,
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
        let file = File::options().write(true).create(true).truncate(false).open(path).map_err(failed("open"))?;
        let mut journal = Self {
            path: path.to_owned(),
            file,
            bytes: 0,
            space_end: 0,
            // Until it is rewritten: nothing may go behind a torn entry.
            is_behind: true,
            rewritten_bytes: 0,
            begun: BTreeMap::new(),
            position: None,
            boot: String::new(),
        };
        for entry in entries(&bytes) {
            journal.fold(&entry);
        }
        journal.fold(&Entry::Booted { boot: process_tree::boot_id() });
        if let Err(error) = journal.rewrite() {
            journal.fell_behind(&error);
        }
        Ok(journal)
    }

    /// Says that these starts are about to be made, and brings that to the disk if there is room:
    /// [`secure`](Self::secure) says whether there was.
    pub fn begin(&mut self, starts: &[(TaskKey, Offset, Offset)]) {
        let begun = |(key, at, to): &(TaskKey, Offset, Offset)| Entry::Begun { key: key.clone(), at: *at, to: *to };
        self.append(&starts.iter().map(begun).collect::<Vec<_>>());
        self.sync();
    }

    /// Says that the supervisor of this start is about to be started, without waiting for the disk: the
    /// end of the agent loses nothing of this, and the end of the machine is noticed by its boot.
    pub fn attempted(&mut self, key: &TaskKey) {
        self.append(&[Entry::Attempted { key: key.clone() }]);
    }

    /// Says that the report of this state is in the log.
    pub fn reported(&mut self, key: &TaskKey, state: TaskState) {
        self.append(&[Entry::Reported { key: key.clone(), state }]);
    }

    /// Forgets a start whose sandbox is gone.
    pub fn removed(&mut self, key: &TaskKey) {
        self.append(&[Entry::Removed { key: key.clone() }]);
    }

    /// Says how far the agent obeyed.
    pub fn obeyed(&mut self, position: Position) {
        self.append(&[Entry::Obeyed(position.into())]);
        let has_grown = self.bytes > REWRITE_BYTES + 2 * self.rewritten_bytes;
        if (self.is_behind || has_grown)
            && let Err(error) = self.rewrite()
        {
            // The file that is there stays as good as it was.
            tracing::debug!(error = &error as &dyn std::error::Error, "no room for another file of the journal");
        }
    }

    /// Brings everything to the disk, if there is room.
    pub fn sync(&mut self) {
        if self.is_behind {
            return;
        }
        if let Err(source) = self.file.sync_data() {
            // What the disk lost of it is not known: the whole file is written again.
            self.fell_behind(&self.failed("sync", source));
        }
    }

    /// Whether all that was said is in the file, and space is set aside for what follows. Nothing may be made of a
    /// start otherwise: after a restart it could be made again, and its end could not be noted.
    pub fn secure(&mut self) -> Result<(), Error> {
        if self.is_behind {
            self.rewrite()?;
        }
        self.set_space_aside()
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

    fn append(&mut self, entries: &[Entry]) {
        entries.iter().for_each(|entry| self.fold(entry));
        if self.is_behind {
            return;
        }
        let bytes: Vec<u8> = entries.iter().flat_map(frame).collect();
        match self.file.write_all_at(&bytes, self.bytes) {
            Ok(()) => self.bytes += bytes.len() as u64,
            Err(source) => self.fell_behind(&self.failed("write", source)),
        }
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> Error {
        Error { doing, path: self.path.clone(), source }
    }

    fn fell_behind(&mut self, error: &Error) {
        self.is_behind = true;
        tracing::error!(
            error = error as &dyn std::error::Error,
            "the agent remembers in memory and starts nothing until its journal can be written; make room on its disk"
        );
    }

    fn set_space_aside(&mut self) -> Result<(), Error> {
        if self.space_end < self.bytes + SPARE_BYTES {
            // Twice as much: not at each start.
            let end = self.bytes + 2 * SPARE_BYTES;
            allocate(&self.file, end).map_err(|source| self.failed("set space aside for", source))?;
            self.space_end = end;
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
        let draft = self.path.with_extension("draft");
        let write = || -> io::Result<(File, u64)> {
            let mut file = File::create(&draft)?;
            // First, because it costs little: while the disk is full this is tried before each start.
            allocate(&file, SPARE_BYTES + self.begun.len() as u64 * START_BYTES_MIN)?;
            let bytes: Vec<u8> = self.essence().iter().flat_map(frame).collect();
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&draft, &self.path)?;
            self.path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())?;
            Ok((file, bytes.len() as u64))
        };
        match write() {
            Ok((file, bytes)) => (self.file, self.bytes) = (file, bytes),
            Err(source) => {
                // Half a draft would take the room that is wanted.
                let _ = fs::remove_file(&draft);
                return Err(self.failed("rewrite", source));
            }
        }
        (self.rewritten_bytes, self.space_end) = (self.bytes, self.bytes);
        // Without it the journal is whole, too; before a start it is asked for again.
        let _ = self.set_space_aside();
        if std::mem::take(&mut self.is_behind) {
            tracing::info!("the journal holds everything");
        }
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

fn allocate(file: &File, end: u64) -> io::Result<()> {
    let end = end.try_into().map_err(io::Error::other)?;
    Ok(posix_fallocate(file, 0, end)?)
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
        journal.begin(&starts);
        journal.reported(&key("a.0"), TaskState::Finished);
        journal.reported(&key("a.0"), TaskState::Running);
        journal.removed(&key("b.0"));
        journal.obeyed(position);
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
        let end = |journal: &Journal| usize::try_from(journal.bytes).expect("a short file");
        journal.begin(&[(key("a.0"), Offset(5), Offset(4))]);
        let first = end(&journal);
        journal.begin(&[(key("b.0"), Offset(6), Offset(5))]);
        let whole = fs::read(&path).expect("the file");
        for cut in first..end(&journal) {
            // Cut off, and followed by the zeros of the space that was set aside.
            let mut zeros = whole.clone();
            zeros[cut..].fill(0);
            for torn in [&whole[..cut], &zeros] {
                fs::write(&path, torn).expect("a torn file");
                let mut journal = Journal::open(&path).expect("a journal");
                assert_eq!(journal.begun().map(|(key, _)| key.clone()).collect::<Vec<_>>(), [key("a.0")]);
                journal.secure().expect("room");
            }
        }
    }

    #[test]
    fn a_journal_that_cannot_be_written_remembers_and_catches_up() {
        let dir = tempfile::tempdir().expect("a directory for tests");
        let path = dir.path().join("journal");
        let mut journal = Journal::open(&path).expect("a new journal");
        journal.begin(&[(key("a.0"), Offset(5), Offset(4))]);
        journal.secure().expect("room");
        // Nothing can be written by this, nor put in the place of the file.
        journal.file = File::open(&path).expect("the file");
        fs::create_dir(path.with_extension("draft")).expect("a directory in the way");
        journal.begin(&[(key("b.0"), Offset(6), Offset(5))]);
        journal.reported(&key("a.0"), TaskState::Finished);
        assert!(journal.secure().is_err());
        let now = |journal: &Journal| ["a.0", "b.0"].map(|task| journal.known(&key(task)).map(|begun| begun.reported));
        let remembered = [Some(Some(TaskState::Finished)), Some(None)];
        assert_eq!(now(&journal), remembered);
        assert_eq!(now(&Journal::open(&path).expect("a restart without room")), [Some(None), None]);
        fs::remove_dir(path.with_extension("draft")).expect("room");
        journal.secure().expect("room");
        assert_eq!(now(&Journal::open(&path).expect("a restart")), remembered);
    }

    #[test]
    fn a_start_of_an_earlier_boot_is_told_from_one_of_this() {
        let dir = tempfile::tempdir().expect("a directory for tests");
        let path = dir.path().join("journal");
        let mut journal = Journal::open(&path).expect("a new journal");
        journal.append(&[Entry::Booted { boot: "an earlier one".into() }]);
        journal.begin(&[(key("a.0"), Offset(5), Offset(4))]);
        let mut journal = Journal::open(&path).expect("the same journal");
        journal.begin(&[(key("b.0"), Offset(6), Offset(5))]);
        journal.attempted(&key("b.0"));
        for _ in 0..2 {
            let journal = Journal::open(&path).expect("the same journal");
            let known = |task: &str| journal.known(&key(task)).map(|begun| (begun.is_of_earlier_boot, begun.attempted));
            assert_eq!((known("a.0"), known("b.0")), (Some((true, false)), Some((false, true))));
        }
    }
}
