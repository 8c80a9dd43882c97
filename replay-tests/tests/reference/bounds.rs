//! Every bound of the project: constants whose name ends in `_MAX` or `_MIN`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::page::{Page, read, root};

/// The crates that keep bounds which a user can meet.
const CRATES: [&str; 7] = ["log-schema", "command-log", "allocator", "projector", "agent", "gateway", "quipu"];

pub fn bounds() -> Page {
    let words = "All that grows has a bound, and each bound has a name. These are the constants of the sources; their \
                 values are written as there.";
    CRATES.into_iter().fold(Page::new("bounds", "Bounds", words), |page, name| {
        let mut rows = BTreeMap::new();
        for path in rust_files(&root().join(name).join("src")) {
            let path = path.strip_prefix(root()).expect("inside of the project").display().to_string();
            for (constant, value, doc) in constants(&read(&path)) {
                rows.insert((constant.clone(), path.clone()), vec![format!("`{constant}`"), value, doc, path.clone()]);
            }
        }
        page.section(name).table(&["Name", "Value", "Meaning", "File"], &rows.into_values().collect::<Vec<_>>())
    })
}

/// Name, value and meaning of each documented bound of a file.
fn constants(source: &str) -> Vec<(String, String, String)> {
    let program = source.split("#[cfg(test)]").next().unwrap_or_default();
    let (mut found, mut doc) = (Vec::new(), Vec::new());
    for line in program.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            doc.push(words.trim());
            continue;
        }
        let declared = line.split_once("const ").and_then(|(_, rest)| rest.split_once(": "));
        if let Some((name, rest)) = declared.filter(|(name, _)| is_bound(name))
            && let Some((_, value)) = rest.split_once(" = ")
            && !doc.is_empty()
        {
            found.push((name.to_owned(), format!("`{}`", value.trim_end_matches(';')), sentence(&doc.join(" "))));
        }
        doc.clear();
    }
    found
}

fn is_bound(name: &str) -> bool {
    let end = name.rsplit_once("_MAX").or(name.rsplit_once("_MIN")).map(|(_, end)| end);
    // A unit may follow, as in `SILENCE_MAX_MS`.
    end.is_some_and(|end| end.is_empty() || end.starts_with('_'))
}

/// Links of doc comments lead nowhere on this page.
fn sentence(doc: &str) -> String {
    doc.replace("[`", "`").replace("`]", "`")
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.expect("readable").path()) {
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}
