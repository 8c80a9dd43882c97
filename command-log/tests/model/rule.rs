//! The rule that the model's readers follow: the real one, or a weaker one that has to be found out.

use command_log::{
    Stored,
    reader::{Halt, Reader, Verdict},
};
use log_schema::{DecisionV1, Kind, codec};

/// Which records count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// What [`Reader::judge`] says.
    Real,
    /// The same, but every decision passes for one of the current epoch.
    WithoutEpochs,
}

impl Rule {
    /// Judges the next record.
    pub fn judge(self, reader: &mut Reader, stored: &Stored) -> Result<Verdict, Halt> {
        match self {
            Self::Real => reader.judge(stored),
            Self::WithoutEpochs => reader.judge(&with_current_epoch(reader, stored)),
        }
    }
}

fn with_current_epoch(reader: &Reader, stored: &Stored) -> Stored {
    let mut changed = stored.clone();
    if stored.record.kind == Kind::Decision.number() {
        let decision: DecisionV1 = codec::decode("decision", &stored.record.payload).expect("leaders write whole ones");
        changed.record = DecisionV1 { epoch: reader.epoch(), ..decision }.to_record();
    }
    changed
}
