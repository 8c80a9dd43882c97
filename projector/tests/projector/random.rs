//! Histories that a real allocator wrote, from commands drawn at random.

use allocator::{State, answer};
use log_schema::{
    AgentId, AnswerV1, Chain, Command, DecisionV1, Envelope, EpochNumber, Event, Incarnation, Key, OfferId, Offset,
    Principal, Resources, TaskId, TaskState, TimeMs,
    command::*,
    job::{ConstraintV1, JobKind, JobSpecV1, RestartOn, RestartV1, RunSpecV1},
    task::{EndReason, EndV1},
};
use projector::Decided;

/// Draws that are the same everywhere: xorshift64*.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).expect("31 bits") % end
    }

    fn small(&mut self, end: u32) -> u32 {
        u32::try_from(self.below(end as usize)).expect("below a small number")
    }
}

/// Who plays agents, frameworks and clients.
struct World {
    draw: Draw,
    now: u64,
    /// The runs that have not ended, as the world knows.
    runs: Vec<(TaskId, Incarnation, AgentId, TaskState)>,
    offers: Vec<(OfferId, AgentId)>,
    launched: u32,
}

/// What a real allocator decides on so many random commands, several in a decision at times, and the
/// state that it ends in.
pub(crate) fn decided(seed: u64, commands: usize) -> (Vec<Decided>, State) {
    let mut world = World { draw: Draw(seed | 1), now: 0, runs: Vec::new(), offers: Vec::new(), launched: 0 };
    let (mut state, mut decided, mut answers) = (State::default(), Vec::new(), Vec::new());
    let (mut from, mut next) = (0, 0);
    for number in 0..commands {
        let command = world.command();
        let answer = answer_to(&mut state, next, number, &command);
        world.learn(answer.iter().flat_map(|answer| &answer.events));
        answers.extend(answer);
        next += 1;
        if number + 1 == commands || world.draw.below(3) == 0 {
            decided.push(decision(from, next, std::mem::take(&mut answers)));
            (from, next) = (next, next + 1);
        }
    }
    (decided, state)
}

fn answer_to(state: &mut State, at: u64, number: usize, command: &Command) -> Option<AnswerV1> {
    let principal = Principal::new("world").expect("legal");
    let key = Key::new(format!("k{}", number - number % 9 / 8)).expect("legal");
    let record = command.to_record(&Envelope { principal, key, caused_by: None, class: Class::Exogenous });
    answer(state, Offset(at), &record).expect("a known command")
}

fn decision(from: u64, at: u64, answers: Vec<AnswerV1>) -> Decided {
    let (epoch, chain) = (EpochNumber(1), Chain::default());
    let decision = DecisionV1 { epoch, from: Offset(from), to: Offset(at - 1), chain, answers };
    Decided { offset: Offset(at), time: TimeMs(at * 10), decision }
}

impl World {
    fn command(&mut self) -> Command {
        match self.draw.below(24) {
            0..4 => self.tick(),
            4 | 5 => self.report_agent(),
            6 => Command::MarkAgentUnreachable(MarkAgentUnreachableV1 { agent: self.agent(), silent_ms: 1 }),
            7 if self.draw.below(3) == 0 => Command::RemoveAgent(RemoveAgentV1 { agent: self.agent() }),
            7..10 => self.submit_job(),
            10 => Command::ScaleJob(ScaleJobV1 { job: id(&self.job()), count: self.draw.small(9) + 1 }),
            11 if self.draw.below(2) == 0 => Command::StopJob(StopJobV1 { job: id(&self.job()), grace_ms: None }),
            11 => self.kill_task(),
            12 => self.framework_command(),
            13 => self.role_or_parameters(),
            14..17 => self.use_offer(),
            _ => self.update_status(),
        }
    }

    fn tick(&mut self) -> Command {
        self.now += [1, 100, 2_000, 20_000][self.draw.below(4)];
        Command::Tick(TickV1 { now: TimeMs(self.now) })
    }

    fn agent(&mut self) -> AgentId {
        id(&format!("a{}", self.draw.below(5)))
    }

    fn job(&mut self) -> String {
        format!("j{}", self.draw.below(6))
    }

    fn report_agent(&mut self) -> Command {
        let text = ["cpu=4 mem=4Gi ports=31000-31003", "cpu=8 mem=8Gi ports=31000-31009 licences=2"];
        let capacity: Resources = text[self.draw.below(2)].parse().expect("resources");
        Command::ReportAgent(ReportAgentV1 {
            agent: self.agent(),
            capacity,
            attributes: [].into(),
            tasks_max: [None, Some(3)][self.draw.below(2)],
            identity: None,
            strayed: None,
        })
    }

    fn submit_job(&mut self) -> Command {
        let run = RunSpecV1 { argv: vec!["true".into()], env: [].into(), directory: None, kill_grace_ms: 10 };
        let on = [RestartOn::Never, RestartOn::Failure, RestartOn::Any][self.draw.below(3)];
        let needs = ["cpu=1 mem=256", "cpu=2 mem=1Gi", "cpu=1 mem=64 licences=1"][self.draw.below(3)];
        let job = JobSpecV1 {
            id: id(&self.job()),
            kind: [JobKind::Batch, JobKind::Service][self.draw.below(2)],
            role: id(["prod", "test"][self.draw.below(2)]),
            count: self.draw.small(8) + 1,
            resources: needs.parse().expect("resources"),
            ports: [0, 0, 1][self.draw.below(3)],
            run,
            constraints: Vec::<ConstraintV1>::new(),
            restart: RestartV1 { on, limit: 2, backoff_ms: [0, 50][self.draw.below(2)], backoff_max_ms: 100 },
        };
        Command::SubmitJob(SubmitJobV1 { job })
    }

    fn kill_task(&mut self) -> Command {
        let task = TaskId::of_job(&id(&self.job()), self.draw.small(8));
        if self.draw.below(3) == 0 {
            return Command::RestartTask(RestartTaskV1 { task, grace_ms: None });
        }
        Command::KillTask(KillTaskV1 { task, grace_ms: None })
    }

    fn framework_command(&mut self) -> Command {
        let framework = id(["f0", "f1"][self.draw.below(2)]);
        match self.draw.below(8) {
            0 => Command::SuppressOffers(SuppressOffersV1 { framework }),
            1 => Command::ReviveOffers(ReviveOffersV1 { framework }),
            2 => Command::TeardownFramework(TeardownFrameworkV1 { framework }),
            _ => Command::SubscribeFramework(SubscribeFrameworkV1 { framework, role: id("test") }),
        }
    }

    fn role_or_parameters(&mut self) -> Command {
        if self.draw.below(2) == 0 {
            return Command::SetRole(SetRoleV1 { role: id("prod"), weight: self.draw.small(5) + 1 });
        }
        let ended_kept_ms = Some(1_000);
        Command::SetParameters(SetParametersV1 { ended_kept_ms, ..SetParametersV1::default() })
    }

    fn use_offer(&mut self) -> Command {
        let framework = id(["f0", "f1"][self.draw.below(2)]);
        if self.offers.is_empty() {
            return self.tick();
        }
        let at = self.draw.below(self.offers.len());
        let (offer, _) = self.offers.swap_remove(at);
        let filter_ms = [0, 500][self.draw.below(2)];
        if self.draw.below(3) == 0 {
            return Command::DeclineOffers(DeclineOffersV1 { framework, offers: vec![offer], filter_ms });
        }
        self.launched += 1;
        let run = RunSpecV1 { argv: vec!["true".into()], env: [].into(), directory: None, kill_grace_ms: 10 };
        let name = format!("t{}", self.launched % 7).into();
        let launches = vec![LaunchV1 { name, resources: "cpu=1 mem=64".parse().expect("resources"), run }];
        Command::AcceptOffers(AcceptOffersV1 { framework, offers: vec![offer], launches, filter_ms })
    }

    fn update_status(&mut self) -> Command {
        if self.runs.is_empty() {
            return self.tick();
        }
        let at = self.draw.below(self.runs.len());
        let (task, incarnation, agent, before) = self.runs[at].clone();
        let ends = [TaskState::Finished, TaskState::Failed, TaskState::Killed];
        let state = match before {
            TaskState::Placed => TaskState::Starting,
            TaskState::Starting => TaskState::Running,
            _ => ends[self.draw.below(3)],
        };
        let end = state.is_terminal().then(|| EndV1::because(EndReason::Requested));
        self.runs[at].3 = state;
        Command::UpdateTaskStatus(UpdateTaskStatusV1 { task, incarnation, agent, state, end, observed: TimeMs(0) })
    }

    fn learn<'a>(&mut self, events: impl Iterator<Item = &'a Event>) {
        for event in events {
            if let Event::TaskPlaced(e) = event {
                self.runs.push((e.task.clone(), e.incarnation, e.agent.clone(), TaskState::Placed));
            }
            if let Event::TaskStatusChanged(e) = event
                && e.state.is_terminal()
            {
                self.runs.retain(|run| run.1 != e.incarnation);
            }
            if let Event::OfferMade(e) = event {
                self.offers.push((e.offer, e.agent.clone()));
            }
        }
    }
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a legal id")
}
