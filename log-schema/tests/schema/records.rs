//! A sample of every kind of record, filled and bare.

use std::collections::BTreeMap;

use log_schema::{
    AnswerV1, Chain, Class, Command, DecisionV1, Envelope, EpochNumber, EpochV1, Event, Incarnation, Kind, OfferId,
    Offset, Refusal, Resources, TaskState, TimeMs,
    command::{
        AcceptOffersV1, ActivateLogicV1, CommandV1, DeclineOffersV1, KillTaskV1, LaunchV1, MarkAgentUnreachableV1,
        Policy, RemoveAgentV1, ReportAgentV1, RestartTaskV1, ReviveOffersV1, ScaleJobV1, SetParametersV1, SetRoleV1,
        StopJobV1, SubmitJobV1, SubscribeFrameworkV1, SuppressOffersV1, TeardownFrameworkV1, TickV1,
        UpdateTaskStatusV1,
    },
    decision::AskedV1,
    event::TimeAdvancedV1,
};

use crate::{
    parts::{
        agent, attributes, end_full, envelope_bare, envelope_full, framework, identity, job, key, principal, resources,
        role, run_bare, run_full, spec_bare, spec_full, task_of_framework, task_of_job,
    },
    sample::{
        Fill::{self, Bare, Full},
        Sample,
    },
};

/// Every kind, in order of number.
pub(crate) fn samples() -> Vec<Sample> {
    let mut samples = vec![
        Sample::new("record", Kind::Epoch.name(), Full, epoch()),
        Sample::new("record", Kind::Decision.name(), Full, decision_full()),
        Sample::new("record", Kind::Decision.name(), Bare, decision_bare()),
    ];
    let commands = commands().into_iter();
    samples.extend(commands.flat_map(|(class, full, bare)| {
        [sealed(Full, envelope_full(class), full), sealed(Bare, envelope_bare(class), bare)]
    }));
    samples
}

fn epoch() -> EpochV1 {
    EpochV1 { epoch: EpochNumber(7), node: principal(), logic_version: 1 }
}

/// Filled as no real answer is: every optional field at once.
fn decision_full() -> DecisionV1 {
    DecisionV1 {
        epoch: EpochNumber(7),
        from: Offset(65_536),
        to: Offset(65_540),
        chain: Chain(std::array::from_fn(|at| u8::try_from(at * 7).expect("below 256"))),
        answers: vec![AnswerV1 {
            at: Offset(65_537),
            asked: Some(AskedV1 { principal: principal(), key: key(), digest: 0x0123_4567_89ab_cdef }),
            refusal: Some(Refusal::CommandEmpty {}),
            repeats: Some(Offset(12)),
            events: vec![Event::TimeAdvanced(TimeAdvancedV1 { now: TimeMs(1_700_000_000_000) })],
        }],
    }
}

fn decision_bare() -> DecisionV1 {
    let answer = AnswerV1 { at: Offset(0), asked: None, refusal: None, repeats: None, events: Vec::new() };
    DecisionV1 { epoch: EpochNumber(1), from: Offset(0), to: Offset(0), chain: Chain::default(), answers: vec![answer] }
}

/// Every command with its class: filled, and with no optional field.
fn commands() -> Vec<(Class, Command, Command)> {
    let mut all = jobs();
    all.extend(agents());
    all.extend(frameworks());
    all.extend(operators());
    all
}

fn same(class: Class, command: Command) -> (Class, Command, Command) {
    (class, command.clone(), command)
}

fn jobs() -> Vec<(Class, Command, Command)> {
    let submit = |job| Command::SubmitJob(SubmitJobV1 { job });
    let stop = |grace_ms| Command::StopJob(StopJobV1 { job: job(), grace_ms });
    let kill = |grace_ms| Command::KillTask(KillTaskV1 { task: task_of_job(), grace_ms });
    let restart = |grace_ms| Command::RestartTask(RestartTaskV1 { task: task_of_job(), grace_ms });
    vec![
        same(Class::Exogenous, Command::Tick(TickV1 { now: TimeMs(1_700_000_000_000) })),
        (Class::Exogenous, submit(spec_full()), submit(spec_bare())),
        (Class::Exogenous, stop(Some(0)), stop(None)),
        same(Class::Exogenous, Command::ScaleJob(ScaleJobV1 { job: job(), count: 100_000 })),
        (Class::Exogenous, kill(Some(0)), kill(None)),
        (Class::Exogenous, restart(Some(1_000)), restart(None)),
    ]
}

fn agents() -> Vec<(Class, Command, Command)> {
    let report = |capacity, attributes, tasks_max, identity, strayed| {
        Command::ReportAgent(ReportAgentV1 { agent: agent(), capacity, attributes, tasks_max, identity, strayed })
    };
    let update = |task, state, end| {
        let (incarnation, observed) = (Incarnation(3), TimeMs(1_700_000_000_001));
        Command::UpdateTaskStatus(UpdateTaskStatusV1 { task, incarnation, agent: agent(), state, end, observed })
    };
    vec![
        (
            Class::Exogenous,
            report(resources(), attributes(), Some(74), Some(identity()), Some(Offset(65_536))),
            report(Resources::default(), BTreeMap::new(), None, None, None),
        ),
        same(
            Class::Exogenous,
            Command::MarkAgentUnreachable(MarkAgentUnreachableV1 { agent: agent(), silent_ms: 90_000 }),
        ),
        same(Class::Exogenous, Command::RemoveAgent(RemoveAgentV1 { agent: agent() })),
        (
            Class::Intrinsic,
            update(task_of_job(), TaskState::Failed, Some(end_full())),
            update(task_of_framework(), TaskState::Running, None),
        ),
    ]
}

fn frameworks() -> Vec<(Class, Command, Command)> {
    let launch = |resources, run| LaunchV1 { name: "executor-3".into(), resources, run };
    let accept = |offers, launches| {
        Command::AcceptOffers(AcceptOffersV1 { framework: framework(), offers, launches, filter_ms: 5_000 })
    };
    let decline = DeclineOffersV1 { framework: framework(), offers: vec![OfferId(17)], filter_ms: 200 };
    vec![
        same(
            Class::Exogenous,
            Command::SubscribeFramework(SubscribeFrameworkV1 { framework: framework(), role: role() }),
        ),
        (
            Class::Endogenous,
            accept(vec![OfferId(17), OfferId(300)], vec![launch(resources(), run_full())]),
            accept(vec![OfferId(17)], vec![launch(Resources::default(), run_bare())]),
        ),
        same(Class::Endogenous, Command::DeclineOffers(decline)),
        same(Class::Endogenous, Command::ReviveOffers(ReviveOffersV1 { framework: framework() })),
        same(Class::Endogenous, Command::SuppressOffers(SuppressOffersV1 { framework: framework() })),
        same(Class::Exogenous, Command::TeardownFramework(TeardownFrameworkV1 { framework: framework() })),
    ]
}

fn operators() -> Vec<(Class, Command, Command)> {
    let parameters = SetParametersV1 {
        policy: Some(Policy::Spread),
        offer_ttl_ms: Some(30_000),
        agent_lost_after_ms: Some(600_000),
        key_kept_ms: Some(86_400_000),
        ended_kept_ms: Some(3_600_000),
    };
    vec![
        same(Class::Exogenous, Command::SetRole(SetRoleV1 { role: role(), weight: 200 })),
        (Class::Exogenous, Command::SetParameters(parameters), Command::SetParameters(SetParametersV1::default())),
        same(Class::Exogenous, Command::ActivateLogic(ActivateLogicV1 { version: 2 })),
    ]
}

/// The payload of a command. The match lists every variant, so a new command cannot be forgotten.
fn sealed(fill: Fill, envelope: Envelope, command: Command) -> Sample {
    fn of<B>(fill: Fill, kind: Kind, envelope: Envelope, body: B) -> Sample
    where
        B: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug + 'static,
    {
        let Envelope { principal, key, caused_by, class } = envelope;
        Sample::new("record", kind.name(), fill, CommandV1 { principal, key, caused_by, class, body })
    }
    let kind = command.kind();
    let record = command.to_record(&envelope);
    assert_eq!(Command::from_record(&record).expect("reads back"), (envelope.clone(), command.clone()));
    let sample = match command {
        Command::Tick(body) => of(fill, kind, envelope, body),
        Command::SubmitJob(body) => of(fill, kind, envelope, body),
        Command::StopJob(body) => of(fill, kind, envelope, body),
        Command::ScaleJob(body) => of(fill, kind, envelope, body),
        Command::KillTask(body) => of(fill, kind, envelope, body),
        Command::RestartTask(body) => of(fill, kind, envelope, body),
        Command::ReportAgent(body) => of(fill, kind, envelope, body),
        Command::MarkAgentUnreachable(body) => of(fill, kind, envelope, body),
        Command::RemoveAgent(body) => of(fill, kind, envelope, body),
        Command::UpdateTaskStatus(body) => of(fill, kind, envelope, body),
        Command::SubscribeFramework(body) => of(fill, kind, envelope, body),
        Command::AcceptOffers(body) => of(fill, kind, envelope, body),
        Command::DeclineOffers(body) => of(fill, kind, envelope, body),
        Command::ReviveOffers(body) => of(fill, kind, envelope, body),
        Command::SuppressOffers(body) => of(fill, kind, envelope, body),
        Command::TeardownFramework(body) => of(fill, kind, envelope, body),
        Command::SetRole(body) => of(fill, kind, envelope, body),
        Command::SetParameters(body) => of(fill, kind, envelope, body),
        Command::ActivateLogic(body) => of(fill, kind, envelope, body),
    };
    assert_eq!(sample.bytes, record.payload, "{kind} is sealed as CommandV1");
    sample
}
