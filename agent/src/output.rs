//! A task's output on disk: a small log of its own, in segments named by their first byte.
//!
//! ```text
//! stdout.0   stdout.8388608   stdout.16777216        stdout -> stdout.16777216
//! ```
//!
//! A byte keeps its position for good; rotation drops the oldest segment. Nothing is renamed while
//! somebody reads it. Where the disk is full, output is dropped rather than the task stopped.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use command_log::remote::protocol::Stream;
use serde::{Deserialize, Serialize};

/// How much output of one stream is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// A new segment begins where the present one has this many bytes.
    pub segment_bytes: u64,
    /// How many segments are kept, the present one included.
    pub segments_max: usize,
}

impl Default for Kept {
    fn default() -> Self {
        Self { segment_bytes: 8 << 20, segments_max: 4 }
    }
}

/// Writes one stream of one task.
#[derive(Debug)]
pub struct Writer {
    dir: PathBuf,
    stream: Stream,
    kept: Kept,
    segment: Option<Segment>,
    /// The position of the next byte.
    position: u64,
}

#[derive(Debug)]
struct Segment {
    file: File,
    room: u64,
}

impl Writer {
    /// A writer from the first byte on. No file is made before there is output.
    pub fn new(dir: &Path, stream: Stream, kept: Kept) -> Self {
        Self { dir: dir.to_owned(), stream, kept, segment: None, position: 0 }
    }

    /// Appends output, over as many segments as it takes.
    pub fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let segment = match &mut self.segment {
                Some(segment) if segment.room > 0 => segment,
                _ => self.rotate()?,
            };
            let fits = usize::try_from(segment.room).map_or(bytes.len(), |room| room.min(bytes.len()));
            segment.file.write_all(&bytes[..fits])?;
            segment.room -= fits as u64;
            self.position += fits as u64;
            bytes = &bytes[fits..];
        }
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<&mut Segment> {
        let name = format!("{}.{}", self.stream.name(), self.position);
        let file = File::create(self.dir.join(&name))?;
        point(&self.dir, self.stream.name(), &name)?;
        let segments = segments(&self.dir, self.stream);
        for (_, old) in segments.iter().rev().skip(self.kept.segments_max.max(1)) {
            fs::remove_file(old)?;
        }
        Ok(self.segment.insert(Segment { file, room: self.kept.segment_bytes.max(1) }))
    }
}

/// Makes `name` a link to the newest segment, for people with `tail -F`.
fn point(dir: &Path, name: &str, target: &str) -> io::Result<()> {
    let draft = dir.join(format!("{name}.link"));
    symlink(target, &draft)?;
    fs::rename(draft, dir.join(name))
}

/// The segments of a stream: position of the first byte and file, in order.
pub fn segments(dir: &Path, stream: Stream) -> Vec<(u64, PathBuf)> {
    let start = |path: &Path| -> Option<u64> {
        path.file_name()?.to_str()?.strip_prefix(stream.name())?.strip_prefix('.')?.parse().ok()
    };
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<_> = entries.filter_map(|path| Some((start(&path)?, path))).collect();
    found.sort_unstable();
    found
}
