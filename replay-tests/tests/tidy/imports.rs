//! Who imports whom inside a crate: files that import each other in a circle can only be understood together.
//!
//! Reads `use` statements and paths as text. Two things are no arrows, since they are what nesting means: a module uses
//! the names of the modules around it (`super::`), and passes on names of the modules below it (`pub use`). Every
//! other import is one.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{ORDER, code_lines, none, read, root, rust_files, shown};

/// Crates that still have circles. This list only gets shorter.
const NOT_YET: [&str; 4] = ["allocator", "projector", "agent", "quipu"];

#[test]
fn no_files_of_a_crate_import_each_other_in_a_circle() {
    let circles = |name: &&str| circles(&root().join(name).join("src"));
    let (not_yet, clean): (Vec<&str>, Vec<&str>) = ORDER.iter().partition(|name| NOT_YET.contains(name));
    none(&clean.iter().flat_map(circles).collect::<Vec<_>>());
    for name in not_yet {
        assert!(!circles(&name).is_empty(), "{name} has no circles any more: take it off the list");
    }
}

#[test]
fn only_the_graphql_door_knows_graphql_and_doors_do_not_know_one_another() {
    let source = root().join("gateway/src");
    let wires = [source.join("lib.rs"), source.join("serve.rs")];
    let mut wrong = Vec::new();
    for path in rust_files("gateway/src").into_iter().filter(|path| !wires.contains(path)) {
        let is_door =
            |door: &str| path.starts_with(source.join(door)) || path == source.join(door).with_extension("rs");
        let mut forbidden = Vec::new();
        if !is_door("graphql") {
            forbidden.extend(["async_graphql", "crate::graphql"]);
        }
        if !is_door("link") {
            forbidden.push("crate::link");
        }
        let text = read(&path);
        for name in forbidden {
            let paths = paths(&text);
            let is_named = paths.iter().any(|path| path.join("::").starts_with(name));
            if is_named || code_lines(&text).any(|(_, line)| line.contains(name)) {
                wrong.push(format!("{} mentions {name}", shown(&path)));
            }
        }
    }
    none(&wrong);
}

/// The circles among the files of one crate, each as a line.
fn circles(source: &Path) -> Vec<String> {
    let relative = source.strip_prefix(root()).expect("inside of the project").display().to_string();
    let files: BTreeSet<PathBuf> = rust_files(&relative).into_iter().collect();
    let arrows: BTreeMap<&PathBuf, BTreeSet<PathBuf>> =
        files.iter().map(|file| (file, imports(source, &files, file))).collect();
    let reached: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> =
        files.iter().map(|file| (file, reach(&arrows, file))).collect();
    let mut seen = BTreeSet::new();
    let mut circles = Vec::new();
    for file in &files {
        let circle: BTreeSet<&PathBuf> =
            reached[file].iter().copied().filter(|other| reached[*other].contains(file)).collect();
        if !circle.is_empty() && seen.insert(circle.clone()) {
            circles.push(describe(&arrows, &circle));
        }
    }
    circles
}

fn describe(arrows: &BTreeMap<&PathBuf, BTreeSet<PathBuf>>, circle: &BTreeSet<&PathBuf>) -> String {
    let mut text = format!("{} files import each other in a circle:", circle.len());
    for from in circle {
        for to in arrows[*from].iter().filter(|to| circle.contains(to)) {
            text += &format!("\n    {} -> {}", shown(from), shown(to));
        }
    }
    text
}

/// Every file that can be reached from one by at least one arrow.
fn reach<'a>(arrows: &'a BTreeMap<&'a PathBuf, BTreeSet<PathBuf>>, from: &'a PathBuf) -> BTreeSet<&'a PathBuf> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(file) = next.pop() {
        next.extend(arrows[file].iter().filter(|to| reached.insert(*to)));
    }
    reached
}

/// The files that one file imports from, without those of the modules around it.
fn imports(source: &Path, files: &BTreeSet<PathBuf>, file: &Path) -> BTreeSet<PathBuf> {
    let (module, text) = (module(source, file), read(file));
    let children = children(source, files, &module);
    let mut paths = paths(&text);
    paths.extend(children.iter().filter(|child| is_entered(&text, child)).map(|child| vec![child.clone()]));
    let absolute = paths.iter().filter_map(|path| absolute(&module, path, &children));
    let found = absolute.filter_map(|path| {
        let depth = (0..=path.len()).rev().find(|depth| files.contains(&file_of(source, &path[..*depth])))?;
        Some(path[..depth].to_vec())
    });
    found.filter(|found| !module.starts_with(found)).map(|found| file_of(source, &found)).collect()
}

/// The modules right below one.
fn children(source: &Path, files: &BTreeSet<PathBuf>, module: &[String]) -> Vec<String> {
    let directory = directory(source, module);
    let below = files.iter().filter(|file| file.parent() == Some(&directory));
    below.filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned())).collect()
}

/// Whether a file names something in a module below it in line, such as `child::run()`.
fn is_entered(text: &str, child: &str) -> bool {
    let program = program(text);
    program.match_indices(&format!("{child}::")).any(|(at, _)| {
        let before = program[..at].chars().next_back();
        before.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '_' | ':')))
    })
}

/// The names of the module that a file is; none for the crate's root.
fn module(source: &Path, file: &Path) -> Vec<String> {
    let inner = file.strip_prefix(source).expect("below the sources").with_extension("");
    let names: Vec<String> = inner.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if matches!(names.first().map(String::as_str), Some("lib" | "main")) { Vec::new() } else { names }
}

fn directory(source: &Path, module: &[String]) -> PathBuf {
    module.iter().fold(source.to_owned(), |path, name| path.join(name))
}

fn file_of(source: &Path, module: &[String]) -> PathBuf {
    if module.is_empty() { source.join("lib.rs") } else { directory(source, module).with_extension("rs") }
}

/// A path from the root of the crate; `None` if it leads out of the crate.
fn absolute(module: &[String], path: &[String], children: &[String]) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([module, rest].concat()),
        "super" => {
            let around = &module[..module.len().checked_sub(1)?];
            // More than one step up is said step by step.
            let path = if rest.first().is_some_and(|next| next == "super") { rest.to_vec() } else { named_self(rest) };
            absolute(around, &path, &[])
        }
        child if children.iter().any(|name| name == child) => Some([module, path].concat()),
        _ => None,
    }
}

fn named_self(path: &[String]) -> Vec<String> {
    std::iter::once("self".to_owned()).chain(path.iter().cloned()).collect()
}

/// Every path that the program part of a file names: in `use`, and in line.
fn paths(text: &str) -> Vec<Vec<String>> {
    let code = program(text);
    let mut paths = Vec::new();
    imported(&code).for_each(|tree| expand(&mut Vec::new(), tree, &mut paths));
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let path: String =
                code[at..].chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':')).collect();
            paths.push(path.split("::").filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect());
        }
    }
    paths
}

/// The trees of the `use` statements of a file, without those that pass names on.
fn imported(code: &str) -> impl Iterator<Item = &str> {
    code.split(';').filter_map(|statement| {
        let (before, tree) = statement.rsplit_once("use ")?;
        before.rsplit('\n').next().unwrap_or_default().trim().is_empty().then_some(tree)
    })
}

/// A file without its tests and comments.
fn program(text: &str) -> String {
    let program = text.split("#[cfg(test)]").next().unwrap_or_default();
    code_lines(program).map(|(_, line)| format!("{line}\n")).collect()
}

/// Takes a tree such as `crate::{a::{b, c}, d as e}` apart.
fn expand(prefix: &mut Vec<String>, tree: &str, paths: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    let Some((head, group)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        let names = path.split("::").map(str::trim).filter(|name| !name.is_empty() && *name != "*");
        paths.push(prefix.iter().cloned().chain(names.map(ToOwned::to_owned)).collect());
        return;
    };
    let depth = prefix.len();
    prefix.extend(head.split("::").map(str::trim).filter(|name| !name.is_empty()).map(ToOwned::to_owned));
    let inner = group.rsplit_once('}').map_or(group, |(inner, _)| inner);
    members(inner).into_iter().for_each(|member| {
        // `a::{self}` names `a` itself.
        if member.trim() == "self" { paths.push(prefix.clone()) } else { expand(prefix, member, paths) }
    });
    prefix.truncate(depth);
}

/// The parts of a group, cut at the commas that are in no group inside of it.
fn members(group: &str) -> Vec<&str> {
    let (mut members, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                members.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    members.push(&group[start..]);
    members.into_iter().filter(|member| !member.trim().is_empty()).collect()
}
