//! Listings: their order, their pages and their filters.

use log_schema::{AgentId, FrameworkId, JobId, OfferId, TaskId};
use projector::{
    Direction, Pick, Row, Scope,
    row::{DecisionRow, TaskRow},
};

use crate::history::Projection;

fn cell() -> Projection {
    let places: Vec<_> = (0..12).map(|index| format!("place db.{index} a{}", index % 2)).collect();
    Projection::story(&format!(
        "agent a0 cpu=99 mem=99Gi; agent a1 cpu=99 mem=99Gi
         framework spark prod
         job db 12 prod cpu=1 mem=64; job db-2 1 prod cpu=1 mem=64
         {}
         place db-2.0 a0; place spark/t a0 cpu=1 mem=64; place spark/s a1 cpu=1 mem=64
         running db.3; running db.11; running spark/t
         offer spark a0 cpu=1 mem=1; offer spark a0 cpu=1 mem=1
         finished db.11",
        places.join("; ")
    ))
}

fn db() -> JobId {
    JobId::new("db").expect("legal")
}

/// Every page of a listing, as ids.
fn pages<R: Row<Id: std::fmt::Display>>(
    scope: &Scope,
    pick: &Pick<R>,
    wanted: impl Fn(&R) -> bool,
) -> Vec<Vec<String>> {
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = scope.page_where(&pick.clone().after(after), &wanted).expect("a page");
        pages.push(page.rows.iter().map(|row| row.id().to_string()).collect());
        after = page.next;
        if after.is_none() {
            return pages;
        }
    }
}

#[test]
fn tasks_of_a_job_come_by_index_and_not_by_text() {
    let cell = cell();
    let pick = Pick::<TaskRow>::of_job(&db()).limit(5);
    let expected = [
        vec!["db.0", "db.1", "db.2", "db.3", "db.4"],
        vec!["db.5", "db.6", "db.7", "db.8", "db.9"],
        vec!["db.10", "db.11"],
    ];
    assert_eq!(pages(&cell.now(), &pick, |_| true), expected);
    let backwards = pages(&cell.now(), &pick.direction(Direction::Backwards), |_| true);
    assert_eq!(backwards[0], ["db.11", "db.10", "db.9", "db.8", "db.7"]);
    assert_eq!((backwards.len(), backwards[2].as_slice()), (3, ["db.1".to_string(), "db.0".to_string()].as_slice()));
}

#[test]
fn a_page_that_ends_with_the_last_row_has_no_next() {
    let cell = cell();
    let page = cell.now().page(&Pick::<TaskRow>::of_job(&db()).limit(12)).expect("a page");
    assert_eq!((page.rows.len(), page.next), (12, None));
    let none = cell.now().page(&Pick::<TaskRow>::of_job(&db()).after(TaskId::of_job(&db(), 11))).expect("a page");
    assert_eq!((none.rows.len(), none.next), (0, None));
}

#[test]
fn filters_let_through_what_is_wanted_on_every_page() {
    let cell = cell();
    let running = |task: &TaskRow| task.phase.name() == "running";
    let found = pages(&cell.now(), &Pick::<TaskRow>::all().limit(1), running);
    assert_eq!(found.concat(), ["db.3", "spark/t"]);
}

#[test]
fn all_tasks_come_by_job_then_by_framework() {
    let cell = cell();
    let all = pages(&cell.now(), &Pick::<TaskRow>::all(), |_| true).concat();
    assert_eq!(all[10..], ["db.10", "db.11", "db-2.0", "spark/s", "spark/t"]);
    let spark = Pick::<TaskRow>::of_framework(&FrameworkId::new("spark").expect("legal"));
    assert_eq!(pages(&cell.now(), &spark, |_| true).concat(), ["spark/s", "spark/t"]);
}

#[test]
fn an_agent_lists_the_tasks_that_hold_something_there() {
    let cell = cell();
    let agent = AgentId::new("a1").expect("legal");
    let on = |scope: &Scope, after: Option<&TaskId>, limit| {
        let page = scope.tasks_on(&agent, after, limit).expect("a page");
        (page.rows.iter().map(|row| row.id.to_string()).collect::<Vec<_>>(), page.next)
    };
    let (first, next) = on(&cell.now(), None, 4);
    assert_eq!(first, ["db.1", "db.3", "db.5", "db.7"]);
    assert_eq!(on(&cell.now(), next.as_ref(), 4), (vec!["db.9".into(), "spark/s".into()], None));
    assert_eq!(on(&cell.line(6), next.as_ref(), 4).0, ["db.9", "db.11", "spark/s"]);
}

#[test]
fn a_framework_lists_the_offers_that_stand() {
    let cell = cell();
    let spark = FrameworkId::new("spark").expect("legal");
    let first = cell.now().offers_to(&spark, None, 1).expect("a page");
    assert_eq!((first.rows[0].id, first.next), (OfferId(1), Some(OfferId(1))));
    assert_eq!(cell.now().offers_to(&spark, first.next.as_ref(), 1).expect("a page").rows[0].id, OfferId(2));
}

#[test]
fn facts_end_at_the_offset_that_is_read() {
    let cell = cell();
    let decisions = |line, pick: Pick<DecisionRow>| pages(&cell.line(line), &pick.limit(2), |_| true).concat();
    assert_eq!(decisions(2, Pick::all()), ["1", "3", "5"]);
    assert_eq!(decisions(2, Pick::all().backwards()), ["5", "3", "1"]);
}
