//! What resolvers find in their context.

use std::sync::Arc;

use async_graphql::Context;

use crate::{desk::Desk, identity::Caller};

/// The desk that answers.
pub(crate) fn desk<'a>(ctx: &Context<'a>) -> &'a Arc<Desk> {
    ctx.data_unchecked::<Arc<Desk>>()
}

/// Who asks.
pub(crate) fn caller<'a>(ctx: &Context<'a>) -> &'a Caller {
    ctx.data_unchecked::<Caller>()
}
