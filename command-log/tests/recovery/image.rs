//! A log's directory at one moment, kept in memory, to be written out again and again.

use std::{
    fs,
    path::{Path, PathBuf},
};

use command_log::{
    Error, Log, Stored,
    conformance::read_all,
    embedded::{EmbeddedLog, Options},
};
use log_schema::{Kind, Offset, Record};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// Every file of a log's directory, and what the log had acked when it was taken.
#[derive(Clone)]
pub(crate) struct Image {
    files: Vec<(PathBuf, Vec<u8>)>,
    pub(crate) acked: Vec<Stored>,
}

/// How an image came up again.
pub(crate) enum Outcome {
    /// Everything that was acked was served.
    Served,
    /// The log opened, and reading said what is wrong.
    ReadRefused(Error),
    /// Start-up refused.
    Refused(Error),
}

/// A log that images are taken of.
pub(crate) struct Subject {
    dir: TempDir,
    log: EmbeddedLog,
    runtime: Runtime,
    appended: u64,
}

/// A directory for many small logs: in memory, if this machine has such a place.
pub(crate) fn scratch() -> TempDir {
    let shared = Path::new("/dev/shm");
    if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() }.expect("a temporary directory")
}

pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

pub(crate) fn options(write_buffer_bytes: usize) -> Options {
    Options { tail_bytes_max: 0, write_buffer_bytes, ..Options::default() }
}

/// The n-th command of every story; its size and its bytes follow from `n`.
pub(crate) fn command(n: u64) -> Record {
    let bytes = 40 + n.wrapping_mul(2_654_435_761) % 500;
    let payload: Vec<u8> =
        (0..bytes).map(|at| (n.wrapping_mul(31) ^ at.wrapping_mul(at + 7) >> 2).to_le_bytes()[0]).collect();
    Record::v1(Kind::SubmitJob, payload)
}

impl Subject {
    pub(crate) fn new(write_buffer_bytes: usize) -> Self {
        let dir = scratch();
        let log = EmbeddedLog::open(dir.path(), options(write_buffer_bytes)).expect("a new log opens");
        Self { dir, log, runtime: runtime(), appended: 0 }
    }

    /// Appends groups of one to three records each.
    pub(crate) fn append(&mut self, groups: u64) {
        for group in 0..groups {
            let batch: Vec<_> = (0..=group % 3).map(|n| command(self.appended + n)).collect();
            self.appended += batch.len() as u64;
            self.runtime.block_on(self.log.append(batch)).expect("appended");
        }
    }

    /// Appends one group of so many records.
    pub(crate) fn append_at_once(&mut self, records: u64) {
        let batch = (self.appended..self.appended + records).map(command).collect();
        self.appended += records;
        self.runtime.block_on(self.log.append(batch)).expect("appended");
    }

    /// An image with sorted files: RocksDB writes them in its own time.
    pub(crate) fn sorted_image(&self) -> Image {
        let mut images = (0..10_000).map(|_| self.image());
        images.find(|image| !image.named(".sst").is_empty()).expect("there is enough to sort")
    }

    pub(crate) fn image(&self) -> Image {
        // RocksDB deletes what it no longer needs in its own time: a file that is gone is looked for anew.
        let files = (0..100).find_map(|_| collect(self.dir.path(), Path::new("")).ok()).expect("a directory at rest");
        let acked = self.runtime.block_on(read_all(&self.log));
        Image { files, acked }
    }
}

impl Image {
    /// The files whose path has this text in it, largest name last.
    pub(crate) fn named(&self, text: &str) -> Vec<PathBuf> {
        let mut names: Vec<_> = self.files.iter().map(|(name, _)| name.clone()).collect();
        names.retain(|name| name.to_string_lossy().contains(text));
        names.sort();
        names
    }

    /// The WAL that was written last.
    pub(crate) fn wal(&self) -> PathBuf {
        self.named(".log").pop().expect("there is a WAL")
    }

    pub(crate) fn bytes(&self, name: &Path) -> &[u8] {
        let found = self.files.iter().find(|(other, _)| other == name);
        &found.expect("the image has this file").1
    }

    pub(crate) fn with(mut self, name: &Path, bytes: Vec<u8>) -> Self {
        self.files.retain(|(other, _)| other != name);
        self.files.push((name.to_owned(), bytes));
        self
    }

    pub(crate) fn without(mut self, gone: impl Fn(&Path) -> bool) -> Self {
        self.files.retain(|(name, _)| !gone(name));
        self
    }

    /// Writes the image out, in place of whatever is there.
    pub(crate) fn restore(&self, place: &Path) {
        if place.exists() {
            fs::remove_dir_all(place).expect("removed");
        }
        for (name, bytes) in &self.files {
            let path = place.join(name);
            fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("created");
            fs::write(path, bytes).expect("written");
        }
    }

    /// Opens what is in `place` and compares it with what this image had acked. Panics on silence: on a
    /// record that is missing, or differs, without an error that says so.
    pub(crate) fn judge(&self, place: &Path, runtime: &Runtime) -> Outcome {
        let log = match EmbeddedLog::open(place, options(64 * 1024)) {
            Ok(log) => log,
            Err(error) => return Outcome::Refused(error),
        };
        let high = runtime.block_on(log.watermarks()).expect("known").high;
        assert!(high.0 >= self.acked.len() as u64, "{} records were acked, {high} are served", self.acked.len());
        match runtime.block_on(read_acked(&log, self.acked.len())) {
            Ok(read) => assert!(read == self.acked, "a record that was acked has changed"),
            Err(error) => return Outcome::ReadRefused(error),
        }
        Outcome::Served
    }

    /// As [`Image::judge`], in a new directory.
    pub(crate) fn reopen(&self) -> Outcome {
        let dir = scratch();
        let place = dir.path().join("log");
        self.restore(&place);
        self.judge(&place, &runtime())
    }
}

impl Outcome {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::ReadRefused(error) | Self::Refused(error) => error.code(),
        }
    }
}

pub(crate) async fn read_acked(log: &dyn Log, count: usize) -> Result<Vec<Stored>, Error> {
    let mut read = Vec::new();
    while read.len() < count {
        read.extend(log.read(Offset(read.len() as u64), 1024 * 1024).await?);
    }
    read.truncate(count);
    Ok(read)
}

fn collect(root: &Path, under: &Path) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join(under))? {
        let name = under.join(entry?.file_name());
        if root.join(&name).is_dir() {
            files.extend(collect(root, &name)?);
        } else {
            let bytes = fs::read(root.join(&name))?;
            files.push((name, bytes));
        }
    }
    Ok(files)
}
