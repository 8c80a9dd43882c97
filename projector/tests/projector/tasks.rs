//! What the rows of jobs and tasks say.

use log_schema::{JobId, Offset, TaskState};
use projector::{
    Pick,
    row::{JobRow, JobSpecRow, JobState, Phase, TaskRow, TaskRunRow, task::RUNS_KEPT_MAX},
};

use crate::history::{Projection, find, get};

#[test]
fn a_job_is_counted_from_submission_to_its_end() {
    let cell = Projection::story(
        "asked ann k1; job db 2 prod cpu=1 mem=64
         defer db 2
         agent a1 cpu=4 mem=8Gi; place db.0 a1
         place db.1 a1
         starting db.0; starting db.1
         running db.0; running db.1
         finished db.0
         finished db.1; end db succeeded
         forget db",
    );
    let job = |line| get::<JobRow>(&cell.line(line), "db");
    assert_eq!((job(0).tasks.waiting, job(0).count, job(0).state), (2, 2, JobState::Running));
    assert_eq!(job(0).submitted_by.expect("it was asked").as_str(), "ann");
    let deferred = job(1).deferred.expect("said");
    assert_eq!((deferred.waiting, deferred.reasons.len(), deferred.said.offset), (2, 1, Offset(3)));
    assert_eq!((job(2).deferred.is_some(), job(2).tasks.waiting, job(2).tasks.placed), (true, 1, 1));
    assert_eq!((job(3).deferred, job(3).tasks.waiting), (None, 0));
    assert_eq!((job(4).tasks.starting, job(5).tasks.running), (2, 2));
    assert_eq!((job(6).tasks.running, job(6).tasks.finished), (1, 1));
    assert_eq!((job(7).state, job(7).ended.map(|at| at.offset)), (JobState::Succeeded, Some(Offset(15))));
    assert_eq!((job(7).forgotten, job(8).forgotten), (false, true));
    assert_eq!(get::<JobSpecRow>(&cell.now(), "db").spec.count, 2);
}

#[test]
fn a_task_has_no_row_before_an_event_names_it() {
    let cell = Projection::story(
        "agent a1 cpu=4 mem=8Gi
         job db 3 prod cpu=1 mem=64
         place db.0 a1
         stop db",
    );
    let db = JobId::new("db").expect("legal");
    let phase = |line, index| cell.line(line).phase_of(&db, index).expect("rows can be read");
    assert_eq!(find::<TaskRow>(&cell.now(), "db.1"), None);
    assert_eq!(
        (phase(1, 0), phase(2, 0), phase(2, 1)),
        (Some(Phase::Waiting), Some(Phase::Placed), Some(Phase::Waiting))
    );
    assert_eq!((phase(3, 1), phase(3, 3)), (Some(Phase::Withdrawn), None));
    assert_eq!(cell.row::<JobRow>("db").tasks.withdrawn, 2);
}

#[test]
fn a_task_tells_when_it_was_placed_started_and_ended() {
    let cell = Projection::story(
        "agent a1 cpu=4 mem=8Gi
         job db 1 prod cpu=1 mem=64
         place db.0 a1
         starting db.0
         running db.0
         kill db.0
         killed db.0",
    );
    let task = cell.row::<TaskRow>("db.0");
    let run = task.run.expect("it ran");
    assert_eq!(
        (run.placed.offset, run.started.unwrap().offset, run.ended.unwrap().offset),
        (Offset(5), Offset(9), Offset(13))
    );
    assert_eq!((run.state, run.agent.as_str(), task.phase), (TaskState::Killed, "a1", Phase::Killed));
    assert_eq!(task.kill_requested.map(|at| at.offset), Some(Offset(11)));
    assert!(task.doomed && run.end.is_some());
}

#[test]
fn a_restart_waits_is_placed_again_and_keeps_the_runs_before() {
    let cell = Projection::story(
        "agent a1 cpu=4 mem=8Gi
         job db 1 prod cpu=1 mem=64
         place db.0 a1
         failed db.0 3; restart db.0 100 1
         due db.0
         place db.0 a1
         failed db.0 4; restart db.0 0 2",
    );
    let task = |line| get::<TaskRow>(&cell.line(line), "db.0");
    assert_eq!((task(3).phase, task(3).restart_delay_ms, task(3).restarts), (Phase::Restarting, Some(100), 1));
    assert_eq!((task(4).phase, task(4).restart_delay_ms), (Phase::Waiting, None));
    let before = &task(5).runs_before;
    assert_eq!(before.iter().map(|run| run.end.clone().unwrap().exit_code).collect::<Vec<_>>(), [Some(3)]);
    assert_eq!((task(6).phase, task(6).restart_delay_ms), (Phase::Waiting, None));
    let job = |line| get::<JobRow>(&cell.line(line), "db");
    assert_eq!((job(3).tasks.restarting, job(4).tasks.waiting, job(6).restarts), (1, 1, 2));
}

#[test]
fn only_so_many_runs_before_are_kept() {
    let lines = ["place db.0 a1\n", "failed db.0 1; restart db.0 0 1\n"].concat().repeat(RUNS_KEPT_MAX + 3);
    let cell = Projection::story(&format!("agent a1 cpu=4 mem=8Gi\njob db 1 prod cpu=1 mem=64\n{lines}"));
    let task = cell.row::<TaskRow>("db.0");
    assert_eq!(task.runs_before.len(), RUNS_KEPT_MAX);
    assert_eq!(task.run.expect("it ran").incarnation.0 - task.runs_before[0].incarnation.0, RUNS_KEPT_MAX as u64);
}

#[test]
fn scaling_down_withdraws_what_waits_and_scaling_up_brings_it_back() {
    let cell = Projection::story(
        "agent a1 cpu=4 mem=8Gi
         job db 4 prod cpu=1 mem=64
         place db.0 a1; place db.1 a1
         scale db 1 2
         surplus db.1
         killed db.1
         scale db 6
         restart db.1 0 0
         scale db 2",
    );
    let counts = |line| {
        let job = get::<JobRow>(&cell.line(line), "db");
        assert_eq!(job.tasks.total(), job.count_max);
        let tasks = job.tasks;
        (tasks.waiting, tasks.placed, tasks.killed, tasks.withdrawn)
    };
    assert_eq!(counts(2), (2, 2, 0, 0));
    assert_eq!(counts(3), (0, 2, 0, 2));
    assert_eq!(counts(5), (0, 1, 1, 2));
    assert_eq!(counts(6), (4, 1, 1, 0));
    assert_eq!(counts(7), (5, 1, 0, 0));
    assert_eq!(counts(8), (1, 1, 0, 4));
    assert_eq!(get::<TaskRow>(&cell.line(7), "db.1").phase, Phase::Waiting);
}

#[test]
fn a_task_that_somebody_ended_comes_back_by_scaling() {
    let cell = Projection::story(
        "agent a1 cpu=4 mem=8Gi
         job db 3 prod cpu=1 mem=64
         withdraw db.2
         scale db 1
         scale db 3",
    );
    let job = cell.row::<JobRow>("db");
    assert_eq!((job.tasks.waiting, job.tasks.withdrawn, job.tasks.total()), (3, 0, 3));
    assert!(!cell.row::<TaskRow>("db.2").doomed);
}

#[test]
fn a_job_that_takes_an_old_name_begins_without_the_old_tasks() {
    let cell = Projection::story(
        "agent a1 cpu=4 mem=8Gi
         job db 2 prod cpu=1 mem=64
         place db.0 a1; place db.1 a1
         finished db.0; finished db.1; end db succeeded
         forget db
         job db 5 test cpu=2 mem=64",
    );
    let tasks = |line| cell.line(line).page(&Pick::<TaskRow>::of_job(&JobId::new("db").unwrap())).unwrap().rows.len();
    assert_eq!((tasks(4), tasks(5)), (2, 0));
    let job = cell.row::<JobRow>("db");
    assert_eq!((job.tasks.waiting, job.tasks.finished, job.role.as_str()), (5, 0, "test"));
    let usage = cell.now().usage().expect("there is usage");
    assert_eq!((usage.tasks.total(), usage.tasks.waiting, usage.ended.finished), (5, 5, 2));
}

#[test]
fn a_frameworks_task_keeps_what_it_runs_and_is_forgotten_by_itself() {
    let cell = Projection::story(
        "agent a1 cpu=4 mem=8Gi
         framework spark prod
         place spark/t a1 cpu=1 mem=64
         lost spark/t
         forget-task spark/t",
    );
    assert_eq!(cell.row::<TaskRunRow>("spark/t").run.argv, ["true"]);
    let task = |line| get::<TaskRow>(&cell.line(line), "spark/t");
    assert_eq!((task(3).phase, task(3).forgotten, task(4).forgotten), (Phase::Lost, false, true));
    assert_eq!(task(4).framework().expect("its framework").as_str(), "spark");
    assert_eq!(cell.now().usage().expect("there is usage").ended.lost, 1);
}
