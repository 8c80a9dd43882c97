//! Reading a task's output: from a position, from the end, by lines, and on as more is written.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use command_log::remote::protocol::{LOG_CHUNK_BYTES_MAX, ReadFrom, Stream};
use log_schema::{Incarnation, TaskId};

use crate::{
    output::segments,
    sandbox::{Sandbox, TaskKey},
};

/// How often a reader that waits looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Output could not be read.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub enum Error {
    /// This agent has no sandbox of the task, or not of that incarnation.
    #[error("there is no output of task {task} on this agent")]
    NotFound { task: TaskId },
    /// The disk said no.
    #[error("could not read the output of task {task}")]
    Io { task: TaskId, source: io::Error },
}

/// A piece of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The position of the first byte, counted from the task's first.
    pub offset: u64,
    /// The bytes; empty where there are none yet.
    pub bytes: Vec<u8>,
    /// Where to read on.
    pub next_offset: u64,
    /// The task has ended and this is the last of its output.
    pub end: bool,
}

/// Which output is wanted.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whose.
    pub task: TaskId,
    /// Which start of the task; the newest where absent.
    pub incarnation: Option<Incarnation>,
    /// Which stream.
    pub stream: Stream,
    /// Where to start.
    pub from: ReadFrom,
    /// The most bytes wanted.
    pub bytes_max: u32,
}

/// Reads what is there now.
pub fn read(sandboxes: &Path, request: &Request) -> Result<Chunk, Error> {
    let not_found = || Error::NotFound { task: request.task.clone() };
    let incarnation =
        request.incarnation.or_else(|| newest_incarnation(sandboxes, &request.task)).ok_or_else(not_found)?;
    let sandbox = Sandbox::of(sandboxes, &TaskKey { task: request.task.clone(), incarnation });
    if !sandbox.exists() {
        return Err(not_found());
    }
    // Asked before reading: what was written before the end is then not missed.
    let over = matches!(sandbox.ended(), Ok(Some(_)));
    let failed = |source| Error::Io { task: request.task.clone(), source };
    let output = Output::open(sandbox.dir(), request.stream).map_err(failed)?;
    let bytes_max = u64::from(request.bytes_max.clamp(1, LOG_CHUNK_BYTES_MAX));
    let start = output.start(request.from, bytes_max).map_err(failed)?;
    let bytes = output.bytes(start, bytes_max).map_err(failed)?;
    let next_offset = start + bytes.len() as u64;
    Ok(Chunk { offset: start, bytes, next_offset, end: over && next_offset >= output.end })
}

/// Reads, and waits up to `wait` for a first byte or the end. Blocks its thread.
pub fn read_or_wait(sandboxes: &Path, request: &Request, wait: Duration) -> Result<Chunk, Error> {
    let deadline = Instant::now() + wait;
    loop {
        let chunk = read(sandboxes, request)?;
        if !chunk.bytes.is_empty() || chunk.end || Instant::now() >= deadline {
            return Ok(chunk);
        }
        std::thread::sleep(LOOK_AGAIN.min(deadline.saturating_duration_since(Instant::now())));
    }
}

fn newest_incarnation(sandboxes: &Path, task: &TaskId) -> Option<Incarnation> {
    let prefix = format!("{}.", task.as_str().replace('/', "~"));
    let names = fs::read_dir(sandboxes).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| name.strip_prefix(&prefix)?.parse().ok()).max().map(Incarnation)
}

/// The segments of one stream, as they are at one moment.
struct Output {
    segments: Vec<(u64, PathBuf)>,
    /// The position after the last byte.
    end: u64,
}

impl Output {
    fn open(dir: &Path, stream: Stream) -> io::Result<Self> {
        let segments = segments(dir, stream);
        let end = match segments.last() {
            Some((start, path)) => start + fs::metadata(path)?.len(),
            None => 0,
        };
        Ok(Self { segments, end })
    }

    fn oldest(&self) -> u64 {
        self.segments.first().map_or(0, |(start, _)| *start)
    }

    fn start(&self, from: ReadFrom, bytes_max: u64) -> io::Result<u64> {
        let wanted = match from {
            ReadFrom::Byte(position) => position.min(self.end),
            ReadFrom::BeforeEnd(bytes) => self.end.saturating_sub(bytes),
            ReadFrom::LastLines(lines) => self.last_lines(lines, bytes_max)?,
        };
        Ok(wanted.max(self.oldest()))
    }

    /// Where the last so many lines begin, looking back no further than `bytes_max`.
    fn last_lines(&self, lines: u32, bytes_max: u64) -> io::Result<u64> {
        let from = self.end.saturating_sub(bytes_max).max(self.oldest());
        let tail = self.bytes(from, self.end - from)?;
        let body = tail.strip_suffix(b"\n").unwrap_or(&tail);
        let breaks = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at as u64);
        let before = usize::try_from(lines).unwrap_or(usize::MAX).checked_sub(1);
        Ok(match before {
            None => self.end,
            Some(skipped) => breaks.skip(skipped).map(|at| from + at + 1).next().unwrap_or(from),
        })
    }

    /// Up to `bytes_max` bytes from a position on, over the segments' borders.
    fn bytes(&self, mut position: u64, bytes_max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for (index, (start, path)) in self.segments.iter().enumerate() {
            let end = self.segments.get(index + 1).map_or(self.end, |(next, _)| *next);
            let left = bytes_max - bytes.len() as u64;
            if position < *start || position >= end || left == 0 {
                continue;
            }
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(position - start))?;
            position += file.take(left.min(end - position)).read_to_end(&mut bytes)? as u64;
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Kept, Writer};

    struct Story {
        root: tempfile::TempDir,
        task: TaskId,
        writer: Writer,
    }

    fn story(kept: Kept) -> Story {
        let root = tempfile::tempdir().expect("a directory for tests");
        let task = TaskId::new("web.0").expect("a legal id");
        let sandbox = Sandbox::of(root.path(), &TaskKey { task: task.clone(), incarnation: Incarnation(1) });
        sandbox.create().expect("a new sandbox");
        let writer = Writer::new(sandbox.dir(), Stream::Stdout, kept);
        Story { root, task, writer }
    }

    impl Story {
        fn read(&self, from: ReadFrom, bytes_max: u32) -> Chunk {
            let request =
                Request { task: self.task.clone(), incarnation: None, stream: Stream::Stdout, from, bytes_max };
            read(self.root.path(), &request).expect("output can be read")
        }
    }

    #[test]
    fn output_that_was_rotated_away_is_skipped_and_positions_stay() {
        let mut story = story(Kept { segment_bytes: 4, segments_max: 2 });
        story.writer.write(b"aaaabbbbccccdd").expect("a write");
        let chunk = story.read(ReadFrom::Byte(0), 100);
        assert_eq!((chunk.offset, chunk.bytes.as_slice(), chunk.next_offset), (8, b"ccccdd".as_slice(), 14));
        let files = segments(&story.root.path().join("web.0.1"), Stream::Stdout);
        assert_eq!(files.iter().map(|(start, _)| *start).collect::<Vec<_>>(), [8, 12]);
    }

    #[test]
    fn the_last_lines_are_found_over_the_border_of_segments() {
        let mut story = story(Kept { segment_bytes: 5, segments_max: 9 });
        story.writer.write(b"one\ntwo\nthree\n").expect("a write");
        assert_eq!(story.read(ReadFrom::LastLines(2), 100).bytes, b"two\nthree\n");
        assert_eq!(story.read(ReadFrom::LastLines(9), 100).bytes, b"one\ntwo\nthree\n");
        assert_eq!(story.read(ReadFrom::LastLines(0), 100).bytes, b"");
        assert_eq!(story.read(ReadFrom::BeforeEnd(6), 4).bytes, b"thre");
    }

    #[test]
    fn a_reader_past_the_end_waits_at_the_end() {
        let mut story = story(Kept::default());
        assert_eq!(story.read(ReadFrom::Byte(7), 10).next_offset, 0);
        story.writer.write(b"abc").expect("a write");
        let chunk = story.read(ReadFrom::Byte(3), 10);
        assert!(chunk.bytes.is_empty() && !chunk.end && chunk.next_offset == 3);
    }

    #[test]
    fn a_task_that_never_was_here_has_no_output() {
        let story = story(Kept::default());
        let task = TaskId::new("db.0").expect("a legal id");
        let request =
            Request { task, incarnation: None, stream: Stream::Stderr, from: ReadFrom::Byte(0), bytes_max: 1 };
        assert!(matches!(read(story.root.path(), &request), Err(Error::NotFound { .. })));
    }
}
