//! Any bytes that can be decoded are answered: no panic, no answer beyond its bounds.

use std::collections::BTreeMap;

use compact_str::{CompactString, ToCompactString};
use log_schema::{
    Command, MiB, MilliCpu, PortRanges, Record, Refusal, Resources,
    command::{AcceptOffersV1, LaunchV1, ReportAgentV1, UpdateTaskStatusV1},
    job::RunSpecV1,
    task::{EndReason, EndV1},
};

use crate::{
    cell::{self, Cell},
    parse,
    random::Random,
    story::{play, play_line},
};

/// A cell in which everything is going on.
const BUSY: &str = "
    agent a1 cpu=9 mem=9Gi ports=100-109 seats=3 rack=r1
    agent a2 cpu=9 mem=9Gi
    framework f1 role=web
    job db kind=service count=3 cpu=1 mem=1Gi ports=1 restart=any backoff=100
    accept f1 o5; t1 cpu=1 mem=1Gi
    status db.0 failed
    tick 1000
    unreachable a2
";

const LINES: &[&str] = &[
    "agent a1 cpu=4 mem=8Gi ports=100-109 seats=2 rack=r1",
    "job db kind=service count=3 cpu=1 mem=1Gi in.rack=r1 restart=any backoff=100",
    "job other count=3 cpu=1 mem=1Gi ports=2 role=web",
    "scale db 5",
    "status db.0 finished",
    "status f1/t1 running",
    "accept f1 o1,o2 filter=100; t2 cpu=1 mem=1Gi ports=101; t3 cpu=1 mem=1",
    "decline f1 o2 filter=5",
    "framework f2 role=db",
    "set policy=spread offer_ttl=77",
    "kill db.1",
    "remove a1",
];

#[test]
fn bytes_changed_at_random_are_answered() {
    let mut random = Random::new(3);
    for _ in 0..40 {
        let (mut cell, _) = play(BUSY);
        for _ in 0..40 {
            let line: &&str = random.pick(LINES);
            let record = parse::record(line, &cell);
            let changed = change(&mut random, &record);
            cell.take(&changed);
        }
    }
}

fn change(random: &mut Random, record: &Record) -> Record {
    let mut payload = record.payload.to_vec();
    for _ in 0..=random.below(3) {
        let at = usize::try_from(random.below(payload.len() as u64)).expect("an index");
        payload[at] = u8::try_from(random.below(256)).expect("a byte");
    }
    Record { payload: payload.into(), ..record.clone() }
}

fn take(cell: &mut Cell, command: &Command) -> Option<Refusal> {
    let key = format!("k{}", cell.next());
    cell.take(&cell::record(command, "tester", &key)).and_then(|answer| answer.refusal)
}

#[test]
fn bytes_may_say_more_custom_resources_than_text_and_are_refused() {
    let (mut cell, _) = play(BUSY);
    let custom = (0..65).map(|number| (number.to_compact_string() + "x", 1)).collect::<BTreeMap<CompactString, u64>>();
    let capacity = Resources { custom, ..Resources::of(MilliCpu(1000), MiB(1024)) };
    let agent = "a9".parse().expect("an id");
    let refusal = take(
        &mut cell,
        &Command::ReportAgent(ReportAgentV1 {
            agent,
            capacity,
            attributes: BTreeMap::new(),
            tasks_max: None,
            identity: None,
            strayed: None,
        }),
    );
    let expected = "custom resources is 65, and may be 0 to 64";
    assert_eq!(refusal.map(|refusal| refusal.to_string()).as_deref(), Some(expected));
}

#[test]
fn many_short_parts_of_a_command_line_count_too() {
    let (mut cell, _) = play(BUSY);
    let argv = vec![String::from("a"); 20_000];
    let run = RunSpecV1 { argv, env: BTreeMap::new(), directory: None, kill_grace_ms: 0 };
    let launch = LaunchV1 { name: "t9".into(), resources: Resources::of(MilliCpu(1), MiB(1)), run };
    let (framework, offers) = ("f1".parse().expect("an id"), Vec::new());
    let accept = AcceptOffersV1 { framework, offers, launches: vec![launch], filter_ms: 0 };
    let refusal = take(&mut cell, &Command::AcceptOffers(accept));
    assert_eq!(refusal, Some(Refusal::CommandTooLong { bytes: 40_001, max: 32_768 }));
}

#[test]
fn a_long_message_of_a_task_is_cut_and_its_end_is_taken() {
    let (mut cell, _) = play(
        "
        agent a1 cpu=9 mem=9Gi
        job db cpu=1 mem=1Gi
    ",
    );
    let message = Some("ü".repeat(400_000));
    let end = Some(EndV1 { message, ..EndV1::because(EndReason::CannotStart) });
    let number = cell.state.jobs.number("db").expect("a job");
    let incarnation = cell.state.jobs.get(number).tasks[0].incarnation;
    let (task, agent) = ("db.0".parse().expect("an id"), "a1".parse().expect("an id"));
    let (state, observed) = (log_schema::TaskState::Failed, log_schema::TimeMs(0));
    let status = UpdateTaskStatusV1 { task, incarnation, agent, state, end, observed };
    assert_eq!(take(&mut cell, &Command::UpdateTaskStatus(status)), None);
    assert_eq!(cell.state.jobs.get(number).active, 0);
}

/// A framework that takes every other port leaves the rest in as many ranges as there can be.
#[test]
fn ports_in_countless_ranges_are_offered_in_parts() {
    let mut cell = Cell::new(1);
    play_line(&mut cell, "agent a1 cpu=9000 mem=9000Gi ports=0-65535");
    play_line(&mut cell, "framework f1");
    for slice in 0..512_u16 {
        let every_other = (0..64).map(|port| slice * 128 + port * 2).map(|port| (port, port)).collect();
        let ports = PortRanges::new(every_other).expect("ports");
        let resources = Resources { ports, ..Resources::of(MilliCpu(1), MiB(1)) };
        let run = RunSpecV1 { argv: vec!["true".into()], env: BTreeMap::new(), directory: None, kill_grace_ms: 0 };
        let launch = LaunchV1 { name: format!("t{slice}").into(), resources, run };
        let offers = cell.state.frameworks.offers.keys().copied().collect();
        let framework = "f1".parse().expect("an id");
        let accept = AcceptOffersV1 { framework, offers, launches: vec![launch], filter_ms: 0 };
        take(&mut cell, &Command::AcceptOffers(accept));
    }
    let fragments = cell.state.agents.iter().next().expect("an agent").allocated.ports.ranges().len();
    assert!(fragments > 1000, "{fragments} ranges are taken");
    play_line(&mut cell, "agent a1 cpu=1 mem=1Gi");
}
