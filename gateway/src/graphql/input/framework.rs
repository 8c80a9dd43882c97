//! What frameworks say.

use async_graphql::InputObject;
use log_schema::{
    OfferId,
    command::{
        AcceptOffersV1, DeclineOffersV1, LaunchV1, ReviveOffersV1, SubscribeFrameworkV1, SuppressOffersV1,
        TeardownFrameworkV1,
    },
};

use super::{EnvInput, parse, run};
use crate::{
    error::RequestError,
    graphql::scalar::{MillisText, OffsetText},
};

/// What `subscribeFramework` asks for.
#[derive(Clone, Debug, InputObject)]
pub struct SubscribeFrameworkInput {
    /// The framework's name, chosen by itself and kept over reconnects.
    pub framework: String,
    /// The role whose share its tasks and offers use.
    #[graphql(default_with = "super::job::ROLE_DEFAULT.to_owned()")]
    pub role: String,
    /// The idempotency key; see `SubmitJobInput`.
    pub key: Option<String>,
}

/// One task that a framework starts.
#[derive(Clone, Debug, InputObject)]
pub struct LaunchInput {
    /// The framework's name for the task; in the cell it is `framework/name`.
    pub name: String,
    /// What it takes out of the offers, such as `cpu=1 mem=1Gi ports=31000-31001`.
    pub resources: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Environment variables.
    #[graphql(default)]
    pub env: Vec<EnvInput>,
    /// The working directory; the task's sandbox where none is given.
    pub directory: Option<String>,
    /// Milliseconds between SIGTERM and SIGKILL when the task is asked to end. 10000.
    pub kill_grace_ms: Option<MillisText>,
}

/// What `acceptOffers` asks for.
#[derive(Clone, Debug, InputObject)]
pub struct AcceptOffersInput {
    /// Who accepts.
    pub framework: String,
    /// The offers, such as `o17`, all of one agent. What the tasks leave over is free again.
    pub offers: Vec<String>,
    /// The tasks to start on them.
    pub launches: Vec<LaunchInput>,
    /// For how long the framework wants no offer of this agent again. 0.
    pub filter_ms: Option<MillisText>,
    /// The offset of the decision that this answers, where there is one.
    pub caused_by: Option<OffsetText>,
    /// The idempotency key; see `SubmitJobInput`.
    pub key: Option<String>,
}

/// What `declineOffers` asks for.
#[derive(Clone, Debug, InputObject)]
pub struct DeclineOffersInput {
    /// Who declines.
    pub framework: String,
    /// The offers, such as `o17`.
    pub offers: Vec<String>,
    /// For how long the framework wants no offer of these agents again. 0.
    pub filter_ms: Option<MillisText>,
    /// The offset of the decision that this answers, where there is one.
    pub caused_by: Option<OffsetText>,
    /// The idempotency key; see `SubmitJobInput`.
    pub key: Option<String>,
}

/// What `reviveOffers` and `suppressOffers` ask for.
#[derive(Clone, Debug, InputObject)]
pub struct FrameworkOffersInput {
    /// Which framework.
    pub framework: String,
    /// The offset of the decision that this answers, where there is one.
    pub caused_by: Option<OffsetText>,
    /// The idempotency key; see `SubmitJobInput`.
    pub key: Option<String>,
}

/// What `teardownFramework` asks for.
#[derive(Clone, Debug, InputObject)]
pub struct TeardownFrameworkInput {
    /// Which framework; all its tasks are killed.
    pub framework: String,
    /// The idempotency key; see `SubmitJobInput`.
    pub key: Option<String>,
}

fn offers(texts: &[String]) -> Result<Vec<OfferId>, RequestError> {
    texts.iter().map(|text| parse("offers", text)).collect()
}

fn millis(text: Option<MillisText>) -> u64 {
    text.map_or(0, |millis| millis.0)
}

impl SubscribeFrameworkInput {
    pub(crate) fn command(&self) -> Result<SubscribeFrameworkV1, RequestError> {
        let framework = parse("framework", &self.framework)?;
        Ok(SubscribeFrameworkV1 { framework, role: parse("role", &self.role)? })
    }
}

impl LaunchInput {
    fn launch(self) -> Result<LaunchV1, RequestError> {
        Ok(LaunchV1 {
            name: self.name.into(),
            resources: parse("resources", &self.resources)?,
            run: run(self.command, self.env, self.directory, self.kill_grace_ms)?,
        })
    }
}

impl AcceptOffersInput {
    pub(crate) fn command(self) -> Result<AcceptOffersV1, RequestError> {
        Ok(AcceptOffersV1 {
            framework: parse("framework", &self.framework)?,
            offers: offers(&self.offers)?,
            launches: self.launches.into_iter().map(LaunchInput::launch).collect::<Result<_, _>>()?,
            filter_ms: millis(self.filter_ms),
        })
    }
}

impl DeclineOffersInput {
    pub(crate) fn command(&self) -> Result<DeclineOffersV1, RequestError> {
        let (framework, offers) = (parse("framework", &self.framework)?, offers(&self.offers)?);
        Ok(DeclineOffersV1 { framework, offers, filter_ms: millis(self.filter_ms) })
    }
}

impl FrameworkOffersInput {
    pub(crate) fn revive(&self) -> Result<ReviveOffersV1, RequestError> {
        Ok(ReviveOffersV1 { framework: parse("framework", &self.framework)? })
    }

    pub(crate) fn suppress(&self) -> Result<SuppressOffersV1, RequestError> {
        Ok(SuppressOffersV1 { framework: parse("framework", &self.framework)? })
    }
}

impl TeardownFrameworkInput {
    pub(crate) fn command(&self) -> Result<TeardownFrameworkV1, RequestError> {
        Ok(TeardownFrameworkV1 { framework: parse("framework", &self.framework)? })
    }
}
