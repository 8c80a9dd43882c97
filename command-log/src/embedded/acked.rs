//! The acked-to watermark: a small file of its own that is durable before an append is acked.
//!
//! ```text
//! 0                          64 KiB                      128 KiB
//! ├ slot: head │ body … │ 0 ┼ slot: head │ body … │ 0 ┤
//!
//! head  magic 8 │ low 8 │ first 8 │ high 8 │ body bytes 4 │ crc32 4      body  (bytes 4 │ value …) …
//! ```
//! A slot is a [`Statement`]. The two slots are written in turn, so a torn write spoils one and
//! leaves the one before it. The slot that checks out and says more is the watermark.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use log_schema::Offset;

use crate::{Error, whole_file};

/// The file's name in the directory of the log.
const NAME: &str = "acked";
/// The last letter is the version of the form.
const MAGIC: [u8; 8] = *b"qp-ackdB";
const SLOT_BYTES: usize = 64 * 1024;
const HEAD_BYTES: usize = 40;
const CRC_AT: usize = 36;

/// The most bytes of a body.
pub(super) const BODY_BYTES_MAX: usize = SLOT_BYTES - HEAD_BYTES;

/// What a slot that cannot be read means.
pub(super) const HALF: &str = "one of the two slots of the mark of what was acked cannot be read: either a write was cut off, of which nothing \
                    was acked, or the file is damaged, and what was acked last may be missing without a trace";

/// Everything below `first` was acked. Records `first..high` may have been, and are in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    /// The first offset that is kept: what is below was trimmed.
    pub(super) low: Offset,
    /// Where the body begins.
    pub(super) first: Offset,
    /// Where it ends. Without a body this is `first`.
    pub(super) high: Offset,
    /// The values of `first..high`, each after its length.
    pub(super) body: Vec<u8>,
}

/// The watermark file, open for writing.
#[derive(Debug)]
pub(super) struct Acked {
    file: File,
    path: PathBuf,
    slot_next: usize,
}

impl Statement {
    /// States that everything in `low..high` is durable elsewhere.
    pub(super) fn durable(low: Offset, high: Offset) -> Self {
        Self { low, first: high, high, body: Vec::new() }
    }

    /// The values of the body, in order, beginning with that of the record at `first`.
    pub(super) fn values(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.body[..];
        std::iter::from_fn(move || {
            let (bytes, after) = rest.split_first_chunk()?;
            let (value, after) = after.split_at_checked(u32::from_be_bytes(*bytes) as usize)?;
            rest = after;
            Some(value)
        })
    }

    /// The values of the body from `from` on, each with its offset.
    pub(super) fn values_from(&self, from: Offset) -> impl Iterator<Item = (Offset, &[u8])> {
        (self.first.0..self.high.0).map(Offset).zip(self.values()).filter(move |(at, _)| *at >= from)
    }

    fn to_slot(&self) -> Vec<u8> {
        let bytes = u32::try_from(self.body.len()).expect("a body fits its slot");
        let mut slot = Vec::with_capacity(HEAD_BYTES + self.body.len());
        slot.extend_from_slice(&MAGIC);
        slot.extend_from_slice(&self.low.0.to_be_bytes());
        slot.extend_from_slice(&self.first.0.to_be_bytes());
        slot.extend_from_slice(&self.high.0.to_be_bytes());
        slot.extend_from_slice(&bytes.to_be_bytes());
        slot.extend_from_slice(&checksum(&slot, &self.body).to_be_bytes());
        slot.extend_from_slice(&self.body);
        slot
    }

    fn from_slot(slot: &[u8]) -> Option<Self> {
        let (head, rest) = slot.split_first_chunk::<HEAD_BYTES>()?;
        let body = rest.get(..u32::from_be_bytes(*head[32..].first_chunk()?) as usize)?;
        let crc = u32::from_be_bytes(*head[CRC_AT..].first_chunk()?);
        if head[..8] != MAGIC || checksum(&head[..CRC_AT], body) != crc {
            return None;
        }
        let number = |at: usize| Some(Offset(u64::from_be_bytes(*head[at..].first_chunk()?)));
        Some(Self { low: number(8)?, first: number(16)?, high: number(24)?, body: body.to_vec() })
    }
}

impl Acked {
    /// Opens the watermark of the log in `dir` and reads it; `None` if there never was one.
    pub(super) fn open(dir: &Path) -> Result<Option<(Self, Statement)>, Error> {
        let path = dir.join(NAME);
        let Some(Found { file, slot, statement, is_whole }) = look(&path, File::options().read(true).write(true))?
        else {
            return Ok(None);
        };
        if !is_whole {
            tracing::warn!(file = %path.display(), "{HALF}");
        }
        Ok(Some((Self { file, path, slot_next: 1 - slot }, statement)))
    }

    /// Makes the watermark of a new log: 0. The file appears whole or not at all.
    pub(super) fn create(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(NAME);
        // Every block is written once, so that later writes move no metadata.
        let mut bytes = Statement::durable(Offset(0), Offset(0)).to_slot();
        bytes.resize(2 * SLOT_BYTES, 0);
        let made = whole_file::write(&path, &bytes).and_then(|()| File::options().read(true).write(true).open(&path));
        match made {
            Ok(file) => Ok(Self { file, path, slot_next: 1 }),
            Err(source) => Err(Error::Io { doing: "create", path, source }),
        }
    }

    /// The same file, but nothing can be written to it.
    #[cfg(test)]
    pub(super) fn read_only(self) -> Self {
        let file = File::open(&self.path).expect("the file is there");
        Self { file, ..self }
    }

    /// Writes a statement over the older slot; returns when it is durable.
    pub(super) fn state(&mut self, statement: &Statement) -> Result<(), Error> {
        let at = (self.slot_next * SLOT_BYTES) as u64;
        let written = self.file.write_all_at(&statement.to_slot(), at).and_then(|()| self.file.sync_data());
        written.map_err(|source| Error::Io { doing: "write", path: self.path.clone(), source })?;
        self.slot_next = 1 - self.slot_next;
        Ok(())
    }
}

/// What the watermark of the log in `dir` says, without opening it for writing; `None` if there never was one.
/// With it: whether both slots could be read.
pub(super) fn read(dir: &Path) -> Result<Option<(Statement, bool)>, Error> {
    let found = look(&dir.join(NAME), File::options().read(true))?;
    Ok(found.map(|found| (found.statement, found.is_whole)))
}

/// What was found in a file.
struct Found {
    file: File,
    /// The slot that holds the watermark.
    slot: usize,
    statement: Statement,
    /// Both slots check out, or one was never written.
    is_whole: bool,
}

fn look(path: &Path, how: &OpenOptions) -> Result<Option<Found>, Error> {
    let failed = |doing| move |source| Error::Io { doing, path: path.to_owned(), source };
    let file = match how.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed("open"))?,
    };
    let mut bytes = Vec::with_capacity(2 * SLOT_BYTES);
    // A file that something else has made longer is not read to its end.
    (&file).take(2 * SLOT_BYTES as u64).read_to_end(&mut bytes).map_err(failed("read"))?;
    let why = "neither of its two slots has a good checksum";
    let unreadable = || Error::WatermarkUnreadable { path: path.to_owned(), why };
    let (slot, statement) = newest(&bytes).ok_or_else(unreadable)?;
    Ok(Some(Found { file, slot, statement, is_whole: is_whole(&bytes) }))
}

/// The slot that checks out and reaches further, and what it says.
fn newest(bytes: &[u8]) -> Option<(usize, Statement)> {
    let slots = (0..2).filter_map(|slot| {
        let bytes = bytes.get(slot * SLOT_BYTES..)?;
        Some((slot, Statement::from_slot(&bytes[..bytes.len().min(SLOT_BYTES)])?))
    });
    slots.max_by_key(|(_, said)| (said.high, said.first))
}

/// Whether each slot checks out or was never written. Of the others it cannot be told whether a write was cut off, of
/// which nothing was acked, or what was stated last was damaged later.
fn is_whole(bytes: &[u8]) -> bool {
    let is_good = |slot: &[u8]| slot.iter().all(|byte| *byte == 0) || Statement::from_slot(slot).is_some();
    bytes.len() == 2 * SLOT_BYTES && bytes.chunks(SLOT_BYTES).all(is_good)
}

fn checksum(head: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(body);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(first: u64, values: &[&[u8]]) -> Statement {
        let mut body = Vec::new();
        for value in values {
            body.extend_from_slice(&u32::try_from(value.len()).expect("short").to_be_bytes());
            body.extend_from_slice(value);
        }
        Statement { low: Offset(0), first: Offset(first), high: Offset(first + values.len() as u64), body }
    }

    fn reopen(dir: &Path) -> (Acked, Statement) {
        Acked::open(dir).expect("readable").expect("there")
    }

    #[test]
    fn the_watermark_survives_reopening_and_a_torn_slot_shows_the_one_before() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut acked = Acked::create(dir.path()).expect("created");
        assert_eq!(reopen(dir.path()).1, Statement::durable(Offset(0), Offset(0)));
        assert!(
            read(dir.path()).expect("readable").is_some_and(|(_, is_whole)| is_whole),
            "one slot was never written"
        );
        let said = [statement(0, &[b"a", b""]), statement(2, &[b"bcd"]), statement(3, &[b"x"])];
        for statement in &said {
            acked.state(statement).expect("written");
        }
        let (again, newest) = reopen(dir.path());
        assert_eq!((&newest, again.slot_next), (&said[2], acked.slot_next));
        again.file.write_all_at(b"torn", ((1 - again.slot_next) * SLOT_BYTES) as u64).expect("written");
        assert!(read(dir.path()).expect("readable").is_some_and(|(_, is_whole)| !is_whole), "it is said");
        let (torn, older) = reopen(dir.path());
        assert_eq!((&older, torn.slot_next), (&said[1], 1 - again.slot_next));
        assert_eq!(said[0].values().collect::<Vec<_>>(), [&b"a"[..], b""]);
    }

    #[test]
    fn every_flipped_bit_of_a_slot_is_found() {
        let slot = statement(7, &[b"one", b"two"]).to_slot();
        for bit in 0..slot.len() * 8 {
            let mut flipped = slot.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Statement::from_slot(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn a_watermark_without_a_good_slot_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        assert!(Acked::open(dir.path()).expect("no error").is_none());
        for bytes in [vec![], vec![0; 2 * SLOT_BYTES], vec![7; 100]] {
            std::fs::write(dir.path().join("acked"), bytes).expect("written");
            assert_eq!(Acked::open(dir.path()).unwrap_err().code(), "watermark_unreadable");
        }
    }
}
