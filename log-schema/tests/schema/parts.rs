//! Small values that the samples are made of.

use std::collections::BTreeMap;

use log_schema::{
    AgentId, AgentIdentity, Class, Envelope, FrameworkId, JobId, Key, MiB, MilliCpu, MilliGpu, Offset, PortRanges,
    Principal, Resources, RoleName, TaskId,
    job::{ConstraintV1, JobKind, JobSpecV1, Operator, RestartOn, RestartV1, RunSpecV1},
    task::{EndReason, EndV1},
};

pub(crate) fn agent() -> AgentId {
    AgentId::new("rack1-a7.example:5051").expect("legal")
}

pub(crate) fn identity() -> AgentIdentity {
    AgentIdentity::new("0d6ab5c9-71e8-4a0e-b6c8-16a3c98a2f57").expect("legal")
}

pub(crate) fn framework() -> FrameworkId {
    FrameworkId::new("spark_main").expect("legal")
}

pub(crate) fn job() -> JobId {
    JobId::new("web-1").expect("legal")
}

pub(crate) fn role() -> RoleName {
    RoleName::new("eng/search").expect("legal")
}

pub(crate) fn task_of_job() -> TaskId {
    TaskId::of_job(&job(), 70_000)
}

pub(crate) fn task_of_framework() -> TaskId {
    TaskId::of_framework(&framework(), "executor-3").expect("legal")
}

pub(crate) fn principal() -> Principal {
    Principal::new("ops@cell").expect("legal")
}

pub(crate) fn key() -> Key {
    Key::new("deploy/2024-05:1").expect("legal")
}

pub(crate) fn envelope_full(class: Class) -> Envelope {
    Envelope { principal: principal(), key: key(), caused_by: Some(Offset(4_294_967_296)), class }
}

pub(crate) fn envelope_bare(class: Class) -> Envelope {
    Envelope { principal: principal(), key: key(), caused_by: None, class }
}

pub(crate) fn resources() -> Resources {
    Resources {
        cpu: MilliCpu(4_500),
        mem: MiB(8_192),
        disk: MiB(102_400),
        gpu: MilliGpu(500),
        ports: PortRanges::new(vec![(31_000, 32_000), (40_000, 40_000)]).expect("legal"),
        custom: BTreeMap::from([("licences".into(), 3)]),
    }
}

pub(crate) fn attributes() -> BTreeMap<compact_str::CompactString, compact_str::CompactString> {
    BTreeMap::from([("rack".into(), "r1".into()), ("zone".into(), "süd".into())])
}

pub(crate) fn run_full() -> RunSpecV1 {
    RunSpecV1 {
        argv: vec!["sh".into(), "-c".into(), "echo \"hello\" > out; sleep 1".into()],
        env: BTreeMap::from([("LANG".into(), "C.UTF-8".into())]),
        directory: Some("/srv/web".into()),
        kill_grace_ms: 5_000,
    }
}

pub(crate) fn run_bare() -> RunSpecV1 {
    RunSpecV1 { argv: vec!["true".into()], env: BTreeMap::new(), directory: None, kill_grace_ms: 0 }
}

pub(crate) fn spec_full() -> JobSpecV1 {
    JobSpecV1 {
        id: job(),
        kind: JobKind::Service,
        role: role(),
        count: 300,
        resources: resources(),
        ports: 2,
        run: run_full(),
        constraints: vec![ConstraintV1 {
            attribute: "zone".into(),
            operator: Operator::NotIn,
            values: vec!["north".into(), "west".into()],
        }],
        restart: RestartV1 { on: RestartOn::Failure, limit: 10, backoff_ms: 1_000, backoff_max_ms: 60_000 },
    }
}

pub(crate) fn spec_bare() -> JobSpecV1 {
    JobSpecV1 {
        id: job(),
        kind: JobKind::Batch,
        role: RoleName::new("*").expect("legal"),
        count: 1,
        resources: Resources::default(),
        ports: 0,
        run: run_bare(),
        constraints: Vec::new(),
        restart: RestartV1 { on: RestartOn::Never, limit: 0, backoff_ms: 0, backoff_max_ms: 0 },
    }
}

pub(crate) fn end_full() -> EndV1 {
    EndV1 {
        reason: EndReason::Signalled,
        exit_code: Some(-1),
        signal: Some(9),
        ports: PortRanges::new(vec![(31_000, 31_001)]).expect("legal"),
        ran_ms: Some(123_456),
        message: Some("killed by signal 9".into()),
    }
}

pub(crate) fn end_bare() -> EndV1 {
    EndV1::because(EndReason::AgentLost)
}
