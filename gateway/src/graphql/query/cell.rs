//! The cell: its parameters and totals as of a moment, and how far this gateway has read its log.

use async_graphql::{Context, Object, Result, SimpleObject};
use log_schema::event::ParametersV1;
use projector::{Scope, row::CellRow};

use super::value::MomentValue;
use crate::{
    graphql::context::desk,
    graphql::error::graphql,
    graphql::input::cell::PolicyInput,
    graphql::moment::{At, scope},
    graphql::scalar::{CountText, MillisText, OffsetText, TimeText},
};

/// The cell, as of one moment.
pub struct Cell {
    scope: Scope,
    row: CellRow,
}

impl Cell {
    pub(crate) fn find(scope: Scope, (): &()) -> Result<Option<Self>> {
        let row = scope.cell().map_err(graphql)?;
        Ok(Some(Self { scope, row }))
    }
}

/// One cluster: one log, one allocator.
#[Object]
impl Cell {
    /// The name of the cell.
    async fn name<'a>(&self, ctx: &Context<'a>) -> &'a str {
        &desk(ctx).cell
    }

    /// The offset that this answer reflects.
    async fn as_of(&self) -> OffsetText {
        self.scope.offset().into()
    }

    /// Log time: that of the last tick that had an effect.
    async fn log_time(&self) -> TimeText {
        self.row.now.into()
    }

    /// The newest decision.
    async fn decision(&self) -> Result<Option<DecisionSummary>> {
        let decision = self.scope.decision().map_err(graphql)?;
        Ok(decision.map(|row| DecisionSummary {
            at: row.at.into(),
            epoch: row.epoch.into(),
            from: row.from.into(),
            to: row.to.into(),
            events: row.events,
        }))
    }

    /// The parameters, where they were ever set; else the allocator's defaults hold.
    async fn parameters(&self) -> Option<Parameters> {
        self.row.parameters.as_ref().map(Parameters::of)
    }

    /// The version of the allocator's logic, where one was ever activated.
    async fn logic_version(&self) -> Option<u32> {
        self.row.logic
    }

    /// When parameters or logic changed last.
    async fn changed(&self) -> MomentValue {
        self.row.changed.into()
    }

    /// How far this gateway has read the log; never of the past.
    async fn log(&self, ctx: &Context<'_>) -> Result<LogStatus> {
        LogStatus::of(ctx).await
    }
}

/// One decision record.
#[derive(SimpleObject)]
pub struct DecisionSummary {
    /// Where and when it is.
    pub at: MomentValue,
    /// The reign in which it was decided.
    pub epoch: CountText,
    /// The first offset that it answers.
    pub from: OffsetText,
    /// The last offset that it answers.
    pub to: OffsetText,
    /// How many events it holds.
    pub events: u32,
}

/// The parameters of the cell.
#[derive(SimpleObject)]
pub struct Parameters {
    /// How agents are chosen for jobs' tasks.
    pub policy: PolicyInput,
    /// How long an offer stands.
    pub offer_ttl_ms: MillisText,
    /// How long an unreachable agent may come back to its tasks.
    pub agent_lost_after_ms: MillisText,
    /// How long an idempotency key is remembered.
    pub key_kept_ms: MillisText,
    /// How long what has ended keeps its name.
    pub ended_kept_ms: MillisText,
}

impl Parameters {
    fn of(row: &ParametersV1) -> Self {
        Self {
            policy: row.policy.into(),
            offer_ttl_ms: MillisText(row.offer_ttl_ms),
            agent_lost_after_ms: MillisText(row.agent_lost_after_ms),
            key_kept_ms: MillisText(row.key_kept_ms),
            ended_kept_ms: MillisText(row.ended_kept_ms),
        }
    }
}

/// How far this gateway has read the log.
#[derive(SimpleObject)]
pub struct LogStatus {
    /// The oldest offset of the log.
    pub low: OffsetText,
    /// The offset that the next record gets.
    pub high: OffsetText,
    /// The first offset that this gateway has not judged.
    pub next: OffsetText,
    /// The newest decision that it has read.
    pub decided: Option<OffsetText>,
    /// The last offset that was answered.
    pub answered: Option<OffsetText>,
    /// The newest offset that rows reflect.
    pub folded: OffsetText,
    /// The oldest offset that rows can be read as of.
    pub horizon: OffsetText,
    /// The current reign; 0: nobody has led yet.
    pub epoch: CountText,
    /// Who leads, where the claim was read since the gateway began.
    pub leader: Option<String>,
    /// The newest logic that the leader knows.
    pub leader_logic_version: Option<u32>,
    /// The hash chain as the newest decision states it, in hexadecimal digits.
    pub chain: String,
    /// Claims to lead that came too late, since the gateway began.
    pub epochs_void: CountText,
    /// Decisions of reigns that were over, since the gateway began.
    pub decisions_void: CountText,
    /// Decisions that repeat one that counts, since the gateway began.
    pub decisions_duplicate: CountText,
    /// Why the gateway reads no further, if so.
    pub halted: Option<String>,
}

impl LogStatus {
    async fn of(ctx: &Context<'_>) -> Result<Self> {
        let desk = desk(ctx);
        let marks = desk.hub.log.watermarks().await.map_err(crate::hub::cursor::Error::from).map_err(graphql)?;
        let (now, reign) = (desk.hub.now(), desk.hub.reign());
        Ok(Self {
            low: marks.low.into(),
            high: marks.high.into(),
            next: now.next.into(),
            decided: now.decided.map(Into::into),
            answered: now.answered.map(Into::into),
            folded: desk.rows.newest().into(),
            horizon: desk.rows.horizon().into(),
            epoch: now.epoch.into(),
            leader: reign.as_ref().map(|reign| reign.claim.node.to_string()),
            leader_logic_version: reign.as_ref().map(|reign| reign.claim.logic_version),
            chain: now.chain.to_string(),
            epochs_void: CountText(now.counts.epochs_void),
            decisions_void: CountText(now.counts.decisions_void),
            decisions_duplicate: CountText(now.counts.decisions_duplicate),
            halted: desk.hub.halted().map(ToString::to_string),
        })
    }
}

/// See [`super::Query`].
#[derive(Default)]
pub struct CellQuery;

#[Object]
impl CellQuery {
    /// The cell.
    async fn cell(&self, ctx: &Context<'_>, at: Option<At>, min_offset: Option<OffsetText>) -> Result<Cell> {
        let scope = scope(ctx, at, min_offset).await?;
        let row = scope.cell().map_err(graphql)?;
        Ok(Cell { scope, row })
    }
}
