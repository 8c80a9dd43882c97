//! What is wrong with a file, and where.

use std::fmt;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The line, from 1.
    pub(crate) line: usize,
    /// The field, as in `job.restart.on`; empty where the file is no TOML.
    pub(crate) field: String,
    /// What is wrong, and what would be right.
    pub(crate) what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => write!(f, "{}: {}", self.line, self.what),
            field => write!(f, "{}: {field}: {}", self.line, self.what),
        }
    }
}

/// The faults of a text, as they are found.
pub(super) struct Faults<'t> {
    text: &'t str,
    found: Vec<Fault>,
}

impl<'t> Faults<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new() }
    }

    /// Notes a fault at a byte of the text.
    pub(super) fn add(&mut self, at: usize, field: &str, what: impl Into<String>) {
        self.found.push(Fault { line: line(self.text, at), field: field.into(), what: what.into() });
    }

    /// Every fault, in the order of the text.
    pub(super) fn finish(mut self) -> Vec<Fault> {
        self.found.sort_by_key(|fault| fault.line);
        self.found
    }
}

/// The fault of a text that is no TOML.
pub(super) fn of_syntax(text: &str, error: &toml::de::Error) -> Fault {
    let at = error.span().map_or(0, |span| span.start);
    Fault { line: line(text, at), field: String::new(), what: error.message().trim().replace('\n', ", ") }
}

fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// The known name that is closest to one that is not known, if it is close.
pub(super) fn closest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|candidate| (distance(name, candidate), *candidate)).min()?;
    let allowed = (name.chars().count() / 3).max(1);
    let contains =
        known.iter().find(|candidate| name.len() > 2 && (candidate.contains(name) || name.contains(*candidate)));
    if near.0 <= allowed { Some(near.1) } else { contains.copied() }
}

/// How many characters must be changed, added, dropped or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_typing_error_has_a_closest_one_and_another_word_has_none() {
        let known = ["command", "constraints", "count", "cpu", "env", "restart"];
        let pairs =
            [("comand", Some("command")), ("cuont", Some("count")), ("restarts", Some("restart")), ("banana", None)];
        for (name, meant) in pairs {
            assert_eq!(closest(name, &known), meant, "{name}");
        }
        assert_eq!(closest("x", &[]), None);
    }
}
