//! Commands about jobs and their tasks.

use async_graphql::{Context, Object, Result};
use log_schema::Command;

use super::{
    ask,
    payload::{JobPayload, TaskPayload},
};
use crate::{
    graphql::error::graphql,
    graphql::input::job::{KillTaskInput, RestartTaskInput, ScaleJobInput, StopJobInput, SubmitJobInput},
};

/// See [`super::Mutation`].
#[derive(Default)]
pub struct JobMutation;

#[Object]
impl JobMutation {
    /// Submits a job.
    async fn submit_job(&self, ctx: &Context<'_>, mut input: SubmitJobInput) -> Result<JobPayload> {
        let key = input.key.take();
        let command = input.command().map_err(graphql)?;
        let id = command.job.id.clone();
        Ok(JobPayload { answer: ask(ctx, key, Command::SubmitJob(command)).await?, id })
    }

    /// Stops a job: its waiting tasks are withdrawn, its running tasks are killed.
    async fn stop_job(&self, ctx: &Context<'_>, input: StopJobInput) -> Result<JobPayload> {
        let command = input.command().map_err(graphql)?;
        let id = command.job.clone();
        Ok(JobPayload { answer: ask(ctx, input.key, Command::StopJob(command)).await?, id })
    }

    /// Changes how many tasks a job has.
    async fn scale_job(&self, ctx: &Context<'_>, input: ScaleJobInput) -> Result<JobPayload> {
        let command = input.command().map_err(graphql)?;
        let id = command.job.clone();
        Ok(JobPayload { answer: ask(ctx, input.key, Command::ScaleJob(command)).await?, id })
    }

    /// Ends one task for good, of a job or of a framework.
    async fn kill_task(&self, ctx: &Context<'_>, input: KillTaskInput) -> Result<TaskPayload> {
        let command = input.command().map_err(graphql)?;
        let id = command.task.clone();
        Ok(TaskPayload { answer: ask(ctx, input.key, Command::KillTask(command)).await?, id })
    }

    /// Starts one task of a job again: one that runs is ended first; one that was killed, failed for good or waits for
    /// its next start is started at once.
    async fn restart_task(&self, ctx: &Context<'_>, input: RestartTaskInput) -> Result<TaskPayload> {
        let command = input.command().map_err(graphql)?;
        let id = command.task.clone();
        Ok(TaskPayload { answer: ask(ctx, input.key, Command::RestartTask(command)).await?, id })
    }
}
