//! Histories from text, and projections of them in a temporary directory.

use std::{collections::BTreeMap, str::SplitWhitespace};

use log_schema::{
    AgentId, AnswerV1, Chain, DecisionV1, EpochNumber, Event, FrameworkId, Incarnation, JobId, OfferId, Offset,
    Refusal, Resources, RoleName, TaskId, TaskState, TimeMs,
    command::Policy,
    decision::AskedV1,
    event::*,
    job::{JobKind, JobSpecV1, RestartOn, RestartV1, RunSpecV1},
    task::{EndReason, EndV1},
};
use projector::{Decided, Options, Projector, Row, Scope, Views};
use tempfile::TempDir;

/// What the text leaves out because earlier lines said it.
#[derive(Default)]
struct Known {
    needs: BTreeMap<String, Resources>,
    runs: BTreeMap<String, (Incarnation, AgentId)>,
    starts: u64,
    offers: u64,
}

/// Reads a story.
pub(crate) fn history(text: &str) -> Vec<Decided> {
    let mut known = Known::default();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.zip(0_u64..).map(|(line, number)| decided(number, answer(&mut known, 2 * number, line))).collect()
}

/// The decision at `2 * number + 1` that answers one command; a second apart.
fn decided(number: u64, answer: AnswerV1) -> Decided {
    let (at, from) = (Offset(2 * number + 1), Offset((2 * number).saturating_sub(1)));
    let to = Offset(2 * number);
    let chain = Chain([u8::try_from(number % 251).expect("below 251"); 32]);
    let decision = DecisionV1 { epoch: EpochNumber(1), from, to, chain, answers: vec![answer] };
    Decided { offset: at, time: TimeMs(1_000 * number), decision }
}

fn answer(known: &mut Known, at: u64, line: &str) -> AnswerV1 {
    let mut answer = AnswerV1 { at: Offset(at), asked: None, refusal: None, repeats: None, events: Vec::new() };
    for part in line.split(';') {
        let mut words = part.split_whitespace();
        match words.next().expect("a part has a verb") {
            "asked" => answer.asked = Some(AskedV1 { principal: id(&mut words), key: id(&mut words), digest: 0 }),
            "refused" => answer.refusal = Some(Refusal::JobUnknown { job: id(&mut words) }),
            "repeats" => answer.repeats = Some(Offset(id(&mut words))),
            verb => answer.events.push(known.event(verb, &mut words)),
        }
    }
    answer
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(words: &mut SplitWhitespace<'_>) -> T {
    words.next().expect("another word").parse().expect("a legal word")
}

fn resources(words: &mut SplitWhitespace<'_>) -> Resources {
    words.collect::<Vec<_>>().join(" ").parse().expect("resources")
}

impl Known {
    fn event(&mut self, verb: &str, words: &mut SplitWhitespace<'_>) -> Event {
        match verb {
            "tick" => Event::TimeAdvanced(TimeAdvancedV1 { now: TimeMs(id(words)) }),
            "role" => Event::RoleSet(RoleSetV1 { role: id(words), weight: id(words) }),
            "parameters" => Event::ParametersSet(parameters(id(words))),
            "logic" => Event::LogicActivated(LogicActivatedV1 { version: id(words) }),
            "agent" | "change" | "unreachable" | "returned" | "leaving" | "removed" => agent_event(verb, words),
            "job" | "scale" | "stop" | "end" | "forget" | "defer" => self.job_event(verb, words),
            "framework" | "ending" | "gone" | "suppress" | "revive" | "filter" | "unfilter" | "offer" | "unoffer" => {
                self.framework_event(verb, words)
            }
            other => self.task_event(other, words),
        }
    }

    fn job_event(&mut self, verb: &str, words: &mut SplitWhitespace<'_>) -> Event {
        let job: JobId = id(words);
        match verb {
            "job" => {
                let count = id(words);
                let spec = spec(job, count, id(words), resources(words));
                self.needs.insert(spec.id.to_string(), spec.resources.clone());
                Event::JobAccepted(Box::new(JobAcceptedV1 { spec }))
            }
            "scale" => {
                let count = id(words);
                let span = words.next().map_or(count, |span| span.parse().expect("a number"));
                Event::JobScaled(JobScaledV1 { job, count, span })
            }
            "stop" => Event::JobStopping(JobStoppingV1 { job, grace_ms: None }),
            "end" => Event::JobEnded(JobEndedV1 { job, outcome: outcome(words) }),
            "forget" => Event::JobForgotten(JobForgottenV1 { job }),
            "defer" => {
                let reasons = [(Reason::CpuTooSmall, 1)].into();
                Event::PlacementDeferred(PlacementDeferredV1 { job, waiting: id(words), reasons })
            }
            other => panic!("no verb {other}"),
        }
    }

    fn task_event(&mut self, verb: &str, words: &mut SplitWhitespace<'_>) -> Event {
        let task: TaskId = id(words);
        if verb == "place" {
            return self.place(task, words);
        }
        let (incarnation, agent) =
            self.runs.get(task.as_str()).cloned().unwrap_or((Incarnation(0), AgentId::new("none").unwrap()));
        let end = |end: EndV1| Some(end);
        let exit = |code| end(EndV1 { exit_code: Some(code), ..EndV1::because(EndReason::Exited) });
        let changed = |state, end| {
            Event::TaskStatusChanged(TaskStatusChangedV1 {
                task: task.clone(),
                incarnation,
                agent: agent.clone(),
                state,
                end,
            })
        };
        match verb {
            "starting" => changed(TaskState::Starting, None),
            "running" => changed(TaskState::Running, None),
            "finished" => changed(TaskState::Finished, exit(0)),
            "failed" => changed(TaskState::Failed, exit(id(words))),
            "killed" => changed(TaskState::Killed, end(EndV1::because(EndReason::Requested))),
            "lost" => changed(TaskState::Lost, end(EndV1::because(EndReason::AgentLost))),
            "kill" | "surplus" => Event::TaskKillRequested(TaskKillRequestedV1 {
                task,
                incarnation,
                agent,
                grace_ms: None,
                purpose: if verb == "kill" { KillPurpose::Asked } else { KillPurpose::Surplus },
            }),
            "restart" => {
                Event::TaskRestartScheduled(TaskRestartScheduledV1 { task, delay_ms: id(words), restarts: id(words) })
            }
            "due" => Event::TaskRestartDue(TaskRestartDueV1 { task }),
            "withdraw" => Event::TaskWithdrawn(TaskWithdrawnV1 { task, purpose: KillPurpose::Asked }),
            "forget-task" => Event::TaskForgotten(TaskForgottenV1 { task }),
            other => panic!("no verb {other}"),
        }
    }

    fn place(&mut self, task: TaskId, words: &mut SplitWhitespace<'_>) -> Event {
        self.starts += 1;
        let (incarnation, agent) = (Incarnation(self.starts), id::<AgentId>(words));
        self.runs.insert(task.to_string(), (incarnation, agent.clone()));
        let said = resources(words);
        let job = task.as_str().split('.').next().unwrap_or_default();
        let needs = if said.is_empty() { self.needs.get(job).cloned().unwrap_or_default() } else { said };
        let run = task.as_str().contains('/').then(|| Box::new(run()));
        Event::TaskPlaced(TaskPlacedV1 { task, incarnation, agent, resources: needs, run })
    }

    fn framework_event(&mut self, verb: &str, words: &mut SplitWhitespace<'_>) -> Event {
        if verb == "unoffer" {
            return Event::OfferEnded(OfferEndedV1 { offer: OfferId(id(words)), reason: OfferEnd::Declined });
        }
        let framework: FrameworkId = id(words);
        match verb {
            "framework" => Event::FrameworkSubscribed(FrameworkSubscribedV1 {
                framework,
                role: id(words),
                owner: "somebody".parse().expect("a name"),
            }),
            "ending" => Event::FrameworkEnding(FrameworkEndingV1 { framework }),
            "gone" => Event::FrameworkRemoved(FrameworkRemovedV1 { framework }),
            "suppress" => Event::OffersSuppressed(OffersSuppressedV1 { framework }),
            "revive" => Event::OffersRevived(OffersRevivedV1 { framework }),
            "filter" => Event::FilterSet(FilterSetV1 { framework, agent: id(words), filter_ms: 5_000 }),
            "unfilter" => Event::FilterExpired(FilterExpiredV1 { framework, agent: id(words) }),
            "offer" => {
                self.offers += 1;
                let (offer, agent) = (OfferId(self.offers), id(words));
                Event::OfferMade(OfferMadeV1 { offer, framework, agent, resources: resources(words) })
            }
            other => panic!("no verb {other}"),
        }
    }
}

fn agent_event(verb: &str, words: &mut SplitWhitespace<'_>) -> Event {
    let agent: AgentId = id(words);
    let attributes = BTreeMap::from([("rack".into(), "r1".into())]);
    match verb {
        "agent" => {
            let (number, capacity) = (0, resources(words));
            Event::AgentAdmitted(AgentAdmittedV1 { agent, number, capacity, attributes, tasks_max: None })
        }
        "change" => {
            let (capacity, attributes) = (resources(words), [].into());
            Event::AgentChanged(AgentChangedV1 { agent, capacity, attributes, tasks_max: None })
        }
        "unreachable" => Event::AgentUnreachable(AgentUnreachableV1 { agent }),
        "returned" => Event::AgentReturned(AgentReturnedV1 { agent }),
        "leaving" => Event::AgentLeaving(AgentLeavingV1 { agent }),
        "removed" => Event::AgentRemoved(AgentRemovedV1 { agent }),
        other => panic!("no verb {other}"),
    }
}

fn outcome(words: &mut SplitWhitespace<'_>) -> JobOutcome {
    match words.next() {
        Some("succeeded") => JobOutcome::Succeeded,
        Some("failed") => JobOutcome::Failed,
        Some("stopped") => JobOutcome::Stopped,
        other => panic!("no outcome {other:?}"),
    }
}

fn parameters(offer_ttl_ms: u64) -> ParametersV1 {
    let (policy, agent_lost_after_ms, key_kept_ms, ended_kept_ms) = (Policy::Binpack, 1, 2, 3);
    ParametersV1 { policy, offer_ttl_ms, agent_lost_after_ms, key_kept_ms, ended_kept_ms }
}

fn run() -> RunSpecV1 {
    RunSpecV1 { argv: vec!["true".into()], env: [].into(), directory: None, kill_grace_ms: 10 }
}

fn spec(id: JobId, count: u32, role: RoleName, resources: Resources) -> JobSpecV1 {
    let restart = RestartV1 { on: RestartOn::Failure, limit: 3, backoff_ms: 100, backoff_max_ms: 1_000 };
    let (kind, ports, constraints) = (JobKind::Batch, 0, Vec::new());
    JobSpecV1 { id, kind, role, count, resources, ports, run: run(), constraints, restart }
}

/// A projection in a directory that goes when this does.
pub(crate) struct Projection {
    pub(crate) dir: TempDir,
    pub(crate) projector: Projector,
}

impl Projection {
    /// Folds a history, all at once.
    pub(crate) fn of(decided: &[Decided]) -> Self {
        let mut projection = Self::empty();
        projection.projector.fold(decided).expect("a consistent history");
        projection
    }

    /// Folds a story.
    pub(crate) fn story(text: &str) -> Self {
        Self::of(&history(text))
    }

    pub(crate) fn empty() -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let projector = Projector::open(dir.path(), small()).expect("an empty directory");
        Self { dir, projector }
    }

    pub(crate) fn views(&self) -> Views {
        self.projector.views()
    }

    /// The rows as of the newest offset.
    pub(crate) fn now(&self) -> Scope {
        self.views().as_of(None).expect("the newest is there")
    }

    /// The rows as of the line with this number, counted from 0.
    pub(crate) fn line(&self, number: u64) -> Scope {
        self.views().as_of(Some(Offset(2 * number + 1))).expect("it is folded and kept")
    }

    /// A row that must be there.
    pub(crate) fn row<R: Row<Id: std::str::FromStr<Err: std::fmt::Debug>>>(&self, id: &str) -> R {
        get(&self.now(), id)
    }
}

/// A row that must be there.
pub(crate) fn get<R: Row<Id: std::str::FromStr<Err: std::fmt::Debug>>>(scope: &Scope, id: &str) -> R {
    find(scope, id).expect("the row is there")
}

/// A row that may be there.
pub(crate) fn find<R: Row<Id: std::str::FromStr<Err: std::fmt::Debug>>>(scope: &Scope, id: &str) -> Option<R> {
    scope.get(&id.parse().expect("a legal id")).expect("rows can be read")
}

/// Few rows in memory, so that the tests go to the database as well.
pub(crate) fn small() -> Options {
    Options { cache_rows_max: 4, memory_bytes: 1024 * 1024, ..Options::default() }
}
