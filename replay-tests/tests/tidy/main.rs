//! What no compiler checks: who may depend on whom, and what every file of the project looks like.
//!
//! Reads the sources of the workspace as text; knows nothing of what they do.

mod imports;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The crates, each below all that may depend on it (see `ARCHITECTURE.md`).
const ORDER: [&str; 9] =
    ["log-schema", "command-log", "allocator", "projector", "agent", "gateway", "replay", "replay-tests", "quipu"];
/// The longest source file, in lines.
const LINES_MAX: usize = 500;
/// The longest `ARCHITECTURE.md`, in lines.
const ARCHITECTURE_LINES_MAX: usize = 300;
/// Names that say nothing of what is in a file.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "common", "helpers", "types", "misc"];

#[test]
fn crates_depend_one_way_only() {
    let mut wrong = Vec::new();
    for (rank, name) in ORDER.iter().enumerate() {
        for dependency in dependencies(&root().join(name).join("Cargo.toml")) {
            let below = ORDER.iter().position(|other| *other == dependency);
            if below.is_some_and(|below| below >= rank) {
                wrong.push(format!("{name} depends on {dependency}, which is not below it"));
            }
        }
    }
    none(&wrong);
}

#[test]
fn every_crate_of_the_workspace_has_its_place_in_the_order() {
    let manifest = read(&root().join("Cargo.toml"));
    let members = manifest.split_once("members = [").and_then(|(_, rest)| rest.split_once(']')).expect("members").0;
    let members: Vec<&str> = members.split(',').map(|name| name.trim().trim_matches('"')).collect();
    let members: Vec<&str> = members.into_iter().filter(|name| !name.is_empty()).collect();
    assert_eq!(members, ORDER);
}

#[test]
fn the_allocators_core_knows_no_log_no_runtime_and_no_trace() {
    let shell = root().join("allocator/src/leader");
    let core = rust_files("allocator/src").into_iter().filter(|path| !path.starts_with(&shell));
    let mut wrong = Vec::new();
    for path in core.filter(|path| *path != shell.with_extension("rs")) {
        let text = read(&path);
        for name in ["command_log", "tokio", "tracing", "std::fs", "std::net", "std::env", "SystemTime", "async fn"] {
            if code_lines(&text).any(|(_, line)| line.contains(name)) {
                wrong.push(format!("{} mentions {name}", shown(&path)));
            }
        }
    }
    none(&wrong);
}

#[test]
fn every_source_file_opens_with_its_purpose() {
    let silent = |path: &PathBuf| !read(path).trim_start_matches('\u{feff}').starts_with("//!");
    let wrong: Vec<String> = all_rust_files().iter().filter(|path| silent(path)).map(|path| shown(path)).collect();
    none(&wrong);
}

#[test]
fn no_source_file_is_too_long() {
    let lines = |path: PathBuf| (read(&path).lines().count(), shown(&path));
    let long = all_rust_files().into_iter().map(lines).filter(|(lines, _)| *lines > LINES_MAX);
    none(&long.map(|(lines, path)| format!("{path} has {lines} lines, more than {LINES_MAX}")).collect::<Vec<_>>());
}

#[test]
fn modules_are_files_beside_their_directories_and_named_after_what_they_hold() {
    let mut wrong = Vec::new();
    for path in all_rust_files() {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        if stem == "mod" || EMPTY_NAMES.contains(&stem) {
            wrong.push(shown(&path));
        }
    }
    none(&wrong);
}

#[test]
fn nothing_is_left_for_later() {
    // Written in two parts, so that this file does not find itself.
    let needles = [["db", "g!("], ["to", "do!("], ["unimple", "mented!("], ["FIX", "ME"], ["XX", "X:"], ["TO", "DO:"]];
    let needles: Vec<String> = needles.map(|parts| parts.concat()).into();
    let mut wrong = Vec::new();
    for path in all_rust_files() {
        let text = read(&path);
        for (number, line) in text.lines().enumerate() {
            if needles.iter().any(|needle| line.contains(needle)) {
                wrong.push(format!("{}:{}: {}", shown(&path), number + 1, line.trim()));
            }
        }
    }
    none(&wrong);
}

/// What only real brokers can show is run by `make test`, where there are any.
const NEEDS_KAFKA: &str = r#"#[ignore = "needs Kafka: make test-kafka"]"#;

#[test]
fn tests_are_neither_ignored_nor_called_test() {
    let mut wrong = Vec::new();
    for path in all_rust_files() {
        let text = read(&path);
        for (number, line) in code_lines(&text) {
            let code = line.trim_start();
            let ignored = code.starts_with("#[ignore") && code.trim_end() != NEEDS_KAFKA;
            if ignored || code.starts_with("fn test_") {
                wrong.push(format!("{}:{number}: {}", shown(&path), line.trim()));
            }
        }
    }
    none(&wrong);
}

#[test]
fn every_lint_that_is_allowed_says_why() {
    let mut wrong = Vec::new();
    for path in all_rust_files() {
        let text = read(&path);
        for (start, _) in text.match_indices("#[").chain(text.match_indices("#![")) {
            let attribute = &text[start..start + text[start..].find("]\n").unwrap_or(0)];
            let name = attribute.trim_start_matches(['#', '!', '[']);
            let relaxes = name.starts_with("allow(") || name.starts_with("expect(");
            if relaxes && !attribute.contains("reason = ") {
                wrong.push(format!("{}: {attribute}]", shown(&path)));
            }
        }
    }
    let manifest = read(&root().join("Cargo.toml"));
    let lines: Vec<&str> = manifest.lines().collect();
    for pair in lines.windows(2) {
        if pair[1].ends_with(" = \"allow\"") && !pair[0].starts_with("# Reason") {
            wrong.push(format!("Cargo.toml: {}", pair[1]));
        }
    }
    none(&wrong);
}

#[test]
fn every_banned_name_says_why() {
    let mut wrong = Vec::new();
    for path in files(&root()).into_iter().filter(|path| path.ends_with("clippy.toml")) {
        for line in read(&path).lines().filter(|line| line.contains("path = ")) {
            if !line.contains("reason = ") {
                wrong.push(format!("{}: {}", shown(&path), line.trim()));
            }
        }
    }
    none(&wrong);
}

#[test]
fn wire_names_are_unique() {
    let listing = read(&root().join("log-schema/golden/frozen.txt"));
    for title in ["kinds", "refusals", "enum Event", "enum Refusal"] {
        let mut seen = BTreeMap::new();
        for line in block(&listing, title) {
            let name = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim();
            let name = name.split(':').next().expect("a name").to_owned();
            assert_eq!(seen.insert(name, line), None, "{title}: {line} is there twice");
        }
        assert!(!seen.is_empty(), "{title} is listed");
    }
}

#[test]
fn no_file_names_somebodys_home() {
    let homes = [["/ho", "me/"], ["/ro", "ot/"], ["/Us", "ers/"]].map(|parts| parts.concat());
    let mut wrong = Vec::new();
    for path in files(&root()) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            if homes.iter().any(|home| line.contains(home)) {
                wrong.push(format!("{}:{}: {}", shown(&path), number + 1, line.trim()));
            }
        }
    }
    none(&wrong);
}

#[test]
fn decisions_about_the_design_are_numbered_without_a_gap_and_have_four_parts() {
    let mut records: Vec<PathBuf> = files(&root().join("docs/adr"));
    records.sort();
    for (number, path) in records.iter().enumerate() {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(name.starts_with(&format!("{number:04}-")), "{name} is not number {number}");
        let text = read(path);
        for part in ["## Context", "## Decision", "## Consequences", "## What would change our mind"] {
            assert!(text.contains(part), "{name} has no part {part:?}");
        }
    }
    assert!(!records.is_empty());
}

#[test]
fn the_architecture_fits_on_a_few_pages_and_names_every_crate() {
    let text = read(&root().join("ARCHITECTURE.md"));
    assert!(text.lines().count() < ARCHITECTURE_LINES_MAX);
    none(&ORDER.iter().filter(|name| !text.contains(&format!("`{name}/`"))).collect::<Vec<_>>());
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut wrong = Vec::new();
    for path in files(&root()).into_iter().filter(|path| path.extension().is_some_and(|end| end == "md")) {
        let text = read(&path);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://") && !target.starts_with('#')) {
            let file = target.split('#').next().expect("a path");
            if !path.parent().expect("a directory").join(file).exists() {
                wrong.push(format!("{} links to {target}", shown(&path)));
            }
        }
    }
    none(&wrong);
}

/// Fails with the list, where there is one.
fn none<T: std::fmt::Display>(wrong: &[T]) {
    let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "\n  {}\n", lines.join("\n  "));
}

/// The crates of this workspace that a manifest names, for whatever use.
fn dependencies(manifest: &Path) -> Vec<String> {
    let text = read(manifest);
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            inside = section.contains("dependencies");
        } else if inside && let Some((name, _)) = line.split_once(['.', '=', ' ']) {
            found.push(name.trim_matches('"').to_owned());
        }
    }
    found.retain(|name| ORDER.contains(&name.as_str()));
    found
}

/// The lines of one block of the listing of what is frozen.
fn block<'t>(listing: &'t str, title: &str) -> Vec<&'t str> {
    let block = listing.split("\n\n").find(|block| block.trim_start().lines().next() == Some(title));
    block.expect(title).trim_start().lines().skip(1).map(str::trim).collect()
}

/// Lines that are not comments, numbered from 1.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(number, line)| (number + 1, line));
    numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn all_rust_files() -> Vec<PathBuf> {
    ORDER.iter().flat_map(|name| rust_files(name)).collect()
}

fn rust_files(under: &str) -> Vec<PathBuf> {
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|end| end == "rs");
    files(&root().join(under)).into_iter().filter(is_rust).collect()
}

/// Every file below a directory, but for what is built, fetched or hidden.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.expect("readable").path()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with('.') || ["target", "node_modules"].contains(&name) {
            continue;
        }
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
