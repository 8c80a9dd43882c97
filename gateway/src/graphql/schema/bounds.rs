//! Refuses requests that would cost too much, before they are executed, and says how much.
//!
//! The library has limits of its own, which say neither the number nor the limit.

use std::sync::Arc;

use async_graphql::{
    ErrorExtensionValues, ServerError, ServerResult, ValidationResult, Value, async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextResolve, NextValidation, ResolveInfo},
};

use super::{COST_MAX, DEPTH_MAX};
use crate::{
    budget,
    graphql::{answer, error::server_error},
};

/// Checks the cost and the depth of every request, and charges each field for its part of the answer.
pub(super) struct Bounds;

impl ExtensionFactory for Bounds {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for Bounds {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let measured = next.run(ctx).await?;
        match check(&measured) {
            Ok(()) => Ok(measured),
            Err(why) => Err(vec![refusal(why)]),
        }
    }

    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        budget::yield_in_time().await;
        let name = info.alias.unwrap_or(info.name);
        // Refused before as well as after: whatever else the request asks for is not begun then.
        let charge = |value| budget::charge(answer::bytes_of(name, value)).map_err(server_error);
        charge(&Value::Null)?;
        let found = next.run(ctx, info).await?;
        charge(found.as_ref().unwrap_or(&Value::Null))?;
        Ok(found)
    }
}

fn check(measured: &ValidationResult) -> Result<(), String> {
    let ValidationResult { complexity: cost, depth, .. } = *measured;
    if depth > DEPTH_MAX {
        return Err(format!(
            "the request is {depth} fields deep, more than {DEPTH_MAX}; ask for what is inside in a request of its own"
        ));
    }
    if cost > COST_MAX {
        return Err(format!(
            "the request may cost {cost}, more than {COST_MAX}: what is asked of each node of a page counts as often \
             as the page may hold nodes; ask for smaller pages (first: 10), above all inside other pages"
        ));
    }
    Ok(())
}

fn refusal(why: String) -> ServerError {
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", "TOO_LARGE");
    extensions.set("retryable", false);
    ServerError { extensions: Some(extensions), ..ServerError::new(why, None) }
}
