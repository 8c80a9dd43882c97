//! The size of an answer: its bytes, and how much it says of what went wrong.
//!
//! Of errors it gives the first, each in a few words.
//!
//! A document of 64 KiB can have tens of thousands of faults, and an error may quote what a client sent. Clients
//! are told enough to mend the first of them.

use async_graphql::{PathSegment, Response, ServerError, Value};

/// The most errors of one answer.
pub const ERRORS_MAX: usize = 16;
/// The longest message of an error, in bytes.
pub const ERROR_BYTES_MAX: usize = 1024;
/// The longest name in the path of an error, in bytes.
pub const PATH_NAME_BYTES_MAX: usize = 128;

/// The answer with its errors within their bounds.
pub(crate) fn bounded(mut answer: Response) -> Response {
    answer.errors = errors(answer.errors);
    answer
}

/// Errors within their bounds; the last one says how many were left out.
pub(crate) fn errors(mut errors: Vec<ServerError>) -> Vec<ServerError> {
    let left_out = errors.len().saturating_sub(ERRORS_MAX);
    errors.truncate(ERRORS_MAX);
    for error in &mut errors {
        cut(&mut error.message, ERROR_BYTES_MAX);
        for segment in &mut error.path {
            if let PathSegment::Field(name) = segment {
                cut(name, PATH_NAME_BYTES_MAX);
            }
        }
        // What this project refuses has a code of its own; what is left is the library's word on the document.
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            extensions.set("code", "BAD_DOCUMENT");
            extensions.set("retryable", false);
        }
    }
    if left_out > 0 {
        errors.push(ServerError::new(format!("{left_out} more errors were left out"), None));
    }
    errors
}

/// Shortens text to at most so many bytes, at the end of a character.
pub(crate) fn cut(text: &mut String, bytes_max: usize) {
    const MARK: &str = "...";
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max - MARK.len()));
        text.push_str(MARK);
    }
}

/// The bytes of a value in JSON, without the parts that were charged on their own: fields of objects.
pub(crate) fn bytes_of(name: &str, value: &Value) -> u64 {
    let of_value = match value {
        Value::String(text) => escaped(text),
        Value::Enum(name) => name.len() as u64,
        Value::List(values) => values.iter().map(|value| bytes_of("", value)).sum(),
        Value::Null | Value::Number(_) | Value::Boolean(_) | Value::Binary(_) | Value::Object(_) => 8,
    };
    of_value + name.len() as u64 + 4
}

/// The bytes of text in JSON, where a control character takes six.
fn escaped(text: &str) -> u64 {
    text.bytes().map(|byte| if byte < 0x20 { 6 } else { 1 + u64::from(matches!(byte, b'"' | b'\\')) }).sum()
}
