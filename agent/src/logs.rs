//! Reading a task's output: from a position, from the end, by lines, and on as more is written.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use command_log::remote::protocol::{LOG_CHUNK_BYTES_MAX, ReadFrom, Stream};
use log_schema::{Incarnation, TaskId};
use nix::{
    fcntl::{self, OFlag},
    sys::stat::Mode,
};

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
    /// The task put something else in the place of its output.
    #[error("the output of task {task} is not read: {what}")]
    NotPlain { task: TaskId, what: String },
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
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::InvalidInput => Error::NotPlain { task: request.task.clone(), what: source.to_string() },
        _ => Error::Io { task: request.task.clone(), source },
    };
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

/// How often the segments are listed again where rotation was faster.
const LISTINGS_MAX: usize = 8;

/// The segments of one stream, as they are at one moment. They are open, so that rotation takes none away.
struct Output {
    segments: Vec<Segment>,
    /// The position after the last byte.
    end: u64,
}

struct Segment {
    start: u64,
    end: u64,
    file: File,
}

impl Output {
    fn open(dir: &Path, stream: Stream) -> io::Result<Self> {
        // The task can write to this directory, and may have put links to other files into it.
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let directory = match fcntl::open(dir, flags, Mode::empty()) {
            Err(nix::Error::ELOOP | nix::Error::ENOTDIR) => return Err(not_plain("its sandbox is not a directory")),
            other => other.map_err(io::Error::from)?,
        };
        for _ in 0..LISTINGS_MAX {
            let names = segments(&PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())), stream);
            let is_empty = names.is_empty();
            let mut found = Vec::with_capacity(names.len());
            for (start, path) in names {
                found.extend(Segment::open(&directory, start, &path)?);
            }
            if is_empty || !found.is_empty() {
                return Ok(Self::of(found));
            }
        }
        Err(io::Error::new(io::ErrorKind::Interrupted, "the output is rotated faster than it can be read"))
    }

    fn of(mut segments: Vec<Segment>) -> Self {
        for index in 1..segments.len() {
            let next = segments[index].start;
            segments[index - 1].end = segments[index - 1].end.min(next);
        }
        let end = segments.last().map_or(0, |segment| segment.end);
        Self { segments, end }
    }

    fn oldest(&self) -> u64 {
        self.segments.first().map_or(0, |segment| segment.start)
    }

    /// Where reading starts: at what is wanted, or behind the gap in which it is.
    fn start(&self, from: ReadFrom, bytes_max: u64) -> io::Result<u64> {
        let wanted = match from {
            ReadFrom::Byte(position) => position.min(self.end),
            ReadFrom::BeforeEnd(bytes) => self.end.saturating_sub(bytes),
            ReadFrom::LastLines(lines) => self.last_lines(lines, bytes_max)?,
        };
        let next = self.segments.iter().find(|segment| segment.end > wanted);
        Ok(next.map_or(self.end, |segment| segment.start.max(wanted)))
    }

    /// Where the last so many lines begin: at the oldest byte that is kept if there are fewer. Reads backwards, so many
    /// bytes at a time.
    fn last_lines(&self, lines: u32, bytes_max: u64) -> io::Result<u64> {
        let mut left = lines;
        if left == 0 {
            return Ok(self.end);
        }
        for segment in self.segments.iter().rev() {
            let mut end = segment.end;
            while end > segment.start {
                let start = end.saturating_sub(bytes_max).max(segment.start);
                let block = self.bytes(start, end - start)?;
                let breaks = block.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
                // The break at the very end closes the last line, and begins none.
                for behind in breaks.map(|(at, _)| start + at as u64 + 1).filter(|behind| *behind < self.end) {
                    left -= 1;
                    if left == 0 {
                        return Ok(behind);
                    }
                }
                end = start;
            }
        }
        Ok(self.oldest())
    }

    /// Up to `bytes_max` bytes from a position on, over the segments' borders but not over a gap.
    fn bytes(&self, mut position: u64, bytes_max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for Segment { start, end, file } in &self.segments {
            let left = bytes_max - bytes.len() as u64;
            if position < *start || position >= *end || left == 0 {
                continue;
            }
            let mut file = file;
            file.seek(SeekFrom::Start(position - start))?;
            position += file.take(left.min(end - position)).read_to_end(&mut bytes)? as u64;
        }
        Ok(bytes)
    }
}

impl Segment {
    /// Opens a segment, unless rotation has removed it. Only a plain file with one name is output.
    fn open(directory: &OwnedFd, start: u64, path: &Path) -> io::Result<Option<Self>> {
        let name = path.file_name().unwrap_or_default();
        // A pipe that nobody writes to must not hold the reader.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let what = || not_plain(&format!("{} is not a plain file of its own", name.display()));
        let file = match fcntl::openat(directory, name, flags, Mode::empty()) {
            Err(nix::Error::ENOENT) => return Ok(None),
            Err(nix::Error::ELOOP | nix::Error::ENXIO | nix::Error::ENODEV) => return Err(what()),
            other => File::from(other.map_err(io::Error::from)?),
        };
        let metadata = file.metadata()?;
        if metadata.nlink() == 0 {
            return Ok(None);
        }
        if !metadata.is_file() || metadata.nlink() > 1 {
            return Err(what());
        }
        let end = start.checked_add(metadata.len()).ok_or_else(what)?;
        Ok(Some(Self { start, end, file }))
    }
}

fn not_plain(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
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
        // However little is read at a time, the first piece begins with the first of the lines.
        for (lines, offset) in [(1, 8), (2, 4), (3, 0), (u32::MAX, 0)] {
            assert_eq!(story.read(ReadFrom::LastLines(lines), 2).offset, offset, "{lines}");
        }
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

    #[test]
    fn output_is_never_read_out_of_the_sandbox() {
        use std::os::unix::fs::symlink;
        type Plant<'a> = &'a dyn Fn(&Path);
        let secret = tempfile::NamedTempFile::new().expect("a file for tests");
        fs::write(secret.path(), "secret").expect("a file");
        let plant: [(&str, Plant); 4] = [
            ("link", &|at| symlink(secret.path(), at).expect("a link")),
            ("hard link", &|at| fs::hard_link(secret.path(), at).expect("a link")),
            ("pipe", &|at| nix::unistd::mkfifo(at, Mode::S_IRWXU).expect("a pipe")),
            ("directory", &|at| fs::create_dir(at).expect("a directory")),
        ];
        for (what, plant) in plant {
            let mut story = story(Kept::default());
            story.writer.write(b"abc").expect("a write");
            let dir = story.root.path().join("web.0.1");
            fs::remove_file(dir.join("stdout.0")).expect("the segment");
            plant(&dir.join("stdout.0"));
            let from = ReadFrom::Byte(0);
            let request =
                Request { task: story.task.clone(), incarnation: None, stream: Stream::Stdout, from, bytes_max: 100 };
            let answer = read(story.root.path(), &request);
            assert!(matches!(answer, Err(Error::NotPlain { .. })), "{what}: {answer:?}");
            fs::rename(&dir, story.root.path().join("moved")).expect("a rename");
            symlink("/", &dir).expect("a link");
            let answer = read(story.root.path(), &request);
            assert!(matches!(answer, Err(Error::NotPlain { .. })), "sandbox: {answer:?}");
        }
    }

    #[test]
    fn a_segment_whose_name_counts_too_far_is_no_panic() {
        let story = story(Kept::default());
        let name = format!("stdout.{}", u64::MAX);
        fs::write(story.root.path().join("web.0.1").join(name), "abc").expect("a file");
        let (task, from) = (story.task.clone(), ReadFrom::BeforeEnd(1));
        let request = Request { task, incarnation: None, stream: Stream::Stdout, from, bytes_max: 1 };
        assert!(matches!(read(story.root.path(), &request), Err(Error::NotPlain { .. })));
    }

    #[test]
    fn a_gap_between_segments_is_stepped_over_and_seen() {
        let mut story = story(Kept { segment_bytes: 4, segments_max: 9 });
        story.writer.write(b"aaaabbbbcccc").expect("a write");
        fs::remove_file(story.root.path().join("web.0.1/stdout.4")).expect("a segment");
        let first = story.read(ReadFrom::Byte(0), 100);
        assert_eq!((first.bytes.as_slice(), first.next_offset), (b"aaaa".as_slice(), 4));
        let second = story.read(ReadFrom::Byte(4), 100);
        assert_eq!((second.offset, second.bytes.as_slice()), (8, b"cccc".as_slice()));
    }
}
