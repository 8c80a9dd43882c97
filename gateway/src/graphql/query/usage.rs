//! Usage: the totals of the cell now and over time, and what machines say of themselves.

use std::sync::Arc;

use async_graphql::{Context, Object, Result, SimpleObject};
use command_log::telemetry;
use log_schema::TimeMs;
use projector::{Scope, row::UsageRow};

use super::value::{MomentValue, Resources, TaskCountsValue};
use crate::{
    budget::{self, LOOKS_PER_DECISION},
    desk::read::Past,
    error::RequestError,
    graphql::context::{caller, desk},
    graphql::error::graphql,
    graphql::moment::{At, scope},
    graphql::page,
    graphql::scalar::{BytesText, CountText, MillicpuText, OffsetText, TimeText},
};

/// The most points of a usage over time.
pub const POINTS_MAX: u32 = 500;

/// The totals of the cell, as of one moment.
pub struct Usage {
    scope: Scope,
    row: UsageRow,
}

impl Usage {
    fn of(scope: Scope) -> Result<Self> {
        let row = scope.usage().map_err(graphql)?;
        Ok(Self { scope, row })
    }
}

/// The totals of the cell. Ports are not summed.
#[Object]
impl Usage {
    /// The offset that this answer reflects.
    async fn as_of(&self) -> OffsetText {
        self.scope.offset().into()
    }

    /// When a total changed last.
    async fn changed(&self) -> MomentValue {
        self.row.at.into()
    }

    /// What all agents have that are not gone.
    async fn capacity(&self) -> Resources {
        Resources(self.row.capacity.clone())
    }

    /// The part of it that is of unreachable and leaving agents.
    async fn away(&self) -> Resources {
        Resources(self.row.away.clone())
    }

    /// What tasks hold.
    async fn used(&self) -> Resources {
        Resources(self.row.used.clone())
    }

    /// What stands offered.
    async fn offered(&self) -> Resources {
        Resources(self.row.offered.clone())
    }

    /// How many agents are up.
    async fn agents_up(&self) -> u32 {
        self.row.agents_up
    }

    /// How many agents are unreachable.
    async fn agents_unreachable(&self) -> u32 {
        self.row.agents_unreachable
    }

    /// How many agents are leaving.
    async fn agents_leaving(&self) -> u32 {
        self.row.agents_leaving
    }

    /// How many frameworks are subscribed or ending.
    async fn frameworks(&self) -> u32 {
        self.row.frameworks
    }

    /// How many jobs have not ended.
    async fn jobs(&self) -> u32 {
        self.row.jobs
    }

    /// How many offers stand.
    async fn offers(&self) -> u32 {
        self.row.offers
    }

    /// How many tasks are in each state.
    async fn tasks(&self) -> TaskCountsValue {
        self.row.tasks.into()
    }

    /// How many runs of tasks have ended, ever.
    async fn ended(&self) -> EndedRuns {
        let ended = self.row.ended;
        EndedRuns {
            finished: CountText(ended.finished),
            failed: CountText(ended.failed),
            killed: CountText(ended.killed),
            lost: CountText(ended.lost),
        }
    }
}

/// Numbers of runs by how they ended, since the beginning of the log.
#[derive(SimpleObject)]
pub struct EndedRuns {
    /// With exit code 0.
    pub finished: CountText,
    /// With another code, by a signal, or before the start.
    pub failed: CountText,
    /// Because the cell asked for it.
    pub killed: CountText,
    /// With their agent.
    pub lost: CountText,
}

/// The usage at one time.
#[derive(SimpleObject)]
pub struct UsagePoint {
    /// The time.
    pub time: TimeText,
    /// The totals of the cell then.
    pub usage: Usage,
}

/// What an agent says of its machine, once a second.
pub struct Sample(pub(crate) Arc<telemetry::Sample>);

/// What an agent says of its machine, once a second. It is beside the log: no decision reads it.
#[Object]
impl Sample {
    /// Whose machine.
    async fn agent(&self) -> &str {
        self.0.agent.as_str()
    }

    /// When, by the agent's clock.
    async fn time(&self) -> TimeText {
        self.0.time.into()
    }

    /// CPU in use since the sample before.
    async fn cpu_busy(&self) -> MillicpuText {
        MillicpuText(self.0.cpu_busy_millis)
    }

    /// All the CPU there is.
    async fn cpu_total(&self) -> MillicpuText {
        MillicpuText(self.0.cpu_total_millis)
    }

    /// Memory that is not available to a new process.
    async fn mem_used(&self) -> BytesText {
        mebibytes(self.0.mem_used_mib)
    }

    /// All the memory there is.
    async fn mem_total(&self) -> BytesText {
        mebibytes(self.0.mem_total_mib)
    }

    /// Used space on the disk of the sandboxes.
    async fn disk_used(&self) -> BytesText {
        mebibytes(self.0.disk_used_mib)
    }

    /// All the space on that disk.
    async fn disk_total(&self) -> BytesText {
        mebibytes(self.0.disk_total_mib)
    }

    /// The load average over one minute, in hundredths.
    async fn load1_centi(&self) -> CountText {
        CountText(self.0.load1_centi)
    }

    /// Bytes received since the sample before.
    async fn net_received(&self) -> BytesText {
        BytesText(self.0.net_rx_bytes)
    }

    /// Bytes sent since the sample before.
    async fn net_sent(&self) -> BytesText {
        BytesText(self.0.net_tx_bytes)
    }

    /// What each running task uses.
    async fn tasks(&self) -> Vec<TaskSample> {
        self.0.tasks.iter().cloned().map(TaskSample).collect()
    }
}

/// What one task uses now.
pub struct TaskSample(pub(crate) telemetry::TaskUsage);

/// What one task uses now, its whole process tree together.
#[Object]
impl TaskSample {
    /// Which task.
    async fn task(&self) -> &str {
        self.0.task.as_str()
    }

    /// Which start of it.
    async fn incarnation(&self) -> CountText {
        CountText(self.0.incarnation.0)
    }

    /// CPU in use since the sample before.
    async fn cpu(&self) -> MillicpuText {
        MillicpuText(self.0.cpu_millis)
    }

    /// Resident memory.
    async fn mem(&self) -> BytesText {
        mebibytes(self.0.mem_mib)
    }

    /// How many processes.
    async fn processes(&self) -> u32 {
        self.0.processes
    }
}

fn mebibytes(mib: u64) -> BytesText {
    BytesText(mib.saturating_mul(1 << 20))
}

/// See [`super::Query`].
#[derive(Default)]
pub struct UsageQuery;

#[Object]
impl UsageQuery {
    /// The totals of the cell.
    async fn usage(&self, ctx: &Context<'_>, at: Option<At>, min_offset: Option<OffsetText>) -> Result<Usage> {
        Usage::of(scope(ctx, at, min_offset).await?)
    }

    /// The totals of the cell at evenly spaced times, both ends included. Neither end may be in the future.
    #[graphql(complexity = "page::list_cost(points, child_complexity)")]
    async fn usage_over_time(
        &self,
        ctx: &Context<'_>,
        from: TimeText,
        until: TimeText,
        #[graphql(default = 60)] points: u32,
        min_offset: Option<OffsetText>,
    ) -> Result<Vec<UsagePoint>> {
        let (desk, caller) = (desk(ctx), caller(ctx));
        desk.reach(min_offset.map(Into::into).unwrap_or_default()).await.map_err(graphql)?;
        let times = spaced(from.0.0, until.0.0, points).map_err(graphql)?;
        desk.check_past("until", TimeMs(until.0.0)).map_err(graphql)?;
        budget::look(times.len() as u64 * LOOKS_PER_DECISION).await.map_err(graphql)?;
        let mut points = Vec::with_capacity(times.len());
        for time in times.into_iter().map(TimeMs) {
            budget::yield_in_time().await;
            let offset = desk.rows.offset_at_time(time).map_err(graphql)?;
            let scope = desk.read(caller, Some(Past::Offset(offset))).map_err(graphql)?;
            points.push(UsagePoint { time: TimeText(time), usage: Usage::of(scope)? });
        }
        Ok(points)
    }

    /// What agents said of their machines last.
    async fn samples(&self, ctx: &Context<'_>) -> Vec<Sample> {
        desk(ctx).samples().into_iter().map(Sample).collect()
    }
}

fn spaced(from: u64, until: u64, points: u32) -> Result<Vec<u64>, RequestError> {
    if !(2..=POINTS_MAX).contains(&points) {
        return Err(RequestError::OutOfRange { field: "points", value: points.into(), min: 2, max: POINTS_MAX.into() });
    }
    let Some(width) = until.checked_sub(from) else {
        return Err(RequestError::BadInput { field: "until", why: "it is before from".into() });
    };
    let steps = u128::from(points - 1);
    let at = |step: u32| from + u64::try_from(u128::from(width) * u128::from(step) / steps).unwrap_or(width);
    Ok((0..points).map(at).collect())
}
