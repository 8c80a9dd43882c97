//! Properties of random histories: whatever comes in, the invariants hold, and work comes to an end.
//!
//! A history is a list of story lines, drawn with a seed. One that fails is cut down to the lines
//! that matter and printed, so that it can be told as a story.

use std::panic::{AssertUnwindSafe, catch_unwind};

use allocator::{
    State,
    place::{best_of, fit::fits},
    state::queue::Ask,
};
use log_schema::{Event, command::Policy};

use crate::{
    cell::{Cell, tick},
    random::Random,
    story::play_line,
};

const HISTORIES: u64 = 60;
const LINES: usize = 120;
/// More ticks than this after the last line mean that work never ends.
const SETTLING_TICKS_MAX: usize = 2_000;

#[test]
fn every_invariant_holds_after_every_event_of_random_histories() {
    for seed in 0..HISTORIES {
        let lines = history(seed);
        if catch_unwind(|| run(seed, &lines)).is_err() {
            let least = shrink(seed, lines);
            panic!("seed {seed} fails, and so does this story:\n        {}\n", least.join("\n        "));
        }
    }
}

/// Plays a history and lets it settle.
fn run(seed: u64, lines: &[String]) {
    let mut cell = Cell::new(seed);
    for line in lines {
        play_line(&mut cell, line);
    }
    for _ in 0..SETTLING_TICKS_MAX {
        if !cell.state.has_backlog() {
            return cell.follow();
        }
        let now = cell.state.now;
        cell.take(&tick(now));
    }
    panic!("work without end");
}

/// Leaves out line after line, for as long as the rest still fails.
fn shrink(seed: u64, mut lines: Vec<String>) -> Vec<String> {
    let mut at = lines.len();
    while at > 0 {
        at -= 1;
        let mut fewer = lines.clone();
        fewer.remove(at);
        if catch_unwind(AssertUnwindSafe(|| run(seed, &fewer))).is_err() {
            lines = fewer;
        }
    }
    lines
}

fn history(seed: u64) -> Vec<String> {
    let mut random = Random::new(seed);
    // Some cells have few agents and much to do, some many frameworks, some mostly failures.
    let flavour = random.below(4);
    (0..LINES).map(|number| line(&mut random, flavour, number)).collect()
}

fn line(random: &mut Random, flavour: u64, number: usize) -> String {
    let (agent, job, framework) = (random.below(5), random.below(5), random.below(3));
    let task = if random.one_in(2) {
        format!("j{job}.{}", random.below(5))
    } else {
        format!("f{framework}/t{}", random.below(6))
    };
    match random.below(if flavour == 1 { 34 } else { 30 }) {
        0..=3 => format!("agent a{agent} {}{}", amounts(random, 8), extras(random)),
        4..=8 => submit(random, job),
        9 if random.one_in(3) => {
            let ends = ["cannot_start", "machine_fault", "machine_fault", "ports_held", "ports_held held=100,103"];
            format!("status {task} failed end={}", random.pick(&ends))
        }
        9..=13 => {
            format!("status {task} {}", random.pick(&["starting", "running", "finished", "failed", "killed", "lost"]))
        }
        14 => format!("status {task} running inc={}", random.below(20)),
        15 => format!("scale j{job} {}", random.below(7)),
        16 => format!("stop j{job} grace={}", random.below(2000)),
        17 if random.one_in(2) => format!("restart {task}"),
        17 => format!("kill {task}"),
        18 => format!("unreachable a{agent}"),
        19 => format!("remove a{agent}"),
        20..=22 => format!("tick +{}", random.pick(&[0, 1, 100, 1000, 60_000])),
        23 => format!("framework f{framework} role=r{}", random.below(2)),
        24..=25 | 31..=33 => accept(random, framework, number),
        26 => format!("decline f{framework} {} filter={}", offers(random), random.pick(&[0, 500, 5000])),
        27 => format!("{} f{framework}", random.pick(&["revive", "suppress", "teardown", "revive"])),
        28 => format!("role r{} weight={}", random.below(3), random.below(4)),
        29 => random.pick(SETTINGS).to_string(),
        _ => "malformed".to_owned(),
    }
}

const SETTINGS: &[&str] = &[
    "set policy=spread",
    "set policy=binpack",
    "set offer_ttl=500 ended_kept=1000",
    "set agent_lost_after=2000 key_kept=100",
    "logic 1",
    "logic 9",
    "role r1 weight=2 key=same",
    "stop j1 key=same",
];

fn amounts(random: &mut Random, most: u64) -> String {
    match random.below(12) {
        0 => "cpu=99999999999 mem=99999999999Gi".to_owned(),
        1 => "disk=1Gi".to_owned(),
        _ => format!("cpu={} mem={}", 1 + random.below(most), 256 * (1 + random.below(4 * most))),
    }
}

fn extras(random: &mut Random) -> String {
    let mut extras = String::new();
    let all = [" gpu=2", " ports=100-107", " seats=3", " disk=5Gi", " rack=r1", " rack=r2", " ssd=yes", " tasks-max=3"];
    for extra in all {
        if random.one_in(4) && !(extra.contains("rack") && extras.contains("rack")) {
            extras.push_str(extra);
        }
    }
    extras
}

fn submit(random: &mut Random, job: u64) -> String {
    let mut line = format!("job j{job} count={} {}", random.below(6), amounts(random, 3));
    let all = [
        " gpu=0.5",
        " ports=2",
        " seats=1",
        " in.rack=r1",
        " notin.rack=r1",
        " exists.ssd=",
        " role=r1",
        " kind=service",
    ];
    for extra in all {
        if random.one_in(5) {
            line.push_str(extra);
        }
    }
    line + *random.pick(&[
        "",
        " restart=any",
        " restart=failure limit=2 backoff=100 backoff_max=150",
        " restart=any backoff=10",
    ])
}

fn accept(random: &mut Random, framework: u64, number: usize) -> String {
    let mut line = format!("accept f{framework} {}", offers(random));
    for launch in 0..random.below(3) {
        let ports = random.pick(&["", "", " ports=100", " ports=101,103"]);
        line.push_str(&format!("; t{} {}{ports}", (number as u64 + launch) % 6, amounts(random, 2)));
    }
    line
}

fn offers(random: &mut Random) -> String {
    let first = 1 + random.below(40);
    if random.one_in(4) { format!("o{first},o{}", first + random.below(4)) } else { format!("o{first}") }
}

#[test]
fn the_index_finds_what_a_scan_finds_among_many_agents() {
    for (seed, policy) in [(1, Policy::Binpack), (2, Policy::Spread)] {
        let mut random = Random::new(seed);
        let mut cell = Cell::new(seed);
        play_line(&mut cell, if policy == Policy::Spread { "set policy=spread" } else { "set policy=binpack" });
        for agent in 0..400 {
            play_line(&mut cell, &format!("agent a{agent} {}{}", amounts(&mut random, 16), extras(&mut random)));
        }
        for number in 0..2_000 {
            let name = format!("j{number}");
            play_line(&mut cell, &submit(&mut random, number));
            assert_placed_as_scanned(&cell, &name, policy);
            if random.one_in(2) {
                play_line(&mut cell, &format!("status j{}.0 finished", random.below(number + 1)));
            }
        }
    }
}

/// The next task of the job would go where a walk over all agents says.
fn assert_placed_as_scanned(cell: &Cell, job: &str, policy: Policy) {
    let mut state: State = cell.state.clone();
    let Some(number) = state.jobs.number(job) else { return };
    let ask: Ask = state.queue.get(state.jobs.get(number).shape).ask.clone();
    let scanned = best_of(state.agents.iter().filter(|agent| fits(&ask, agent)), policy);
    let scanned = scanned.map(|agent| state.agents.get(agent).id.clone());
    let more = state.jobs.get(number).count + 1;
    let scale = crate::parse::record(&format!("scale {job} {more}"), cell);
    let given = allocator::answer(&mut state, cell.next(), &scale).expect("a command").expect("an answer");
    let placed = given.events.iter().find_map(|event| match event {
        Event::TaskPlaced(placed) => Some(placed.agent.clone()),
        _ => None,
    });
    assert_eq!(placed, scanned, "for {ask:?}");
}
