//! `quipu role set`: changes the weight of a role.

use std::process::ExitCode;

use clap::Subcommand;
use log_schema::RoleName;
use serde_json::json;

use super::{Asking, Context, show_change};
use crate::cli::parse;
use allocator::share::WEIGHT_MAX;

/// What is asked for.
pub(crate) const DOCUMENT: &str = "
mutation SetRole($input: SetRoleInput!) {
  setRole(input: $input) {
    offset decisionOffset key repeats userErrors { number code message details }
    role { name weight }
  }
}";

/// `quipu role`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu role set team/web --weight 3    three times the share of a role that weighs 1")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Set the weight of a role.
    Set {
        /// The role.
        role: RoleName,
        /// Its weight among the roles, from 1; a role that was never set weighs 1.
        #[arg(long, value_parser = parse::whole(1..=WEIGHT_MAX), allow_negative_numbers = true)]
        weight: u32,
        #[command(flatten)]
        asking: Asking,
    },
}

/// Changes a role.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let Action::Set { role, weight, asking } = &args.action;
    let answer = context.client.ask(DOCUMENT, json!({ "role": role, "weight": weight }), asking.key())?;
    // What a repeat asked for may have been changed since: the weight is the cell's.
    show_change(context, &answer, |now| format!("role {role} weighs {}\n", now.number("/role/weight")))
}
