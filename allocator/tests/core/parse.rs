//! The little language of stories: one line is one command.
//!
//! ```text
//! agent a1 cpu=4 mem=8Gi ports=31000-31009 licences=2 rack=r1      words are attributes, numbers custom resources
//! agent a1 cpu=4 mem=8Gi tasks-max=20 in=d1      its room for tasks, and its directory
//! job db kind=service count=2 cpu=1.5 mem=512Mi in.rack=r1|r2 restart=any limit=3 backoff=100 backoff_max=1000
//! status db.0 failed end=ports_held held=31000      end= names what kept it from starting
//! status db.0 running      status db.0 failed exit=1      status db.0 killed inc=3 on=a2
//! accept f1 o1,o2 filter=5000; t1 cpu=1 mem=1Gi; t2 cpu=1 mem=1Gi
//! stop db      scale db 3      kill db.0      framework f1 role=web      decline f1 o1 filter=5000      set policy=spread
//! ```
//!
//! Any line may say `by=` whom and under which `key=`; without one, each line has a key of its own.

use std::{collections::BTreeMap, fmt::Debug, str::FromStr};

use allocator::State;
use compact_str::CompactString;
use log_schema::{
    AgentId, Command, FrameworkId, Incarnation, JobId, OfferId, Offset, Record, Resources, RoleName, TaskId, TaskOwner,
    TaskState, TimeMs,
    command::{
        AcceptOffersV1, ActivateLogicV1, DeclineOffersV1, KillTaskV1, LaunchV1, MarkAgentUnreachableV1, Policy,
        RemoveAgentV1, ReportAgentV1, RestartTaskV1, ReviveOffersV1, ScaleJobV1, SetParametersV1, SetRoleV1, StopJobV1,
        SubmitJobV1, SubscribeFrameworkV1, SuppressOffersV1, TeardownFrameworkV1, UpdateTaskStatusV1,
    },
    job::{ConstraintV1, JobKind, JobSpecV1, Operator, RestartOn, RestartV1, RunSpecV1},
    task::{EndReason, EndV1},
};

use crate::cell::{self, Cell};

/// The record that a line stands for.
pub(crate) fn record(line: &str, cell: &Cell) -> Record {
    let own_key = format!("k{}", cell.next());
    let mut words = Words::of(line);
    let key = words.take("key").unwrap_or(own_key);
    let by = words.take("by").unwrap_or_else(|| "tester".to_owned());
    let command = command(&mut words, &cell.state);
    assert!(words.named.is_empty(), "what is {:?} in {line:?}?", words.named);
    cell::record(&command, &by, &key)
}

/// A line as words in order and named values.
struct Words {
    plain: Vec<String>,
    named: BTreeMap<String, String>,
    launches: Vec<String>,
}

impl Words {
    fn of(line: &str) -> Self {
        let mut parts = line.split(';');
        let words = parts.next().expect("a part").split_whitespace();
        let (named, plain): (Vec<_>, Vec<_>) = words.partition(|word| word.contains('='));
        let pair = |word: &str| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            plain: plain.into_iter().map(str::to_owned).collect(),
            named: named.into_iter().filter_map(pair).collect(),
            launches: parts.map(|part| part.trim().to_owned()).collect(),
        }
    }

    fn take(&mut self, name: &str) -> Option<String> {
        self.named.remove(name)
    }

    fn number<N: FromStr<Err: Debug>>(&mut self, name: &str, otherwise: N) -> N {
        self.take(name).map_or(otherwise, |text| text.parse().expect(name))
    }

    fn id<I: FromStr<Err: Debug>>(&self, place: usize) -> I {
        self.plain[place].parse().expect("an id")
    }

    /// Every named value with this prefix.
    fn take_all(&mut self, prefix: &str) -> Vec<(String, String)> {
        let names: Vec<_> = self.named.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
        names.into_iter().map(|name| (name[prefix.len()..].to_owned(), self.take(&name).expect("found"))).collect()
    }

    /// The amounts: those with a unit, and whatever else is a number.
    fn resources(&mut self) -> Resources {
        let is_amount = |(name, value): &(&String, &String)| {
            let has_unit = matches!(name.as_str(), "cpu" | "mem" | "disk" | "gpu" | "ports");
            has_unit || (!name.starts_with("raw.") && value.parse::<u64>().is_ok())
        };
        let names: Vec<_> = self.named.iter().filter(is_amount).map(|(name, _)| name.clone()).collect();
        let parts: Vec<_> = names.iter().map(|name| format!("{name}={}", self.named[name])).collect();
        names.iter().for_each(|name| drop(self.take(name)));
        let mut resources: Resources = parts.join(" ").parse().expect("resources");
        // What text may not say, but bytes may.
        let raw = self.take_all("raw.").into_iter().map(|(name, units)| (name.into(), units.parse().expect("units")));
        resources.custom.extend(raw);
        resources
    }
}

fn command(words: &mut Words, state: &State) -> Command {
    match words.plain[0].as_str() {
        "agent" => report_agent(words),
        "unreachable" => Command::MarkAgentUnreachable(MarkAgentUnreachableV1 { agent: words.id(1), silent_ms: 9000 }),
        "remove" => Command::RemoveAgent(RemoveAgentV1 { agent: words.id(1) }),
        "job" => submit_job(words),
        "stop" => Command::StopJob(StopJobV1 { job: words.id(1), grace_ms: grace(words) }),
        "scale" => Command::ScaleJob(ScaleJobV1 { job: words.id(1), count: words.id(2) }),
        "kill" => Command::KillTask(KillTaskV1 { task: words.id(1), grace_ms: grace(words) }),
        "restart" => Command::RestartTask(RestartTaskV1 { task: words.id(1), grace_ms: grace(words) }),
        "status" => update_task_status(words, state),
        "framework" => {
            let role = words.take("role").unwrap_or_else(|| "*".to_owned()).parse().expect("a role");
            Command::SubscribeFramework(SubscribeFrameworkV1 { framework: words.id(1), role })
        }
        "accept" => accept_offers(words),
        "decline" => Command::DeclineOffers(DeclineOffersV1 {
            framework: words.id(1),
            offers: offers(words),
            filter_ms: words.number("filter", 0),
        }),
        "revive" => Command::ReviveOffers(ReviveOffersV1 { framework: words.id(1) }),
        "suppress" => Command::SuppressOffers(SuppressOffersV1 { framework: words.id(1) }),
        "teardown" => Command::TeardownFramework(TeardownFrameworkV1 { framework: words.id::<FrameworkId>(1) }),
        "role" => Command::SetRole(SetRoleV1 { role: words.id::<RoleName>(1), weight: words.number("weight", 1) }),
        "set" => set_parameters(words),
        "logic" => Command::ActivateLogic(ActivateLogicV1 { version: words.id(1) }),
        verb => panic!("no story line begins with {verb:?}"),
    }
}

fn grace(words: &mut Words) -> Option<u64> {
    words.take("grace").map(|grace| grace.parse().expect("milliseconds"))
}

fn report_agent(words: &mut Words) -> Command {
    let identity = words.take("in").map(|identity| identity.parse().expect("an identity"));
    let strayed = words.take("strayed").map(|obeyed| Offset(obeyed.parse().expect("an offset")));
    let tasks_max = words.take("tasks-max").map(|tasks| tasks.parse().expect("a number of tasks"));
    // Last, since any name with a number that is left is taken for a custom resource.
    let capacity = words.resources();
    let attributes = words.take_all("").into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    let agent = words.id::<AgentId>(1);
    Command::ReportAgent(ReportAgentV1 { agent, capacity, attributes, tasks_max, identity, strayed })
}

fn submit_job(words: &mut Words) -> Command {
    let kind = match words.take("kind").as_deref() {
        None | Some("batch") => JobKind::Batch,
        Some("service") => JobKind::Service,
        Some(other) => panic!("no kind of job is {other:?}"),
    };
    let restart = restart(words);
    let constraints = constraints(words);
    let run = run(words);
    let spec = JobSpecV1 {
        id: words.id::<JobId>(1),
        kind,
        role: words.take("role").unwrap_or_else(|| "*".to_owned()).parse().expect("a role"),
        count: words.number("count", 1),
        // A job asks for a number of ports; `port_numbers` is for the story that is refused.
        ports: words.number("ports", 0),
        resources: {
            let numbers = words.take("port_numbers");
            words.named.extend(numbers.map(|ports| ("ports".to_owned(), ports)));
            words.resources()
        },
        run,
        constraints,
        restart,
    };
    Command::SubmitJob(SubmitJobV1 { job: spec })
}

fn restart(words: &mut Words) -> RestartV1 {
    let on = match words.take("restart").as_deref() {
        None | Some("never") => RestartOn::Never,
        Some("failure") => RestartOn::Failure,
        Some("any") => RestartOn::Any,
        Some(other) => panic!("no restart is {other:?}"),
    };
    let (limit, backoff_ms) = (words.number("limit", 10), words.number("backoff", 0));
    RestartV1 { on, limit, backoff_ms, backoff_max_ms: words.number("backoff_max", 60_000) }
}

fn constraints(words: &mut Words) -> Vec<ConstraintV1> {
    let operators = [("in.", Operator::In), ("notin.", Operator::NotIn), ("exists.", Operator::Exists)];
    let all = operators.into_iter().flat_map(|(prefix, operator)| {
        let of_it = words.take_all(prefix);
        of_it.into_iter().map(move |(attribute, values)| {
            let values = values.split('|').filter(|value| !value.is_empty()).map(CompactString::from).collect();
            ConstraintV1 { attribute: attribute.into(), operator, values }
        })
    });
    all.collect()
}

fn run(words: &mut Words) -> RunSpecV1 {
    let argv = words.take("argv").unwrap_or_else(|| "true".to_owned());
    let argv = argv.split('|').filter(|part| !part.is_empty()).map(|part| part.replace("\\0", "\0")).collect();
    let env = words.take_all("env.").into_iter().collect();
    RunSpecV1 { argv, env, directory: None, kill_grace_ms: words.number("grace", 5000) }
}

/// What the allocator knows of the task stands for what the line leaves out.
fn update_task_status(words: &mut Words, state: &State) -> Command {
    let task: TaskId = words.id(1);
    let known = known(state, &task);
    let now = match words.plain[2].as_str() {
        "placed" => TaskState::Placed,
        "starting" => TaskState::Starting,
        "running" => TaskState::Running,
        "finished" => TaskState::Finished,
        "failed" => TaskState::Failed,
        "killed" => TaskState::Killed,
        "lost" => TaskState::Lost,
        other => panic!("no state is {other:?}"),
    };
    let agent = words.take("on").map_or(known.1, |agent| agent.parse().expect("an agent"));
    let incarnation = Incarnation(words.number("inc", known.0.0));
    let end = end(words, now);
    Command::UpdateTaskStatus(UpdateTaskStatusV1 { task, incarnation, agent, state: now, end, observed: TimeMs(0) })
}

fn end(words: &mut Words, state: TaskState) -> Option<EndV1> {
    let code = words.take("exit").map(|code| code.parse::<i32>().expect("an exit code"));
    let (reason, code) = match (words.take("end").as_deref(), state) {
        (Some("cannot_start"), _) => (EndReason::CannotStart, None),
        (Some("machine_fault"), _) => (EndReason::MachineFault, None),
        (Some("ports_held"), _) => (EndReason::PortsHeld, None),
        (Some("never_began"), _) => (EndReason::NeverBegan, None),
        (Some("none"), _) | (None, TaskState::Placed | TaskState::Starting | TaskState::Running) => return None,
        (Some(_), _) | (None, TaskState::Finished) => (EndReason::Exited, Some(code.unwrap_or(0))),
        (None, TaskState::Failed) => (EndReason::Exited, Some(code.unwrap_or(1))),
        (None, TaskState::Killed) => (EndReason::Requested, code),
        (None, TaskState::Lost) => (EndReason::AgentLost, code),
    };
    let ports = words.take("held").map(|ports| ports.parse().expect("ports")).unwrap_or_default();
    Some(EndV1 { exit_code: code, ports, ..EndV1::because(reason) })
}

fn known(state: &State, task: &TaskId) -> (Incarnation, AgentId) {
    let found = match task.owner() {
        TaskOwner::Job { job, index } => state.jobs.number(job).and_then(|number| state.jobs.get(number).task(index)),
        TaskOwner::Framework { framework, name } => state
            .frameworks
            .number(framework)
            .and_then(|number| state.frameworks.get(number).tasks.get(name))
            .map(|known| &known.task),
    };
    let host = found.and_then(|task| state.agents.find(task.agent)).map(|host| host.id.clone());
    let nowhere = || AgentId::new("nowhere").expect("an agent");
    (found.map_or(Incarnation(0), |task| task.incarnation), host.unwrap_or_else(nowhere))
}

fn offers(words: &Words) -> Vec<OfferId> {
    let named = words.plain.get(2).map_or("", String::as_str);
    named.split(',').filter(|offer| !offer.is_empty()).map(|offer| offer.parse().expect("an offer")).collect()
}

fn accept_offers(words: &mut Words) -> Command {
    let launches = words.launches.iter().map(|text| {
        let mut words = Words::of(text);
        let run = run(&mut words);
        LaunchV1 { name: words.plain[0].as_str().into(), resources: words.resources(), run }
    });
    let launches = launches.collect();
    let filter_ms = words.number("filter", 0);
    Command::AcceptOffers(AcceptOffersV1 { framework: words.id(1), offers: offers(words), launches, filter_ms })
}

fn set_parameters(words: &mut Words) -> Command {
    let policy = words.take("policy").map(|policy| match policy.as_str() {
        "binpack" => Policy::Binpack,
        "spread" => Policy::Spread,
        other => panic!("no policy is {other:?}"),
    });
    let mut time = |name| words.take(name).map(|text| text.parse().expect(name));
    Command::SetParameters(SetParametersV1 {
        policy,
        offer_ttl_ms: time("offer_ttl"),
        agent_lost_after_ms: time("agent_lost_after"),
        key_kept_ms: time("key_kept"),
        ended_kept_ms: time("ended_kept"),
    })
}
