//! Commands of operators about roles and the cell.

use async_graphql::{Context, Object, Result};
use log_schema::Command;

use super::{
    ask,
    payload::{CellPayload, RolePayload},
};
use crate::{
    graphql::error::graphql,
    graphql::input::cell::{ActivateLogicInput, SetParametersInput, SetRoleInput},
};

/// See [`super::Mutation`].
#[derive(Default)]
pub struct CellMutation;

#[Object]
impl CellMutation {
    /// Sets the weight of a role.
    async fn set_role(&self, ctx: &Context<'_>, input: SetRoleInput) -> Result<RolePayload> {
        let command = input.command().map_err(graphql)?;
        let id = command.role.clone();
        Ok(RolePayload { answer: ask(ctx, input.key, Command::SetRole(command)).await?, id })
    }

    /// Sets parameters of the cell; what is absent stays.
    async fn set_parameters(&self, ctx: &Context<'_>, input: SetParametersInput) -> Result<CellPayload> {
        let command = Command::SetParameters(input.command());
        Ok(CellPayload { answer: ask(ctx, input.key, command).await?, id: () })
    }

    /// Switches to another version of the allocator's logic.
    async fn activate_logic(&self, ctx: &Context<'_>, input: ActivateLogicInput) -> Result<CellPayload> {
        let command = Command::ActivateLogic(input.command());
        Ok(CellPayload { answer: ask(ctx, input.key, command).await?, id: () })
    }
}
