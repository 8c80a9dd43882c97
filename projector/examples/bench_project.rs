//! How fast decisions become rows: one JSON line for each workload.
//!
//! The history is canonical: made from a fixed seed by the few lines below, never by an allocator, so
//! that it does not change when the allocator does. 1 000 agents; jobs of 100 tasks; each task is
//! placed, starts, runs and finishes; every event counts. The answer is checked before the clock
//! starts: two other batchings, one of them a rebuild, must give the same digest.
//!
//! `cargo run -p projector --example bench_project [-- --smoke]`; the tests run the small size as well.

use std::{path::Path, time::Instant};

use log_schema::{
    AgentId, AnswerV1, Chain, DecisionV1, EpochNumber, Event, Incarnation, JobId, MiB, MilliCpu, Offset, Resources,
    RoleName, TaskId, TaskState, TimeMs,
    event::{AgentAdmittedV1, JobAcceptedV1, JobEndedV1, JobOutcome, TaskPlacedV1, TaskStatusChangedV1},
    job::{JobKind, JobSpecV1, RestartOn, RestartV1, RunSpecV1},
    task::{EndReason, EndV1},
};
use projector::{Decided, Options, Projector};

const AGENTS: u32 = 1_000;
const TASKS_PER_JOB: u32 = 100;
/// How many jobs are under way at once: their tasks' events are interleaved.
const JOBS_AT_ONCE: usize = 20;
const SEED: u64 = 0x5155_4950_5501;

fn main() {
    let smoke = std::env::args().any(|argument| argument == "--smoke");
    if smoke { run(1_000, 3) } else { run(200_000, 64) }
}

/// Measures with so many tasks, so many decisions in one fold.
pub(crate) fn run(tasks: u32, per_fold: usize) {
    // One command in a decision, as when the cell is idle; many, as when it is busy.
    for answers_per_decision in [1, 64] {
        measure(&history(tasks, answers_per_decision), answers_per_decision, per_fold);
    }
}

/// Checks the answer, then times one fold from nothing, and prints the line.
fn measure(history: &[Decided], answers_per_decision: usize, per_fold: usize) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (one, other) = (dir.path().join("one"), dir.path().join("other"));
    let answer = fold(&one, history, per_fold).0;
    assert_eq!(fold(&other, history, 7).0, answer, "another batching gives other rows");
    let (rebuilt, seconds) = fold(&one, history, per_fold);
    assert_eq!(rebuilt, answer, "a rebuild gives other rows");
    let events: usize = history.iter().map(|decided| decided.decision.events().count()).sum();
    #[allow(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = events as f64 / seconds;
    println!(
        r#"{{"name":"project","workload":"agents={AGENTS} answers/decision={answers_per_decision}","n":{events},"unit":"1/s","value":{rate:.0},"answer":"{answer}"}}"#
    );
}

fn fold(dir: &Path, history: &[Decided], per_fold: usize) -> (String, f64) {
    let options = Options { rebuild: true, ..Options::default() };
    let mut projector = Projector::open(dir, options).expect("an empty directory");
    let start = Instant::now();
    for batch in history.chunks(per_fold) {
        projector.fold(batch).expect("the history is consistent");
    }
    let seconds = start.elapsed().as_secs_f64();
    let newest = projector.views().as_of(None).expect("the newest is there");
    (newest.digest().expect("rows can be read").to_string(), seconds)
}

/// The canonical history.
fn history(tasks: u32, answers_per_decision: usize) -> Vec<Decided> {
    let mut writer = Writer { answers_per_decision, ..Writer::default() };
    let mut draw = Draw(SEED);
    (0..AGENTS).for_each(|number| writer.say(vec![admitted(number)]));
    let mut started = 0;
    let mut steps: Vec<Vec<Vec<Event>>> = Vec::new();
    let jobs = tasks / TASKS_PER_JOB;
    for job in 0..jobs {
        steps.push(job_steps(job, &mut started, &mut draw));
        while steps.len() == JOBS_AT_ONCE || (job + 1 == jobs && !steps.is_empty()) {
            let at = draw.below(steps.len());
            match steps[at].pop() {
                Some(events) => writer.say(events),
                None => drop(steps.swap_remove(at)),
            }
        }
    }
    writer.finish()
}

/// Everything that happens to one job, the last first.
fn job_steps(number: u32, started: &mut u64, draw: &mut Draw) -> Vec<Vec<Event>> {
    let job = JobId::new(format!("job-{number}")).expect("legal");
    let mut steps = vec![accepted(&job)];
    let runs: Vec<_> = (0..TASKS_PER_JOB)
        .map(|index| {
            *started += 1;
            Run { task: TaskId::of_job(&job, index), incarnation: Incarnation(*started), agent: agent(draw.agent()) }
        })
        .collect();
    steps.extend(runs.iter().map(|run| vec![run.placed()]));
    for state in [TaskState::Starting, TaskState::Running, TaskState::Finished] {
        steps.extend(runs.iter().map(|run| vec![run.changed(state)]));
    }
    steps.push(vec![Event::JobEnded(JobEndedV1 { job, outcome: JobOutcome::Succeeded })]);
    steps.reverse();
    steps
}

/// One start of one task.
struct Run {
    task: TaskId,
    incarnation: Incarnation,
    agent: AgentId,
}

impl Run {
    fn placed(&self) -> Event {
        let Self { task, incarnation, agent } = self;
        let (task, agent) = (task.clone(), agent.clone());
        Event::TaskPlaced(TaskPlacedV1 { task, incarnation: *incarnation, agent, resources: need(), run: None })
    }

    fn changed(&self, state: TaskState) -> Event {
        let Self { task, incarnation, agent } = self;
        let (task, agent) = (task.clone(), agent.clone());
        let exited = EndV1 { exit_code: Some(0), ran_ms: Some(5_000), ..EndV1::because(EndReason::Exited) };
        let end = state.is_terminal().then_some(exited);
        Event::TaskStatusChanged(TaskStatusChangedV1 { task, incarnation: *incarnation, agent, state, end })
    }
}

fn agent(number: u32) -> AgentId {
    AgentId::new(format!("agent-{number:04}")).expect("legal")
}

fn admitted(number: u32) -> Event {
    let capacity = Resources::of(MilliCpu(1_000_000), MiB(1_000_000));
    Event::AgentAdmitted(AgentAdmittedV1 {
        agent: agent(number),
        number,
        capacity,
        attributes: [].into(),
        tasks_max: None,
    })
}

fn need() -> Resources {
    Resources::of(MilliCpu(100), MiB(64))
}

fn accepted(job: &JobId) -> Vec<Event> {
    let argv = ["sh", "-c", "sleep 5"].map(String::from).to_vec();
    let spec = JobSpecV1 {
        id: job.clone(),
        kind: JobKind::Batch,
        role: RoleName::new("batch").expect("legal"),
        count: TASKS_PER_JOB,
        resources: need(),
        ports: 0,
        run: RunSpecV1 { argv, env: [].into(), directory: None, kill_grace_ms: 5_000 },
        constraints: Vec::new(),
        restart: RestartV1 { on: RestartOn::Never, limit: 0, backoff_ms: 0, backoff_max_ms: 0 },
    };
    vec![Event::JobAccepted(Box::new(JobAcceptedV1 { spec }))]
}

/// Puts events into decisions, as many answers in each as asked for.
#[derive(Default)]
struct Writer {
    answers_per_decision: usize,
    answers: Vec<AnswerV1>,
    from: u64,
    next: u64,
    decided: Vec<Decided>,
}

impl Writer {
    fn say(&mut self, events: Vec<Event>) {
        self.answers.push(AnswerV1 { at: Offset(self.next), asked: None, refusal: None, repeats: None, events });
        self.next += 1;
        if self.answers.len() == self.answers_per_decision {
            self.decide();
        }
    }

    fn decide(&mut self) {
        let decision = DecisionV1 {
            epoch: EpochNumber(1),
            from: Offset(self.from),
            to: Offset(self.next - 1),
            chain: Chain::default(),
            answers: std::mem::take(&mut self.answers),
        };
        self.decided.push(Decided { offset: Offset(self.next), time: TimeMs(self.next), decision });
        self.from = self.next;
        self.next += 1;
    }

    fn finish(mut self) -> Vec<Decided> {
        if !self.answers.is_empty() {
            self.decide();
        }
        self.decided
    }
}

/// Draws that are the same everywhere: xorshift64*.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).expect("31 bits") % end
    }

    fn agent(&mut self) -> u32 {
        u32::try_from(self.below(AGENTS as usize)).expect("few agents")
    }
}
