//! Errors as GraphQL states them: a message, `code` and `retryable` in `extensions`, and what a retry needs.

use async_graphql::{ErrorExtensions, Pos, Response, ServerError};

use super::answer;
use crate::error::RequestError;

/// The error as GraphQL states it. Resolvers use this, and never the library's blanket conversion,
/// which would lose the code.
pub(crate) fn graphql(error: impl Into<RequestError>) -> async_graphql::Error {
    let error = error.into();
    let mut message = error.to_string();
    answer::cut(&mut message, answer::ERROR_BYTES_MAX);
    async_graphql::Error::new(message).extend_with(|_, extensions| {
        extensions.set("code", error.code());
        extensions.set("retryable", error.is_transient());
        if let RequestError::Reading { percent, .. } = &error {
            extensions.set("percent", *percent);
        }
        if let RequestError::Unknown { key, offset, .. } = &error {
            extensions.set("key", key.as_str());
            offset.iter().for_each(|offset| extensions.set("offset", offset.to_string()));
        }
    })
}

/// The only error of an answer that was not begun.
pub(crate) fn server_error(error: impl Into<RequestError>) -> ServerError {
    graphql(error).into_server_error(Pos::default())
}

/// An answer that is nothing but an error.
pub(crate) fn no_answer(error: impl Into<RequestError>) -> Response {
    Response::from_errors(vec![server_error(error)])
}
