//! What a change does, told on small cells by hand, and what must hold on wild ones.

use allocator::invariant::check_all;
use command_log::memory::MemoryLog;
use log_schema::{Chain, Offset, TimeMs, job::JobKind};
use replay::{
    Changes, Comparison,
    moment::Moment,
    verify,
    whatif::{Error, History, Outcome, Pace, Run, Source, Until, compare, render_table, run, whatif},
};

use super::{
    cell::{BEGINNING, Cell, records, runtime},
    wild::wild_log,
};

fn history(log: &MemoryLog, fork: u64) -> History {
    runtime().block_on(History::read(log, Moment::Offset(Offset(fork)), &mut |_| {})).expect("a history")
}

fn ask(log: &MemoryLog, fork: u64, changes: &Changes) -> Comparison {
    compare(&history(log, fork), changes).expect("a comparison")
}

fn changes(write: impl FnOnce(&mut Changes) -> Result<(), replay::whatif::change::Error>) -> Changes {
    let mut changes = Changes::default();
    write(&mut changes).expect("a change");
    changes
}

/// What a run came to, without what only says that its log is another one.
fn cells(outcome: &Outcome) -> Outcome {
    let (chain, state_digest) = (Chain::default(), Chain::default());
    Outcome { chain, state_digest, records: 0, decisions: 0, refusals: 0, ..outcome.clone() }
}

/// Two agents of 4 CPUs; two tasks of 1 CPU and 1 s each, then six of 2 CPUs and 2 s; all done.
fn story(agents: [&str; 2], jobs: [&str; 2]) -> Cell {
    let mut cell = Cell::new(1);
    for name in agents {
        cell.agent(name, 4000);
    }
    cell.live(500);
    cell.lengths_ms.insert(jobs[1].into(), 2000);
    cell.job(jobs[0], JobKind::Batch, 2, 1000);
    cell.live(500);
    cell.job(jobs[1], JobKind::Batch, 6, 2000);
    cell.live(8000);
    cell
}

fn two_agents() -> Cell {
    let mut cell = Cell::new(1);
    cell.agent("a1", 4000);
    cell.agent("a2", 4000);
    cell
}

fn small() -> Cell {
    story(["a1", "a2"], ["first", "second"])
}

#[test]
fn no_change_makes_no_difference_in_any_cell() {
    for seed in 1..12 {
        let log = wild_log(seed, 500, seed % 2 == 0);
        for fork in [0, 1, 170, 333, 499] {
            let found = ask(&log, fork, &Changes::default());
            assert_eq!(found.baseline, found.variant, "seed {seed}, fork {fork}");
            assert_eq!(found.placements.same, found.baseline.placed);
            assert_eq!(found.first_divergence, None);
        }
    }
}

#[test]
fn the_same_question_gives_the_same_bytes() {
    let spread = changes(|changes| changes.add_set("policy=spread"));
    let log = wild_log(7, 500, true);
    let answer = || {
        let found = ask(&log, 100, &spread);
        (serde_json::to_string(&found).expect("JSON"), render_table(&found))
    };
    assert_eq!(answer(), answer());
}

#[test]
fn an_agent_that_nobody_can_use_changes_nothing() {
    let useless = changes(|changes| changes.add_agents("3x{cpu=0,mem=1Mi}"));
    for seed in 1..35 {
        let log = wild_log(seed, 500, false);
        // Near the end, too, where no decision of history answers what comes.
        for fork in [0, 40, 250, 480, 490, 495, 500] {
            let found = ask(&log, fork, &useless);
            assert_eq!(cells(&found.baseline), cells(&found.variant), "seed {seed}, fork {fork}");
            assert_eq!(found.first_divergence, None, "seed {seed}, fork {fork}");
        }
    }
}

#[test]
fn other_names_give_the_same_result_under_other_names() {
    let spread = changes(|changes| changes.add_set("policy=spread"));
    let placed = |cell: &Cell| -> Vec<(u64, String)> {
        let run = run(&history(&cell.log, 0), &spread, Pace::History, Until::WorkIsDone).expect("a run");
        let mut placed: Vec<_> = run.measure.placements.values().collect();
        placed.sort_by_key(|placement| (placement.offset, placement.time));
        placed.iter().map(|placement| (placement.time, placement.agent.to_string())).collect()
    };
    let (one, other) = (small(), story(["zeta", "alpha"], ["x", "b"]));
    let renamed: Vec<_> = placed(&one)
        .into_iter()
        .map(|(time, agent)| (time, if agent == "a1" { "zeta" } else { "alpha" }.to_owned()))
        .collect();
    assert_eq!(renamed, placed(&other));
    let [one, other] = [one, other].map(|cell| ask(&cell.log, 0, &spread));
    assert_eq!(cells(&one.variant), cells(&other.variant));
    assert_eq!(one.placements, other.placements);
}

#[test]
fn spread_puts_the_second_task_on_the_other_agent() {
    let found = ask(&small().log, 0, &changes(|changes| changes.add_set("policy=spread")));
    let first = found.first_divergence.expect("they part");
    assert_eq!((first.task.as_str(), first.start), ("first.1", 1));
    assert!(first.baseline.starts_with("on a1") && first.variant.starts_with("on a2"), "{first:?}");
    assert_eq!((found.baseline.finished, found.variant.finished), (8, 8));
    assert_eq!(found.card.variant_lengths.history, 8, "every task keeps its own length");
}

#[test]
fn a_policy_that_history_sets_later_does_not_undo_the_one_asked_for() {
    let mut cell = two_agents();
    cell.live(100);
    let binpack = Some(log_schema::command::Policy::Binpack);
    cell.set(log_schema::command::SetParametersV1 { policy: binpack, ..Default::default() });
    cell.job("web", JobKind::Batch, 4, 1000);
    cell.live(3000);
    let found = ask(&cell.log, 0, &changes(|changes| changes.add_set("policy=spread")));
    assert_eq!((found.placements.other_agent, found.placements.same), (2, 2));
}

#[test]
fn more_agents_shorten_the_waits_and_the_makespan() {
    let found = ask(&small().log, 3, &changes(|changes| changes.add_agents("2x{cpu=4,mem=16Gi}")));
    assert!(found.baseline.wait_placed.max_ms > 1000, "{:?}", found.baseline.wait_placed);
    assert!(found.variant.wait_placed.max_ms < 100, "{:?}", found.variant.wait_placed);
    assert!(found.variant.makespan_ms + 1500 < found.baseline.makespan_ms);
    assert_eq!(found.variant.finished, 8);
}

#[test]
fn what_ran_on_a_dropped_agent_is_lost_and_runs_elsewhere() {
    let log = small().log;
    let fork = Moment::Time(TimeMs(BEGINNING + 1300));
    let drop_a1 = changes(|changes| changes.add_drop_agent("a1"));
    let found = runtime().block_on(whatif(&log, fork, &drop_a1, &mut |_| {})).expect("a comparison");
    assert!(found.variant.lost >= 2, "{:?}", found.variant);
    assert_eq!((found.baseline.lost, found.baseline.waiting, found.variant.waiting), (0, 0, 0));
    assert_eq!(found.variant.finished, found.baseline.finished);
    assert!(found.variant.makespan_ms > found.baseline.makespan_ms);
    assert_eq!(found.fork_time, TimeMs(BEGINNING + 1300));
}

#[test]
fn a_scaled_job_has_more_tasks_as_long_as_those_it_had() {
    let twice = changes(|changes| changes.add_scale("first=2.0"));
    let found = ask(&small().log, 0, &twice);
    assert_eq!((found.baseline.finished, found.variant.finished), (8, 10));
    assert_eq!(found.card.variant_lengths.twin, 2);
    let late =
        ask(&small().log, small().records().len() as u64 / 3, &changes(|changes| changes.add_scale("second=1.5")));
    assert_eq!(late.variant.finished - late.baseline.finished, 3);
}

#[test]
fn work_that_history_left_unfinished_is_finished_by_the_model_in_both_runs() {
    let mut cell = Cell::new(1);
    cell.agent("a1", 4000);
    cell.live(100);
    cell.job("web", JobKind::Batch, 8, 1000);
    cell.live(1200);
    let found = ask(&cell.log, 0, &changes(|changes| changes.add_agents("1x{cpu=4,mem=16Gi}")));
    assert_eq!((found.baseline.finished, found.variant.finished), (8, 8));
    assert_eq!(found.card.baseline_lengths.job_median, 4);
    assert!(found.variant.makespan_ms < found.baseline.makespan_ms);
    assert!(found.notes.iter().any(|note| note.starts_with("past the end of the log")));
}

#[test]
fn tasks_that_are_asked_to_end_do_so_after_the_delay_that_history_shows() {
    let mut cell = two_agents();
    cell.lengths_ms.insert("web".into(), 60_000);
    cell.live(100);
    cell.job("web", JobKind::Service, 4, 1000);
    cell.live(1000);
    cell.stop("web");
    cell.live(500);
    let found = ask(&cell.log, 0, &changes(|changes| changes.add_set("policy=spread")));
    assert_eq!((found.baseline.killed, found.variant.killed, found.variant.running), (4, 4, 0));
    assert_eq!(found.baseline.makespan_ms, found.variant.makespan_ms);
}

#[test]
fn a_change_of_something_that_never_is_is_refused() {
    let history = history(&small().log, 0);
    for wrong in [changes(|changes| changes.add_drop_agent("a9")), changes(|changes| changes.add_scale("nothing=2"))] {
        assert!(matches!(compare(&history, &wrong), Err(Error::Unknown { .. })));
    }
}

#[test]
fn a_fork_beyond_the_end_is_refused_and_one_at_the_end_is_not() {
    let log = small().log;
    let end = records(&log).len() as u64;
    let beyond = runtime().block_on(History::read(&log, Moment::Offset(Offset(end + 1)), &mut |_| {}));
    assert!(matches!(beyond, Err(Error::BeyondEnd { .. })));
    assert_eq!(ask(&log, end, &Changes::default()).baseline.placed, 0);
}

#[test]
fn a_log_that_does_not_follow_from_itself_gives_no_numbers() {
    let mut records = small().records();
    let last = records.iter().rposition(|stored| stored.record.kind == 2).expect("a decision");
    let mut decision: log_schema::DecisionV1 =
        log_schema::codec::decode("decision", &records[last].record.payload).expect("a decision");
    decision.answers.clear();
    records[last].record = decision.to_record();
    let log = MemoryLog::from_records(records);
    let refused = runtime().block_on(whatif(&log, Moment::Offset(Offset(0)), &Changes::default(), &mut |_| {}));
    assert!(matches!(refused, Err(Error::History(_))));
}

/// Changes of every sort.
fn all_changes() -> Vec<Changes> {
    vec![
        Changes::default(),
        changes(|changes| changes.add_set("policy=spread")),
        changes(|changes| changes.add_set("agent_lost_after_ms=500")),
        changes(|changes| changes.add_agents("2x{cpu=3,mem=1Gi}")),
        changes(|changes| changes.add_drop_agent("a1").and_then(|()| changes.add_drop_agent("a2"))),
        changes(|changes| changes.add_scale("j1=3.0").and_then(|()| changes.add_scale("j2=0.5"))),
    ]
}

fn check(run: &Run, what: &str) {
    check_all(&run.state).unwrap_or_else(|broken| panic!("{what}: {broken}"));
    let ended: u64 = run.measure.ends.values().sum();
    assert!(ended <= run.measure.placements.len() as u64 + 100, "{what}");
    assert!(!run.cut_short, "{what}");
}

#[test]
fn forks_of_wild_logs_are_logs_that_hold() {
    for seed in 1..16 {
        let log = wild_log(seed, 400, seed % 3 == 0);
        for (index, changes) in all_changes().iter().enumerate() {
            for (fork, pace) in [(0, Pace::History), (0, Pace::Own), (200, Pace::History), (390, Pace::Own)] {
                let what = format!("seed {seed}, change {index}, fork {fork}, {pace:?}");
                let run = run(&history(&log, fork), changes, pace, Until::WorkIsDone).expect("a run");
                check(&run, &what);
                if fork == 0 {
                    let report = runtime().block_on(verify(&run.log, &mut |_| {})).expect("a log");
                    assert!(report.holds(), "{what}: {:?}", report.finding);
                    assert_eq!(report.state_digest, run.state.digest(), "{what}");
                }
            }
        }
    }
}

#[test]
fn batch_work_is_done_at_the_end_of_a_fork_or_fits_nowhere() {
    for seed in 30..40 {
        let log = wild_log(seed, 400, false);
        for changes in all_changes() {
            let run = run(&history(&log, 120), &changes, Pace::History, Until::WorkIsDone).expect("a run");
            let batch = run.state.jobs.iter().filter(|job| job.spec.kind == JobKind::Batch);
            let running: u64 = batch.map(|job| u64::from(job.active)).sum();
            assert!(running <= run.ended[&Source::Endless], "seed {seed}: {running} tasks run");
            assert!(!run.state.has_backlog(), "seed {seed}");
        }
    }
}

#[test]
fn the_real_log_is_as_it_was() {
    let log = wild_log(5, 300, true);
    let before = records(&log);
    let spread = changes(|changes| changes.add_set("policy=spread"));
    runtime().block_on(whatif(&log, Moment::Offset(Offset(50)), &spread, &mut |_| {})).expect("a comparison");
    assert_eq!(records(&log), before);
}

#[test]
fn a_log_with_frameworks_says_what_is_not_modelled() {
    let found = ask(&wild_log(12, 400, true), 0, &Changes::default());
    assert!(found.notes.iter().any(|note| note.contains("frameworks are not modelled")), "{:?}", found.notes);
}

#[test]
fn the_table_shows_both_runs_and_how_far_to_trust_them() {
    let found = ask(&small().log, 0, &changes(|changes| changes.add_set("policy=spread")));
    let table = render_table(&found);
    for expected in
        ["change: --set policy=spread", "tasks finished", "gate A:", "gate B:", "first divergence: start 1 of first.1"]
    {
        assert!(table.contains(expected), "{expected} is missing in\n{table}");
    }
    assert!(table.lines().all(|line| line.chars().count() < 200), "{table}");
}
