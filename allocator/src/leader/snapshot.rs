//! Snapshots: the state at a decision, with the chain there and a digest of the file.
//!
//! A snapshot only saves time: the log is the truth, and a file that is torn or damaged is passed
//! over for the one before it, or for the log alone.

#![expect(clippy::disallowed_methods, reason = "the shell keeps snapshots in files")]

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use command_log::whole_file;
use log_schema::{Chain, EpochNumber, Offset, codec};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    Config, Error,
    checkpoint::{self, Checkpoint, Signer},
    fold::Fold,
};
use crate::state::State;

/// The version of the file. A file of another version is passed over.
const VERSION: u16 = 5;
/// How many snapshots are kept.
const KEPT: usize = 2;
const DIGEST_BYTES: usize = 32;

/// What a file holds, before 32 bytes of SHA-256 over it.
#[derive(Serialize, Deserialize)]
struct Contents {
    version: u16,
    epoch: EpochNumber,
    last_to: Offset,
    chain: Chain,
    state: State,
}

/// A snapshot is taken when this many records were decided since the last one. `quipu log trim` keeps several times as
/// many: an allocator begins again with its newest snapshot, and reads the log from there.
const SAVE_EVERY: u64 = 200_000;

/// Takes snapshots now and then.
pub(super) struct Saver<'a> {
    config: &'a Config,
    /// Who signs checkpoints, if anybody does.
    signer: Option<Signer>,
    /// One past the last offset that the newest snapshot covers.
    covered: Offset,
}

impl<'a> Saver<'a> {
    /// What is below `covered` needs no other snapshot. A key that cannot be used is found now, and
    /// not when the first checkpoint is due.
    pub fn new(config: &'a Config, covered: Offset) -> Result<Self, Error> {
        let signs = config.signing_key.as_ref().zip(config.snapshots.as_ref());
        let signer = signs.map(|(key, checkpoints)| Signer::open(key, checkpoints)).transpose()?;
        Ok(Self { config, signer, covered })
    }

    /// Saves a snapshot if it is time for one. One that fails is tried again later: it only saves time.
    pub fn save_when_due(&mut self, fold: &Fold<'_>) {
        let decided = fold.reader.first_undecided();
        if decided.0 - self.covered.0 < SAVE_EVERY {
            return;
        }
        if let Err(error) = self.save(fold) {
            tracing::error!(error = &error as &dyn std::error::Error, "no snapshot was taken");
            self.covered = decided;
        }
    }

    /// Saves a snapshot, if the state is exactly that of the last decision in the log.
    pub fn save(&mut self, fold: &Fold<'_>) -> Result<(), Error> {
        let (Some(directory), Some(last_to)) = (&self.config.snapshots, fold.reader.last_to()) else {
            return Ok(());
        };
        if !fold.made.is_empty() || last_to.next() == self.covered {
            return Ok(());
        }
        let state = save(directory, fold.reader.epoch(), last_to, fold.chain, &fold.state)?;
        if let Some(signer) = &self.signer {
            let checkpoint = Checkpoint { at: last_to, chain: fold.chain, state };
            checkpoint::save(directory, &signer.sign(checkpoint))?;
        }
        self.covered = last_to.next();
        Ok(())
    }
}

/// A snapshot that was read.
pub(super) struct Found {
    pub epoch: EpochNumber,
    pub last_to: Offset,
    pub chain: Chain,
    pub state: State,
}

/// Saves the state as of `last_to`, drops all but the newest files, and returns the state's digest.
fn save(directory: &Path, epoch: EpochNumber, last_to: Offset, chain: Chain, state: &State) -> Result<Chain, Error> {
    let mut bytes = codec::encode(&ContentsRef { version: VERSION, epoch, last_to, chain, state });
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    let path = directory.join(format!("{:020}.snapshot", last_to.0));
    let written = fs::create_dir_all(directory).and_then(|()| whole_file::write(&path, &bytes));
    written.map_err(|source| Error::Snapshot { path, source })?;
    drop_old(directory)?;
    Ok(state.digest())
}

/// [`Contents`] without a copy of the state.
#[derive(Serialize)]
struct ContentsRef<'a> {
    version: u16,
    epoch: EpochNumber,
    last_to: Offset,
    chain: Chain,
    state: &'a State,
}

/// The newest snapshot that is whole.
pub(super) fn newest(directory: &Path) -> Result<Option<Found>, Error> {
    for path in files(directory)?.into_iter().rev() {
        let bytes = fs::read(&path).map_err(|source| Error::Snapshot { path: path.clone(), source })?;
        if let Some(found) = open(&bytes) {
            return Ok(Some(found));
        }
        tracing::warn!(path = %path.display(), "the snapshot is damaged; an older one, or the log, serves");
    }
    Ok(None)
}

fn open(bytes: &[u8]) -> Option<Found> {
    let (body, digest) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST_BYTES)?)?;
    if Sha256::digest(body).as_slice() != digest {
        return None;
    }
    let Contents { version, epoch, last_to, chain, mut state } = codec::decode("snapshot", body).ok()?;
    state.restore();
    (version == VERSION).then_some(Found { epoch, last_to, chain, state })
}

fn drop_old(directory: &Path) -> Result<(), Error> {
    let files = files(directory)?;
    let old = files.len().saturating_sub(KEPT);
    for path in files.into_iter().take(old) {
        fs::remove_file(&path).map_err(|source| Error::Snapshot { path, source })?;
    }
    Ok(())
}

/// The snapshot files, oldest first: their names begin with their offsets.
fn files(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::Snapshot { path: directory.to_owned(), source };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let paths: io::Result<Vec<PathBuf>> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let is_snapshot = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "snapshot");
    let mut files: Vec<_> = paths.map_err(failed)?.into_iter().filter(is_snapshot).collect();
    files.sort();
    Ok(files)
}
