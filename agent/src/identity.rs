//! Which directory this is: made by chance the first time that an agent works in it, and never again.
//!
//! ```text
//! DIR/identity     a secret of this directory, whose directory it is, how often an agent was started in it, and where it was
//! ```
//!
//! Two agents of one name are told apart by it, and one agent's connections by the count of its runs. It is read
//! before anything else in the directory is touched: what runs there belongs to the agent that it names.

use std::{
    fs::{self, File},
    io::{self, Seek, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use command_log::remote::protocol::RUN_MAX;
use log_schema::{AgentId, DirectorySecret, codec};
use serde::{Deserialize, Serialize};

use crate::process_tree;

/// The name of the file.
pub const FILE: &str = "identity";
/// More than the file ever has.
const SPARE_BYTES: usize = 4096;
/// Where the kernel makes numbers that are given once.
const CHANCE: &str = "/proc/sys/kernel/random/uuid";

/// The directory cannot be used by this agent.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// The disk said no.
    #[error("could not {doing} {path}")]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    /// The file is there but is not what was written. It is not replaced: the cell would see another agent.
    #[error(
        "{path} is damaged: put it back from a copy; or, when no task of this agent runs any more, delete the directory"
    )]
    Damaged { path: PathBuf, source: codec::Error },
    /// The count has come to its end: it was changed by somebody, who may have changed more.
    #[error(
        "{path} counts {runs} runs of the agent, which cannot be: put it back from a copy; or, when no task of this agent \
         runs any more, delete the directory"
    )]
    Runs { path: PathBuf, runs: u64 },
    /// Another agent's directory.
    #[error("{directory} is the directory of agent {owner}, not of {asked}: use --id {owner}, or another directory")]
    OtherAgent { directory: PathBuf, owner: AgentId, asked: AgentId },
    /// What runs for the original would be taken for what runs here.
    #[error("{directory} is a copy of the directory of agent {owner}: start this agent in an empty directory")]
    Copied { directory: PathBuf, owner: AgentId },
}

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Told to gateways; the cell knows the directory by what follows from it.
    pub secret: DirectorySecret,
    /// Whose directory it is.
    pub agent: AgentId,
    /// How often an agent was started in it.
    pub run: u64,
    /// In which boot that was last.
    boot: String,
    /// The number of the directory on its file system. It tells a copy within one boot, in which processes of the
    /// original may run; a file system may count anew after that.
    inode: u64,
}

/// Whose directory this is, if an agent ever worked in it.
pub fn owner(directory: &Path) -> Result<Option<AgentId>, Error> {
    Ok(read(&directory.join(FILE))?.map(|known| known.agent))
}

/// Makes the directory this agent's, or checks that it is, and counts the run. The caller holds the directory's lock.
pub fn take(directory: &Path, agent: &AgentId) -> Result<Identity, Error> {
    let path = directory.join(FILE);
    let inode = fs::metadata(directory).map_err(failed("look at", directory))?.ino();
    let boot = process_tree::boot_id();
    let identity = match read(&path)? {
        None => Identity { secret: made_by_chance()?, agent: agent.clone(), run: 1, boot, inode },
        Some(known) if known.agent != *agent => {
            let directory = directory.to_owned();
            return Err(Error::OtherAgent { directory, owner: known.agent, asked: agent.clone() });
        }
        Some(known) if known.boot == boot && known.inode != inode => {
            return Err(Error::Copied { directory: directory.to_owned(), owner: known.agent });
        }
        Some(known) if known.run >= RUN_MAX => return Err(Error::Runs { path, runs: known.run }),
        Some(known) => Identity { run: known.run + 1, boot, inode, ..known },
    };
    write(&path, &identity)?;
    Ok(identity)
}

fn made_by_chance() -> Result<DirectorySecret, Error> {
    let chance = Path::new(CHANCE);
    let text = fs::read_to_string(chance).map_err(failed("read", chance))?;
    DirectorySecret::new(text.trim()).map_err(|error| failed("read", chance)(io::Error::other(error)))
}

fn read(path: &Path) -> Result<Option<Identity>, Error> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed("read", path)(source)),
        Ok(bytes) => codec::decode("identity", &bytes)
            .map(Some)
            .map_err(|source| Error::Damaged { path: path.to_owned(), source }),
    }
}

/// On the disk when this returns, whole or not at all: a run must never be counted twice. The space for the next time
/// is set aside in the draft, so that an agent can be started again on a full disk.
fn write(path: &Path, identity: &Identity) -> Result<(), Error> {
    let draft = path.with_extension("draft");
    let write = || -> io::Result<()> {
        // It holds a secret: no other user of the machine reads it.
        let mut options = File::options();
        let mut file = options.create(true).truncate(false).write(true).mode(0o600).open(&draft)?;
        file.write_all(&codec::encode(identity))?;
        let written = file.stream_position()?;
        file.set_len(written)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    };
    write().map_err(failed("write", path))?;
    // Missed only on a disk that is full already.
    let _ = fs::write(&draft, [0; SPARE_BYTES]);
    Ok(())
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { doing, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str) -> AgentId {
        AgentId::new(name).expect("a legal id")
    }

    #[test]
    fn a_directory_keeps_its_identity_and_counts_its_runs() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = take(directory.path(), &agent("a1")).expect("a new directory");
        let second = take(directory.path(), &agent("a1")).expect("the same agent");
        assert_eq!((first.run, second.run), (1, 2));
        assert_eq!(first.secret, second.secret);
        let other = tempfile::tempdir().expect("a directory");
        assert_ne!(take(other.path(), &agent("a1")).expect("a new directory").secret, first.secret);
    }

    #[test]
    fn a_directory_of_another_agent_is_refused_and_left_as_it_is() {
        let directory = tempfile::tempdir().expect("a directory");
        take(directory.path(), &agent("a1")).expect("a new directory");
        let refused = take(directory.path(), &agent("a2")).expect_err("another agent");
        assert!(refused.to_string().ends_with("use --id a1, or another directory"), "{refused}");
        assert_eq!(owner(directory.path()).expect("readable"), Some(agent("a1")));
        assert_eq!(take(directory.path(), &agent("a1")).expect("its own").run, 2);
    }

    #[test]
    fn a_count_of_runs_that_no_link_would_take_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = take(directory.path(), &agent("a1")).expect("a new directory");
        let path = directory.path().join(FILE);
        write(&path, &Identity { run: RUN_MAX - 1, ..first.clone() }).expect("a write");
        assert_eq!(take(directory.path(), &agent("a1")).expect("the last one").run, RUN_MAX);
        write(&path, &Identity { run: u64::MAX, ..first }).expect("a write");
        assert!(matches!(take(directory.path(), &agent("a1")), Err(Error::Runs { runs: u64::MAX, .. })));
    }

    #[test]
    fn a_copy_of_a_directory_and_a_damaged_identity_are_refused() {
        let (directory, copy) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
        take(directory.path(), &agent("a1")).expect("a new directory");
        fs::copy(directory.path().join(FILE), copy.path().join(FILE)).expect("a copy");
        assert!(matches!(take(copy.path(), &agent("a1")), Err(Error::Copied { .. })));
        fs::write(directory.path().join(FILE), b"x").expect("damage");
        assert!(matches!(take(directory.path(), &agent("a1")), Err(Error::Damaged { .. })));
    }
}
