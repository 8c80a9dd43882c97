//! A task's output on disk: a small log of its own, in segments named by their first byte.
//!
//! ```text
//! stdout.0   stdout.8388608   stdout.16777216        stdout -> stdout.16777216
//! ```
//!
//! A byte keeps its position for good; rotation drops the oldest segment. A segment ends with a line,
//! unless the line is longer than an eighth of a segment. Nothing is renamed while somebody reads it.
//! Where the disk is full, output is dropped rather than the task stopped; a reader sees the gap.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use command_log::remote::protocol::Stream;
use serde::{Deserialize, Serialize};

/// A segment may grow by this part of its size to end with a whole line.
const LINE_SHARE: u64 = 8;

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
    path: PathBuf,
    /// Bytes until the segment is full.
    room: u64,
    /// Bytes that it takes beyond, to the end of a line.
    slack: u64,
    ends_line: bool,
    is_empty: bool,
}

impl Writer {
    /// A writer from the first byte on. No file is made before there is output.
    pub fn new(dir: &Path, stream: Stream, kept: Kept) -> Self {
        Self { dir: dir.to_owned(), stream, kept, segment: None, position: 0 }
    }

    /// Appends output, over as many segments as it takes. After an error the rest of `bytes` is a gap:
    /// it keeps its positions, and what comes later begins a segment of its own.
    pub fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_some(bytes) {
                Ok(written) => {
                    self.position += written as u64;
                    bytes = &bytes[written..];
                }
                Err(error) => {
                    self.position += bytes.len() as u64;
                    // An empty segment would only push out one with output.
                    if let Some(segment) = self.segment.take_if(|segment| segment.is_empty) {
                        let _ = fs::remove_file(segment.path);
                    }
                    self.segment = None;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let segment = match &mut self.segment {
            Some(segment) if segment.takes(bytes) > 0 => segment,
            _ => self.begin_segment()?,
        };
        let taken = segment.takes(bytes).max(1);
        segment.file.write_all(&bytes[..taken])?;
        segment.took(&bytes[..taken]);
        if std::mem::replace(&mut segment.is_empty, false) {
            self.drop_oldest();
        }
        Ok(taken)
    }

    fn begin_segment(&mut self) -> io::Result<&mut Segment> {
        let name = format!("{}.{}", self.stream.name(), self.position);
        let path = self.dir.join(&name);
        let create = || File::options().write(true).create_new(true).open(&path);
        // A file of that name is not ours, and may be a link to somewhere else.
        let file = create().or_else(|_| fs::remove_file(&path).and_then(|()| create()))?;
        point(&self.dir, self.stream.name(), &name)?;
        let room = self.kept.segment_bytes.max(1);
        let slack = self.kept.segment_bytes / LINE_SHARE;
        Ok(self.segment.insert(Segment { file, path, room, slack, ends_line: true, is_empty: true }))
    }

    fn drop_oldest(&self) {
        for (_, old) in segments(&self.dir, self.stream).iter().rev().skip(self.kept.segments_max.max(1)) {
            // What cannot be removed is kept longer.
            let _ = fs::remove_file(old);
        }
    }
}

impl Segment {
    /// How many of these bytes belong here: to the first end of a line at which the segment is full.
    fn takes(&self, bytes: &[u8]) -> usize {
        let (room, slack) = (as_length(self.room), as_length(self.slack));
        if bytes.len() <= room {
            return bytes.len();
        }
        if room == 0 && self.ends_line {
            return 0;
        }
        let most = bytes.len().min(room.saturating_add(slack));
        let full_at = room.saturating_sub(1);
        let line_end = bytes[full_at..most].iter().position(|byte| *byte == b'\n');
        line_end.map_or(most, |at| full_at + at + 1)
    }

    fn took(&mut self, bytes: &[u8]) {
        let count = bytes.len() as u64;
        self.slack -= count.saturating_sub(self.room).min(self.slack);
        self.room = self.room.saturating_sub(count);
        self.ends_line = bytes.last() == Some(&b'\n');
    }
}

fn as_length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(dir: &Path) -> Vec<u64> {
        segments(dir, Stream::Stdout).into_iter().map(|(start, _)| start).collect()
    }

    #[test]
    fn a_segment_ends_with_a_line_however_the_output_comes() {
        for piece in 1..30 {
            let dir = tempfile::tempdir().expect("a directory for tests");
            let mut writer =
                Writer::new(dir.path(), Stream::Stdout, Kept { segment_bytes: 64, segments_max: usize::MAX });
            let text: Vec<u8> = (0..100).flat_map(|line| format!("{line}\n").into_bytes()).collect();
            text.chunks(piece).for_each(|piece| writer.write(piece).expect("a write"));
            let files = segments(dir.path(), Stream::Stdout);
            assert!(files.len() > 3, "{files:?}");
            let bytes: Vec<Vec<u8>> = files.iter().map(|(_, path)| fs::read(path).expect("a segment")).collect();
            assert!(bytes.iter().all(|bytes| bytes.ends_with(b"\n")), "pieces of {piece}");
            assert_eq!(bytes.concat(), text);
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_rather_than_kept_for_ever() {
        let dir = tempfile::tempdir().expect("a directory for tests");
        let mut writer = Writer::new(dir.path(), Stream::Stdout, Kept { segment_bytes: 64, segments_max: 2 });
        writer.write(&[b'x'; 1000]).expect("a write");
        // A segment takes 64 bytes and an eighth more.
        assert_eq!(starts(dir.path()), [12 * 72, 13 * 72]);
    }

    #[test]
    fn output_that_cannot_be_written_keeps_its_positions() {
        let dir = tempfile::tempdir().expect("a directory for tests");
        let away = dir.path().join("away");
        let mut writer = Writer::new(&away, Stream::Stdout, Kept::default());
        writer.write(b"lost").expect_err("there is no directory");
        fs::create_dir(&away).expect("a directory");
        writer.write(b"kept").expect("a write");
        assert_eq!(starts(&away), [4]);
    }

    #[test]
    fn a_link_in_the_place_of_a_segment_is_not_written_through() {
        let dir = tempfile::tempdir().expect("a directory for tests");
        let other = dir.path().join("other");
        fs::write(&other, "mine").expect("a file");
        symlink(&other, dir.path().join("stdout.0")).expect("a link");
        Writer::new(dir.path(), Stream::Stdout, Kept::default()).write(b"output").expect("a write");
        assert_eq!(fs::read_to_string(&other).expect("a file"), "mine");
    }
}
