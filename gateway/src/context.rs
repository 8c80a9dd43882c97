//! What resolvers find in their context.

use std::sync::Arc;

use async_graphql::Context;

use crate::{gateway::Gateway, identity::Caller};

/// The gateway that answers.
pub(crate) fn gateway<'a>(ctx: &Context<'a>) -> &'a Arc<Gateway> {
    ctx.data_unchecked::<Arc<Gateway>>()
}

/// Who asks.
pub(crate) fn caller<'a>(ctx: &Context<'a>) -> &'a Caller {
    ctx.data_unchecked::<Caller>()
}
