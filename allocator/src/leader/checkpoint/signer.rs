//! The key that checkpoints are signed with: a file that says both halves, so damage to it is seen.
//!
//! ```text
//!   quipu signing key 1
//!   public 64 hexadecimal digits
//!   secret 64 hexadecimal digits
//! ```
//! A key is made once. Where the checkpoints beside it say that there was another, nothing is signed: a new
//! identity is for an operator to choose, and for auditors to be told of.

#![expect(clippy::disallowed_methods, reason = "the shell keeps the key in a file")]

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use command_log::whole_file;
use ed25519_dalek::{Signer as _, SigningKey};

use super::{Checkpoint, Error, PublicKey, Signed, hex, newest_genuine, unhex};

/// The first line: what it is, and the version of its form.
const HEAD: &str = "quipu signing key 1";

/// Signs checkpoints with the cell's key.
pub struct Signer(SigningKey);

impl Signer {
    /// Reads the key from its file, or makes one there, for its owner's eyes only, if nothing in the directory of
    /// `checkpoints` was signed yet. Refuses a key that is damaged, or is not the one of the newest checkpoint.
    pub fn open(path: &Path, checkpoints: &Path) -> Result<Self, Error> {
        let failed = |doing| move |source| Error::Io { doing, path: path.to_owned(), source };
        let newest = newest_genuine(checkpoints)?;
        match (fs::read_to_string(path), newest) {
            (Ok(text), newest) => {
                let signer = Self(read(&text).map_err(|why| Error::Key { path: path.to_owned(), why })?);
                let found = signer.public();
                match newest.filter(|newest| newest.key != found) {
                    Some(newest) => Err(Error::OtherKey { path: path.to_owned(), found, signed: newest.key }),
                    None => Ok(signer),
                }
            }
            (Err(error), _) if error.kind() == io::ErrorKind::InvalidData => {
                Err(Error::Key { path: path.to_owned(), why: "it is not text" })
            }
            (Err(error), Some(signed)) if error.kind() == io::ErrorKind::NotFound => {
                Err(Error::NoKey { path: path.to_owned(), checkpoints: checkpoints.to_owned(), signed: signed.key })
            }
            (Err(error), None) if error.kind() == io::ErrorKind::NotFound => {
                let signer = Self(draw().map_err(failed("draw a key for"))?);
                whole_file::write_private(path, signer.to_text().as_bytes()).map_err(failed("make"))?;
                Ok(signer)
            }
            (Err(error), _) => Err(failed("read")(error)),
        }
    }

    /// Says so.
    pub fn sign(&self, checkpoint: Checkpoint) -> Signed {
        let signature = self.0.sign(checkpoint.to_string().as_bytes()).to_bytes();
        Signed { checkpoint, key: self.public(), signature }
    }

    fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    fn to_text(&self) -> String {
        format!("{HEAD}\npublic {}\nsecret {}\n", self.public(), hex(&self.0.to_bytes()))
    }
}

fn draw() -> io::Result<SigningKey> {
    let mut key = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    Ok(SigningKey::from_bytes(&key))
}

fn read(text: &str) -> Result<SigningKey, &'static str> {
    let mut lines = text.lines();
    if lines.next() != Some(HEAD) {
        return Err("it does not begin as one of this version does");
    }
    let mut value = |name: &str| unhex(lines.next()?.strip_prefix(name)?).ok();
    let (Some(public), Some(secret)) = (value("public "), value("secret ")) else {
        return Err("a line is missing, cut or out of order");
    };
    let key = SigningKey::from_bytes(&secret);
    if key.verifying_key().to_bytes() == public { Ok(key) } else { Err("its two halves do not belong together") }
}

#[cfg(test)]
mod tests {
    use log_schema::{Chain, Offset};

    use super::{super::save, *};

    fn checkpoint(at: u64) -> Checkpoint {
        Checkpoint { at: Offset(at), chain: Chain([1; 32]), state: Chain([2; 32]) }
    }

    #[test]
    fn a_key_is_made_once_and_only_its_owner_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("key");
        let open = || Signer::open(&path, dir.path()).expect("opens").sign(checkpoint(1));
        assert_eq!(open(), open());
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_of_a_key_is_found_before_anything_was_signed() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("key");
        let public = Signer::open(&path, dir.path()).expect("made").public();
        let whole = fs::read(&path).expect("there");
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, flipped).expect("written");
            // A digit in the other case, or another end of a line, says the same.
            match Signer::open(&path, dir.path()) {
                Ok(signer) => assert_eq!(signer.public(), public, "bit {bit}"),
                Err(error) => assert!(matches!(error, Error::Key { .. }), "bit {bit}: {error}"),
            }
        }
        for end in 0..whole.len() - 1 {
            fs::write(&path, &whole[..end]).expect("written");
            assert!(matches!(Signer::open(&path, dir.path()), Err(Error::Key { .. })), "cut at {end}");
        }
    }

    #[test]
    fn a_key_that_is_gone_or_another_is_no_new_identity_where_something_was_signed() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, other) = (dir.path().join("key"), dir.path().join("other"));
        save(dir.path(), &Signer::open(&path, dir.path()).expect("made").sign(checkpoint(1))).expect("saved");
        fs::rename(&path, dir.path().join("elsewhere")).expect("moved");
        let gone = Signer::open(&path, dir.path()).err().expect("no new key");
        assert!(matches!(gone, Error::NoKey { .. }) && gone.hint().is_some(), "{gone}");
        assert!(!path.exists());
        let _ = Signer::open(&other, &dir.path().join("nothing signed")).expect("made");
        fs::rename(&other, &path).expect("moved");
        let another = Signer::open(&path, dir.path()).err().expect("another key");
        assert!(matches!(another, Error::OtherKey { .. }) && another.hint().is_some(), "{another}");
    }
}
