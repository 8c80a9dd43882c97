//! What happened to one thing, oldest first.

use crate::output::{Column, Node, left, right, table};

const COLUMNS: &[Column] = &[
    right("AGO", |line| line.age("/time")),
    right("OFFSET", |line| line.text("/offset")),
    left("EVENT", |line| line.text("/event")),
    left("", |line| line.text("/text")),
];

/// The newest lines of a history, oldest first; nothing where there are none.
pub(super) fn lines(timeline: &Node<'_>) -> String {
    let mut lines: Vec<_> = timeline.each("/lines").map(|line| line.value().clone()).collect();
    lines.reverse();
    if lines.is_empty() { String::new() } else { format!("\n{}", table(&lines, COLUMNS, timeline.now_ms())) }
}
