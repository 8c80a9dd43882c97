//! Output of tasks on our own two streams: as it is from one task, line by line from several.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use crate::output;

/// The longest line that is held back for its end, in bytes.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// One of the two streams of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stream {
    Out,
    Err,
}

impl Stream {
    /// The name in the gateway's schema.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Out => "STDOUT",
            Self::Err => "STDERR",
        }
    }

    /// The word for people.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Out => "standard output",
            Self::Err => "standard error",
        }
    }

    fn write(self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Out => output::write_bytes(bytes),
            Self::Err => io::stderr().lock().write_all(bytes),
        }
    }
}

/// Where output goes.
#[derive(Debug, Default)]
pub(super) struct Console {
    /// Whether each line is told whose it is.
    is_named: bool,
    /// The beginnings of lines that have no end yet.
    begun: BTreeMap<(String, Stream), Vec<u8>>,
    /// The streams whose last line has no end yet.
    open: BTreeSet<Stream>,
}

impl Console {
    pub(super) fn new(is_named: bool) -> Self {
        Self { is_named, ..Self::default() }
    }

    /// Writes a piece of output.
    pub(super) fn write(&mut self, task: &str, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let lines = self.lines(task, stream, bytes);
        match lines.last() {
            None => return Ok(()),
            Some(b'\n') => self.open.remove(&stream),
            Some(_) => self.open.insert(stream),
        };
        stream.write(&lines)
    }

    /// Ends the line that a gap in the output cuts, so that the next line is whole.
    pub(super) fn cut(&mut self, task: &str, stream: Stream) -> io::Result<()> {
        let rest = self.begun.remove(&(task.into(), stream)).filter(|rest| !rest.is_empty());
        let end = if self.open.remove(&stream) { b"\n".to_vec() } else { Vec::new() };
        stream.write(&rest.map_or(end, |rest| named(task, &rest)))
    }

    /// What can be written now; the rest waits for the end of its line.
    fn lines(&mut self, task: &str, stream: Stream, bytes: &[u8]) -> Vec<u8> {
        if !self.is_named {
            return bytes.into();
        }
        let begun = self.begun.entry((task.into(), stream)).or_default();
        begun.extend_from_slice(bytes);
        let end = begun.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let end = if begun.len() - end > LINE_BYTES_MAX { begun.len() } else { end };
        let whole: Vec<u8> = begun.drain(..end).collect();
        whole.split_inclusive(|byte| *byte == b'\n').flat_map(|line| named(task, line)).collect()
    }

    /// Writes the lines that were left without an end.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        for ((task, stream), rest) in std::mem::take(&mut self.begun) {
            if !rest.is_empty() {
                stream.write(&named(&task, &rest))?;
            }
        }
        Ok(())
    }
}

/// One line with whose it is before it and its end behind it.
fn named(task: &str, line: &[u8]) -> Vec<u8> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    [task.as_bytes(), b" | ", line, b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_one_task_is_as_it_is() {
        let mut console = Console::new(false);
        assert_eq!(console.lines("a.0", Stream::Out, b"half a li\xff"), b"half a li\xff");
    }

    #[test]
    fn a_line_that_a_gap_cuts_is_ended_once() {
        let mut console = Console::new(false);
        for (bytes, is_open) in [(&b"half"[..], true), (b"", true), (b" a line\n", false), (b"half", true)] {
            console.write("a.0", Stream::Err, bytes).expect("written");
            assert_eq!(console.open.contains(&Stream::Err), is_open);
        }
        console.cut("a.0", Stream::Err).expect("written");
        assert!(console.open.is_empty());
    }

    #[test]
    fn the_lines_of_several_tasks_are_whole_and_named() {
        let mut console = Console::new(true);
        assert_eq!(console.lines("a.0", Stream::Out, b"one\ntw"), b"a.0 | one\n");
        assert_eq!(console.lines("a.1", Stream::Out, b"uno\xfe\r\n"), b"a.1 | uno\xfe\r\n");
        assert_eq!(console.lines("a.0", Stream::Err, b"oh"), b"");
        assert_eq!(console.lines("a.0", Stream::Out, b"o\n"), b"a.0 | two\n");
    }
}
