//! The corpus in `log-schema/golden`: for every sample its bytes as hex, and the same bytes as text,
//! read by a MessagePack reader that knows nothing of the structs.
//!
//! `UPDATE_GOLDEN=1` adds entries that are new and refuses to touch those that are there: they are
//! what logs in the field hold. `UPDATE_GOLDEN=force` writes everything afresh.
#![expect(
    clippy::disallowed_methods,
    reason = "the corpus is files of the repository, and an update is asked for by environment"
)]

use std::{collections::BTreeMap, fmt::Write, path::PathBuf};

use rmpv::Value;

use crate::{
    sample::{self, Sample},
    shapes,
};

/// A title and its lines.
pub(crate) type Block = (String, Vec<String>);

#[test]
fn every_record_is_written_and_read_as_in_the_corpus() {
    check_corpus("record");
}

#[test]
fn every_event_is_written_and_read_as_in_the_corpus() {
    check_corpus("event");
}

#[test]
fn every_refusal_is_written_and_read_as_in_the_corpus() {
    check_corpus("refusal");
}

fn check_corpus(group: &str) {
    let samples: BTreeMap<String, Sample> =
        sample::all().into_iter().filter(|s| s.group == group).map(|s| (s.title(), s)).collect();
    let in_order = sample::all().into_iter().filter(|s| s.group == group);
    let fresh: Vec<Block> = in_order.map(|s| (s.title(), entry(&s.bytes))).collect();
    assert_eq!(fresh.len(), samples.len(), "titles are unique");
    for (title, lines) in reconcile(&format!("{group}s.txt"), fresh, &[]) {
        let bytes = from_hex(lines[0].strip_prefix("hex ").expect("the first line is the bytes"));
        samples[&title].equals(&bytes).unwrap_or_else(|wrong| panic!("{title}: {wrong}"));
        assert_eq!(lines, entry(&bytes), "{title}: the text is what the bytes say");
    }
}

/// The two lines of an entry, both made from the bytes alone.
fn entry(bytes: &[u8]) -> Vec<String> {
    let mut left = bytes;
    let value = rmpv::decode::read_value(&mut left).expect("MessagePack");
    assert!(left.is_empty(), "one value and nothing after it");
    vec![format!("hex {}", to_hex(bytes)), format!("text {}", to_text(&value))]
}

/// Compares what the code says now with what is pinned, and updates the file where that is asked for
/// and allowed. Blocks named in `may_grow` may gain lines; other blocks never change.
pub(crate) fn reconcile(file: &str, fresh: Vec<Block>, may_grow: &[&str]) -> Vec<Block> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(file);
    let pinned = shapes::parse(&std::fs::read_to_string(&path).unwrap_or_default());
    let (added, broken) = differences(&pinned, &fresh, may_grow);
    match std::env::var("UPDATE_GOLDEN").as_deref() {
        Ok("force") => {}
        Ok(_) => assert!(broken.is_empty(), "refusing to change what is frozen in {file}:\n{}", broken.join("\n")),
        Err(_) => {
            assert!(broken.is_empty(), "{file} is frozen, and the code says otherwise:\n{}", broken.join("\n"));
            assert!(added.is_empty(), "not in {file} yet (UPDATE_GOLDEN=1 adds it):\n{}", added.join("\n"));
            return pinned;
        }
    }
    std::fs::write(&path, shapes::render(&fresh)).expect("the corpus can be written");
    fresh
}

/// What is new, and what is changed or lost.
fn differences(pinned: &[Block], fresh: &[Block], may_grow: &[&str]) -> (Vec<String>, Vec<String>) {
    let now: BTreeMap<&str, &[String]> = fresh.iter().map(|(title, lines)| (title.as_str(), &lines[..])).collect();
    let before: BTreeMap<&str, &[String]> = pinned.iter().map(|(title, lines)| (title.as_str(), &lines[..])).collect();
    let mut added: Vec<String> = now.keys().filter(|t| !before.contains_key(**t)).map(ToString::to_string).collect();
    let mut broken = Vec::new();
    for (title, lines) in before {
        match now.get(title) {
            None => broken.push(format!("{title}: gone")),
            Some(same) if *same == lines => {}
            Some(more) if may_grow.contains(&title) && is_subsequence(lines, more) => {
                added.push(format!("{title}: {} more", more.len() - lines.len()));
            }
            Some(other) => broken.push(format!("{title}:\n  pinned {lines:#?}\n  now    {other:#?}")),
        }
    }
    (added, broken)
}

fn is_subsequence(few: &[String], many: &[String]) -> bool {
    let mut rest = many.iter();
    few.iter().all(|line| rest.any(|other| other == line))
}

/// One line of JSON, fields in the order of the bytes; bytes as text that begins with `0x`.
fn to_text(value: &Value) -> String {
    let list = |items: Vec<String>| items.join(",");
    match value {
        Value::Map(entries) => {
            let entry = |(key, value): &(Value, Value)| format!("{}:{}", to_text(key), to_text(value));
            format!("{{{}}}", list(entries.iter().map(entry).collect()))
        }
        Value::Array(items) => format!("[{}]", list(items.iter().map(to_text).collect())),
        Value::String(text) => serde_json::to_string(text.as_str().expect("UTF-8")).expect("text is JSON"),
        Value::Binary(bytes) => format!("\"0x{}\"", to_hex(bytes)),
        Value::Integer(number) => number.to_string(),
        Value::Nil => "null".to_owned(),
        Value::Boolean(_) | Value::F32(_) | Value::F64(_) | Value::Ext(..) => panic!("the log holds no {value:?}"),
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("text grows");
        hex
    })
}

fn from_hex(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(byte).collect()
}

#[test]
fn an_update_adds_blocks_and_lines_of_lists_that_may_grow_and_nothing_else() {
    let block = |title: &str, lines: &[&str]| (title.to_owned(), lines.iter().map(ToString::to_string).collect());
    let pinned = [block("struct AV1", &["x: u64"]), block("enum E", &["one", "two"])];
    let grown =
        [block("struct AV1", &["x: u64"]), block("enum E", &["one", "half", "two"]), block("struct BV1", &["y: u8"])];
    let (added, broken) = differences(&pinned, &grown, &["enum E"]);
    assert_eq!((added, broken), (vec!["struct BV1".to_owned(), "enum E: 1 more".to_owned()], vec![]));
    let (_, broken) = differences(&pinned, &grown, &[]);
    assert_eq!(broken.len(), 1, "an enum that may not grow: {broken:?}");
    let (_, broken) = differences(&grown, &pinned, &["enum E"]);
    assert_eq!(broken.len(), 2, "a variant and a struct are gone: {broken:?}");
}
