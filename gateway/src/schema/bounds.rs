//! Refuses requests that would cost too much, before they are executed, and says how much.
//!
//! The library has limits of its own, which say neither the number nor the limit.

use std::sync::Arc;

use async_graphql::{
    ErrorExtensionValues, ServerError, ValidationResult, async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation},
};

use super::{COST_MAX, DEPTH_MAX};

/// Checks the cost and the depth of every request.
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
