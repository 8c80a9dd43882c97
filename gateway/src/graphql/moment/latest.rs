//! The latest `minOffset` of a request, found before any of it is executed.

use async_graphql::{
    InputType, Name, Request, Value, Variables,
    parser::types::{ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet},
};
use log_schema::Offset;

use crate::graphql::scalar::OffsetText;

/// The latest `minOffset` among the root fields that name no moment of their own. What cannot be
/// understood is left to the library, which refuses it.
pub(super) fn min_offset(request: &mut Request) -> Option<Offset> {
    let (variables, name) = (request.variables.clone(), request.operation_name.clone());
    let document = request.parsed_query().ok()?;
    let mut operations = document.operations.iter();
    let (_, operation) = operations.find(|(named, _)| name.is_none() || named.map(Name::as_str) == name.as_deref())?;
    let root = Root { document, operation: &operation.node, variables: &variables };
    root.latest(&operation.node.selection_set.node)
}

/// The root fields of one operation.
struct Root<'a> {
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
}

impl Root<'_> {
    fn latest(&self, set: &SelectionSet) -> Option<Offset> {
        set.items.iter().filter_map(|item| self.of_item(&item.node)).max()
    }

    /// Fragments end: whoever contains itself was refused before.
    fn of_item(&self, item: &Selection) -> Option<Offset> {
        match item {
            Selection::Field(field) => self.of_field(&field.node),
            Selection::InlineFragment(fragment) => self.latest(&fragment.node.selection_set.node),
            Selection::FragmentSpread(spread) => {
                let fragment = self.document.fragments.get(&spread.node.fragment_name.node)?;
                self.latest(&fragment.node.selection_set.node)
            }
        }
    }

    fn of_field(&self, field: &Field) -> Option<Offset> {
        if self.argument(field, "at").is_some() {
            return None;
        }
        let min = OffsetText::parse(Some(self.argument(field, "minOffset")?)).ok()?;
        Some(min.into())
    }

    /// What an argument says; nothing where it is null.
    fn argument(&self, field: &Field, name: &str) -> Option<Value> {
        let value = field.get_argument(name)?.node.clone();
        let value = value.into_const_with(|variable| self.variable(&variable).ok_or(())).ok()?;
        (value != Value::Null).then_some(value)
    }

    fn variable(&self, name: &Name) -> Option<Value> {
        let given = self.variables.get(name).cloned();
        given.or_else(|| {
            let mut defined = self.operation.variable_definitions.iter().map(|defined| &defined.node);
            defined.find(|defined| defined.name.node == *name)?.default_value().cloned()
        })
    }
}
