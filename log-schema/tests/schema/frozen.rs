//! The fingerprint of every stored struct: names, types and order of its fields, and which of them
//! may be absent, obtained from the structs themselves and pinned in `golden/frozen.txt`.

use log_schema::{Kind, Refusal};
use rmpv::Value;

use crate::{
    golden::{self, Block},
    sample::{self, Fill, Sample},
    shapes::Shapes,
};

/// Lists that may gain lines. Everything else is frozen: a change is a new struct, `…V2`.
///
/// The enums here stand in decisions only. A program that does not know a variant cannot read the
/// decision and halts. An enum in a command is another matter: a program that does not know the
/// variant refuses the command as malformed, and one that knows it does not, so they disagree.
const MAY_GROW: [&str; 8] = [
    "kinds",
    "refusals",
    "struct CommandV1",
    "enum Event",
    "enum Refusal",
    "enum JobOutcome",
    "enum OfferEnd",
    "enum Reason",
];

#[test]
fn a_frozen_struct_does_not_change() {
    let mut shapes = Shapes::default();
    for sample in sample::all() {
        sample.trace(&mut shapes);
        for (owner, field, _) in absent_one_by_one(&sample, |bytes| sample.decodes(bytes)) {
            shapes.meet_default(&owner, &field);
        }
    }
    let mut blocks = vec![kinds(), refusals()];
    blocks.extend(shapes.blocks());
    golden::reconcile("frozen.txt", blocks, &MAY_GROW);
}

#[test]
fn a_field_that_may_be_absent_reads_as_the_bare_value() {
    for sample in sample::all().iter().filter(|sample| sample.fill == Fill::Bare) {
        for (owner, field, bytes) in absent_one_by_one(sample, |bytes| sample.decodes(bytes)) {
            sample.equals(&bytes).unwrap_or_else(|wrong| panic!("{} without {owner}.{field}: {wrong}", sample.title()));
        }
    }
}

#[test]
fn whatever_has_optional_fields_has_a_bare_sample() {
    let samples = sample::all();
    for full in samples.iter().filter(|sample| sample.fill == Fill::Full) {
        let optional = absent_one_by_one(full, |bytes| full.decodes(bytes));
        let is_bare = |s: &&Sample| s.fill == Fill::Bare && s.group == full.group && s.name == full.name;
        let bare = samples.iter().find(is_bare);
        assert!(optional.is_empty() || bare.is_some(), "{} has optional fields {optional:?}", full.title());
    }
}

#[test]
fn a_field_that_the_struct_does_not_know_is_an_error() {
    for sample in sample::all() {
        for (path, owner) in sample.trace(&mut Shapes::default()) {
            let mut value = sample.value();
            map_at(&mut value, &path).push((Value::from("unheard_of"), Value::from(1)));
            let wrong = sample.decodes(&bytes_of(&value)).expect_err(&owner);
            assert!(wrong.contains("unheard_of"), "{owner}: {wrong}");
        }
    }
}

#[test]
fn a_field_given_twice_is_an_error() {
    for sample in sample::all() {
        for (path, owner) in sample.trace(&mut Shapes::default()) {
            let mut value = sample.value();
            let fields = map_at(&mut value, &path);
            fields.extend(fields.first().cloned());
            assert!(fields.is_empty() || sample.decodes(&bytes_of(&value)).is_err(), "{owner} of {}", sample.title());
        }
    }
}

/// For every field of every struct in the value: the owner, the field, and the bytes without it,
/// where `accepts` takes them.
fn absent_one_by_one(sample: &Sample, accepts: impl Fn(&[u8]) -> Result<(), String>) -> Vec<(String, String, Vec<u8>)> {
    let mut found = Vec::new();
    for (path, owner) in sample.trace(&mut Shapes::default()) {
        let fields = map_at(&mut sample.value(), &path).len();
        for at in 0..fields {
            let mut value = sample.value();
            let (field, _) = map_at(&mut value, &path).remove(at);
            let bytes = bytes_of(&value);
            if accepts(&bytes).is_ok() {
                found.push((owner.clone(), field.as_str().expect("a name").to_owned(), bytes));
            }
        }
    }
    found
}

fn map_at<'v>(value: &'v mut Value, path: &[String]) -> &'v mut Vec<(Value, Value)> {
    let target = path.iter().fold(value, |value, step| match value {
        Value::Map(entries) => {
            let entry = entries.iter_mut().find(|(key, _)| key.as_str() == Some(step));
            &mut entry.expect("the path leads through the value").1
        }
        Value::Array(items) => &mut items[step.parse::<usize>().expect("a position")],
        other => panic!("the path leads nowhere: {other}"),
    });
    match target {
        Value::Map(entries) => entries,
        other => panic!("a struct is a map, not {other}"),
    }
}

fn bytes_of(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).expect("bytes grow");
    bytes
}

fn kinds() -> Block {
    ("kinds".to_owned(), Kind::ALL.iter().map(|kind| format!("{} {kind}", kind.number())).collect())
}

fn refusals() -> Block {
    ("refusals".to_owned(), Refusal::ALL.iter().map(|(number, name)| format!("{number} {name}")).collect())
}
