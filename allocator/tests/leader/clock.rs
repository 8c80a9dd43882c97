//! Log time while somebody sets the wall clock: the clock alone, fed with readings, and a whole leader.

use std::time::Duration;

use allocator::leader::clock::{Clock, Reading, SLEW_PARTS};
use command_log::Log;
use log_schema::{
    Class, Command, DecisionV1, Envelope, Event, Key, Principal, TimeMs,
    command::{MarkAgentUnreachableV1, SetParametersV1, SetRoleV1, TickV1},
};

use crate::cell::{Cell, agent};

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const HOUR_SIGNED: i64 = 3_600_000;
/// Some day in 2026.
const TODAY: u64 = 1_795_385_337_000;

/// A machine's two clocks.
struct Machine {
    monotonic_ms: u64,
    wall_ms: u64,
}

impl Machine {
    fn at(wall_ms: u64) -> Self {
        Self { monotonic_ms: 77, wall_ms }
    }

    fn pass(&mut self, ms: u64) {
        self.monotonic_ms += ms;
        self.wall_ms += ms;
    }

    fn reading(&self) -> Reading {
        Reading { monotonic: Duration::from_millis(self.monotonic_ms), wall: Duration::from_millis(self.wall_ms) }
    }
}

/// Lets time pass in steps, with a tick after each; returns what the last one said.
fn ticks(clock: &mut Clock, machine: &mut Machine, steps: u64, step_ms: u64) -> u64 {
    let mut said = clock.now(machine.reading()).as_millis();
    for _ in 0..steps {
        machine.pass(step_ms);
        let now = clock.tick(machine.reading()).now;
        assert!(u128::from(now.0) >= said, "log time ran back to {now}");
        said = now.0.into();
    }
    u64::try_from(said).expect("fits")
}

/// Asserts that log time passed as real time did, but for the part by which it may be faster or slower.
fn assert_pace(passed: u64, real: u64) {
    let slack = real / u64::from(SLEW_PARTS) + 1;
    assert!(passed.abs_diff(real) <= slack, "{passed} ms of log time in {real} ms");
}

#[test]
fn the_first_tick_of_a_cell_says_the_wall_clock() {
    let mut clock = Clock::default();
    assert_eq!(clock.tick(Machine::at(TODAY).reading()).now, TimeMs(TODAY));
}

#[test]
fn a_wall_clock_that_is_set_changes_the_pace_and_nothing_else() {
    for by_ms in [-HOUR_SIGNED, -20_000, -1, 1, 20_000, HOUR_SIGNED] {
        for step_ms in [1, 20, SECOND, HOUR] {
            let (mut clock, mut machine) = (Clock::default(), Machine::at(TODAY));
            let before = ticks(&mut clock, &mut machine, 3, step_ms);
            machine.wall_ms = machine.wall_ms.checked_add_signed(by_ms).expect("after 1970");
            let after = ticks(&mut clock, &mut machine, 60, step_ms);
            assert_pace(after - before, 60 * step_ms);
        }
    }
}

#[test]
fn log_time_comes_to_a_wall_clock_that_was_set_and_stays_there() {
    for by_ms in [-20_000, 20_000] {
        let (mut clock, mut machine) = (Clock::default(), Machine::at(TODAY));
        ticks(&mut clock, &mut machine, 1, SECOND);
        machine.wall_ms = machine.wall_ms.checked_add_signed(by_ms).expect("after 1970");
        let now = ticks(&mut clock, &mut machine, 20 * u64::from(SLEW_PARTS), SECOND);
        assert_eq!(now, machine.wall_ms);
    }
}

#[test]
fn a_step_of_the_wall_clock_is_told_once() {
    let (mut clock, mut machine) = (Clock::default(), Machine::at(TODAY));
    ticks(&mut clock, &mut machine, 3, SECOND);
    machine.wall_ms -= HOUR;
    assert_eq!(clock.tick(machine.reading()).wall_set_by_ms, Some(-HOUR_SIGNED));
    machine.pass(SECOND);
    assert_eq!(clock.tick(machine.reading()).wall_set_by_ms, None);
}

/// A first boot in 1970 or 2100, and every other place where the log and the machine do not agree.
#[test]
fn a_leader_whose_clock_is_wild_goes_on_from_the_log_at_its_own_pace() {
    for (log_time, wall) in [(1, TODAY), (4_102_444_800_000, TODAY), (TODAY, 0), (TODAY, 4_102_444_800_000)] {
        let (mut clock, mut machine) = (Clock::default(), Machine::at(wall));
        clock.observe(TimeMs(log_time), machine.reading());
        let after = ticks(&mut clock, &mut machine, 100, SECOND);
        assert_pace(after - log_time, 100 * SECOND);
    }
}

/// What was said comes back later than it was said; what another leader says may be ahead.
#[test]
fn reading_its_own_ticks_costs_a_leader_no_time() {
    let (mut clock, mut machine) = (Clock::default(), Machine::at(TODAY));
    for _ in 0..1_000 {
        let said = clock.tick(machine.reading()).now;
        machine.pass(7);
        clock.observe(said, machine.reading());
    }
    assert_eq!(clock.now(machine.reading()), Duration::from_millis(TODAY + 7_000));
    clock.observe(TimeMs(TODAY + 9_000), machine.reading());
    assert_eq!(clock.now(machine.reading()), Duration::from_millis(TODAY + 9_000));
}

#[test]
fn a_wait_is_for_log_time_and_not_for_the_wall_clock() {
    let (mut clock, mut machine) = (Clock::default(), Machine::at(TODAY));
    clock.tick(machine.reading());
    machine.wall_ms -= HOUR;
    assert_eq!(clock.until(TimeMs(TODAY + SECOND), machine.reading()), Duration::from_millis(SECOND));
    machine.pass(2 * SECOND);
    assert_eq!(clock.until(TimeMs(TODAY + SECOND), machine.reading()), Duration::ZERO);
}

fn tick(now: u64) -> Command {
    Command::Tick(TickV1 { now: TimeMs(now) })
}

fn losing_agents_after(ms: u64) -> Command {
    Command::SetParameters(SetParametersV1 { agent_lost_after_ms: Some(ms), ..SetParametersV1::default() })
}

fn silent(agent: &str) -> Command {
    let agent = agent.parse().expect("legal");
    Command::MarkAgentUnreachable(MarkAgentUnreachableV1 { agent, silent_ms: 1 })
}

fn is_removed(event: &Event) -> bool {
    matches!(event, Event::AgentRemoved(_))
}

fn times(decisions: &[DecisionV1]) -> Vec<u64> {
    let events = decisions.iter().flat_map(DecisionV1::events);
    events.filter_map(|event| if let Event::TimeAdvanced(e) = event { Some(e.now.0) } else { None }).collect()
}

#[tokio::test]
async fn timers_end_though_the_log_is_a_century_ahead_of_the_leader() {
    let mut cell = Cell::new();
    let century = TODAY + 100 * 365 * 24 * HOUR;
    for command in [tick(century), agent("a1"), losing_agents_after(300), silent("a1")] {
        cell.ask(command).await;
    }
    let (_leading, _stop) = cell.lead();
    let decisions = cell.decisions_until(|seen| seen.iter().flat_map(DecisionV1::events).any(is_removed)).await;
    let times = times(&decisions);
    assert!(times.is_sorted() && times[0] == century, "{times:?}");
    assert!(times.last().is_some_and(|last| *last < century + HOUR), "{times:?}");
}

/// The leader's clock is decades ahead of the log: nothing may become due by that.
#[tokio::test]
async fn no_time_passes_while_nobody_leads() {
    let mut cell = Cell::new();
    for command in [tick(1_000), agent("a1"), losing_agents_after(HOUR), silent("a1"), agent("a2"), tick(2_000)] {
        cell.ask(command).await;
    }
    let (_leading, _stop) = cell.lead();
    for command in [losing_agents_after(300), silent("a2")] {
        cell.ask(command).await;
    }
    let decisions = cell.decisions_until(|seen| seen.iter().flat_map(DecisionV1::events).any(is_removed)).await;
    let removed = decisions.iter().flat_map(DecisionV1::events).filter(|event| is_removed(event)).count();
    assert_eq!(removed, 1, "only the agent whose time was short is given up");
    assert!(times(&decisions).iter().all(|time| *time < HOUR), "{:?}", times(&decisions));
}

/// The same command under one key, with a rest in which log time stands still before it: in a new cell
/// the rest is as long as the leader's clock is old.
#[tokio::test]
async fn a_retry_with_its_key_is_answered_once_in_a_new_cell() {
    let cell = Cell::new();
    let (_leading, _stop) = cell.lead();
    let ask = || {
        let envelope = Envelope {
            principal: Principal::new("alice").expect("legal"),
            key: Key::new("K").expect("legal"),
            caused_by: None,
            class: Class::Exogenous,
        };
        let command = Command::SetRole(SetRoleV1 { role: "web".parse().expect("legal"), weight: 7 });
        cell.log.append(vec![command.to_record(&envelope)])
    };
    ask().await.expect("appended");
    cell.decisions_until(|seen| !times(seen).is_empty()).await;
    ask().await.expect("appended");
    let repeats = |seen: &[DecisionV1]| seen.iter().flat_map(|d| &d.answers).any(|answer| answer.repeats.is_some());
    let sets = |event: &&Event| matches!(event, Event::RoleSet(_));
    let decided = |seen: &[DecisionV1]| seen.iter().flat_map(DecisionV1::events).filter(sets).count();
    let decisions = cell.decisions_until(|seen| repeats(seen) || decided(seen) > 1).await;
    assert_eq!(decided(&decisions), 1, "the retry ran the command again");
}
