//! Refusals: every "no" that the cell has said.

use async_graphql::{Context, Object, Result};
use log_schema::{Principal, Refusal};
use projector::{Pick, row::RefusalRow};

use super::value::MomentValue;
use crate::{
    error::RequestError,
    graphql::error::graphql,
    graphql::input::check_name,
    graphql::moment::{At, scope},
    graphql::mutation::payload::UserError,
    graphql::page::{self, Nodes, PageArgs},
    graphql::scalar::{CountText, OffsetText},
};

/// One refused command.
pub struct RefusedCommand(RefusalRow);

/// One refused command.
#[Object]
impl RefusedCommand {
    /// The offset of the command.
    async fn offset(&self) -> OffsetText {
        self.0.command.into()
    }

    /// The decision that refused it.
    async fn decided(&self) -> MomentValue {
        self.0.decided.into()
    }

    /// Who asked, where the decision says so.
    async fn principal(&self) -> Option<&str> {
        self.0.asked.as_ref().map(|asked| asked.principal.as_str())
    }

    /// Under which idempotency key.
    async fn key(&self) -> Option<&str> {
        self.0.asked.as_ref().map(|asked| asked.key.as_str())
    }

    /// Why not.
    async fn reason(&self) -> UserError {
        (&self.0.refusal).into()
    }
}

/// See [`super::Query`].
#[derive(Default)]
pub struct RefusalQuery;

#[Object]
impl RefusalQuery {
    /// Refused commands by offset; `last: 20` gives the newest. A `code` that no refusal has is an error.
    #[allow(clippy::too_many_arguments, reason = "the arguments of a Relay page")]
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn refusals(
        &self,
        ctx: &Context<'_>,
        principal: Option<String>,
        code: Option<String>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        at: Option<At>,
        min_offset: Option<OffsetText>,
    ) -> Result<Nodes<RefusedCommand>> {
        let window = PageArgs { first, after, last, before }.window::<CountText>().map_err(graphql)?;
        let window = page::Window {
            limit: window.limit,
            direction: window.direction,
            start: window.start.map(|start| log_schema::Offset(start.0)),
        };
        check_name::<Principal>("principal", principal.as_deref()).map_err(graphql)?;
        check_code(code.as_deref()).map_err(graphql)?;
        let scope = scope(ctx, at, min_offset).await?;
        if let Some(asked) = window.start.filter(|start| *start > scope.offset()) {
            return Err(graphql(RequestError::Ahead { asked, newest: scope.offset() }));
        }
        let wanted = |row: &RefusalRow| {
            let asked = row.asked.as_ref().map(|asked| asked.principal.as_str());
            principal.as_deref().is_none_or(|principal| asked == Some(principal))
                && code.as_deref().is_none_or(|code| row.refusal.name() == code)
        };
        let page = page::rows(&scope, &Pick::all(), window, wanted).await.map_err(graphql)?;
        Ok(page::connection(&scope, page, |row| row.command, RefusedCommand))
    }
}

/// Refuses a name that no refusal has: no refusal would be listed, as if there were none.
fn check_code(code: Option<&str>) -> std::result::Result<(), RequestError> {
    let names = || Refusal::ALL.iter().map(|(_, name)| *name);
    match code.filter(|code| !names().any(|name| name == *code)) {
        None => Ok(()),
        Some(code) => {
            let why =
                format!("{code:?} is not the name of a refusal; those are {}", names().collect::<Vec<_>>().join(" "));
            Err(RequestError::BadInput { field: "code", why })
        }
    }
}
