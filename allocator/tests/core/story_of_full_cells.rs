//! Cells that hold as much as a cell may: what more is refused, and what makes room again.
//!
//! Nearly all of what is in them happens here without a command for each: a million would take long.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use log_schema::{
    AgentId, Command, Event, Incarnation, Key, Offset, Principal, Resources, TaskId, TaskState,
    command::SubmitJobV1,
    decision::AskedV1,
    event::{AgentAdmittedV1, FrameworkSubscribedV1, JobAcceptedV1, TaskPlacedV1, TaskStatusChangedV1},
};

use crate::{
    cell::Cell,
    parse,
    story::{play, play_line},
};

/// Plays a story in a cell that is there.
fn tell(cell: &mut Cell, story: &str) -> String {
    let lines = story.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| play_line(cell, line)).collect::<Vec<_>>().join("\n")
}

fn resources() -> Resources {
    "cpu=1 mem=1Gi".parse().expect("resources")
}

#[test]
fn a_cell_holds_so_many_agents_and_no_more() {
    let (mut cell, _) = play("");
    for number in 0..65_535 {
        let agent = format!("a{number}").parse().expect("an id");
        let (capacity, attributes) = (resources(), BTreeMap::new());
        cell.state.apply(&Event::AgentAdmitted(AgentAdmittedV1 {
            agent,
            number,
            capacity,
            attributes,
            tasks_max: None,
        }));
    }
    assert_snapshot!(tell(&mut cell, "
        agent last cpu=1 mem=1Gi
        agent more cpu=1 mem=1Gi
        agent a7 cpu=2 mem=1Gi
        remove a7
        agent more cpu=1 mem=1Gi
    "), @"
    1 agent.admitted last cpu=1 mem=1Gi
    2 refused 6 TooMany: the cell holds 65536 agents already, and no more
    3 agent.changed a7 cpu=2 mem=1Gi
    4 agent.leaving a7; agent.removed a7
    5 agent.admitted more cpu=1 mem=1Gi
    ");
}

#[test]
fn a_cell_holds_so_many_jobs_and_no_more() {
    let (mut cell, _) = play("");
    let record = parse::record("job any cpu=1 mem=1Gi", &cell);
    let Ok((_, Command::SubmitJob(SubmitJobV1 { mut job }))) = Command::from_record(&record) else { panic!("a job") };
    for number in 1..1_000_000 {
        job.id = format!("j{number}").parse().expect("an id");
        cell.state.apply(&Event::JobAccepted(Box::new(JobAcceptedV1 { spec: job.clone() })));
    }
    assert_snapshot!(tell(&mut cell, "
        job last cpu=1 mem=1Gi
        job more cpu=1 mem=1Gi
        stop j7
        job more cpu=1 mem=1Gi
        job j7 cpu=1 mem=1Gi
        set ended_kept=0
        stop j8
        tick +1
        job more cpu=1 mem=1Gi
    "), @"
    1 job.accepted x1; placement.deferred x16
    2 refused 6 TooMany: the cell holds 1000000 jobs already, and no more; placement.deferred x16
    3 job.ended x1; job.stopping x1; placement.deferred x16
    4 refused 6 TooMany: the cell holds 1000000 jobs already, and no more; placement.deferred x16
    5 job.accepted x1; job.forgotten x1; placement.deferred x16
    6 parameters.set x1; placement.deferred x16
    7 job.ended x1; job.stopping x1; placement.deferred x16
    8 job.forgotten x1; placement.deferred x16; time.advanced x1
    9 job.accepted x1; placement.deferred x16
    ");
}

#[test]
fn a_framework_has_so_many_tasks_and_no_more() {
    let (mut cell, _) = play("agent a1 cpu=9 mem=9Gi");
    let framework = Event::FrameworkSubscribed(FrameworkSubscribedV1 {
        framework: "f1".parse().expect("an id"),
        role: "*".parse().expect("a role"),
        owner: "tester".parse().expect("a name"),
    });
    cell.state.apply(&framework);
    let agent = "a1".parse::<AgentId>().expect("an id");
    for number in 1..1_000_000 {
        let (task, incarnation) = (format!("f1/t{number}").parse::<TaskId>().expect("an id"), Incarnation(number));
        let (agent, state) = (agent.clone(), TaskState::Finished);
        cell.state.apply(&Event::TaskPlaced(TaskPlacedV1 {
            task: task.clone(),
            incarnation,
            agent: agent.clone(),
            resources: resources(),
            run: None,
        }));
        cell.state.apply(&Event::TaskStatusChanged(TaskStatusChangedV1 { task, incarnation, agent, state, end: None }));
    }
    assert_snapshot!(tell(&mut cell, "
        accept f1 o1; last cpu=1 mem=1Gi; more cpu=1 mem=1Gi
        tick +1
        accept f1 o1; last cpu=1 mem=1Gi
        accept f1 o2; more cpu=1 mem=1Gi
        tick +600000
        accept f1 o2; more cpu=1 mem=1Gi
    "), @"
    2 refused 6 TooMany: the cell holds 1000000 tasks of this framework already, and no more
        offer.made o1 to f1 of a1 cpu=9 mem=9Gi
    3 time.advanced 1
    4 offer.ended o1 accepted
        task.placed f1/last#1000000 on a1 cpu=1 mem=1Gi
        offer.made o2 to f1 of a1 cpu=8 mem=8Gi
    5 refused 6 TooMany: the cell holds 1000000 tasks of this framework already, and no more
    6 task.forgotten x512; time.advanced x1
    7 offer.ended x1; task.forgotten x512; task.placed x1
    ");
}

#[test]
fn a_cell_remembers_so_many_keys_and_forgets_the_oldest_first() {
    let (mut cell, _) = play(
        "
        role web weight=2 key=first
        role web weight=3 key=second
    ",
    );
    let kept_ms = cell.state.parameters.key_kept_ms;
    let principal = Principal::new("tester").expect("a principal");
    for number in 2..1_000_000 {
        let key = Key::new(format!("other{number}")).expect("a key");
        let asked = AskedV1 { principal: principal.clone(), key, digest: number };
        cell.state.keys.remember(&asked, Offset(0), kept_ms);
    }
    assert_snapshot!(tell(&mut cell, "
        role web weight=2 key=first
        role db weight=2 key=third
        role web weight=3 key=second
        role web weight=2 key=first
        role web weight=3 key=second
    "), @"
    3 repeats 1
    4 role.set db weight=2
    5 repeats 2
    6 role.set web weight=2
    7 role.set web weight=3
    ");
}
