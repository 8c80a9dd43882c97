//! Small files that are whole at every moment: written beside their place, synced, and moved there.
//!
//! A crash, a full disk or a reader in between finds the old file or the new one, never a part of
//! either. The folder is synced too, so the new file survives a loss of power once this returns.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// What is added to the name of a file while it is written.
const SUFFIX: &str = ".writing";

/// Replaces the file at `path` by one with these bytes.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, &OpenOptions::new())
}

/// The same, for a file that nobody but its owner may read.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, OpenOptions::new().mode(0o600))
}

/// Where the file for `path` is written before it is moved there.
pub(crate) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(SUFFIX);
    name.into()
}

/// Moves what is written beside `path` to its place, for good.
pub(crate) fn put_in_place(path: &Path) -> io::Result<()> {
    fs::rename(beside(path), path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn replace(path: &Path, bytes: &[u8], options: &OpenOptions) -> io::Result<()> {
    let beside = beside(path);
    // One that an earlier crash has left may have other rights.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let written = options.clone().write(true).create_new(true).open(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    // The error of the write is the one that matters; what is left beside is removed the next time, too.
    written.inspect_err(|_| drop(fs::remove_file(&beside)))?;
    put_in_place(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).expect("there").map(|entry| entry.expect("read").file_name());
        entries.map(|name| name.into_string().expect("text")).collect()
    }

    #[test]
    fn a_file_is_replaced_and_nothing_stays_beside_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("name.txt");
        fs::write(beside(&path), "left by a crash").expect("written");
        for text in ["one", "two"] {
            write(&path, text.as_bytes()).expect("written");
            assert_eq!(fs::read_to_string(&path).expect("there"), text);
        }
        assert_eq!(names(dir.path()), ["name.txt"]);
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("name");
        write(&path, b"one").expect("written");
        fs::create_dir(beside(&path)).expect("in the way");
        write(&path, b"two").expect_err("there is a directory in the way");
        assert_eq!(fs::read(&path).expect("there"), b"one");
    }

    #[test]
    fn a_private_file_is_its_owners_alone_from_the_beginning() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("key");
        fs::write(beside(&path), "for all to read").expect("written");
        write_private(&path, b"secret").expect("written");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    }
}
