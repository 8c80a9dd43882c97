//! The one helper that touches the allocator: a story goes in, a transcript comes out.
//!
//! A story is a line for each command, as [`crate::parse`] reads them. `tick +500` lets time go on,
//! `work` ticks for as long as something is put off, `malformed` is no command at all, and `50x agent m# cpu=4 mem=8Gi` says a line
//! fifty times with `#` counting from 0. A transcript has a line for each record: its offset, and
//! what was answered.

use log_schema::{AnswerV1, Kind, Record, TimeMs};

use crate::{
    cell::{Cell, tick},
    parse, tell,
};

/// More ticks than this in one `work` mean that it never ends.
const WORK_TICKS_MAX: usize = 5_000;

/// Plays a story in an empty cell and tells what was answered.
pub(crate) fn story(text: &str) -> String {
    play(text).1
}

/// Plays a story and gives the cell as well.
pub(crate) fn play(text: &str) -> (Cell, String) {
    let mut cell = Cell::new(text.len() as u64);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    let told: Vec<String> = lines.map(|line| play_line(&mut cell, line)).filter(|told| !told.is_empty()).collect();
    cell.follow();
    (cell, told.join("\n"))
}

/// Plays one line.
pub(crate) fn play_line(cell: &mut Cell, line: &str) -> String {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    if let Some(times) = verb.strip_suffix('x').and_then(|times| times.parse::<usize>().ok()) {
        return repeat(cell, times, rest);
    }
    match verb {
        "tick" => say(cell, &tick(when(cell, rest))),
        "work" => work(cell),
        "malformed" => say(cell, &Record::v1(Kind::SubmitJob, vec![0xc1])),
        _ => {
            let record = parse::record(line, cell);
            say(cell, &record)
        }
    }
}

fn say(cell: &mut Cell, record: &Record) -> String {
    let at = cell.next();
    let answer = cell.take(record);
    format!("{at} {}", tell::answer(answer.as_ref()))
}

fn when(cell: &Cell, text: &str) -> TimeMs {
    match text.strip_prefix('+') {
        Some(more) => cell.state.now.after(more.parse().expect("milliseconds")),
        None => TimeMs(text.parse().expect("milliseconds")),
    }
}

/// Says a line many times, and tells all answers in one.
fn repeat(cell: &mut Cell, times: usize, line: &str) -> String {
    let first = cell.next();
    let mut answers: Vec<AnswerV1> = Vec::new();
    for number in 0..times {
        let record = parse::record(&line.replace('#', &number.to_string()), cell);
        answers.extend(cell.take(&record));
    }
    format!("{first}.. {}", tell::answers(&answers))
}

/// Ticks without moving time on, until nothing is put off.
fn work(cell: &mut Cell) -> String {
    let mut told = Vec::new();
    while cell.state.has_backlog() {
        assert!(told.len() < WORK_TICKS_MAX, "work without end");
        let now = cell.state.now;
        told.push(say(cell, &tick(now)));
    }
    match told.len() {
        0 => "nothing was put off".to_owned(),
        1..=6 => told.join("\n"),
        ticks => format!("{}\n.. {ticks} ticks in all ..\n{}", told[0], told[ticks - 1]),
    }
}
