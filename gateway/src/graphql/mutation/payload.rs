//! What mutations return: where the command is, what was decided, and the thing that it is about.

use async_graphql::{Context, Json, Object, SimpleObject};
use log_schema::{AgentId, FrameworkId, JobId, Refusal, RoleName, TaskId};
use projector::Scope;

use crate::{
    desk::submit::Submitted,
    event::LogEvent,
    graphql::{
        context::{caller, desk},
        error::graphql,
        query::{agent::Agent, cell::Cell, framework::Framework, job::Job, role::Role, task::Task},
        scalar::OffsetText,
    },
};

/// Why the cell said no. The same command will be refused again as long as the cell is as it is.
#[derive(Clone, Debug, SimpleObject)]
pub struct UserError {
    /// The number of the refusal; it never changes its meaning.
    pub number: u32,
    /// The name of the refusal, such as `JobExists`.
    pub code: String,
    /// The refusal as a sentence.
    pub message: String,
    /// Both sides of the mismatch.
    pub details: Json<serde_json::Value>,
}

impl From<&Refusal> for UserError {
    fn from(refusal: &Refusal) -> Self {
        let details = match serde_json::to_value(refusal) {
            Ok(serde_json::Value::Object(named)) => named.into_iter().next().map(|(_, details)| details),
            Ok(_) | Err(_) => None,
        };
        Self {
            number: refusal.number().into(),
            code: refusal.name().into(),
            message: refusal.to_string(),
            details: Json(details.unwrap_or_default()),
        }
    }
}

fn user_errors(submitted: &Submitted) -> Vec<UserError> {
    submitted.refusal().map(UserError::from).into_iter().collect()
}

/// The rows with the decision in them.
async fn scope(ctx: &Context<'_>, submitted: &Submitted) -> async_graphql::Result<Scope> {
    let desk = desk(ctx);
    desk.reach(submitted.answered.decided.offset).await.map_err(graphql)?;
    desk.read(caller(ctx), None).map_err(graphql)
}

macro_rules! payload {
    ($(#[$doc:meta])* $name:ident, $field:ident($id:ty) -> $entity:ty, $what:literal) => {
        $(#[$doc])*
        pub struct $name {
            pub(crate) answer: Submitted,
            pub(crate) id: $id,
        }

        $(#[$doc])*
        #[Object]
        impl $name {
            /// The offset of the command.
            async fn offset(&self) -> OffsetText {
                self.answer.answered.command.into()
            }

            /// The offset of the decision: give it as `minOffset` to read what it changed.
            async fn decision_offset(&self) -> OffsetText {
                self.answer.answered.decided.offset.into()
            }

            /// The idempotency key of the command.
            async fn key(&self) -> &str {
                self.answer.key.as_str()
            }

            /// The offset of the command that this one repeats: it had no effect of its own, and what
            /// was answered then is given again.
            async fn repeats(&self) -> Option<OffsetText> {
                self.answer.first.as_ref().map(|first| first.command.into())
            }

            /// Why the cell said no; empty where it said yes.
            async fn user_errors(&self) -> Vec<UserError> {
                user_errors(&self.answer)
            }

            /// What became true by the command, in order.
            async fn events(&self) -> Vec<LogEvent> {
                self.answer.events()
            }

            #[doc = $what]
            async fn $field(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<$entity>> {
                <$entity>::find(scope(ctx, &self.answer).await?, &self.id)
            }
        }
    };
}

payload! {
    /// What became of a command about a job.
    JobPayload, job(JobId) -> Job, "The job, with the decision in it."
}
payload! {
    /// What became of a command about a task.
    TaskPayload, task(TaskId) -> Task, "The task, with the decision in it."
}
payload! {
    /// What became of a command about an agent.
    AgentPayload, agent(AgentId) -> Agent, "The agent, with the decision in it."
}
payload! {
    /// What became of a command about a framework.
    FrameworkPayload, framework(FrameworkId) -> Framework, "The framework, with the decision in it."
}
payload! {
    /// What became of a command about a role.
    RolePayload, role(RoleName) -> Role, "The role, with the decision in it."
}
payload! {
    /// What became of a command about the cell.
    CellPayload, cell(()) -> Cell, "The cell, with the decision in it."
}
