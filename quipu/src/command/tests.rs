//! Every document that this program sends, held against the schema of the gateway.

use std::collections::BTreeMap;

use async_graphql_parser::{
    Positioned, parse_query, parse_schema,
    types::{
        Directive, ExecutableDocument, Field, FieldDefinition, InputValueDefinition, OperationType, Selection,
        SelectionSet, ServiceDocument, TypeKind, TypeSystemDefinition,
    },
};
use async_graphql_value::Value as Literal;
use serde_json::{Value, json};

use super::*;

/// The types of a schema by name.
struct Schema(BTreeMap<String, TypeKind>);

/// A document that is held against a schema.
struct Check<'a> {
    schema: &'a Schema,
    variables: BTreeMap<String, String>,
    faults: Vec<String>,
}

impl Schema {
    fn of_gateway() -> Self {
        Self::read(&gateway::sdl())
    }

    fn read(text: &str) -> Self {
        let document: ServiceDocument = parse_schema(text).expect("the schema can be parsed");
        let types = document.definitions.into_iter().filter_map(|definition| match definition {
            TypeSystemDefinition::Type(found) => Some((found.node.name.node.to_string(), found.node.kind)),
            TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
        });
        Self(types.collect())
    }

    fn fields(&self, name: &str) -> &[Positioned<FieldDefinition>] {
        match self.0.get(name) {
            Some(TypeKind::Object(object)) => &object.fields,
            Some(TypeKind::Interface(interface)) => &interface.fields,
            _ => &[],
        }
    }

    fn inputs(&self, name: &str) -> &[Positioned<InputValueDefinition>] {
        match self.0.get(name) {
            Some(TypeKind::InputObject(input)) => &input.fields,
            _ => &[],
        }
    }

    /// The faults of a document.
    fn check(&self, text: &str) -> Vec<String> {
        let document = match parse_query(text) {
            Ok(document) => document,
            Err(error) => return vec![error.to_string()],
        };
        let mut check = Check { schema: self, variables: BTreeMap::new(), faults: Vec::new() };
        check.document(&document);
        check.faults
    }
}

impl Check<'_> {
    fn document(&mut self, document: &ExecutableDocument) {
        for (_, operation) in document.operations.iter() {
            let variables = operation.node.variable_definitions.iter();
            let typed = variables.map(|one| (one.node.name.node.to_string(), one.node.var_type.node.to_string()));
            self.variables = typed.collect();
            let root = match operation.node.ty {
                OperationType::Query => "Query",
                OperationType::Mutation => "Mutation",
                OperationType::Subscription => "Subscription",
            };
            self.selection(root, &operation.node.selection_set.node);
        }
    }

    fn selection(&mut self, on: &str, set: &SelectionSet) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => self.field(on, &field.node),
                Selection::FragmentSpread(_) | Selection::InlineFragment(_) => {
                    self.faults.push(format!("{on}: fragments are not checked"));
                }
            }
        }
    }

    fn field(&mut self, on: &str, field: &Field) {
        let name = field.name.node.as_str();
        let schema = self.schema;
        let Some(defined) = schema.fields(on).iter().find(|defined| defined.node.name.node.as_str() == name) else {
            self.faults.push(format!("{on} has no field {name}"));
            return;
        };
        let place = format!("{on}.{name}");
        let given: Vec<_> = field.arguments.iter().map(|(name, value)| (name.node.to_string(), &value.node)).collect();
        self.inputs(&place, &defined.node.arguments, &given);
        self.directives(&place, &field.directives);
        let of = base(&defined.node.ty.node.to_string());
        let is_leaf = schema.fields(&of).is_empty();
        if is_leaf != field.selection_set.node.items.is_empty() {
            self.faults.push(format!("{place} is of type {of}: select fields of it, or none"));
        }
        self.selection(&of, &field.selection_set.node);
    }

    fn inputs(&mut self, place: &str, defined: &[Positioned<InputValueDefinition>], given: &[(String, &Literal)]) {
        for (name, value) in given {
            match defined.iter().find(|defined| defined.node.name.node.as_str() == name.as_str()) {
                Some(found) => self.value(&format!("{place}({name})"), &found.node, value),
                None => self.faults.push(format!("{place} takes no {name}")),
            }
        }
        for needed in defined.iter().filter(|defined| is_needed(&defined.node)) {
            let name = needed.node.name.node.as_str();
            if !given.iter().any(|(given, _)| given == name) {
                self.faults.push(format!("{place} needs {name}"));
            }
        }
    }

    fn value(&mut self, place: &str, defined: &InputValueDefinition, value: &Literal) {
        let wanted = defined.ty.node.to_string();
        match value {
            Literal::Variable(variable) => {
                let declared = self.variables.get(variable.as_str()).cloned().unwrap_or_default();
                let fits = declared.trim_end_matches('!') == wanted.trim_end_matches('!');
                if !fits || (is_needed(defined) && !declared.ends_with('!')) {
                    self.faults.push(format!("{place}: ${variable} is {declared:?}, {wanted} is wanted"));
                }
            }
            Literal::Object(fields) => {
                let given: Vec<_> = fields.iter().map(|(name, value)| (name.to_string(), value)).collect();
                let schema = self.schema;
                self.inputs(place, schema.inputs(&base(&wanted)), &given);
            }
            Literal::List(values) => values.iter().for_each(|value| self.word(place, &base(&wanted), value)),
            other => self.word(place, &base(&wanted), other),
        }
    }

    fn word(&mut self, place: &str, of: &str, value: &Literal) {
        if let (Literal::Enum(word), Some(TypeKind::Enum(known))) = (value, self.schema.0.get(of))
            && !known.values.iter().any(|known| known.node.value.node == *word)
        {
            self.faults.push(format!("{place}: {of} has no {word}"));
        }
    }

    fn directives(&mut self, place: &str, directives: &[Positioned<Directive>]) {
        for (_, value) in directives.iter().flat_map(|directive| &directive.node.arguments) {
            if let Literal::Variable(variable) = &value.node
                && self.variables.get(variable.as_str()).map(String::as_str) != Some("Boolean!")
            {
                self.faults.push(format!("{place}: ${variable} must be Boolean!"));
            }
        }
    }
}

/// Whether it must be given: it can be neither null nor left out.
fn is_needed(defined: &InputValueDefinition) -> bool {
    !defined.ty.node.nullable && defined.default_value.is_none()
}

/// The name of a type without lists and exclamation marks.
fn base(ty: &str) -> String {
    ty.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// The faults of the JSON of an input.
fn faults_of_input(schema: &Schema, of: &str, value: &Value) -> Vec<String> {
    let fields = schema.inputs(of);
    let known = |name: &str| fields.iter().find(|field| field.node.name.node.as_str() == name);
    let Some(given) = value.as_object() else { return Vec::new() };
    let mut faults = Vec::new();
    for (name, value) in given {
        let Some(field) = known(name) else {
            faults.push(format!("{of} has no field {name}"));
            continue;
        };
        let of = base(&field.node.ty.node.to_string());
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        faults.extend(values.iter().flat_map(|value| faults_of_input(schema, &of, value)));
        faults.extend(values.iter().filter_map(|value| fault_of_word(schema, &of, value)));
    }
    let missing =
        fields.iter().filter(|field| is_needed(&field.node) && !given.contains_key(field.node.name.node.as_str()));
    faults.extend(missing.map(|field| format!("{of} needs {}", field.node.name.node)));
    faults
}

fn fault_of_word(schema: &Schema, of: &str, value: &Value) -> Option<String> {
    let (Some(TypeKind::Enum(known)), Some(word)) = (schema.0.get(of), value.as_str()) else { return None };
    let is_known = known.values.iter().any(|known| known.node.value.node.as_str() == word);
    (!is_known).then(|| format!("{of} has no {word}"))
}

#[test]
fn every_document_holds_against_the_gateways_schema() {
    let schema = Schema::of_gateway();
    let faults: Vec<_> = DOCUMENTS
        .iter()
        .flat_map(|(name, text)| schema.check(text).into_iter().map(move |fault| format!("{name}: {fault}")))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_document_with_faults_is_found_out() {
    let schema = Schema::read(
        "type Query { job(name: String!, at: Int): Job } type Job { name: String! state: S } enum S { UP }",
    );
    let faults = |text: &str| schema.check(text).join("; ");
    assert_eq!(faults("{ job(name: \"a\") { name state } }"), "");
    assert_eq!(faults("{ job { nme } }"), "Query.job needs name; Job has no field nme");
    assert_eq!(
        faults("query($n: String) { job(name: $n) }"),
        "Query.job(name): $n is \"String\", String! is wanted; Query.job is of type Job: select fields of it, or none"
    );
}

#[test]
fn a_job_with_every_field_is_a_legal_input() {
    let text = include_str!("../../../docs/examples/service.toml");
    let mut jobs = crate::job_file::parse(text).expect("legal");
    jobs[0].directory = Some("/srv".into());
    jobs[0].constraints = vec!["zone!=north".parse().expect("legal")];
    jobs[0].env.insert("A".into(), "1".into());
    let input = json!({ "job": jobs[0], "key": "k" });
    assert_eq!(faults_of_input(&Schema::of_gateway(), "SubmitJobInput", &input), Vec::<String>::new());
}

#[test]
fn every_change_sends_a_legal_input() {
    let schema = Schema::of_gateway();
    let inputs = [
        ("StopJobInput", json!({ "job": "a", "graceMs": 0, "key": "k" })),
        ("ScaleJobInput", json!({ "job": "a", "count": 2, "key": "k" })),
        ("KillTaskInput", json!({ "task": "a.0", "graceMs": 0, "key": "k" })),
        ("RestartTaskInput", json!({ "task": "a.0", "graceMs": 5000, "key": "k" })),
        ("RemoveAgentInput", json!({ "agent": "a", "key": "k" })),
        ("SetRoleInput", json!({ "role": "a", "weight": 2, "key": "k" })),
        (
            "SetParametersInput",
            json!({
                "policy": "SPREAD", "offerTtlMs": 1, "agentLostAfterMs": 1, "keyKeptMs": 1, "endedKeptMs": 1, "key": "k",
            }),
        ),
        ("TaskFilter", json!({ "job": null, "framework": null, "agent": null, "state": ["WAITING", "RESTARTING"] })),
        (
            "EventFilter",
            json!({ "names": ["task.placed"], "job": null, "task": null, "agent": null, "framework": null }),
        ),
    ];
    for (of, input) in inputs {
        assert_eq!(faults_of_input(&schema, of, &input), Vec::<String>::new(), "{of}");
    }
}

#[test]
fn numbers_come_with_the_right_word() {
    assert_eq!((count(1, "task"), count(0, "task")), ("1 task".into(), "0 tasks".into()));
}
