//! Names and numbers on the wire: unique, in order, and one word from code to wire.

use std::collections::BTreeSet;

use log_schema::{Event, Kind, Refusal};

use crate::sample::{self, Fill};

#[test]
fn kinds_have_unique_numbers_in_ascending_order() {
    let numbers: Vec<u16> = Kind::ALL.iter().map(|kind| kind.number()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert!(Kind::ALL.is_sorted(), "the order of kinds is the order of their numbers");
}

#[test]
fn a_kind_is_found_by_its_number_and_by_no_other() {
    let known: BTreeSet<u16> = Kind::ALL.iter().map(|kind| kind.number()).collect();
    for number in 0..=u16::MAX {
        let kind = Kind::from_number(number);
        assert_eq!(kind.is_some(), known.contains(&number), "{number}");
        assert!(kind.is_none_or(|kind| kind.number() == number), "{number}");
    }
}

#[test]
fn a_kinds_name_on_the_wire_is_its_name_in_code() {
    for kind in Kind::ALL {
        assert_eq!(kind.name(), snake_case(&format!("{kind:?}")));
    }
}

#[test]
fn an_event_is_named_subject_dot_past_tense_and_once() {
    let names: BTreeSet<&str> = Event::NAMES.iter().copied().collect();
    assert_eq!(names.len(), Event::NAMES.len());
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    for name in names {
        assert!(name.split('.').count() == 2 && name.split('.').all(word), "{name}");
    }
}

#[test]
fn refusals_have_unique_numbers_in_order_of_precedence() {
    let numbers: Vec<u16> = Refusal::ALL.iter().map(|(number, _)| *number).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    let names: BTreeSet<&str> = Refusal::ALL.iter().map(|(_, name)| *name).collect();
    assert_eq!(names.len(), Refusal::ALL.len());
}

#[test]
fn every_kind_event_and_refusal_has_a_filled_sample_in_the_order_of_its_list() {
    let filled = |group: &str| -> Vec<&str> {
        let samples = sample::all().into_iter();
        samples.filter(|s| s.group == group && s.fill == Fill::Full).map(|s| s.name).collect()
    };
    assert_eq!(filled("record"), Kind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>());
    assert_eq!(filled("event"), Event::NAMES);
    assert_eq!(filled("refusal"), Refusal::ALL.iter().map(|(_, name)| *name).collect::<Vec<_>>());
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
