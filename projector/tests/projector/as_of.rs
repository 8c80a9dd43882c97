//! Every offset is one moment: the same rows whenever and however they were folded.

use allocator::State;
use log_schema::{JobId, Offset, TaskId};
use projector::{
    Decided, Digest, Error, Options, Pick, Projector, Scope,
    row::{AgentRow, FrameworkRow, JobRow, Phase, RoleRow, TaskCounts, TaskRow, UsageRow},
};
use proptest::prelude::{ProptestConfig, any, proptest};

use crate::{
    history::{Projection, get, small},
    random,
};

fn digest(scope: &Scope) -> Digest {
    scope.digest().expect("rows can be read")
}

fn digest_at(projector: &Projector, offset: Offset) -> Digest {
    digest(&projector.views().as_of(Some(offset)).expect("it is kept"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn rows_as_of_an_offset_are_those_of_a_fold_up_to_it(seed in any::<u64>()) {
        let (decided, _) = random::decided(seed, 150);
        let whole = Projection::of(&decided);
        let mut growing = Projection::empty();
        for decision in &decided {
            growing.projector.fold(std::slice::from_ref(decision)).expect("a consistent history");
            let past = digest_at(&whole.projector, decision.offset);
            assert_eq!(digest(&growing.now()), past, "as of {}", decision.offset);
        }
    }

    #[test]
    fn rows_agree_with_the_allocator_that_decided(seed in any::<u64>()) {
        let (decided, state) = random::decided(seed, 400);
        let cell = Projection::of(&decided);
        agrees(&cell.now(), &state);
        for decision in decided.iter().step_by(17) {
            adds_up(&cell.views().as_of(Some(decision.offset)).expect("it is kept"));
        }
    }

    #[test]
    fn how_decisions_are_batched_changes_nothing(seed in any::<u64>(), size in 1_usize..40) {
        let (decided, _) = random::decided(seed, 200);
        let (once, mut batched) = (Projection::of(&decided), Projection::empty());
        for batch in decided.chunks(size) {
            batched.projector.fold(batch).expect("a consistent history");
        }
        assert_eq!(digest(&batched.now()), digest(&once.now()));
    }
}

/// Compares rows with the memory of the allocator that wrote the history.
fn agrees(scope: &Scope, state: &State) {
    for agent in state.agents.iter() {
        let row: AgentRow = get(scope, agent.id.as_str());
        assert_eq!((&row.capacity, &row.used, &row.offered), (&agent.capacity, &agent.allocated, &agent.offered));
        assert_eq!((row.tasks as usize, row.offers as usize), (agent.tasks.len(), agent.offers.len()));
        assert_eq!(row.free(), agent.free);
        assert_eq!(scope.tasks_on(&agent.id, None, 1_000).unwrap().rows.len(), agent.tasks.len());
    }
    for job in state.jobs.iter() {
        let row: JobRow = get(scope, job.spec.id.as_str());
        assert_eq!((row.count, row.tasks.active()), (job.count, job.active), "{}", row.id);
        if row.is_running() {
            assert_eq!(row.tasks.waiting, job.waiting(), "{}", row.id);
        }
        assert_eq!(row.tasks.restarting as usize, job.backing_off.len(), "{}", row.id);
        assert_eq!(row.deferred.is_some(), job.deferred, "{}", row.id);
    }
    for (name, role) in state.roles.iter() {
        let row: RoleRow = get(scope, name.as_str());
        assert_eq!(row.used.checked_add(&row.offered).as_ref(), Some(&role.used));
        assert_eq!(row.weight, role.weight);
    }
    for framework in state.frameworks.iter() {
        let row: FrameworkRow = get(scope, framework.id.as_str());
        assert_eq!(row.used.checked_add(&row.offered).as_ref(), Some(&framework.used));
        assert_eq!((row.tasks.active(), row.offers as usize), (framework.active, framework.offers.len()));
        assert_eq!(scope.filters_of(&framework.id, None, 100).unwrap().rows.len(), framework.filters.len());
    }
}

/// Checks that rows of one moment agree with each other.
fn adds_up(scope: &Scope) {
    let usage: UsageRow = scope.usage().expect("rows can be read");
    let agents = scope.page(&Pick::<AgentRow>::all()).expect("a page").rows;
    let jobs = scope.page(&Pick::<JobRow>::all()).expect("a page").rows;
    let frameworks = scope.page(&Pick::<FrameworkRow>::all()).expect("a page").rows;
    let tasks = scope.page(&Pick::<TaskRow>::all().limit(10_000)).expect("a page").rows;
    assert_eq!(usage.used.cpu.0, agents.iter().map(|agent| agent.used.cpu.0).sum::<u64>());
    assert_eq!(usage.offered.mem.0, agents.iter().map(|agent| agent.offered.mem.0).sum::<u64>());
    for phase in Phase::ALL {
        let counts = jobs.iter().map(|job| job.tasks).chain(frameworks.iter().map(|framework| framework.tasks));
        assert_eq!(
            usage.tasks.of(*phase),
            counts.map(|counts: TaskCounts| counts.of(*phase)).sum::<u32>(),
            "{phase:?}"
        );
    }
    for job in &jobs {
        counts_its_tasks(scope, job);
    }
    let active = tasks.iter().filter(|task| task.phase.is_active()).count();
    assert_eq!(active, usage.tasks.active() as usize);
}

fn counts_its_tasks(scope: &Scope, job: &JobRow) {
    let mut counts = TaskCounts::default();
    for index in 0..job.count_max {
        match scope.phase_of(&job.id, index).expect("rows can be read").expect("the job had it") {
            Phase::Waiting => counts.waiting += 1,
            Phase::Placed => counts.placed += 1,
            Phase::Starting => counts.starting += 1,
            Phase::Running => counts.running += 1,
            Phase::Restarting => counts.restarting += 1,
            Phase::Finished => counts.finished += 1,
            Phase::Failed => counts.failed += 1,
            Phase::Killed => counts.killed += 1,
            Phase::Lost => counts.lost += 1,
            Phase::Withdrawn => counts.withdrawn += 1,
        }
    }
    assert_eq!(job.tasks, counts, "{} {:?}", job.id, job.state);
    assert_eq!(job.tasks.total(), job.count_max);
}

#[test]
fn dropping_the_directory_and_rebuilding_gives_the_same_rows() {
    let (decided, _) = random::decided(7, 300);
    let Projection { dir, projector } = Projection::of(&decided);
    let before = digest_at(&projector, decided.last().expect("some").offset);
    drop(projector);
    projector::destroy(dir.path()).expect("nothing has it open");
    let mut rebuilt = Projector::open(dir.path(), small()).expect("an empty directory");
    assert_eq!(rebuilt.position(), None);
    rebuilt.fold(&decided).expect("a consistent history");
    assert_eq!(digest(&rebuilt.views().as_of(None).unwrap()), before);
}

#[test]
fn the_versions_of_a_row_are_its_history() {
    let cell = Projection::story(
        "agent a1 cpu=4 mem=8Gi
         job db 1 prod cpu=1 mem=64
         place db.0 a1
         role prod 2
         running db.0
         finished db.0; end db succeeded; forget db
         job db 1 prod cpu=1 mem=64",
    );
    let id = TaskId::of_job(&JobId::new("db").expect("legal"), 0);
    let phases = |since, limit| {
        let versions = cell.now().history::<TaskRow>(&id, Offset(since), limit).expect("rows can be read");
        versions.into_iter().map(|version| (version.since.0, version.row.map(|row| row.phase))).collect::<Vec<_>>()
    };
    let all = [(13, None), (11, Some(Phase::Finished)), (9, Some(Phase::Running)), (5, Some(Phase::Placed))];
    assert_eq!(phases(0, 10), all);
    assert_eq!(phases(0, 2), all[..2]);
    assert_eq!(phases(5, 10), all[..3]);
    let early = cell.line(4).history::<TaskRow>(&id, Offset(0), 10).expect("rows can be read");
    assert_eq!(early.len(), 2);
}

#[test]
fn below_the_horizon_there_is_an_error_that_names_it() {
    let (decided, _) = random::decided(11, 300);
    let mut cell = Projection::of(&decided);
    let (middle, newest) = (decided[decided.len() / 2].offset, decided.last().expect("some").offset);
    let (held, at_middle) =
        (cell.line(0), digest_at(&Projection::of(&decided[..=decided.len() / 2]).projector, middle));
    let rows_at = |views: &projector::Views| views.as_of(Some(middle)).unwrap().page(&Pick::<AgentRow>::all()).unwrap();
    let before = rows_at(&cell.views());
    cell.projector.trim(middle).expect("it is folded");
    let error = cell.views().as_of(middle.previous()).expect_err("it is trimmed");
    assert!(matches!(error, Error::Trimmed { horizon, .. } if horizon == middle), "{error}");
    assert!(matches!(held.usage(), Err(Error::Trimmed { .. })));
    assert_eq!(rows_at(&cell.views()), before);
    assert_ne!(digest_at(&cell.projector, middle), at_middle, "the facts below the horizon are gone");
    assert!(matches!(cell.views().offset_at_time(log_schema::TimeMs(0)), Err(Error::TrimmedTime { .. })));
    assert_eq!(cell.views().offset_at_time(log_schema::TimeMs(u64::MAX)).unwrap(), newest);
    assert!(matches!(cell.now().answer_of(Offset(0)), Err(Error::Trimmed { .. })));
    let id = decided[0].offset;
    assert!(matches!(cell.now().history::<UsageRow>(&(), id, 9), Err(Error::Trimmed { .. })));
}

#[test]
fn the_horizon_never_passes_the_newest_offset() {
    let mut cell = Projection::story("agent a1 cpu=4 mem=8Gi\nchange a1 cpu=2 mem=8Gi");
    cell.projector.trim(Offset(99)).expect("it is folded");
    assert_eq!((cell.views().horizon(), cell.views().newest()), (Offset(3), Offset(3)));
    assert_eq!(get::<AgentRow>(&cell.now(), "a1").capacity.cpu.0, 2_000);
}

#[test]
fn a_retention_trims_by_itself() {
    let mut options = small();
    options.retention_ms = Some(100_000);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut projector = Projector::open(dir.path(), options).expect("an empty directory");
    let text: String = (0..1_500).map(|second| format!("tick {}\n", second * 1_000)).collect();
    let decided: Vec<Decided> = crate::history::history(&text);
    projector.fold(&decided).expect("a consistent history");
    let horizon = projector.views().horizon();
    assert_eq!(horizon, decided[1_399].offset);
    assert_eq!(projector.views().as_of(Some(horizon)).unwrap().time().unwrap(), decided[1_399].time);
}

#[test]
fn a_run_that_is_shorter_than_the_pause_trims_too() {
    let ticks = |count: u64| (0..count).map(|second| format!("tick {}\n", second * 1_000)).collect::<String>();
    let Projection { dir, projector } = Projection::of(&crate::history::history(&ticks(250)));
    drop(projector);
    let options = Options { retention_ms: Some(10_000), ..small() };
    let mut projector = Projector::open(dir.path(), options).expect("a projection");
    let position = projector.position().expect("folded").offset;
    let rest: Vec<Decided> =
        crate::history::history(&ticks(500)).into_iter().filter(|decided| decided.offset > position).collect();
    projector.fold(&rest[..1]).expect("it follows");
    let (horizon, newest) = (projector.views().horizon(), projector.views().newest());
    assert!(horizon > Offset(0) && newest.0 - horizon.0 <= 22, "{horizon} of {newest}");
    let below = projector.views().as_of(Some(horizon.previous().expect("above"))).expect_err("it is trimmed");
    assert!(below.to_string().contains("is below the horizon"), "{below}");
}

#[test]
fn a_wall_clock_that_is_years_ahead_for_a_while_costs_no_history() {
    let options = Options { retention_ms: Some(100_000), ..small() };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut projector = Projector::open(dir.path(), options).expect("an empty directory");
    let text: String = (0..1_500).map(|second| format!("tick {}\n", second * 10)).collect();
    let mut decided: Vec<Decided> = crate::history::history(&text);
    // Ten years, while log time goes its way.
    decided.iter_mut().skip(1_000).for_each(|decided| decided.time.0 += 10 * 365 * 86_400_000);
    projector.fold(&decided).expect("a consistent history");
    assert_eq!(projector.views().horizon(), Offset(0));
}
