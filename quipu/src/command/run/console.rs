//! Output of tasks on our own two streams: as it is from one task, line by line from several.

use std::{
    collections::BTreeMap,
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

    fn write(self, text: &str) -> io::Result<()> {
        match self {
            Self::Out => output::write(text),
            Self::Err => io::stderr().lock().write_all(text.as_bytes()),
        }
    }
}

/// Where output goes.
#[derive(Debug, Default)]
pub(super) struct Console {
    /// Whether each line is told whose it is.
    is_named: bool,
    /// The beginnings of lines that have no end yet.
    begun: BTreeMap<(String, Stream), String>,
}

impl Console {
    pub(super) fn new(is_named: bool) -> Self {
        Self { is_named, begun: BTreeMap::new() }
    }

    /// Writes a piece of output.
    pub(super) fn write(&mut self, task: &str, stream: Stream, text: &str) -> io::Result<()> {
        stream.write(&self.lines(task, stream, text))
    }

    /// What can be written now; the rest waits for the end of its line.
    fn lines(&mut self, task: &str, stream: Stream, text: &str) -> String {
        if !self.is_named {
            return text.into();
        }
        let begun = self.begun.entry((task.into(), stream)).or_default();
        begun.push_str(text);
        let end = begun.rfind('\n').map_or(0, |last| last + 1);
        let end = if begun.len() - end > LINE_BYTES_MAX { begun.len() } else { end };
        let whole: String = begun.drain(..end).collect();
        whole.lines().map(|line| format!("{task} | {line}\n")).collect()
    }

    /// Writes the lines that were left without an end.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        for ((task, stream), rest) in std::mem::take(&mut self.begun) {
            if !rest.is_empty() {
                stream.write(&format!("{task} | {rest}\n"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_one_task_is_as_it_is() {
        let mut console = Console::new(false);
        assert_eq!(console.lines("a.0", Stream::Out, "half a li"), "half a li");
    }

    #[test]
    fn the_lines_of_several_tasks_are_whole_and_named() {
        let mut console = Console::new(true);
        assert_eq!(console.lines("a.0", Stream::Out, "one\ntw"), "a.0 | one\n");
        assert_eq!(console.lines("a.1", Stream::Out, "uno\n"), "a.1 | uno\n");
        assert_eq!(console.lines("a.0", Stream::Err, "oh"), "");
        assert_eq!(console.lines("a.0", Stream::Out, "o\n"), "a.0 | two\n");
    }
}
