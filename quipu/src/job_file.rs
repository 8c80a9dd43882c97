//! `job.toml`: one `[job]` table, or several `[[job]]`. Every fault of a file is told at once, with
//! its line and its field; a field that is not known is refused, with the one that may be meant.

mod fault;
mod read;
mod table;

use std::{fs, path::Path};

use toml::de::DeTable;

pub(crate) use self::fault::Fault;
use self::{fault::Faults, table::Table};
use crate::job::Job;

/// A file cannot be submitted.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are what the message names")]
pub(crate) enum Error {
    /// The file cannot be read.
    #[error("could not read {file}")]
    Read { file: String, source: std::io::Error },
    /// The file is wrong.
    #[error("{file} describes no job that can be submitted\n{}", list(.file, .faults))]
    Faults { file: String, faults: Vec<Fault> },
}

fn list(file: &str, faults: &[Fault]) -> String {
    let lines: Vec<_> = faults.iter().map(|fault| format!("  {file}:{fault}")).collect();
    lines.join("\n")
}

/// Reads the jobs of a file, in its order; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<Vec<Job>, Error> {
    let file = path.display().to_string();
    let text = if file == "-" { std::io::read_to_string(std::io::stdin()) } else { fs::read_to_string(path) };
    let text = text.map_err(|source| Error::Read { file: file.clone(), source })?;
    parse(&text).map_err(|faults| Error::Faults { file, faults })
}

/// Reads the jobs of a text.
pub(crate) fn parse(text: &str) -> Result<Vec<Job>, Vec<Fault>> {
    let document = DeTable::parse(text).map_err(|error| vec![fault::of_syntax(text, &error)])?;
    let mut faults = Faults::new(text);
    let mut root = Table::new(document.get_ref(), document.span().start, "");
    let jobs: Vec<Job> = root.one_or_more("job", &mut faults, read::job).into_iter().flatten().collect();
    root.refuse_the_rest(&mut faults);
    let faults = faults.finish();
    if faults.is_empty() { Ok(jobs) } else { Err(faults) }
}

#[cfg(test)]
mod tests;
