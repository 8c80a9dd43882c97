//! The root field of a subscription: exactly one, wherever in the document it is written.
//!
//! The library makes a stream of every root field and overlooks those in fragments. So a document with many would
//! be many streams in one operation, and one whose root field is in a fragment would end at once.

use async_graphql::{
    Name, Positioned, ServerError,
    parser::types::{
        Directive, DocumentOperations, ExecutableDocument, Field, FragmentDefinition, OperationType, Selection,
        SelectionSet,
    },
};
use std::collections::{HashMap, HashSet};

use super::{Kind, fault, short};

/// The name of the root type in the schema.
const SUBSCRIPTION: &str = "Subscription";

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// What the chosen operation is. Of a subscription, the document keeps one root field and what that needs.
pub(super) fn settle(document: &mut ExecutableDocument, name: Option<&str>) -> Result<Kind, ServerError> {
    let mut operations = document.operations.iter();
    let chosen = operations.find(|(named, _)| name.is_none() || named.map(Name::as_str) == name);
    // An operation that is not there is the library's to complain about.
    let Some((chosen, operation)) = chosen else { return Ok(Kind::Query) };
    match operation.node.ty {
        OperationType::Query => Ok(Kind::Query),
        OperationType::Mutation => Ok(Kind::Mutation),
        OperationType::Subscription if name.is_none() && document.operations.iter().count() > 1 => {
            Err(fault("the document has several operations, and operationName names none of them".to_owned()))
        }
        OperationType::Subscription => {
            let (chosen, mut operation) = (chosen.cloned(), operation.clone());
            let mut found = Vec::new();
            collect(&operation.node.selection_set.node, &document.fragments, &mut found)?;
            let [root] = found.as_slice() else {
                let why = "a subscription has exactly one root field, and this one has more or none";
                return Err(fault(format!("{why}; send a subscribe message for each")));
            };
            let root = (*root).clone();
            let pos = root.pos;
            operation.node.selection_set.node.items = vec![Positioned::new(Selection::Field(root), pos)];
            // What only other operations need would be unused now.
            let mut needed = HashSet::new();
            need(&operation.node.selection_set.node, &document.fragments, &mut needed);
            document.fragments.retain(|name, _| needed.contains(name));
            document.operations = match chosen {
                None => DocumentOperations::Single(operation),
                Some(name) => DocumentOperations::Multiple(HashMap::from([(name, operation)])),
            };
            Ok(Kind::Subscription)
        }
    }
}

/// The root fields of a set, those of fragments included, until there are two.
fn collect<'a>(
    set: &'a SelectionSet,
    fragments: &'a Fragments,
    found: &mut Vec<&'a Positioned<Field>>,
) -> Result<(), ServerError> {
    for item in &set.items {
        if found.len() > 1 {
            return Ok(());
        }
        match &item.node {
            Selection::Field(field) => {
                no_directives(&field.node.directives)?;
                found.push(field);
            }
            Selection::InlineFragment(fragment) => {
                no_directives(&fragment.node.directives)?;
                let on = fragment.node.type_condition.as_ref();
                check_type(on.map_or(SUBSCRIPTION, |condition| condition.node.on.node.as_str()))?;
                collect(&fragment.node.selection_set.node, fragments, found)?;
            }
            Selection::FragmentSpread(spread) => {
                no_directives(&spread.node.directives)?;
                let Some(fragment) = fragments.get(&spread.node.fragment_name.node) else { continue };
                no_directives(&fragment.node.directives)?;
                check_type(fragment.node.type_condition.node.on.node.as_str())?;
                collect(&fragment.node.selection_set.node, fragments, found)?;
            }
        }
    }
    Ok(())
}

/// A root field that may be skipped would be a stream of nothing.
fn no_directives(directives: &[Positioned<Directive>]) -> Result<(), ServerError> {
    if directives.is_empty() {
        return Ok(());
    }
    Err(fault("the root field of a subscription has no directives".to_owned()))
}

fn check_type(on: &str) -> Result<(), ServerError> {
    if on == SUBSCRIPTION {
        return Ok(());
    }
    Err(fault(format!("a fragment on {} is not a part of a subscription", short(on))))
}

/// The fragments that a set spreads, directly or not. Rings were refused before.
fn need(set: &SelectionSet, fragments: &Fragments, needed: &mut HashSet<Name>) {
    for item in &set.items {
        match &item.node {
            Selection::Field(field) => need(&field.node.selection_set.node, fragments, needed),
            Selection::InlineFragment(fragment) => need(&fragment.node.selection_set.node, fragments, needed),
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name.node;
                if needed.insert(name.clone())
                    && let Some(fragment) = fragments.get(name)
                {
                    need(&fragment.node.selection_set.node, fragments, needed);
                }
            }
        }
    }
}
