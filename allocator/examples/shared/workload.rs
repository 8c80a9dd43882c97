//! The canonical workload of the core's benches: machines, tasks and the commands about them, by seed.

use std::collections::BTreeMap;

use log_schema::{
    AgentId, Class, Command, Envelope, Incarnation, JobId, Key, MiB, MilliCpu, Principal, Record, Resources, TaskId,
    TaskState, TimeMs,
    command::{ReportAgentV1, SetParametersV1, SubmitJobV1, TickV1, UpdateTaskStatusV1},
    job::{JobKind, JobSpecV1, RestartOn, RestartV1, RunSpecV1},
    task::{EndReason, EndV1},
};

/// The cores that a machine may have; it has 4 GiB for each.
const CORES: [u64; 4] = [16, 32, 64, 96];
/// The milli-CPU that a task may ask for.
const CPUS: [u64; 5] = [250, 500, 1000, 2000, 4000];
/// The MiB that a task may ask for.
const MEMS: [u64; 5] = [512, 1024, 2048, 4096, 8192];

/// SplitMix64 (Steele, Lea, Flood 2014), and a count that makes every key new.
pub(crate) struct Workload {
    random: u64,
    keys: u64,
}

impl Workload {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: seed, keys: 0 }
    }

    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }

    /// The command of a machine that joins, and its milli-CPU.
    pub(crate) fn machine(&mut self, number: usize) -> (Record, u64) {
        let cores = CORES[self.below(CORES.len())];
        let capacity = Resources::of(MilliCpu(cores * 1000), MiB(cores * 4096));
        let report = ReportAgentV1 {
            agent: machine_id(number),
            capacity,
            attributes: BTreeMap::new(),
            tasks_max: None,
            identity: None,
            strayed: None,
        };
        (self.seal(&Command::ReportAgent(report)), cores * 1000)
    }

    /// The command of a job of one shape among twenty-five, and the milli-CPU of one of its tasks.
    pub(crate) fn job(&mut self, number: usize, count: u32) -> (Record, u64) {
        let (cpu, mem) = (CPUS[self.below(CPUS.len())], MEMS[self.below(MEMS.len())]);
        let job = JobSpecV1 {
            id: JobId::new(format!("job-{number}")).expect("an id"),
            kind: JobKind::Batch,
            role: "*".parse().expect("a role"),
            count,
            resources: Resources::of(MilliCpu(cpu), MiB(mem)),
            ports: 0,
            run: RunSpecV1 { argv: vec!["true".into()], env: BTreeMap::new(), directory: None, kill_grace_ms: 5000 },
            constraints: Vec::new(),
            restart: RestartV1 { on: RestartOn::Never, limit: 0, backoff_ms: 0, backoff_max_ms: 0 },
        };
        (self.seal(&Command::SubmitJob(SubmitJobV1 { job })), cpu)
    }

    /// The command that says where a task stands.
    pub(crate) fn status(
        &mut self,
        task: TaskId,
        incarnation: Incarnation,
        agent: AgentId,
        state: TaskState,
    ) -> Record {
        let end = state.is_terminal().then(|| EndV1 { exit_code: Some(0), ..EndV1::because(EndReason::Exited) });
        let observed = TimeMs(0);
        self.seal(&Command::UpdateTaskStatus(UpdateTaskStatusV1 { task, incarnation, agent, state, end, observed }))
    }

    /// The command that lets time go on.
    pub(crate) fn tick(&mut self, now: u64) -> Record {
        self.seal(&Command::Tick(TickV1 { now: TimeMs(now) }))
    }

    /// The command that forgets ended jobs and keys after so many milliseconds.
    pub(crate) fn forget_after(&mut self, kept_ms: u64) -> Record {
        let parameters =
            SetParametersV1 { key_kept_ms: Some(kept_ms), ended_kept_ms: Some(kept_ms), ..SetParametersV1::default() };
        self.seal(&Command::SetParameters(parameters))
    }

    fn seal(&mut self, command: &Command) -> Record {
        self.keys += 1;
        let key = Key::new(format!("key-{}", self.keys)).expect("a key");
        let principal = Principal::new("bench").expect("a principal");
        command.to_record(&Envelope { principal, key, caused_by: None, class: Class::Exogenous })
    }
}

/// The name of a machine.
pub(crate) fn machine_id(number: usize) -> AgentId {
    AgentId::new(format!("machine-{number}")).expect("an id")
}
