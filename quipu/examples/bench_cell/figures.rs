//! Numbers of what was measured, and events of what was seen.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::cell::events::Seen;

/// `placed`, or the state that an event tells a task to be in.
pub fn state(event: &Value) -> &str {
    if event["name"] == "task.placed" { "placed" } else { event["body"]["state"].as_str().unwrap_or_default() }
}

pub fn count(seen: &[Seen], wanted: &str) -> usize {
    seen.iter().filter(|seen| state(&seen.event) == wanted).count()
}

/// When each job's first such event was seen.
pub fn first_seen(seen: &[Seen], is_it: &dyn Fn(&Value) -> bool) -> BTreeMap<String, Instant> {
    let mut first = BTreeMap::new();
    for Seen { at, event } in seen.iter().filter(|seen| is_it(&seen.event)) {
        first.entry(event["job"].as_str().unwrap_or_default().to_owned()).or_insert(*at);
    }
    first
}

/// The least of these that so many percent do not pass.
pub fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
}

pub fn median(values: &mut [u64]) -> u64 {
    values.sort_unstable();
    values[(values.len() - 1) / 2]
}

/// Thousandths of a unit, written in that unit.
pub fn thousandths(n: u64) -> String {
    format!("{}.{:03}", n / 1000, n % 1000)
}

pub fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).expect("a short time")
}
