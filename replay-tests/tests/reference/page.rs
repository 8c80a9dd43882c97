//! A page of the reference: a title, a few words, and a table.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What a generated page begins with, for people who would edit it.
const MADE: &str =
    "<!-- Made from the sources by replay-tests/tests/reference; UPDATE_REFERENCE=1 writes it again. -->";

/// A page, as it has to be.
pub struct Page {
    path: String,
    text: String,
}

impl Page {
    /// A page at `docs/reference/NAME.md`.
    pub fn new(name: &str, title: &str, words: &str) -> Self {
        Self { path: format!("docs/reference/{name}.md"), text: format!("# {title}\n\n{MADE}\n\n{words}\n") }
    }

    /// Adds a section of the page.
    pub fn section(mut self, title: &str) -> Self {
        self.text += &format!("\n## {title}\n");
        self
    }

    /// Adds a table. A page without rows is one whose source was not understood.
    pub fn table(mut self, head: &[&str], rows: &[Vec<String>]) -> Self {
        assert!(!rows.is_empty(), "{}: no rows were found in the sources", self.path);
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let head: Vec<String> = head.iter().map(ToString::to_string).collect();
        self.text += &format!("\n{}|{}\n", line(&head), "---|".repeat(head.len()));
        for row in rows {
            assert!(row.iter().all(|cell| !cell.is_empty()), "{}: a cell is empty in {row:?}", self.path);
            self.text += &line(&row.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>());
        }
        self
    }

    /// Compares the page with the file, or writes the file.
    pub fn check(&self) -> Result<(), String> {
        let path = root().join(&self.path);
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            fs::write(&path, &self.text).unwrap_or_else(|error| panic!("{}: {error}", self.path));
        }
        match fs::read_to_string(&path) {
            Ok(found) if found == self.text => Ok(()),
            Ok(_) => Err(format!("{} is not what the code says", self.path)),
            Err(error) => Err(format!("{}: {error}", self.path)),
        }
    }
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
