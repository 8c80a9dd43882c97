//! How answers are written: aligned tables for people, JSON and YAML for programs.
//!
//! Only this file writes to standard output and standard error: a reader that goes away, as `head` does, ends no
//! program by a panic. Notices beside an answer go to standard error.

pub(crate) mod node;

use std::io::{self, IsTerminal, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Map, Value};

pub(crate) use node::Node;

use crate::client::Page;

/// How answers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// For programs, and people who look at much.
    Yaml,
}

/// A column of a table.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    name: &'static str,
    is_right: bool,
    text: fn(&Node<'_>) -> String,
}

/// A column of words.
pub(crate) const fn left(name: &'static str, text: fn(&Node<'_>) -> String) -> Column {
    Column { name, is_right: false, text }
}

/// A column of numbers.
pub(crate) const fn right(name: &'static str, text: fn(&Node<'_>) -> String) -> Column {
    Column { name, is_right: true, text }
}

/// Writes text to standard output, at once.
pub(crate) fn write(text: &str) -> io::Result<()> {
    write_bytes(text.as_bytes())
}

/// Writes bytes to standard output as they are.
pub(crate) fn write_bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Prints a line of a program that does not end with it: if its reader is gone, the program still has work to do.
pub(crate) fn say(line: &str) {
    let _ = write(&format!("{}\n", printable(line)));
}

/// Writes text to standard error as it is, if somebody reads there.
pub(crate) fn write_err(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// Says something beside the answer: progress, or what a person may want to know.
pub(crate) fn notice(text: &str) {
    write_err(&(printable(text) + "\n"));
}

/// Says something that passes: only to a person who looks on.
pub(crate) fn progress(text: &str) {
    if io::stderr().is_terminal() {
        notice(text);
    }
}

/// Writes a list; `name` is what is listed, in the plural.
pub(crate) fn list(format: Format, name: &str, page: &Page, columns: &[Column]) -> anyhow::Result<()> {
    write(&list_text(format, name, page, columns, node::now_ms())?)?;
    if format == Format::Table && page.nodes.is_empty() {
        notice(&format!("no {name}"));
    }
    if page.has_more {
        notice(&format!("there are more {name}; --limit shows more of them"));
    }
    Ok(())
}

fn list_text(format: Format, name: &str, page: &Page, columns: &[Column], now_ms: u64) -> anyhow::Result<String> {
    if format == Format::Table {
        return Ok(if page.nodes.is_empty() { String::new() } else { table(&page.nodes, columns, now_ms) });
    }
    let mut answer = Map::new();
    answer.insert("asOf".into(), page.as_of.clone().into());
    answer.insert(name.into(), page.nodes.clone().into());
    structured(format, &answer.into())
}

/// Writes one thing: `table` is what people see of it.
pub(crate) fn show(format: Format, thing: &Value, table: impl FnOnce() -> String) -> anyhow::Result<()> {
    match format {
        Format::Table => Ok(write(&printable(&table()))?),
        Format::Json | Format::Yaml => Ok(write(&structured(format, thing)?)?),
    }
}

fn structured(format: Format, value: &Value) -> anyhow::Result<String> {
    match format {
        Format::Table | Format::Json => Ok(serde_json::to_string_pretty(value)? + "\n"),
        Format::Yaml => {
            let text = serde_saphyr::to_string(value)?;
            Ok(text.trim_end().to_owned() + "\n")
        }
    }
}

/// A table of nodes, a line for each.
pub(crate) fn table(nodes: &[Value], columns: &[Column], now_ms: u64) -> String {
    let mut table = bare();
    table.set_header(columns.iter().map(|column| column.name));
    for value in nodes {
        let node = Node::new(value, now_ms);
        table.add_row(columns.iter().map(|column| plain(&(column.text)(&node))));
    }
    for (column, shown) in columns.iter().zip(table.column_iter_mut()) {
        if column.is_right {
            shown.set_cell_alignment(CellAlignment::Right);
        }
    }
    trimmed(&table)
}

/// Names and their values, a line for each; values that are empty are left out.
pub(crate) fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut table = bare();
    for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
        table.add_row([name.to_owned(), plain(&value)]);
    }
    trimmed(&table)
}

fn bare() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// The lines of a table without blanks at either end.
fn trimmed(table: &Table) -> String {
    table.lines().fold(String::new(), |text, line| {
        let line = line.strip_prefix(' ').unwrap_or(&line).trim_end();
        text + line + "\n"
    })
}

/// Text in one line that a terminal shows and does not obey.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if is_obeyed(c) { ' ' } else { c }).collect()
}

/// Text in lines that a terminal shows and does not obey: names, commands and messages come from others.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if is_obeyed(c) && !matches!(c, '\n' | '\t') { ' ' } else { c }).collect()
}

/// Control characters, and those that turn the direction of what follows.
fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: &[Column] = &[
        left("TASK", |node| node.text("/name")),
        left("STATE", |node| node.word("/state")),
        right("RESTARTS", |node| node.text("/restarts")),
        right("AGE", |node| node.age("/since/time")),
    ];

    fn page() -> Page {
        let nodes = vec![
            json!({ "name": "web.0", "state": "RUNNING", "restarts": 12, "since": { "time": "1970-01-01T00:00:10.000Z" } }),
            json!({ "name": "wordcount.10", "state": "OUT_OF_MEMORY", "restarts": 0, "since": null }),
        ];
        Page { as_of: Some("812".into()), nodes, has_more: false }
    }

    fn text(format: Format) -> String {
        list_text(format, "tasks", &page(), COLUMNS, 202_000).expect("written")
    }

    #[test]
    fn a_table_is_aligned_and_has_no_trailing_blanks() {
        insta::assert_snapshot!(text(Format::Table), @"
        TASK          STATE          RESTARTS    AGE
        web.0         running              12  3m12s
        wordcount.10  out of memory         0      -
        ");
        assert!(text(Format::Table).lines().all(|line| line == line.trim_end()));
    }

    #[test]
    fn json_says_the_moment_and_keeps_every_field() {
        insta::assert_snapshot!(text(Format::Json), @r#"
        {
          "asOf": "812",
          "tasks": [
            {
              "name": "web.0",
              "restarts": 12,
              "since": {
                "time": "1970-01-01T00:00:10.000Z"
              },
              "state": "RUNNING"
            },
            {
              "name": "wordcount.10",
              "restarts": 0,
              "since": null,
              "state": "OUT_OF_MEMORY"
            }
          ]
        }
        "#);
    }

    #[test]
    fn yaml_keeps_text_that_looks_like_a_number_as_text() {
        insta::assert_snapshot!(text(Format::Yaml), @r#"
        asOf: "812"
        tasks:
        - name: web.0
          restarts: 12
          since:
            time: "1970-01-01T00:00:10.000Z"
          state: RUNNING
        - name: wordcount.10
          restarts: 0
          since: null
          state: OUT_OF_MEMORY
        "#);
    }

    #[test]
    fn no_cell_breaks_a_line_or_moves_the_cursor() {
        let nodes = [json!({ "name": "a\nb\x1b[2Jc" })];
        let table = table(&nodes, &COLUMNS[..1], 0);
        assert_eq!(table, "TASK\na b [2Jc\n");
    }

    #[test]
    fn what_others_wrote_is_shown_and_not_obeyed() {
        let told = "web.0\trunning\n\x1b]0;owned\x07\x1b[31m\u{9b}2J\u{202e}red\r\x7f";
        assert_eq!(printable(told), "web.0\trunning\n ]0;owned  [31m 2J red  ");
        assert_eq!(plain("a\tb\n\u{2066}c"), "a b  c");
    }

    #[test]
    fn pairs_leave_out_what_is_empty() {
        let text = pairs([("name", "web".into()), ("framework", String::new()), ("asked for", "2 tasks".into())]);
        insta::assert_snapshot!(text, @"
        name       web
        asked for  2 tasks
        ");
    }
}
