//! A cell on a memory log: what is asked of it, and what its leader has decided.

use std::{sync::Arc, time::Duration};

use allocator::leader::{Config, Error, lead};
use command_log::{
    Follower, Log, Stored,
    memory::MemoryLog,
    reader::{Reader, Verdict},
    telemetry::InProcess,
};
use log_schema::{
    AgentId, Class, Command, DecisionV1, Envelope, Event, Incarnation, Key, Principal, TaskState, TimeMs,
    command::{ReportAgentV1, SubmitJobV1, UpdateTaskStatusV1},
    event::JobOutcome,
    job::{JobKind, JobSpecV1, RestartOn, RestartV1, RunSpecV1},
    task::{EndReason, EndV1},
};
use tokio::{sync::watch, task::JoinHandle};

/// Long enough for any machine; nothing waits this long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Cell {
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) config: Config,
    asked: u64,
}

impl Cell {
    pub(crate) fn new() -> Self {
        let config = Config {
            node: Principal::new("test").expect("legal"),
            snapshots: None,
            signing_key: None,
            telemetry: Arc::new(InProcess::default()),
            take_over_after: None,
            agent_silent_after: None,
        };
        Self { log: Arc::new(MemoryLog::default()), config, asked: 0 }
    }

    pub(crate) fn lead(&self) -> (JoinHandle<Result<(), Error>>, watch::Sender<bool>) {
        let (stop, stopped) = watch::channel(false);
        let log: Arc<dyn Log> = self.log.clone();
        (tokio::spawn(lead(log, self.config.clone(), stopped)), stop)
    }

    pub(crate) async fn ask(&mut self, command: Command) {
        self.asked += 1;
        let envelope = Envelope {
            principal: Principal::new("alice").expect("legal"),
            key: Key::new(format!("k{}", self.asked)).expect("legal"),
            caused_by: None,
            class: Class::Exogenous,
        };
        self.log.append(vec![command.to_record(&envelope)]).await.expect("a memory log takes it");
    }

    /// Reads the log by the reader rule until enough of it is seen.
    pub(crate) async fn decisions_until(&self, mut enough: impl FnMut(&[DecisionV1]) -> bool) -> Vec<DecisionV1> {
        let mut reader = Reader::new();
        let log: Arc<dyn Log> = self.log.clone();
        let mut follower = Follower::new(log, reader.next());
        let mut decisions = Vec::new();
        while !enough(&decisions) {
            let next = tokio::time::timeout(PATIENCE, follower.next_batch()).await;
            for stored in next.expect("the leader answers in time").expect("the log is read") {
                if let Verdict::Decision(decision) = reader.judge(&stored).expect("a log that any reader follows") {
                    decisions.push(decision);
                }
            }
        }
        decisions
    }

    pub(crate) async fn records(&self) -> Vec<Stored> {
        self.log.read(log_schema::Offset(0), usize::MAX).await.expect("the log is read")
    }
}

pub(crate) fn agent(name: &str) -> Command {
    Command::ReportAgent(ReportAgentV1 {
        agent: AgentId::new(name).expect("legal"),
        capacity: "cpu=4 mem=8Gi".parse().expect("legal"),
        attributes: std::collections::BTreeMap::new(),
        tasks_max: None,
        identity: None,
        strayed: None,
    })
}

pub(crate) fn job(name: &str, count: u32) -> Command {
    let run = RunSpecV1 { argv: vec!["true".into()], env: [].into(), directory: None, kill_grace_ms: 1000 };
    let restart = RestartV1 { on: RestartOn::Never, limit: 0, backoff_ms: 0, backoff_max_ms: 0 };
    Command::SubmitJob(SubmitJobV1 {
        job: JobSpecV1 {
            id: name.parse().expect("legal"),
            kind: JobKind::Batch,
            role: "*".parse().expect("legal"),
            count,
            resources: "cpu=0.001 mem=1".parse().expect("legal"),
            ports: 0,
            run,
            constraints: vec![],
            restart,
        },
    })
}

/// A service of one task that may be restarted so often.
pub(crate) fn service(name: &str, limit: u32) -> Command {
    let Command::SubmitJob(mut submit) = job(name, 1) else { unreachable!("it submits a job") };
    submit.job.kind = JobKind::Service;
    submit.job.restart = RestartV1 { on: RestartOn::Any, limit, backoff_ms: 1, backoff_max_ms: 1 };
    Command::SubmitJob(submit)
}

/// The agent says that a start of a task failed.
pub(crate) fn failed(task: &str, incarnation: u64, agent: &str) -> Command {
    let end = EndV1 { exit_code: Some(1), ..EndV1::because(EndReason::Exited) };
    Command::UpdateTaskStatus(UpdateTaskStatusV1 {
        task: task.parse().expect("legal"),
        incarnation: Incarnation(incarnation),
        agent: AgentId::new(agent).expect("legal"),
        state: TaskState::Failed,
        end: Some(end),
        observed: TimeMs(0),
    })
}

/// Whether a job has ended, and how.
pub(crate) fn outcome(decisions: &[DecisionV1]) -> Option<JobOutcome> {
    decisions.iter().flat_map(DecisionV1::events).find_map(|event| match event {
        Event::JobEnded(ended) => Some(ended.outcome),
        _ => None,
    })
}

pub(crate) fn placed(decisions: &[DecisionV1]) -> usize {
    decisions.iter().flat_map(DecisionV1::events).filter(|event| matches!(event, Event::TaskPlaced(_))).count()
}

pub(crate) fn answered(decisions: &[DecisionV1]) -> usize {
    decisions.iter().flat_map(|decision| &decision.answers).filter(|answer| answer.asked.is_some()).count()
}
