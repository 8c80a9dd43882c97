//! The specs of the jobs that were accepted lately, for agents that are told to run their tasks.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use log_schema::{Event, JobId, Offset, job::JobSpecV1};
use projector::Decided;

/// How many specs are kept.
pub(crate) const SPECS_MAX: usize = 4096;

/// Specs by job, each with the decision that accepted it.
#[derive(Debug, Default)]
pub(super) struct Specs {
    by_job: BTreeMap<JobId, (Offset, Arc<JobSpecV1>)>,
    in_order: VecDeque<(Offset, JobId)>,
}

impl Specs {
    /// Keeps the specs of the jobs that this decision accepted.
    pub(super) fn note(&mut self, decided: &Decided) {
        for event in decided.decision.events() {
            if let Event::JobAccepted(accepted) = event {
                let (job, spec) = (accepted.spec.id.clone(), Arc::new(accepted.spec.clone()));
                self.in_order.push_back((decided.offset, job.clone()));
                self.by_job.insert(job, (decided.offset, spec));
            }
        }
        while self.in_order.len() > SPECS_MAX {
            self.forget_oldest();
        }
    }

    /// The spec that held in the decision at `at`, if it is here: a name may have been used again since.
    pub(super) fn get(&self, job: &JobId, at: Offset) -> Option<Arc<JobSpecV1>> {
        self.by_job.get(job).filter(|(accepted, _)| *accepted <= at).map(|(_, spec)| Arc::clone(spec))
    }

    fn forget_oldest(&mut self) {
        let Some((accepted, job)) = self.in_order.pop_front() else { return };
        if self.by_job.get(&job).is_some_and(|(newest, _)| *newest == accepted) {
            self.by_job.remove(&job);
        }
    }
}
