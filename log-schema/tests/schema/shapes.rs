//! What the tracer noted, as text: every stored struct with its fields in order, every enum.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// One field of a struct.
#[derive(Default)]
struct Field {
    types: BTreeSet<String>,
    absent_once: bool,
    may_be_absent: bool,
}

/// Every shape met so far.
#[derive(Default)]
pub(crate) struct Shapes {
    order: BTreeMap<String, &'static [&'static str]>,
    fields: BTreeMap<(String, String), Field>,
    enums: BTreeMap<&'static str, &'static [&'static str]>,
    variants: BTreeMap<(&'static str, String), String>,
}

impl Shapes {
    /// A struct, or a variant with named fields; `owner` is its title in the listing.
    pub(crate) fn meet_struct(&mut self, owner: &str, fields: &'static [&'static str]) {
        self.order.insert(owner.to_owned(), fields);
    }

    /// A field was there, and its type asked for this.
    pub(crate) fn meet_field(&mut self, owner: &str, field: &str, wire_type: &str) {
        self.field(owner, field).types.insert(wire_type.to_owned());
    }

    /// A field was not written.
    pub(crate) fn meet_absence(&mut self, owner: &str, field: &str) {
        self.field(owner, field).absent_once = true;
    }

    /// Reading goes on without the field.
    pub(crate) fn meet_default(&mut self, owner: &str, field: &str) {
        self.field(owner, field).may_be_absent = true;
    }

    /// An enum with the names of its variants.
    pub(crate) fn meet_enum(&mut self, name: &'static str, variants: &'static [&'static str]) {
        self.enums.insert(name, variants);
    }

    /// What one variant holds.
    pub(crate) fn meet_variant(&mut self, name: &'static str, variant: &str, content: &str) {
        self.variants.insert((name, variant.to_owned()), content.to_owned());
    }

    /// Blocks of lines: a title, and one indented line for each field or variant.
    pub(crate) fn blocks(&self) -> Vec<(String, Vec<String>)> {
        let structs = self.order.iter().map(|(owner, fields)| (owner.clone(), self.field_lines(owner, fields)));
        let enums =
            self.enums.iter().map(|(name, variants)| (format!("enum {name}"), self.variant_lines(name, variants)));
        let mut blocks: Vec<_> = structs.chain(enums).collect();
        blocks.sort();
        blocks
    }

    fn field_lines(&self, owner: &str, names: &[&str]) -> Vec<String> {
        let lines = |name: &&str| {
            let field = &self.fields[&(owner.to_owned(), (*name).to_owned())];
            let presence = match (field.may_be_absent, field.absent_once) {
                (false, _) => "",
                (true, true) => ", left out when empty",
                (true, false) => ", may be absent",
            };
            known_types(field).map(|wire_type| format!("{name}: {wire_type}{presence}")).collect::<Vec<_>>()
        };
        names.iter().flat_map(lines).collect()
    }

    fn variant_lines(&self, name: &'static str, variants: &[&str]) -> Vec<String> {
        let line = |variant: &&str| match self.variants.get(&(name, (*variant).to_owned())) {
            Some(content) => format!("{variant}: {content}"),
            None => (*variant).to_owned(),
        };
        variants.iter().map(line).collect()
    }

    fn field(&mut self, owner: &str, field: &str) -> &mut Field {
        self.fields.entry((owner.to_owned(), field.to_owned())).or_default()
    }
}

/// The one type of a field; the body of a command has many. An empty list says nothing of its items.
fn known_types(field: &Field) -> impl Iterator<Item = &String> {
    assert!(field.types.iter().any(|name| !name.contains('?')), "no sample fills this field: {:?}", field.types);
    field.types.iter().filter(|name| !name.contains('?'))
}

/// The listing: blocks parted by empty lines.
pub(crate) fn render(blocks: &[(String, Vec<String>)]) -> String {
    let mut text = String::new();
    for (title, lines) in blocks {
        writeln!(text, "{title}").expect("text grows");
        for line in lines {
            writeln!(text, "  {line}").expect("text grows");
        }
        text.push('\n');
    }
    text
}

/// The blocks of a listing.
pub(crate) fn parse(text: &str) -> Vec<(String, Vec<String>)> {
    let block = |block: &str| {
        let mut lines = block.lines();
        let title = lines.next().unwrap_or_default().to_owned();
        (title, lines.map(|line| line.trim().to_owned()).collect())
    };
    text.split("\n\n").map(str::trim).filter(|text| !text.is_empty()).map(block).collect()
}
