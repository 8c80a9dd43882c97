//! A small cell on a log in memory: a leader, agents and clients that all follow from a seed.
//!
//! Written apart from the simulation that it tests: nothing here knows of scripts, forks or gates.

#![allow(dead_code, reason = "shared by test binaries that use different parts")]

use std::collections::{BTreeMap, VecDeque};

use allocator::{State, answer, state::timers::NextTick};
use command_log::{Stored, memory::MemoryLog, reader::Reader};
use log_schema::{
    AgentId, AgentIdentity, Class, Command, DecisionV1, Envelope, EpochV1, Event, Incarnation, JobId, Key, Kind, MiB,
    MilliCpu, Offset, PortRanges, Principal, Record, Resources, RoleName, TaskId, TaskOwner, TaskState, TimeMs,
    command::{
        KillTaskV1, RemoveAgentV1, ReportAgentV1, RestartTaskV1, ScaleJobV1, SetParametersV1, StopJobV1, SubmitJobV1,
        TickV1, UpdateTaskStatusV1,
    },
    job::{JobKind, JobSpecV1, RestartOn, RestartV1, RunSpecV1},
    task::{EndReason, EndV1},
};

/// When every cell begins.
pub const BEGINNING: u64 = 1_760_000_000_000;

/// A 64-bit xorshift: the tests' only chance.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Chance that follows from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    /// Whether one of `n` came up.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// One start on an agent.
#[derive(Clone, Debug)]
pub struct Run {
    pub task: TaskId,
    pub incarnation: Incarnation,
    pub agent: AgentId,
    /// What it will report, and when, the next one first.
    pub reports: VecDeque<(u64, TaskState, Option<EndV1>)>,
}

/// The cell.
pub struct Cell {
    pub chance: Chance,
    pub time: u64,
    pub log: MemoryLog,
    pub reader: Reader,
    pub state: State,
    pub undecided: VecDeque<(Offset, Record)>,
    pub runs: BTreeMap<u64, Run>,
    /// How long the tasks of a job run; a second where nothing is said.
    pub lengths_ms: BTreeMap<String, u64>,
    /// Agents that have fallen silent.
    pub silent: Vec<AgentId>,
    /// The last decision that counts.
    pub last_decision: Option<Record>,
    /// Whether delays are drawn, or all the same.
    pub is_wild: bool,
    keys: u64,
}

impl Cell {
    /// A cell in which somebody leads.
    pub fn new(seed: u64) -> Self {
        let mut cell = Self {
            chance: Chance::new(seed),
            time: BEGINNING,
            log: MemoryLog::new(),
            reader: Reader::new(),
            state: State::default(),
            undecided: VecDeque::new(),
            runs: BTreeMap::new(),
            lengths_ms: BTreeMap::new(),
            silent: Vec::new(),
            last_decision: None,
            is_wild: false,
            keys: 0,
        };
        cell.lead();
        cell
    }

    /// Appends a record at the current time.
    pub fn append(&mut self, record: Record) -> Offset {
        // The clock of whoever keeps the log may step back.
        let back = if self.is_wild && self.chance.one_in(12) { self.chance.below(30) } else { 0 };
        let time = TimeMs(self.time - back);
        let offset = self.log.append_at(time, vec![record.clone()]).expect("memory takes it")[0];
        self.reader.judge(&Stored { offset, time, record: record.clone() }).expect("a legal log");
        self.undecided.push_back((offset, record));
        offset
    }

    /// Claims the next epoch.
    pub fn lead(&mut self) {
        let epoch = self.reader.epoch().next();
        let node = Principal::new(format!("node-{epoch}")).expect("a principal");
        self.append(EpochV1 { epoch, node, logic_version: 1 }.to_record());
    }

    /// Says a command.
    pub fn say(&mut self, principal: &str, class: Class, command: &Command) -> Offset {
        self.keys += 1;
        let principal = Principal::new(principal).expect("a principal");
        let key = Key::new(format!("k{}", self.keys)).expect("a key");
        self.append(command.to_record(&Envelope { principal, key, caused_by: None, class }))
    }

    /// Says what a client says.
    pub fn ask(&mut self, command: &Command) -> Offset {
        self.say("client", Class::Exogenous, command)
    }

    /// An agent reports what it has.
    pub fn agent(&mut self, name: &str, cpu: u64) {
        let agent = AgentId::new(name).expect("an agent id");
        // Few ports, so that a wild cell runs short of them.
        let ports = PortRanges::new(vec![(31_000, 31_015)]).expect("a range");
        let ports = if self.is_wild { ports } else { PortRanges::default() };
        let capacity = Resources { ports, ..Resources::of(MilliCpu(cpu), MiB(16_384)) };
        self.silent.retain(|silent| *silent != agent);
        // A wild cell has agents of two directories, and some that had obeyed more than the cell knows.
        let identity = (self.is_wild && self.chance.one_in(3))
            .then(|| AgentIdentity::new(if self.chance.one_in(2) { "d1" } else { "d2" }).expect("an identity"));
        let strayed = (self.is_wild && self.chance.one_in(6)).then_some(Offset(self.time % 1000));
        // Without a draw: the wild logs of before stay what they were but for this.
        let tasks_max = (self.is_wild && self.time.is_multiple_of(3)).then_some(4);
        let report = ReportAgentV1 { agent, capacity, attributes: BTreeMap::new(), tasks_max, identity, strayed };
        self.say(name, Class::Exogenous, &Command::ReportAgent(report));
    }

    /// An agent leaves for good.
    pub fn remove(&mut self, name: &str) {
        let agent = AgentId::new(name).expect("an agent id");
        self.silent.push(agent.clone());
        self.ask(&Command::RemoveAgent(RemoveAgentV1 { agent }));
    }

    /// A job of alike tasks.
    pub fn job(&mut self, name: &str, kind: JobKind, count: u32, cpu: u64) {
        self.ask(&Command::SubmitJob(SubmitJobV1 { job: job(name, kind, count, cpu) }));
    }

    /// Stops, scales or kills.
    pub fn stop(&mut self, name: &str) {
        self.ask(&Command::StopJob(StopJobV1 { job: JobId::new(name).expect("a job id"), grace_ms: None }));
    }

    /// Gives a job another number of tasks.
    pub fn scale(&mut self, name: &str, count: u32) {
        self.ask(&Command::ScaleJob(ScaleJobV1 { job: JobId::new(name).expect("a job id"), count }));
    }

    /// Starts one task again.
    pub fn restart(&mut self, task: &str) {
        let task = TaskId::new(task).expect("a task id");
        self.ask(&Command::RestartTask(RestartTaskV1 { task, grace_ms: Some(5) }));
    }

    /// Ends one task.
    pub fn kill(&mut self, task: &str) {
        self.ask(&Command::KillTask(KillTaskV1 { task: TaskId::new(task).expect("a task id"), grace_ms: None }));
    }

    /// Sets parameters.
    pub fn set(&mut self, parameters: SetParametersV1) {
        self.ask(&Command::SetParameters(parameters));
    }

    /// The leader says what time it is.
    pub fn tick(&mut self) {
        let now = TimeMs(self.time.max(self.state.now.0 + 1));
        self.say("node-1", Class::Exogenous, &Command::Tick(TickV1 { now }));
    }

    /// The leader answers everything, or what came up to some record.
    pub fn decide(&mut self, up_to: usize) {
        let Some((from, _)) = self.undecided.front().cloned() else { return };
        let answered: Vec<_> = self.undecided.drain(..up_to.clamp(1, self.undecided.len())).collect();
        let mut answers = Vec::new();
        for (at, record) in &answered {
            answers.extend(answer(&mut self.state, *at, record).expect("a known record"));
        }
        let to = answered.last().expect("one at least").0;
        let chain = self.reader.chain_at(to).expect("undecided");
        let decision = DecisionV1 { epoch: self.reader.epoch(), from, to, chain, answers };
        let record = decision.to_record();
        self.last_decision = Some(record.clone());
        self.append(record);
        decision.events().for_each(|event| self.heed(event));
    }

    /// Whether the leader ticks now.
    pub fn is_tick_due(&self) -> bool {
        self.state.next_tick().is_some_and(|wanted| match wanted {
            NextTick::Now | NextTick::Soon => true,
            NextTick::At(due) => due.0 <= self.time,
        })
    }

    /// Lets time pass in steps of 10 ms: agents report, the leader ticks and decides.
    pub fn live(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            self.time += 10;
            self.report_due();
            if self.is_tick_due() {
                self.tick();
            }
            let has_commands = self.undecided.iter().any(|(_, record)| record.kind != Kind::Decision.number());
            if has_commands {
                self.decide(usize::MAX);
            }
        }
    }

    /// Agents say what they have to say by now.
    pub fn report_due(&mut self) {
        let due: Vec<u64> = self.runs.iter().filter(|(_, run)| self.has_due(run)).map(|(number, _)| *number).collect();
        for number in due {
            self.report_one(number);
        }
    }

    /// The starts that an agent can report of now.
    pub fn has_due(&self, run: &Run) -> bool {
        let due = run.reports.front().is_some_and(|(due, _, _)| *due <= self.time);
        due && !self.silent.contains(&run.agent)
    }

    /// An agent makes its next report of a start.
    pub fn report_one(&mut self, number: u64) {
        let run = self.runs.get_mut(&number).expect("a known start");
        let (_, state, end) = run.reports.pop_front().expect("a report is due");
        let Run { task, incarnation, agent, .. } = run.clone();
        let observed = TimeMs(self.time);
        let principal = agent.as_str().to_owned();
        let report = UpdateTaskStatusV1 { task, incarnation, agent, state, end, observed };
        self.say(&principal, Class::Intrinsic, &Command::UpdateTaskStatus(report));
    }

    /// Every record of the log.
    pub fn records(&self) -> Vec<Stored> {
        records(&self.log)
    }

    fn delay(&mut self, usual: u64) -> u64 {
        if self.is_wild { self.chance.below(usual * 2 + 1) } else { usual }
    }

    /// Agents heed decisions.
    fn heed(&mut self, event: &Event) {
        if let Event::TaskPlaced(e) = event {
            self.begin(Run {
                task: e.task.clone(),
                incarnation: e.incarnation,
                agent: e.agent.clone(),
                reports: VecDeque::new(),
            });
        }
        if let Event::TaskKillRequested(e) = event {
            let answer = self.time + self.delay(30);
            let run = self.runs.get_mut(&e.incarnation.0).expect("placed before");
            // Sometimes the end that comes anyway is quicker.
            run.reports.retain(|(due, _, _)| *due < answer);
            let ended = run.reports.back().is_some_and(|(_, state, _)| state.is_terminal());
            if !ended {
                run.reports.push_back((answer, TaskState::Killed, Some(EndV1::because(EndReason::Requested))));
            }
        }
    }

    fn begin(&mut self, mut run: Run) {
        let length = match run.task.owner() {
            TaskOwner::Job { job, .. } => self.lengths_ms.get(job).copied().unwrap_or(1000),
            TaskOwner::Framework { .. } => 700,
        };
        let starting = self.time + self.delay(10);
        // One agent cannot start anything for three seconds out of ten.
        if self.is_wild && run.agent.as_str() == "a2" && self.time % 10_000 < 3_000 {
            run.reports.push_back((starting, TaskState::Failed, Some(EndV1::because(EndReason::MachineFault))));
            self.runs.insert(run.incarnation.0, run);
            return;
        }
        if self.is_wild && self.chance.one_in(6) {
            let reasons =
                [EndReason::MachineFault, EndReason::MachineFault, EndReason::PortsHeld, EndReason::CannotStart];
            let reason = reasons[usize::try_from(self.chance.below(4)).expect("small")];
            run.reports.push_back((starting, TaskState::Failed, Some(EndV1::because(reason))));
            self.runs.insert(run.incarnation.0, run);
            return;
        }
        let running = starting + self.delay(20);
        let ended = running + self.delay(length);
        let fails = self.is_wild && self.chance.one_in(5);
        let code = i32::from(fails);
        let end = EndV1 { exit_code: Some(code), ran_ms: Some(ended - running), ..EndV1::because(EndReason::Exited) };
        let state = if fails { TaskState::Failed } else { TaskState::Finished };
        run.reports.push_back((starting, TaskState::Starting, None));
        if !self.is_wild || !self.chance.one_in(6) {
            run.reports.push_back((running, TaskState::Running, None));
        }
        run.reports.push_back((ended, state, Some(end.clone())));
        if self.is_wild && self.chance.one_in(8) {
            run.reports.push_back((ended + 15, state, Some(end)));
        }
        self.runs.insert(run.incarnation.0, run);
    }
}

/// A job of alike tasks, restarted twice after a failure.
pub fn job(name: &str, kind: JobKind, count: u32, cpu: u64) -> JobSpecV1 {
    JobSpecV1 {
        id: JobId::new(name).expect("a job id"),
        kind,
        role: RoleName::new("*").expect("a role"),
        count,
        resources: Resources::of(MilliCpu(cpu), MiB(64)),
        ports: 0,
        run: RunSpecV1 { argv: vec!["true".into()], env: BTreeMap::new(), directory: None, kill_grace_ms: 100 },
        constraints: Vec::new(),
        restart: RestartV1 { on: RestartOn::Failure, limit: 2, backoff_ms: 50, backoff_max_ms: 200 },
    }
}

/// Every record of a log in memory.
pub fn records(log: &MemoryLog) -> Vec<Stored> {
    use command_log::Log;
    let runtime = runtime();
    let low = runtime.block_on(log.watermarks()).expect("memory answers").low;
    runtime.block_on(log.read(low, usize::MAX)).expect("memory answers")
}

/// Something to wait on futures with.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}
