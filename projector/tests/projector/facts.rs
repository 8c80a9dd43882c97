//! Answers, refusals, keys, timelines and times.

use log_schema::{AgentId, Key, Offset, Principal, TaskId, TimeMs};
use projector::{
    Direction, Error, Pick,
    row::{DecisionRow, Entity, RefusalRow, Verdict},
};

use crate::history::{Projection, history};

const STORY: &str = "
    asked ann k1; agent a1 cpu=4 mem=8Gi
    asked ann k2; refused nodb
    asked ann k1; repeats 0
    job db 1 prod cpu=1 mem=64
    place db.0 a1
    running db.0
    failed db.0 7";

#[test]
fn every_command_finds_its_answer() {
    let cell = Projection::story(STORY);
    let answer = |command| cell.now().answer_of(Offset(command)).expect("rows can be read");
    let done = answer(0).expect("decided");
    assert_eq!((done.decided.offset, done.verdict), (Offset(1), Verdict::Done));
    let Verdict::Refused(refusal) = answer(2).expect("decided").verdict else { panic!("it was refused") };
    assert_eq!((refusal.number(), refusal.to_string()), (41, "there is no job nodb".into()));
    assert_eq!(answer(4).expect("decided").verdict, Verdict::Repeats(Offset(0)));
    assert_eq!(answer(13), None);
    assert_eq!(cell.line(0).answer_of(Offset(2)).expect("rows can be read"), None);
}

#[test]
fn a_key_finds_the_command_that_it_named_first() {
    let cell = Projection::story(STORY);
    let by_key = |line, key: &str| {
        let (ann, key) = (Principal::new("ann").unwrap(), Key::new(key).unwrap());
        cell.line(line).answer_by_key(&ann, &key).unwrap().map(|answer| answer.command)
    };
    assert_eq!((by_key(6, "k1"), by_key(6, "k2"), by_key(6, "k")), (Some(Offset(0)), Some(Offset(2)), None));
    assert_eq!(by_key(0, "k2"), None);
}

#[test]
fn refusals_are_listed_with_who_asked() {
    let cell = Projection::story(STORY);
    let refusals = cell.now().page(&Pick::<RefusalRow>::all().backwards()).expect("a page").rows;
    assert_eq!(refusals.len(), 1);
    assert_eq!(refusals[0].asked.as_ref().expect("it was asked").key.as_str(), "k2");
    assert_eq!((refusals[0].command, refusals[0].decided.offset), (Offset(2), Offset(3)));
    assert!(cell.line(0).page(&Pick::<RefusalRow>::all()).expect("a page").rows.is_empty());
}

#[test]
fn one_decision_may_answer_many_commands_after_others_were_appended() {
    // Commands at 0..=4, decisions at 5 (answers 0..=1) and 6 (answers 2..=4).
    let mut decided = history("tick 1\ntick 2");
    (decided[0].offset, decided[0].decision.to) = (Offset(5), Offset(1));
    decided[1].offset = Offset(6);
    (decided[1].decision.from, decided[1].decision.to) = (Offset(2), Offset(4));
    let cell = Projection::of(&decided);
    let about = |command| cell.now().decision_about(Offset(command)).unwrap().map(|row: DecisionRow| row.at.offset);
    assert_eq!(
        (about(0), about(1), about(2), about(4)),
        (Some(Offset(5)), Some(Offset(5)), Some(Offset(6)), Some(Offset(6)))
    );
    assert_eq!(about(5), None);
}

#[test]
fn a_timeline_tells_what_happened_to_one_thing() {
    let cell = Projection::story(STORY);
    let task = Entity::Task(TaskId::new("db.0").unwrap());
    let tell = |line, after, direction| {
        let timeline = cell.line(line).timeline(&task, after, 2, direction).expect("rows can be read");
        let text = timeline.entries.iter().map(|entry| format!("{} {} {}", entry.at.offset, entry.event, entry.text));
        (text.collect::<Vec<_>>(), timeline.next)
    };
    let (first, next) = tell(6, None, Direction::Forwards);
    assert_eq!(first, ["9 task.placed on a1", "11 task.status_changed running"]);
    assert_eq!(tell(6, next, Direction::Forwards), (vec!["13 task.status_changed failed, exit code 7".into()], None));
    assert_eq!(tell(5, None, Direction::Backwards).0, ["11 task.status_changed running", "9 task.placed on a1"]);
    let agent = Entity::Agent(AgentId::new("a1").unwrap());
    let entry = cell.now().timeline(&agent, None, 9, Direction::Forwards).unwrap().entries.remove(0);
    assert_eq!((entry.command, entry.index, entry.text.as_str()), (Offset(0), 0, "cpu=4 mem=8Gi"));
    let job = Entity::Job("db".parse().unwrap());
    let entry = cell.now().timeline(&job, None, 9, Direction::Forwards).unwrap().entries.remove(0);
    assert_eq!((entry.event.as_str(), entry.text.as_str()), ("job.accepted", "1 task"));
}

#[test]
fn a_time_finds_the_last_decision_before_it_even_where_clocks_ran_backwards() {
    let mut decided = history("tick 1\ntick 2\ntick 3\ntick 4");
    decided.iter_mut().zip([100, 300, 200, 400]).for_each(|(decided, time)| decided.time = TimeMs(time));
    let views = Projection::of(&decided).views();
    let at = |time| views.offset_at_time(TimeMs(time)).expect("it is kept").0;
    assert_eq!((at(99), at(100), at(299), at(300), at(399), at(400), at(999)), (0, 1, 1, 5, 5, 7, 7));
}

#[test]
fn a_scope_knows_its_decision_and_its_time() {
    let cell = Projection::story(STORY);
    let scope = cell.views().as_of(Some(Offset(4))).expect("it is kept");
    assert_eq!((scope.time().unwrap(), scope.decision().unwrap().unwrap().refusals), (TimeMs(1_000), 1));
    assert!(matches!(cell.views().as_of(Some(Offset(14))), Err(Error::Ahead { .. })));
}
