//! A table of a file, from which fields are taken one by one. What nobody took is not known.

use std::{collections::BTreeSet, ops::Range};

use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use super::fault::{Faults, closest};

type Value<'i> = Spanned<DeValue<'i>>;

/// A table, its place in the file, and the fields that were asked for.
pub(super) struct Table<'a, 'i> {
    table: &'a DeTable<'i>,
    at: usize,
    /// The fields above, as in `job.restart`.
    path: String,
    known: BTreeSet<&'static str>,
}

impl<'a, 'i> Table<'a, 'i> {
    pub(super) fn new(table: &'a DeTable<'i>, at: usize, path: &str) -> Self {
        Self { table, at, path: path.into(), known: BTreeSet::new() }
    }

    /// The place of a field, or of the table where the field is not there.
    pub(super) fn at(&mut self, name: &'static str) -> usize {
        self.get(name).map_or(self.at, |(key, _)| key.span().start)
    }

    /// The whole name of a field.
    pub(super) fn field(&self, name: &str) -> String {
        if self.path.is_empty() { name.into() } else { format!("{}.{name}", self.path) }
    }

    fn get(&mut self, name: &'static str) -> Option<(&'a Spanned<DeString<'i>>, &'a Value<'i>)> {
        self.known.insert(name);
        self.table.iter().find(|(key, _)| key.get_ref() == name)
    }

    /// Whether the field is there.
    pub(super) fn has(&mut self, name: &'static str) -> bool {
        self.get(name).is_some()
    }

    /// Takes a field, if it is there, with a function that says what it expected.
    pub(super) fn take<T>(
        &mut self,
        name: &'static str,
        faults: &mut Faults<'_>,
        read: impl FnOnce(&DeValue<'i>) -> Result<T, String>,
    ) -> Option<T> {
        let (key, value) = self.get(name)?;
        match read(value.get_ref()) {
            Ok(read) => Some(read),
            Err(what) => {
                faults.add(key.span().start, &self.field(name), what);
                None
            }
        }
    }

    /// Notes that a field must be there.
    pub(super) fn require<T>(
        &self,
        name: &str,
        found: Option<T>,
        was_there: bool,
        faults: &mut Faults<'_>,
    ) -> Option<T> {
        if found.is_none() && !was_there {
            faults.add(self.at, &self.field(name), "is missing");
        }
        found
    }

    /// Takes every pair of a table.
    pub(super) fn pairs(
        &mut self,
        name: &'static str,
        faults: &mut Faults<'_>,
    ) -> Vec<(String, &'a Value<'i>, Range<usize>)> {
        let Some((key, value)) = self.get(name) else { return Vec::new() };
        let Some(table) = value.get_ref().as_table() else {
            faults.add(key.span().start, &self.field(name), expected("a table", value.get_ref()));
            return Vec::new();
        };
        table.iter().map(|(key, value)| (key.get_ref().to_string(), value, key.span())).collect()
    }

    /// Takes a table with a function that reads it.
    pub(super) fn table<T>(
        &mut self,
        name: &'static str,
        faults: &mut Faults<'_>,
        read: impl FnOnce(Table<'a, 'i>, &mut Faults<'_>) -> Option<T>,
    ) -> Option<T> {
        let (key, value) = self.get(name)?;
        let Some(table) = value.get_ref().as_table() else {
            faults.add(key.span().start, &self.field(name), expected("a table", value.get_ref()));
            return None;
        };
        read(Table::new(table, key.span().start, &self.field(name)), faults)
    }

    /// Takes one table or an array of tables, at least one.
    pub(super) fn one_or_more<T>(
        &mut self,
        name: &'static str,
        faults: &mut Faults<'_>,
        read: impl Fn(Table<'a, 'i>, &mut Faults<'_>) -> T,
    ) -> Vec<T> {
        let Some((key, value)) = self.get(name) else {
            faults.add(
                self.at,
                &self.field(name),
                format!("is missing: write a table [{name}], or several [[{name}]]"),
            );
            return Vec::new();
        };
        let values = match value.get_ref() {
            DeValue::Array(values) => values.iter().collect(),
            _ => vec![value],
        };
        let several = values.len() > 1;
        let mut found = Vec::new();
        for (index, value) in values.into_iter().enumerate() {
            let field = if several { format!("{}[{index}]", self.field(name)) } else { self.field(name) };
            match value.get_ref().as_table() {
                Some(table) => found.push(read(Table::new(table, value.span().start, &field), faults)),
                None => faults.add(key.span().start, &field, expected("a table", value.get_ref())),
            }
        }
        found
    }

    /// Refuses every field that nobody asked for.
    pub(super) fn refuse_the_rest(self, faults: &mut Faults<'_>) {
        let known: Vec<&str> = self.known.iter().copied().collect();
        for (key, _) in self.table {
            let name = key.get_ref();
            if known.contains(&name.as_ref()) {
                continue;
            }
            let what = match closest(name, &known) {
                Some(meant) => format!("is not a known field; is `{meant}` meant?"),
                None => format!("is not a known field; those are {}", known.join(", ")),
            };
            faults.add(key.span().start, &self.field(name), what);
        }
    }
}

/// What was expected and what is there instead.
pub(super) fn expected(what: &str, found: &DeValue<'_>) -> String {
    let article = if found.type_str().starts_with(['a', 'i']) { "an" } else { "a" };
    format!("expected {what}, found {article} {}", found.type_str())
}
