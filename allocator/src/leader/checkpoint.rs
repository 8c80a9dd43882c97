//! Signed checkpoints: who decided this log says what it was, so that later nobody can say otherwise.
//!
//! With each snapshot the leader signs the offset, the chain and the digest of its state, by Ed25519 (RFC 8032). A
//! checkpoint is a few lines of text that can be kept elsewhere; an auditor who has one finds out if a
//! log was replaced or shortened as a whole, which the chain alone cannot show.

#![expect(clippy::disallowed_methods, reason = "the shell keeps keys and checkpoints in files")]

mod signer;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use command_log::whole_file;
use ed25519_dalek::{Signature, VerifyingKey};
use log_schema::{Chain, Offset};
use serde::{Serialize, Serializer};
pub use signer::Signer;

/// The first line of a checkpoint: what it is, and the version of its form.
const HEAD: &str = "quipu checkpoint 1";
/// How many of the newest checkpoints a directory keeps. The chain of each covers all that went before it, so an
/// older one proves nothing that a newer one does not.
pub const KEPT_MAX: usize = 100;
/// How the files of checkpoints end.
const EXTENSION: &str = "checkpoint";

/// A checkpoint could not be read, or the key to sign with could not be had.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// The system said no.
    #[error("could not {doing} {}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    /// The file is no key.
    #[error("{} is not a whole signing key: {why}", path.display())]
    Key { path: PathBuf, why: &'static str },
    /// The file is gone, though something was signed.
    #[error("there is no signing key in {}, and the checkpoints in {} are signed by {signed}", path.display(), checkpoints.display())]
    NoKey { path: PathBuf, checkpoints: PathBuf, signed: PublicKey },
    /// The file is the key of somebody else.
    #[error("the signing key in {} is that of {found}, and the newest checkpoint is signed by {signed}", path.display())]
    OtherKey { path: PathBuf, found: PublicKey, signed: PublicKey },
    /// The text is no checkpoint.
    #[error("{} is not a checkpoint: {why}", path.display())]
    Malformed { path: PathBuf, why: &'static str },
}

impl Error {
    /// What a person can do about it, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Key { .. } | Self::NoKey { .. } | Self::OtherKey { .. } => Some(
                "restore the key from a copy. Without one the identity is lost: move the key, and the *.checkpoint files of \
                 the directory `snapshots`, to a place where they are kept, and a new key is made at the next start; \
                 auditors need the old checkpoints for what was signed so far, and have to be told of the new key",
            ),
            Self::Malformed { .. } => Some("restore the file from a copy, or move it to a place where it is kept"),
            Self::Io { .. } => None,
        }
    }
}

/// What a log was at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last offset that was decided.
    pub at: Offset,
    /// The chain up to and with that offset.
    pub chain: Chain,
    /// SHA-256 of the allocator's state there.
    pub state: Chain,
}

/// The text that is signed.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, chain, state } = self;
        write!(f, "{HEAD}\nat {at}\nchain {chain}\nstate {state}\n")
    }
}

/// Whoever signs checkpoints, as others know him: a public key of Ed25519, written as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl FromStr for PublicKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        unhex(text).map(Self)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// A checkpoint, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// What is said.
    pub checkpoint: Checkpoint,
    /// By whom.
    pub key: PublicKey,
    signature: [u8; 64],
}

impl Signed {
    /// Whether the holder of the key has said this.
    pub fn is_genuine(&self) -> bool {
        let key = VerifyingKey::from_bytes(&self.key.0);
        let signature = Signature::from_bytes(&self.signature);
        key.is_ok_and(|key| key.verify_strict(self.checkpoint.to_string().as_bytes(), &signature).is_ok())
    }
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}key {}\nsignature {}\n", self.checkpoint, self.key, hex(&self.signature))
    }
}

impl FromStr for Signed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut lines = text.lines();
        if lines.next() != Some(HEAD) {
            return Err("it does not begin as one of this version does");
        }
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let mut take = |name| value(name).ok_or("a line is missing or out of order");
        let number = |text: &str| text.parse::<u64>().map_err(|_| "a number cannot be read");
        let checkpoint = Checkpoint {
            at: Offset(number(take("at")?)?),
            chain: Chain(unhex(take("chain")?)?),
            state: Chain(unhex(take("state")?)?),
        };
        let (key, signature) = (PublicKey(unhex(take("key")?)?), unhex(take("signature")?)?);
        Ok(Self { checkpoint, key, signature })
    }
}

/// Keeps a checkpoint in a directory: all of it, or none. Only the newest [`KEPT_MAX`] stay.
pub fn save(directory: &Path, signed: &Signed) -> Result<(), Error> {
    let path = directory.join(format!("{:020}.{EXTENSION}", signed.checkpoint.at.0));
    fs::create_dir_all(directory)
        .and_then(|()| whole_file::write(&path, signed.to_string().as_bytes()))
        .map_err(failed("write", &path))?;
    let all = files(directory)?;
    let old = all.len().saturating_sub(KEPT_MAX);
    all.iter().take(old).try_for_each(|path| fs::remove_file(path).map_err(failed("remove", path)))
}

/// The checkpoints of a directory, in order of offset; none where there is no directory.
pub fn read_all(directory: &Path) -> Result<Vec<Signed>, Error> {
    let mut all = files(directory)?.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    all.sort_by_key(|signed: &Signed| signed.checkpoint.at);
    Ok(all)
}

/// The newest checkpoint that is whole and says who signed it. One that is damaged is for an auditor to complain of.
fn newest_genuine(directory: &Path) -> Result<Option<Signed>, Error> {
    let whole = files(directory)?.into_iter().rev().filter_map(|path| read(path).ok());
    Ok(whole.into_iter().find(Signed::is_genuine))
}

/// The files of a directory's checkpoints, oldest first: their names begin with their offsets.
fn files(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed("list", directory))?,
    };
    let mut all = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed("list", directory))?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            all.push(path);
        }
    }
    all.sort();
    Ok(all)
}

fn read(path: PathBuf) -> Result<Signed, Error> {
    // Bytes that are no text are no checkpoint either; only the system's "no" is an error of another kind.
    let bytes = fs::read(&path).map_err(failed("read", &path))?;
    String::from_utf8_lossy(&bytes).parse().map_err(|why| Error::Malformed { path, why })
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { doing, path, source }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> Result<[u8; N], &'static str> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return Err("a value has another length");
    }
    // A number may have a sign, a value may not.
    if !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err("a value is not hexadecimal");
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| "a value is not hexadecimal")?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint { at: Offset(812), chain: Chain([1; 32]), state: Chain([2; 32]) }
    }

    #[test]
    fn what_was_signed_is_genuine_and_nothing_else_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let signed = Signer::open(&dir.path().join("key"), dir.path()).expect("made").sign(checkpoint());
        assert!(signed.is_genuine());
        let text = signed.to_string();
        assert_eq!(text.parse::<Signed>().expect("reads"), signed);
        for (line, other) in [("at 812", "at 813"), ("chain 01", "chain 11"), ("state 02", "state 12")] {
            let changed: Signed = text.replace(line, other).parse().expect("still a checkpoint");
            assert!(!changed.is_genuine(), "{line} was changed");
        }
        let other = Signer::open(&dir.path().join("other"), dir.path()).expect("made").sign(checkpoint());
        let borrowed = text.replace(&signed.key.to_string(), &other.key.to_string());
        assert!(!borrowed.parse::<Signed>().expect("still a checkpoint").is_genuine());
    }

    #[test]
    fn the_newest_checkpoints_are_kept_and_older_ones_go() {
        let dir = tempfile::tempdir().expect("a directory");
        let signer = Signer::open(&dir.path().join("key"), dir.path()).expect("made");
        for at in 0..KEPT_MAX as u64 + 3 {
            save(dir.path(), &signer.sign(Checkpoint { at: Offset(at), ..checkpoint() })).expect("saved");
        }
        let kept = read_all(dir.path()).expect("whole");
        assert_eq!((kept.len(), kept[0].checkpoint.at), (KEPT_MAX, Offset(3)));
    }

    #[test]
    fn a_checkpoint_that_was_being_written_when_the_power_went_is_none_and_is_replaced() {
        let dir = tempfile::tempdir().expect("a directory");
        let signed = Signer::open(&dir.path().join("key"), dir.path()).expect("made").sign(checkpoint());
        let half = &signed.to_string()[..40];
        fs::write(dir.path().join("00000000000000000812.checkpoint.writing"), half).expect("written");
        assert_eq!(read_all(dir.path()).expect("nothing is there yet"), []);
        save(dir.path(), &signed).expect("saved");
        assert_eq!(read_all(dir.path()).expect("whole"), [signed]);
        let left = fs::read_dir(dir.path()).expect("a directory").count();
        assert_eq!(left, 2, "the key and the checkpoint");
    }

    #[test]
    fn a_public_key_is_read_as_it_is_written_and_nothing_else_is() {
        let key = PublicKey([0xa7; 32]);
        let text = key.to_string();
        assert_eq!((text.len(), text.parse()), (64, Ok(key)));
        for bad in ["", &text[1..], &text.replacen("a7", "+7", 1), &text.replacen("a7", "ä", 1)] {
            assert!(bad.parse::<PublicKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn text_that_is_no_checkpoint_is_refused_with_a_reason() {
        let dir = tempfile::tempdir().expect("a directory");
        let signer = Signer::open(&dir.path().join("key"), dir.path()).expect("made");
        save(dir.path(), &signer.sign(checkpoint())).expect("saved");
        assert_eq!(read_all(dir.path()).expect("whole").len(), 1);
        let whole = signer.sign(checkpoint()).to_string();
        for bad in [
            "",
            "hello",
            whole.split_once("chain").expect("a line").0,
            &whole.replace("chain 01", "chain zz"),
            &whole[..whole.len() - 2],
        ] {
            fs::write(dir.path().join("1.checkpoint"), bad).expect("written");
            assert!(matches!(read_all(dir.path()), Err(Error::Malformed { .. })), "{bad}");
        }
    }
}
