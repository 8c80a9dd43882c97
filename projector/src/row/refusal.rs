//! Refusals: every "no", with both sides of the mismatch, by the offset of the command.

use log_schema::{AnswerV1, Offset, Refusal, decision::AskedV1};
use serde::{Deserialize, Serialize};

use super::{Moment, Row, View};

/// The name of this projection.
pub const NAME: &str = "refusals";
/// Its version; see [`super::VERSIONS`].
pub const VERSION: u32 = 1;

/// One refused command; a fact. `refusal` gives the number, the name and the sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalRow {
    /// The offset of the command.
    pub command: Offset,
    /// The decision that refused it.
    pub decided: Moment,
    /// Who asked under which key, where the decision says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<AskedV1>,
    /// Why not.
    pub refusal: Refusal,
}

impl Row for RefusalRow {
    type Id = Offset;
    const VIEW: View = View::Refusals;

    fn id(&self) -> Offset {
        self.command
    }

    fn write_key(id: &Offset, key: &mut Vec<u8>) {
        key.extend_from_slice(&id.0.to_be_bytes());
    }
}

impl RefusalRow {
    pub(crate) fn of(decided: Moment, answer: &AnswerV1) -> Option<Self> {
        let refusal = answer.refusal.clone()?;
        Some(Self { command: answer.at, decided, asked: answer.asked.clone(), refusal })
    }
}
