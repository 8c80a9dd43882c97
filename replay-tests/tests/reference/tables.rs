//! The tables of words: what can be asked, what can become true, every way to say no.

use crate::page::{Page, read};

/// An entry of a table in the sources: its doc comment, and its own text.
struct Entry {
    doc: String,
    text: String,
}

pub fn refusals() -> Page {
    let rows = entries("log-schema/src/refusal.rs", "refusals! {").into_iter().map(|Entry { doc, text }| {
        let name = name(&text);
        let (_, rest) = text.rsplit_once("} = ").expect("a number");
        let (number, sentence) = rest.split_once(", ").expect("a sentence");
        vec![number.into(), format!("`{name}`"), doc, quoted(sentence)]
    });
    let words = "Every way in which the cell says no. If a command could be refused for several reasons, the lowest \
                 number is given. A number never changes its meaning. Over GraphQL a refusal is in `userErrors`.";
    Page::new("refusals", "Refusals", words).table(&["Number", "Name", "When", "Sentence"], &rows.collect::<Vec<_>>())
}

pub fn events() -> Page {
    let rows = entries("log-schema/src/event.rs", "events! {").into_iter().map(|Entry { doc, text }| {
        let wire = text.split_once(" = ").expect("a name on the wire").1;
        vec![format!("`{}`", quoted(wire)), format!("`{}`", name(&text)), doc]
    });
    let words = "Everything that can become true in a cell. A decision holds events; they are never refused, changed or \
                 taken back. `quipu events` and the subscription `events` show them by their name on the wire.";
    Page::new("events", "Events", words).table(&["On the wire", "In code", "Meaning"], &rows.collect::<Vec<_>>())
}

pub fn commands() -> Page {
    let rows = entries("log-schema/src/record.rs", "kinds! {").into_iter().map(|Entry { doc, text }| {
        let (number, wire) = text.split_once(" = ").and_then(|(_, rest)| rest.split_once(", ")).expect("a number");
        vec![number.into(), format!("`{}`", quoted(wire)), doc]
    });
    let words = "Every kind of record in the log. All but `epoch` and `decision` are commands: somebody asks or reports, \
                 and the next decision answers. On Kafka kind and version travel as headers of the message.";
    Page::new("records", "Records", words).table(&["Kind", "Name", "Meaning"], &rows.collect::<Vec<_>>())
}

/// `page.gauge("name", "help", value)`, over one line or several.
pub fn metrics() -> Page {
    let source = read("gateway/src/health.rs");
    let mut rows = Vec::new();
    for (sort, rest) in calls(&source, "page.") {
        let mut texts = rest.split('"').skip(1).step_by(2);
        let (name, help) = (texts.next().expect("a name"), texts.next().expect("help"));
        rows.push(vec![format!("`{name}`"), sort.into(), help.into()]);
    }
    let words = "What a gateway counts, at `GET /metrics` in the text form of Prometheus.";
    Page::new("metrics", "Metrics", words).table(&["Name", "Type", "Meaning"], &rows)
}

fn calls<'t>(source: &'t str, start: &'t str) -> impl Iterator<Item = (&'t str, &'t str)> {
    source.match_indices(start).filter_map(move |(at, _)| {
        let call = &source[at + start.len()..];
        let (sort, rest) = call.split_once('(')?;
        ["gauge", "counter"].contains(&sort).then_some((sort, rest))
    })
}

pub fn exit_codes() -> Page {
    let mut rows = vec![vec!["0".into(), "Done.".into()]];
    rows.extend(entries("quipu/src/exit.rs", "pub(crate) enum Code {").into_iter().map(|Entry { doc, text }| {
        let number = text.split_once(" = ").expect("a number").1;
        vec![number.into(), doc]
    }));
    let words = "How `quipu` ends. `quipu run` ends with the exit code of the program that it ran instead, and with 128 \
                 plus the number of the signal that ended it; 127 if the program could not be started; 130, 143 or 129 if \
                 Ctrl-C, SIGTERM or SIGHUP stopped its job. `run` and `logs` end with 74 if all went well but output was \
                 not kept. `up`, `gateway`, `allocator` and `agent` end with 0 only if they were \
                 asked to end.";
    Page::new("exit-codes", "Exit codes", words).table(&["Code", "Meaning"], &rows)
}

/// The drawing at the head of the file that knows the layout.
pub fn cell_directory() -> Page {
    let source = read("quipu/src/server/layout.rs");
    let drawing = source.split("//! ```").nth(1).expect("a drawing").trim_start_matches("text\n");
    let mut rows: Vec<Vec<String>> = Vec::new();
    for line in drawing.lines().map(|line| line.trim_start_matches("//!").trim()).filter(|line| !line.is_empty()) {
        if let Some((path, words)) = line.split_once("  ").filter(|_| line.starts_with(['D', '/'])) {
            rows.push(vec![format!("`{}`", path.trim_start_matches("DIR")), words.trim().to_owned()]);
        } else {
            let last = rows.last_mut().expect("a path before more words");
            last[1] += &format!(" {line}");
        }
    }
    let words = "What a cell keeps in its directory (`--dir`, `QUIPU_DIR`).";
    Page::new("cell-directory", "The directory of a cell", words).table(&["Path", "What"], &rows)
}

/// The fields that the reader of job files takes.
pub fn job_file_fields() -> Vec<String> {
    let source = read("quipu/src/job_file/read.rs");
    let mut fields: Vec<String> = ["take(\"", "table(\"", "pairs(\"", "get(\""]
        .iter()
        .flat_map(|call| source.match_indices(call).map(|(at, call)| &source[at + call.len()..]))
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        .collect();
    fields.sort();
    fields.dedup();
    fields
}

/// The entries of a table of the sources, to its closing brace.
fn entries(path: &str, start: &str) -> Vec<Entry> {
    let source = read(path);
    let table = source.split_once(start).unwrap_or_else(|| panic!("{path}: no {start}")).1;
    let (mut entries, mut doc) = (Vec::new(), Vec::new());
    for line in table.lines().skip(1).take_while(|line| *line != "}") {
        let line = line.trim();
        if let Some(words) = line.strip_prefix("///") {
            doc.push(words.trim().to_owned());
        } else if !line.is_empty() {
            let text = line.trim_end_matches([';', ',']).to_owned();
            entries.push(Entry { doc: doc.join(" "), text });
            doc.clear();
        }
    }
    entries
}

/// The first word of an entry.
fn name(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default()
}

fn quoted(text: &str) -> String {
    text.trim().trim_matches('"').to_owned()
}
