//! What is checked before a request is executed: where it comes from, and how large it would grow.

mod nesting;

use std::collections::BTreeMap;

use async_graphql::{
    Name, Positioned, Request, ServerError,
    parser::{
        parse_query,
        types::{ExecutableDocument, FragmentDefinition, OperationType, Selection, SelectionSet},
    },
};
use axum::http::{HeaderMap, header};

/// The largest request, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// The most fields that a document may select once its fragments are spelled out.
pub const SELECTIONS_MAX: u64 = 4096;

/// How deep brackets may be nested: the parser, and whoever walks a value, calls itself for each.
pub const NESTING_MAX: usize = 64;

/// A request that may be executed.
pub(crate) struct Prepared {
    pub(crate) request: Request,
    pub(crate) is_subscription: bool,
}

/// Parses a document and refuses one that would grow too large, in time linear in its length.
pub(crate) fn prepare(mut request: Request) -> Result<Prepared, ServerError> {
    nesting::check(&request.query)?;
    let document = parse_query(&request.query)?;
    let selections = Expansion { fragments: &document.fragments, known: BTreeMap::new() }.of_document(&document)?;
    if selections > SELECTIONS_MAX {
        let why = format!(
            "the document selects {selections} fields once fragments are spelled out, more than {SELECTIONS_MAX}"
        );
        return Err(ServerError::new(why, None));
    }
    let is_subscription = is_subscription(&document, request.operation_name.as_deref());
    request.set_parsed_query(document);
    Ok(Prepared { request, is_subscription })
}

fn is_subscription(document: &ExecutableDocument, name: Option<&str>) -> bool {
    let mut operations = document.operations.iter();
    let chosen = operations.find(|(named, _)| name.is_none() || named.map(Name::as_str) == name);
    chosen.is_some_and(|(_, operation)| operation.node.ty == OperationType::Subscription)
}

type Fragments = std::collections::HashMap<Name, Positioned<FragmentDefinition>>;

/// Sizes of fragments, each computed once.
struct Expansion<'a> {
    fragments: &'a Fragments,
    /// `None` while the fragment is being computed.
    known: BTreeMap<&'a str, Option<u64>>,
}

impl<'a> Expansion<'a> {
    fn of_document(&mut self, document: &'a ExecutableDocument) -> Result<u64, ServerError> {
        let mut sum: u64 = 0;
        for (_, operation) in document.operations.iter() {
            sum = sum.saturating_add(self.of_set(&operation.node.selection_set.node)?);
        }
        Ok(sum)
    }

    fn of_set(&mut self, set: &'a SelectionSet) -> Result<u64, ServerError> {
        set.items.iter().try_fold(0_u64, |sum, item| Ok(sum.saturating_add(self.of_item(&item.node)?)))
    }

    fn of_item(&mut self, item: &'a Selection) -> Result<u64, ServerError> {
        match item {
            Selection::Field(field) => Ok(self.of_set(&field.node.selection_set.node)?.saturating_add(1)),
            Selection::InlineFragment(fragment) => self.of_set(&fragment.node.selection_set.node),
            Selection::FragmentSpread(spread) => self.of_fragment(spread.node.fragment_name.node.as_str()),
        }
    }

    fn of_fragment(&mut self, name: &'a str) -> Result<u64, ServerError> {
        match self.known.get(name) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(ServerError::new(format!("fragment {name} contains itself"), None)),
            None => {}
        }
        // An unknown fragment is the library's to complain about.
        let Some(fragment) = self.fragments.get(name) else { return Ok(0) };
        self.known.insert(name, None);
        let size = self.of_set(&fragment.node.selection_set.node)?;
        self.known.insert(name, Some(size));
        Ok(size)
    }
}

/// Whether a request may come from where it says: a page of another site may not use a gateway on
/// this machine, neither by its address nor by a name that was made to point here.
pub(crate) fn check_origin(headers: &HeaderMap) -> Result<(), &'static str> {
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    let host = text(header::HOST).ok_or("the request names no host")?;
    if !is_loopback_name(host) {
        return Err("the request names a host that is not this machine's loopback");
    }
    match text(header::ORIGIN) {
        None => Ok(()),
        Some(origin) if origin.split_once("://").is_some_and(|(_, authority)| authority == host) => Ok(()),
        Some(_) => Err("the request comes from a page of another origin"),
    }
}

fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
