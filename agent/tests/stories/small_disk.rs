//! A file system that is full soon.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Mounted until it is dropped.
pub struct SmallDisk(PathBuf, Option<tempfile::TempDir>);

impl SmallDisk {
    /// A disk in a place of its own. Says loudly that the test is skipped where none can be mounted.
    pub fn mount(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a directory for tests");
        let mut disk = Self::mount_at(dir.path(), size)?;
        disk.1 = Some(dir);
        Some(disk)
    }

    /// The same over a directory.
    pub fn mount_at(at: &Path, size: &str) -> Option<Self> {
        let size = format!("size={size}");
        let mounting = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "small"]).arg(at).status();
        if mounting.is_ok_and(|status| status.success()) {
            return Some(Self(at.to_owned(), None));
        }
        eprintln!("SKIPPED: this user may not mount a small file system");
        None
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Leaves no room; gives it back with the file that is returned.
    pub fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut filler = fs::File::create(&path).expect("a file");
        let full = std::io::copy(&mut std::io::repeat(7), &mut filler).expect_err("it is full some time");
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
