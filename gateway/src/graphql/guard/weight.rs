//! How much a document is once its fragments are spelled out, counted in one pass over it.
//!
//! The library validates and executes a fragment once for every place that spreads it, and copies a variable for
//! every place that uses it. So a few hundred bytes can stand for hours of work. Everything that makes it work is
//! counted here, before the library sees the document. A spread counts even if its fragment is missing: the
//! library walks to it all the same.

use std::collections::{BTreeMap, HashMap};

use async_graphql::{
    Name, Positioned, ServerError, Variables,
    parser::types::{Directive, ExecutableDocument, FragmentDefinition, Selection, SelectionSet, VariableDefinition},
};
use async_graphql_value::{ConstValue as Const, Value};

use super::{fault, short, too_large};

/// The most selections (fields, spreads and inline fragments) of a document once its fragments are spelled out.
pub const SELECTIONS_MAX: u64 = 4096;
/// The most input of a document once its fragments and variables are spelled out. Each value, argument and
/// directive counts one, and one more for each 64 bytes of text.
pub const INPUT_MAX: u64 = 32_768;
/// How deep selections may be nested, those of fragments included.
pub const SELECTION_DEPTH_MAX: usize = 32;
/// The most operations and fragments of a document.
pub const DEFINITIONS_MAX: usize = 512;
/// The most variables of an operation.
pub const VARIABLES_MAX: usize = 128;
/// The most arguments of one field or directive.
pub const ARGUMENTS_MAX: usize = 32;
/// The most directives in one place.
pub const DIRECTIVES_MAX: usize = 8;
/// The most fields that ask for the schema: each gives dozens of kilobytes.
pub const INTROSPECTIONS_MAX: u64 = 4;

/// Text counts as one value for so many bytes.
const TEXT_BYTES: usize = 64;
/// Fields of the schema about itself that give lists of what has such fields again. One inside another would grow
/// with the power of the depth.
const INTROSPECTION_LISTS: [&str; 4] = ["fields", "inputFields", "interfaces", "possibleTypes"];

/// Refuses a document that would grow too large, or whose fragments are missing, unused or in a ring.
pub(super) fn check(document: &ExecutableDocument, variables: &Variables) -> Result<(), ServerError> {
    let definitions = document.operations.iter().count() + document.fragments.len();
    if definitions > DEFINITIONS_MAX {
        return Err(too_large(format!(
            "the document has {definitions} operations and fragments, more than {DEFINITIONS_MAX}"
        )));
    }
    let given = variables.iter().map(|(name, value)| (name.as_str(), of_const(value))).collect();
    let mut scale = Scale { fragments: &document.fragments, given, known: HashMap::new() };
    let mut whole = Weight::default();
    for (_, operation) in document.operations.iter() {
        scale.set_defaults(&operation.node.variable_definitions)?;
    }
    for (_, operation) in document.operations.iter() {
        whole.add(scale.of_directives(&operation.node.directives)?);
        whole.add(scale.of_set(&operation.node.selection_set.node, 0)?);
    }
    for name in document.fragments.keys() {
        if !scale.known.contains_key(name.as_str()) {
            return Err(fault(format!("fragment {} is never used", short(name))));
        }
    }
    whole.check()
}

/// What a part of a document weighs.
#[derive(Clone, Copy, Debug, Default)]
struct Weight {
    selections: u64,
    input: u64,
    introspections: u64,
    /// Levels of selections below.
    height: usize,
    /// How many lists of the schema about itself lie inside one another.
    schema_lists: usize,
}

impl Weight {
    /// Adds what is beside.
    fn add(&mut self, other: Self) {
        self.selections = self.selections.saturating_add(other.selections);
        self.input = self.input.saturating_add(other.input);
        self.introspections = self.introspections.saturating_add(other.introspections);
        self.height = self.height.max(other.height);
        self.schema_lists = self.schema_lists.max(other.schema_lists);
    }

    fn input(input: u64) -> Self {
        Self { input, ..Self::default() }
    }

    fn check(&self) -> Result<(), ServerError> {
        if self.selections > SELECTIONS_MAX {
            return Err(too_large(format!(
                "the document selects {} fields once fragments are spelled out, more than {SELECTIONS_MAX}",
                self.selections
            )));
        }
        if self.input > INPUT_MAX {
            return Err(too_large(format!(
                "the document has {} values, arguments and directives once fragments and variables are spelled out, \
                 more than {INPUT_MAX}",
                self.input
            )));
        }
        if self.introspections > INTROSPECTIONS_MAX {
            return Err(too_large(format!(
                "the document asks {} times for the schema, more than {INTROSPECTIONS_MAX}",
                self.introspections
            )));
        }
        Ok(())
    }
}

/// Weighs each fragment once.
struct Scale<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    /// What the value of each variable weighs.
    given: BTreeMap<&'a str, u64>,
    /// `None` while the fragment is being weighed.
    known: HashMap<&'a str, Option<Weight>>,
}

impl<'a> Scale<'a> {
    /// A variable that is not given has its default. Operations that share a name share the heaviest value.
    fn set_defaults(&mut self, defined: &'a [Positioned<VariableDefinition>]) -> Result<(), ServerError> {
        if defined.len() > VARIABLES_MAX {
            let count = defined.len();
            return Err(too_large(format!("an operation has {count} variables, more than {VARIABLES_MAX}")));
        }
        for variable in defined {
            self.of_directives(&variable.node.directives)?;
            let weight = variable.node.default_value.as_ref().map_or(1, |value| of_const(&value.node));
            let known = self.given.entry(variable.node.name.node.as_str()).or_default();
            *known = weight.max(*known);
        }
        Ok(())
    }

    fn of_set(&mut self, set: &'a SelectionSet, depth: usize) -> Result<Weight, ServerError> {
        if depth > SELECTION_DEPTH_MAX {
            return Err(too_deep());
        }
        let mut sum = Weight::default();
        for item in &set.items {
            sum.add(self.of_item(&item.node, depth)?);
        }
        Ok(sum)
    }

    fn of_item(&mut self, item: &'a Selection, depth: usize) -> Result<Weight, ServerError> {
        let (mut weight, directives) = match item {
            Selection::Field(field) => {
                let field = &field.node;
                let name = field.name.node.as_str();
                let mut weight = self.of_set(&field.selection_set.node, depth + 1)?;
                weight.schema_lists += usize::from(INTROSPECTION_LISTS.contains(&name));
                if weight.schema_lists > 1 {
                    let names = INTROSPECTION_LISTS.join(", ");
                    return Err(too_large(format!("of the schema's {names} one may not lie inside another")));
                }
                weight.introspections += u64::from(matches!(name, "__schema" | "__type"));
                weight.add(self.of_arguments(&field.arguments)?);
                (weight, &field.directives)
            }
            Selection::InlineFragment(fragment) => {
                (self.of_set(&fragment.node.selection_set.node, depth + 1)?, &fragment.node.directives)
            }
            Selection::FragmentSpread(spread) => {
                let name = spread.node.fragment_name.node.as_str();
                let weight = self.of_fragment(name, depth + 1)?;
                (weight, &spread.node.directives)
            }
        };
        weight.add(self.of_directives(directives)?);
        weight.selections = weight.selections.saturating_add(1);
        weight.height += 1;
        Ok(weight)
    }

    fn of_fragment(&mut self, name: &'a str, depth: usize) -> Result<Weight, ServerError> {
        match self.known.get(name) {
            Some(Some(weight)) if depth + weight.height > SELECTION_DEPTH_MAX => return Err(too_deep()),
            Some(Some(weight)) => return Ok(*weight),
            Some(None) => return Err(fault(format!("fragment {} contains itself", short(name)))),
            None => {}
        }
        let Some(fragment) = self.fragments.get(name) else {
            return Err(fault(format!("there is no fragment {}", short(name))));
        };
        self.known.insert(name, None);
        let mut weight = self.of_set(&fragment.node.selection_set.node, depth)?;
        weight.add(self.of_directives(&fragment.node.directives)?);
        self.known.insert(name, Some(weight));
        Ok(weight)
    }

    fn of_directives(&self, directives: &[Positioned<Directive>]) -> Result<Weight, ServerError> {
        if directives.len() > DIRECTIVES_MAX {
            let count = directives.len();
            return Err(too_large(format!("there are {count} directives in one place, more than {DIRECTIVES_MAX}")));
        }
        let mut sum = Weight::input(directives.len() as u64);
        for directive in directives {
            sum.add(self.of_arguments(&directive.node.arguments)?);
        }
        Ok(sum)
    }

    fn of_arguments(&self, arguments: &[(Positioned<Name>, Positioned<Value>)]) -> Result<Weight, ServerError> {
        if arguments.len() > ARGUMENTS_MAX {
            let count = arguments.len();
            return Err(too_large(format!("one field or directive has {count} arguments, more than {ARGUMENTS_MAX}")));
        }
        let values = arguments.iter().map(|(_, value)| self.of_value(&value.node).saturating_add(1));
        Ok(Weight::input(values.fold(0, u64::saturating_add)))
    }

    /// Values nest as deep as brackets may, so that this ends soon.
    fn of_value(&self, value: &Value) -> u64 {
        match value {
            Value::Variable(name) => self.given.get(name.as_str()).copied().unwrap_or(1),
            Value::String(text) => of_text(text),
            Value::List(values) => values.iter().map(|value| self.of_value(value)).fold(1, u64::saturating_add),
            Value::Object(values) => values
                .iter()
                .map(|(name, value)| self.of_value(value).saturating_add(of_text(name)))
                .fold(1, u64::saturating_add),
            Value::Enum(name) => of_text(name),
            Value::Null | Value::Number(_) | Value::Boolean(_) | Value::Binary(_) => 1,
        }
    }
}

/// The weight of a value without variables.
fn of_const(value: &Const) -> u64 {
    match value {
        Const::String(text) => of_text(text),
        Const::List(values) => values.iter().map(of_const).fold(1, u64::saturating_add),
        Const::Object(values) => values
            .iter()
            .map(|(name, value)| of_const(value).saturating_add(of_text(name)))
            .fold(1, u64::saturating_add),
        Const::Enum(name) => of_text(name),
        Const::Null | Const::Number(_) | Const::Boolean(_) | Const::Binary(_) => 1,
    }
}

fn of_text(text: &str) -> u64 {
    1 + (text.len() / TEXT_BYTES) as u64
}

fn too_deep() -> ServerError {
    too_large(format!("the document nests deeper than {SELECTION_DEPTH_MAX} selections, those of fragments included"))
}
