//! What tasks that really ran have left: each was started once.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::{clients::Told, parts::Parts};

/// How long the last tasks may take to end.
const PATIENCE: Duration = Duration::from_mins(2);

/// Waits until every task has run, and looks that none has twice.
pub(crate) fn assert_each_started_once(parts: &Parts, told: &Told) {
    let tasks = usize::try_from(told.real_jobs * 2).expect("few jobs");
    let begun = Instant::now();
    while parts.lines("starts").len() < tasks {
        assert!(begun.elapsed() < PATIENCE, "{} of {tasks} tasks have started", parts.lines("starts").len());
        std::thread::sleep(Duration::from_millis(50));
    }
    // The last job is stated as ended after whatever might have started a task of it twice.
    if let Some(last) = told.real_jobs.checked_sub(1) {
        assert_eq!(parts.await_end(&format!("real-{last}")), "SUCCEEDED");
    }
    let starts = parts.lines("starts");
    let distinct: BTreeSet<_> = starts.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!((starts.len(), distinct.len()), (tasks, tasks), "a task was started twice: {starts:?}");
    println!("started     {tasks} real tasks, each once");
}
