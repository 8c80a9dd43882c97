//! The tasks that hold something on one agent.

use std::collections::BTreeSet;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{frameworks::FrameworkNo, jobs::JobNo, task::TaskRef};

/// Tasks in the order of [`TaskRef`], which is what a snapshot holds. Those of jobs are pairs of
/// numbers, a quarter of the size: an agent has many, and they come and go all the time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<TaskRef>", into = "Vec<TaskRef>")]
pub struct Hosted {
    of_jobs: BTreeSet<(JobNo, u32)>,
    of_frameworks: BTreeSet<(FrameworkNo, CompactString)>,
}

impl Hosted {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.of_jobs.is_empty() && self.of_frameworks.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.of_jobs.len() + self.of_frameworks.len()
    }

    /// The first one.
    pub fn first(&self) -> Option<TaskRef> {
        self.iter().next()
    }

    /// Every task, in order.
    pub fn iter(&self) -> impl Iterator<Item = TaskRef> {
        let of_jobs = self.of_jobs.iter().map(|(job, index)| TaskRef::Job { job: *job, index: *index });
        let of_framework = |(framework, name): &(FrameworkNo, CompactString)| TaskRef::Framework {
            framework: *framework,
            name: name.clone(),
        };
        of_jobs.chain(self.of_frameworks.iter().map(of_framework))
    }

    /// Takes a task in.
    pub fn insert(&mut self, task: &TaskRef) {
        let is_new = match task {
            TaskRef::Job { job, index } => self.of_jobs.insert((*job, *index)),
            TaskRef::Framework { framework, name } => self.of_frameworks.insert((*framework, name.clone())),
        };
        assert!(is_new, "a task is placed once at a time");
    }

    /// Drops a task.
    pub fn remove(&mut self, task: &TaskRef) {
        let was_here = match task {
            TaskRef::Job { job, index } => self.of_jobs.remove(&(*job, *index)),
            TaskRef::Framework { framework, name } => self.of_frameworks.remove(&(*framework, name.clone())),
        };
        assert!(was_here, "a task ends where it was placed");
    }
}

impl From<Vec<TaskRef>> for Hosted {
    fn from(tasks: Vec<TaskRef>) -> Self {
        let mut hosted = Self::default();
        tasks.iter().for_each(|task| hosted.insert(task));
        hosted
    }
}

impl From<Hosted> for Vec<TaskRef> {
    fn from(hosted: Hosted) -> Self {
        hosted.iter().collect()
    }
}
