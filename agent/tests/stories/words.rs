//! What a cell says, for stories: decisions about tasks in few words.

use std::collections::BTreeMap;

use command_log::remote::protocol::{FromGateway, ReadFrom, Stream};
use log_schema::{
    AgentId, Event, Incarnation, JobId, PortRanges, Resources, RoleName, TaskId,
    event::{JobAcceptedV1, KillPurpose, TaskKillRequestedV1, TaskPlacedV1},
    job::{JobKind, JobSpecV1, RestartOn, RestartV1, RunSpecV1},
};

pub fn me() -> AgentId {
    AgentId::new("a1").expect("a legal id")
}

pub fn task(name: &str) -> TaskId {
    TaskId::new(name).expect("a legal id")
}

pub fn shell(script: &str) -> RunSpecV1 {
    let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
    RunSpecV1 { argv, env: BTreeMap::new(), directory: None, kill_grace_ms: 2000 }
}

pub fn placed(task: &str, incarnation: u64, run: Option<RunSpecV1>) -> Event {
    Event::TaskPlaced(TaskPlacedV1 {
        task: self::task(task),
        incarnation: Incarnation(incarnation),
        agent: me(),
        resources: Resources::default(),
        run: run.map(Box::new),
    })
}

pub fn placed_with(task: &str, incarnation: u64, ports: PortRanges, run: RunSpecV1) -> Event {
    Event::TaskPlaced(TaskPlacedV1 {
        task: self::task(task),
        incarnation: Incarnation(incarnation),
        agent: me(),
        resources: Resources { ports, ..Resources::default() },
        run: Some(Box::new(run)),
    })
}

pub fn kill_requested(task: &str) -> Event {
    let (task, purpose) = (self::task(task), KillPurpose::Asked);
    Event::TaskKillRequested(TaskKillRequestedV1 {
        task,
        incarnation: Incarnation(1),
        agent: me(),
        grace_ms: None,
        purpose,
    })
}

pub fn accepted(job: &str, run: RunSpecV1) -> Event {
    let restart = RestartV1 { on: RestartOn::Never, limit: 0, backoff_ms: 0, backoff_max_ms: 0 };
    let spec = JobSpecV1 {
        id: JobId::new(job).expect("a legal id"),
        kind: JobKind::Batch,
        role: RoleName::new("*").expect("a legal name"),
        count: 1,
        resources: Resources::default(),
        ports: 0,
        run,
        constraints: Vec::new(),
        restart,
    };
    Event::JobAccepted(Box::new(JobAcceptedV1 { spec }))
}

/// A question for a task's standard output.
pub fn read_log(request: u64, name: &str, from: ReadFrom, wait_ms: u32) -> FromGateway {
    let (stream, incarnation) = (Stream::Stdout, None);
    FromGateway::ReadLog { request, task: task(name), incarnation, stream, from, bytes_max: 1000, wait_ms }
}
