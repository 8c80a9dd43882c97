//! Offers.

use async_graphql::{Context, ID, Object, Result};
use log_schema::{FrameworkId, OfferId};
use projector::{
    Pick, Scope,
    row::{FrameworkRow, OfferRow, OfferState},
};

use super::{
    kind::OfferEndKind,
    value::{MomentValue, Resources},
};
use crate::{
    error::RequestError,
    graphql::error::graphql,
    graphql::input::{known, parse},
    graphql::moment::{At, scope},
    graphql::page::{self, Nodes, PageArgs},
    graphql::scalar::OffsetText,
};

/// One offer, as of one moment.
pub struct Offer {
    scope: Scope,
    row: OfferRow,
}

impl Offer {
    pub(crate) fn find(scope: Scope, id: OfferId) -> Result<Option<Self>> {
        let row = scope.get::<OfferRow>(&id).map_err(graphql)?;
        Ok(row.map(|row| Self { scope, row }))
    }

    /// A page of the offers that a framework holds.
    pub(crate) async fn page_to(scope: &Scope, framework: &FrameworkId, args: &PageArgs) -> Result<Nodes<Self>> {
        let window = args.window::<OfferId>().map_err(graphql)?;
        if window.direction == projector::Direction::Backwards {
            let why = "the offers to a framework are listed forwards only".to_owned();
            return Err(graphql(RequestError::BadInput { field: "last", why }));
        }
        let read = |start: Option<OfferId>, rows| {
            let page = scope.offers_to(framework, start.as_ref(), rows)?;
            let looked = page.rows.len() as u64;
            Ok((page, looked))
        };
        let found = page::find(&window, read).await.map_err(graphql)?;
        Ok(page::connection(scope, (found, window), |row| row.id, |row| Self { scope: scope.clone(), row }))
    }
}

/// Resources of one agent, offered to one framework.
#[Object]
impl Offer {
    /// The id of this node.
    pub async fn id(&self) -> ID {
        format!("Offer:{}", self.row.id).into()
    }

    /// The name of the offer, such as `o17`.
    async fn name(&self) -> String {
        self.row.id.to_string()
    }

    /// The offset that this answer reflects.
    async fn as_of(&self) -> OffsetText {
        self.scope.offset().into()
    }

    /// To whom.
    async fn framework(&self) -> &str {
        self.row.framework.as_str()
    }

    /// Of which agent.
    async fn agent(&self) -> &str {
        self.row.agent.as_str()
    }

    /// What was offered.
    async fn resources(&self) -> Resources {
        Resources(self.row.resources.clone())
    }

    /// Whether it may be accepted.
    async fn standing(&self) -> bool {
        self.row.state == OfferState::Standing
    }

    /// Why it stands no more.
    async fn end_reason(&self) -> Option<OfferEndKind> {
        match self.row.state {
            OfferState::Standing => None,
            OfferState::Ended(reason) => Some(reason.into()),
        }
    }

    /// When it was made.
    async fn made(&self) -> MomentValue {
        self.row.made.into()
    }

    /// When it ended.
    async fn ended(&self) -> Option<MomentValue> {
        self.row.ended.map(Into::into)
    }
}

/// See [`super::Query`].
#[derive(Default)]
pub struct OfferQuery;

#[Object]
impl OfferQuery {
    /// One offer, by its name, such as `o17`.
    async fn offer(
        &self,
        ctx: &Context<'_>,
        name: String,
        at: Option<At>,
        min_offset: Option<OffsetText>,
    ) -> Result<Option<Offer>> {
        let id = parse("name", &name).map_err(graphql)?;
        Offer::find(scope(ctx, at, min_offset).await?, id)
    }

    /// Offers by number; with `framework`, those that it holds, forwards only. A framework that does not exist is an
    /// error.
    #[allow(clippy::too_many_arguments, reason = "the arguments of a Relay page")]
    #[graphql(complexity = "page::cost(first, last, child_complexity)")]
    async fn offers(
        &self,
        ctx: &Context<'_>,
        framework: Option<String>,
        #[graphql(default = true)] standing: bool,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        at: Option<At>,
        min_offset: Option<OffsetText>,
    ) -> Result<Nodes<Offer>> {
        let args = PageArgs { first, after, last, before };
        let scope = scope(ctx, at, min_offset).await?;
        let framework = framework.map(|name| parse::<FrameworkId>("framework", &name)).transpose().map_err(graphql)?;
        if let Some(framework) = &framework {
            known::<FrameworkRow>(&scope, "framework", framework).map_err(graphql)?;
        }
        if let (Some(framework), true) = (&framework, standing) {
            return Offer::page_to(&scope, framework, &args).await;
        }
        let wanted = |row: &OfferRow| {
            (!standing || row.state == OfferState::Standing)
                && framework.as_ref().is_none_or(|framework| row.framework == *framework)
        };
        let page = page::rows(&scope, &Pick::all(), args.window().map_err(graphql)?, wanted).await.map_err(graphql)?;
        Ok(page::connection(&scope, page, |row| row.id, |row| Offer { scope: scope.clone(), row }))
    }
}
