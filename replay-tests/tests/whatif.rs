//! What-if and audit over a log that the real leader wrote, at its own pace and by the real clock.

use std::{collections::BTreeSet, sync::Arc};

use allocator::leader::{Config, lead};
use command_log::{Follower, Log, memory::MemoryLog, telemetry::InProcess};
use log_schema::{
    AgentId, Class, Command, DecisionV1, Envelope, Event, JobId, Key, Kind, MiB, MilliCpu, Offset, Principal, Record,
    Resources, RoleName, TaskState, TimeMs, codec,
    command::{ReportAgentV1, ScaleJobV1, SubmitJobV1, UpdateTaskStatusV1},
    event::TaskPlacedV1,
    job::{JobKind, JobSpecV1, RestartOn, RestartV1, RunSpecV1},
    task::{EndReason, EndV1},
};
use replay::{
    Changes,
    moment::Moment,
    verify,
    whatif::{History, Pace, Until, compare, run},
};
use tokio::sync::watch;

const TASKS: u32 = 12;

fn record(principal: &str, key: &str, class: Class, command: &Command) -> Record {
    let principal = Principal::new(principal).expect("a principal");
    command.to_record(&Envelope { principal, key: Key::new(key).expect("a key"), caused_by: None, class })
}

fn join(name: &str) -> Record {
    let agent = AgentId::new(name).expect("an agent id");
    let capacity = Resources::of(MilliCpu(4000), MiB(4096));
    let report =
        ReportAgentV1 { agent, capacity, attributes: [].into(), tasks_max: None, identity: None, strayed: None };
    record(name, "join", Class::Exogenous, &Command::ReportAgent(report))
}

fn submit(name: &str) -> Record {
    let run = RunSpecV1 { argv: vec!["true".into()], env: [].into(), directory: None, kill_grace_ms: 10 };
    let job = JobSpecV1 {
        id: JobId::new(name).expect("a job id"),
        kind: JobKind::Batch,
        role: RoleName::new("*").expect("a role"),
        count: TASKS / 2,
        resources: Resources::of(MilliCpu(1000), MiB(64)),
        ports: 0,
        run,
        constraints: Vec::new(),
        restart: RestartV1 { on: RestartOn::Failure, limit: 2, backoff_ms: 5, backoff_max_ms: 10 },
    };
    record("client", name, Class::Exogenous, &Command::SubmitJob(SubmitJobV1 { job }))
}

/// What an agent says of a start, all at once; the first start of every task fails.
fn reports(placed: &TaskPlacedV1, is_first: bool) -> Vec<Record> {
    let end = EndV1 { exit_code: Some(i32::from(is_first)), ..EndV1::because(EndReason::Exited) };
    let last = if is_first { TaskState::Failed } else { TaskState::Finished };
    let states = [(TaskState::Starting, None), (TaskState::Running, None), (last, Some(end))];
    let said = states.map(|(state, end)| {
        let TaskPlacedV1 { task, incarnation, agent, .. } = placed.clone();
        let observed = TimeMs(0);
        Command::UpdateTaskStatus(UpdateTaskStatusV1 { task, incarnation, agent, state, end, observed })
    });
    said.iter().map(|command| record(placed.agent.as_str(), "status", Class::Intrinsic, command)).collect()
}

/// Two jobs, one after the other, of which every task fails once and then finishes.
async fn live(log: Arc<MemoryLog>) {
    log.append(vec![join("a1"), join("a2"), submit("one")]).await.expect("memory takes it");
    let mut follower = Follower::new(Arc::clone(&log) as Arc<dyn Log>, Offset(0));
    let mut started = BTreeSet::new();
    let mut ended = 0;
    while ended < 2 {
        let batch = follower.next_batch().await.expect("memory answers");
        let decisions = batch.iter().filter(|stored| stored.record.kind == Kind::Decision.number());
        for decision in decisions.map(|stored| codec::decode::<DecisionV1>("decision", &stored.record.payload)) {
            for event in decision.expect("a decision").events() {
                if let Event::TaskPlaced(placed) = event {
                    let reports = reports(placed, started.insert(placed.task.clone()));
                    log.append(reports).await.expect("memory takes it");
                }
                if let Event::JobEnded(_) = event {
                    ended += 1;
                    let scale = ScaleJobV1 { job: JobId::new("two").expect("a job id"), count: TASKS / 2 };
                    let more = [submit("two"), record("client", "scale", Class::Exogenous, &Command::ScaleJob(scale))];
                    log.append(if ended == 1 { more.into() } else { Vec::new() }).await.expect("memory takes it");
                }
            }
        }
    }
}

/// The log of a cell with the real leader.
async fn led_log() -> Arc<MemoryLog> {
    let log = Arc::new(MemoryLog::new());
    let node = Principal::new("node-1").expect("a principal");
    let telemetry = Arc::new(InProcess::default());
    let config =
        Config { node, snapshots: None, signing_key: None, telemetry, take_over_after: None, agent_silent_after: None };
    let (stop, stopped) = watch::channel(false);
    let leader = tokio::spawn(lead(Arc::clone(&log) as Arc<dyn Log>, config, stopped));
    live(Arc::clone(&log)).await;
    stop.send(true).expect("the leader listens");
    leader.await.expect("the leader ends").expect("it led to the end");
    log
}

#[tokio::test]
async fn a_log_of_the_real_leader_holds_and_comes_out_the_same_from_every_offset() {
    let log = led_log().await;
    let report = verify(&*log, &mut |_| {}).await.expect("a log that can be read");
    assert!(report.holds(), "{:?}", report.finding);
    assert_eq!((report.epochs, report.refusals), (1, 0));
    for fork in 0..=report.high.0 {
        let moment = Moment::Offset(Offset(fork));
        let history = History::read(&*log, moment, &mut |_| {}).await.expect("a history");
        let run = run(&history, &Changes::default(), Pace::History, Until::WorkIsDone).expect("a run");
        assert_eq!(run.parted, None, "fork at {fork} of {}", report.high);
        assert!(run.next >= report.high);
    }
}

#[tokio::test]
async fn other_questions_about_it_are_answered() {
    let log = led_log().await;
    let history = History::read(&*log, Moment::Offset(Offset(0)), &mut |_| {}).await.expect("a history");
    let mut changes = Changes::default();
    changes.add_scale("two=2.0").expect("a factor");
    changes.add_agents("1x{cpu=4,mem=4Gi}").expect("agents");
    let found = compare(&history, &changes).expect("a comparison");
    let (tasks, more) = (u64::from(TASKS), u64::from(TASKS / 2));
    assert_eq!((found.baseline.finished, found.baseline.failed), (tasks, tasks));
    assert_eq!((found.variant.finished, found.variant.failed), (tasks + more, tasks + more));
    assert_eq!(found.card.variant_lengths.twin, 2 * more);
    let mut dropped = Changes::default();
    dropped.add_drop_agent("a1").expect("an id");
    let found = compare(&history, &dropped).expect("a comparison");
    assert_eq!((found.variant.finished, found.variant.waiting), (tasks, 0));
}
