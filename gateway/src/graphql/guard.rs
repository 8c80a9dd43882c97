//! What is checked before a request is executed: how large it would grow.

mod nesting;
mod root;
pub mod weight;

use async_graphql::{ErrorExtensionValues, Request, ServerError, parser::parse_query};

/// The largest request, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// How deep brackets may be nested: the parser, and whoever walks a value, calls itself for each.
pub const NESTING_MAX: usize = 64;

/// What an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Query,
    Mutation,
    Subscription,
}

/// A request that may be executed.
pub(crate) struct Prepared {
    pub(crate) request: Request,
    pub(crate) kind: Kind,
}

/// Parses a document and refuses one that would grow too large, in time linear in the length of the request.
pub(crate) fn prepare(mut request: Request) -> Result<Prepared, ServerError> {
    nesting::check(&request.query)?;
    let mut document = parse_query(&request.query)?;
    weight::check(&document, &request.variables)?;
    let kind = root::settle(&mut document, request.operation_name.as_deref())?;
    request.set_parsed_query(document);
    Ok(Prepared { request, kind })
}

/// A document that is refused although it can be read.
fn fault(why: String) -> ServerError {
    coded(why, "BAD_DOCUMENT")
}

/// A document that is refused because it would grow too large.
fn too_large(why: String) -> ServerError {
    coded(why, "TOO_LARGE")
}

/// An error with a code, of a request that no later time makes better.
pub(crate) fn coded(why: String, code: &str) -> ServerError {
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code);
    extensions.set("retryable", false);
    ServerError { extensions: Some(extensions), ..ServerError::new(why, None) }
}

/// A name of a client, quoted, and no longer than a person reads.
fn short(name: &str) -> String {
    const CHARS_MAX: usize = 64;
    let mut shown: String = name.chars().take(CHARS_MAX).collect();
    if shown.len() < name.len() {
        shown += "...";
    }
    format!("{shown:?}")
}
