//! What the rows of agents, frameworks, offers, roles, the cell and its usage say.

use log_schema::{FrameworkId, Offset, RoleName, TimeMs};
use projector::{
    Moment,
    row::{AgentRow, AgentState, FilterRow, FrameworkRow, FrameworkState, OfferRow, OfferState, RoleRow},
};

use crate::history::{Projection, find, get};

#[test]
fn an_agent_comes_changes_goes_away_and_comes_back() {
    let cell = Projection::story(
        "agent a1 cpu=4 mem=8Gi ports=31000-31009
         change a1 cpu=2 mem=4Gi
         unreachable a1
         returned a1
         leaving a1
         removed a1
         agent a1 cpu=1 mem=1Gi",
    );
    let at = |line| get::<AgentRow>(&cell.line(line), "a1");
    assert_eq!(at(0).capacity.to_string(), "cpu=4 mem=8Gi ports=31000-31009");
    assert_eq!(at(0).attributes.len(), 1);
    assert_eq!((at(1).capacity.to_string(), at(1).attributes.len()), ("cpu=2 mem=4Gi".into(), 0));
    let states = (2..7).map(|line| at(line).state).collect::<Vec<_>>();
    let expected = [AgentState::Unreachable, AgentState::Up, AgentState::Leaving, AgentState::Removed, AgentState::Up];
    assert_eq!(states, expected);
    assert_eq!(at(4).admitted, Moment { offset: Offset(1), time: TimeMs(0) });
    assert_eq!(at(4).since, Moment { offset: Offset(9), time: TimeMs(4_000) });
    assert_eq!(at(6).admitted.offset, Offset(13));
}

#[test]
fn usage_follows_agents() {
    let cell = Projection::story(
        "agent a1 cpu=4 mem=8Gi
         agent a2 cpu=2 mem=2Gi
         unreachable a1
         change a1 cpu=3 mem=8Gi
         leaving a1
         removed a1",
    );
    let at = |line| cell.line(line).usage().expect("there is usage");
    assert_eq!((at(1).capacity.to_string(), at(1).agents_up), ("cpu=6 mem=10Gi".into(), 2));
    assert_eq!((at(2).away.to_string(), at(2).agents_unreachable), ("cpu=4 mem=8Gi".into(), 1));
    assert_eq!((at(3).capacity.to_string(), at(3).away.to_string()), ("cpu=5 mem=10Gi".into(), "cpu=3 mem=8Gi".into()));
    assert_eq!((at(4).agents_unreachable, at(4).agents_leaving), (0, 1));
    assert_eq!((at(5).capacity.to_string(), at(5).away.is_empty()), ("cpu=2 mem=2Gi".into(), true));
    assert_eq!(at(5).at.offset, Offset(11));
}

#[test]
fn what_a_task_holds_is_counted_for_its_agent_its_role_and_the_cell() {
    let cell = Projection::story(
        "agent a1 cpu=4 mem=8Gi ports=31000-31009
         job db 2 prod cpu=1 mem=1Gi
         place db.0 a1 cpu=1 mem=1Gi ports=31000
         place db.1 a1 cpu=1 mem=1Gi ports=31001
         running db.0
         finished db.0",
    );
    let agent = |line| get::<AgentRow>(&cell.line(line), "a1");
    assert_eq!((agent(3).used.to_string(), agent(3).tasks), ("cpu=2 mem=2Gi ports=31000-31001".into(), 2));
    assert_eq!(agent(3).free().to_string(), "cpu=2 mem=6Gi ports=31002-31009");
    assert_eq!((agent(5).used.to_string(), agent(5).tasks), ("cpu=1 mem=1Gi ports=31001".into(), 1));
    let role = get::<RoleRow>(&cell.line(3), "prod");
    assert_eq!((role.used.to_string(), role.tasks, role.jobs), ("cpu=2 mem=2Gi".into(), 2, 1));
    let usage = cell.now().usage().expect("there is usage");
    assert_eq!((usage.used.to_string(), usage.ended.finished), ("cpu=1 mem=1Gi".into(), 1));
    assert_eq!((usage.tasks.placed, usage.tasks.finished, usage.jobs), (1, 1, 1));
}

#[test]
fn the_largest_part_of_the_cell_dominates() {
    let cell = Projection::story(
        "agent a1 cpu=4 mem=8Gi licences=10
         framework spark prod
         offer spark a1 cpu=1 mem=4Gi
         job db 1 prod cpu=1 mem=1Gi
         place db.0 a1 cpu=1 mem=1Gi licences=7",
    );
    let dominant = |line| {
        let scope = cell.line(line);
        get::<RoleRow>(&scope, "prod").dominant(&scope.usage().expect("there is usage").capacity)
    };
    assert_eq!(dominant(1), None);
    let mem = dominant(2).expect("it holds an offer");
    assert_eq!((mem.resource.as_str(), mem.held, mem.capacity), ("mem", 4096, 8192));
    let licences = dominant(4).expect("it holds a task");
    assert_eq!((licences.resource.as_str(), licences.held, licences.capacity), ("licences", 7, 10));
}

#[test]
fn an_offer_stands_until_it_ends() {
    let cell = Projection::story(
        "agent a1 cpu=4 mem=8Gi
         framework spark prod
         offer spark a1 cpu=4 mem=8Gi
         unoffer 1",
    );
    let at = |line| get::<OfferRow>(&cell.line(line), "o1");
    assert_eq!(at(2).state, OfferState::Standing);
    assert!(matches!(at(3).state, OfferState::Ended(_)));
    assert_eq!(at(3).ended.map(|moment| moment.offset), Some(Offset(7)));
    let agent = |line| get::<AgentRow>(&cell.line(line), "a1");
    assert_eq!((agent(2).offered.to_string(), agent(2).offers), ("cpu=4 mem=8Gi".into(), 1));
    assert_eq!((agent(3).offered.is_empty(), agent(3).offers), (true, 0));
    let held = |line| cell.line(line).offers_to(&framework("spark"), None, 10).expect("a listing").rows.len();
    assert_eq!((held(1), held(2), held(3)), (0, 1, 0));
    assert_eq!(get::<FrameworkRow>(&cell.line(2), "spark").offers, 1);
    assert_eq!(cell.line(2).usage().expect("there is usage").offers, 1);
}

#[test]
fn a_framework_subscribes_suppresses_revives_and_ends() {
    let cell = Projection::story(
        "framework spark prod
         suppress spark
         revive spark
         ending spark
         gone spark",
    );
    let at = |line| get::<FrameworkRow>(&cell.line(line), "spark");
    assert_eq!((at(0).suppressed, at(1).suppressed, at(2).suppressed), (false, true, false));
    assert_eq!((at(3).state, at(4).state), (FrameworkState::Ending, FrameworkState::Removed));
    let role = |line| get::<RoleRow>(&cell.line(line), "prod").frameworks;
    assert_eq!((role(3), role(4)), (1, 0));
    assert_eq!(cell.now().usage().expect("there is usage").frameworks, 0);
}

#[test]
fn filters_end_one_by_one_or_all_at_once() {
    let cell = Projection::story(
        "agent a1 cpu=4 mem=8Gi
         agent a2 cpu=4 mem=8Gi
         framework spark prod
         filter spark a1
         filter spark a2
         unfilter spark a1
         revive spark
         filter spark a1; filter spark a2
         removed a1",
    );
    let agents = |line| {
        let filters = cell.line(line).filters_of(&framework("spark"), None, 10).expect("a listing");
        filters.rows.iter().map(|row: &FilterRow| row.agent.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(agents(4), ["a1", "a2"]);
    assert_eq!(agents(5), ["a2"]);
    assert_eq!(agents(6), Vec::<String>::new());
    assert_eq!(agents(7), ["a1", "a2"]);
    assert_eq!(agents(8), ["a2"]);
}

#[test]
fn a_framework_that_returns_keeps_the_tasks_of_old() {
    let cell = Projection::story(
        "agent a1 cpu=4 mem=8Gi
         framework spark prod
         place spark/t a1 cpu=1 mem=1Gi
         running spark/t
         finished spark/t
         forget-task spark/t
         ending spark; gone spark
         framework spark test
         place spark/t a1 cpu=2 mem=2Gi",
    );
    let row = |line| get::<FrameworkRow>(&cell.line(line), "spark");
    assert_eq!((row(3).tasks.running, row(3).used.to_string()), (1, "cpu=1 mem=1Gi".into()));
    assert_eq!((row(7).tasks.finished, row(7).role.as_str()), (1, "test"));
    assert_eq!((row(8).tasks.finished, row(8).tasks.placed, row(8).tasks.total()), (0, 1, 1));
    assert_eq!(row(8).used.to_string(), "cpu=2 mem=2Gi");
}

#[test]
fn the_cell_knows_its_time_its_parameters_and_its_logic() {
    let cell = Projection::story(
        "tick 5000
         parameters 30000
         logic 2
         tick 6000",
    );
    let row = cell.now().cell().expect("there is one");
    assert_eq!((row.now, row.logic, row.changed.offset), (TimeMs(6_000), Some(2), Offset(5)));
    assert_eq!(row.parameters.map(|parameters| parameters.offer_ttl_ms), Some(30_000));
    assert_eq!(cell.line(1).cell().expect("there is one").logic, None);
}

#[test]
fn a_role_weighs_one_until_it_is_set() {
    let cell = Projection::story(
        "framework spark prod
         role prod 5
         role test 7",
    );
    assert_eq!(get::<RoleRow>(&cell.line(0), "prod").weight, 1);
    assert_eq!(cell.row::<RoleRow>("prod").weight, 5);
    assert_eq!(cell.row::<RoleRow>("test").weight, 7);
    assert_eq!(find::<RoleRow>(&cell.now(), RoleName::new("other").expect("legal").as_str()), None);
}

fn framework(name: &str) -> FrameworkId {
    FrameworkId::new(name).expect("legal")
}
