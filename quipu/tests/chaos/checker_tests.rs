//! The checker against logs and journals that are made up: each sort of fault is found.

use log_schema::{
    AgentId, Class, Envelope, EpochNumber, EpochV1, Incarnation, JobId, Key, Principal, Refusal, TaskId, TimeMs,
    command::StopJobV1,
};

use super::*;

/// A log that is being made up, with the chain as a leader would state it.
struct MadeUp {
    reader: Reader,
    log: Vec<Stored>,
}

impl MadeUp {
    /// An epoch, so that somebody may decide.
    fn new() -> Self {
        let mut made_up = Self { reader: Reader::new(), log: Vec::new() };
        let node = Principal::new("leader").expect("legal");
        made_up.append(EpochV1 { epoch: EpochNumber(1), node, logic_version: 1 }.to_record());
        made_up
    }

    fn append(&mut self, record: Record) -> Offset {
        let offset = self.reader.next();
        let stored = Stored { offset, time: TimeMs(0), record };
        self.reader.judge(&stored).expect("made up well");
        self.log.push(stored);
        offset
    }

    fn command(&mut self, key: &str) -> Offset {
        let envelope = Envelope {
            principal: Principal::new(Client::PRINCIPAL).expect("legal"),
            key: Key::new(key).expect("legal"),
            caused_by: None,
            class: Class::Exogenous,
        };
        let stop = StopJobV1 { job: JobId::new("j").expect("legal"), grace_ms: None };
        self.append(Command::StopJob(stop).to_record(&envelope))
    }

    fn decide(&mut self, answers: Vec<AnswerV1>) -> Offset {
        let (from, to) = (self.reader.first_undecided(), self.reader.next().previous().expect("not empty"));
        let chain = self.reader.chain_at(to).unwrap_or_default();
        self.append(DecisionV1 { epoch: EpochNumber(1), from, to, chain, answers }.to_record())
    }

    fn faults(&self, journal: &[Acked]) -> Vec<Fault> {
        check(self.log.clone(), journal.to_vec()).faults.into_keys().collect()
    }
}

fn yes(at: Offset) -> AnswerV1 {
    AnswerV1 { at, asked: None, refusal: None, repeats: None, events: Vec::new() }
}

fn acked(key: &str, offset: Offset, decision: Offset) -> Acked {
    Acked { key: key.into(), offset, decision, repeats: None, refusal: None }
}

/// Two commands, each with a decision of its own; the second is sent again, and a third is refused.
fn whole() -> (MadeUp, Vec<Acked>) {
    let mut log = MadeUp::new();
    let a = log.command("a");
    let a_decided = log.decide(vec![yes(a)]);
    let (b, b_again, c) = (log.command("b"), log.command("b"), log.command("c"));
    let refusal = Refusal::JobUnknown { job: JobId::new("j").expect("legal") };
    let b_decided = log.decide(vec![
        yes(b),
        AnswerV1 { repeats: Some(b), ..yes(b_again) },
        AnswerV1 { refusal: Some(refusal), ..yes(c) },
    ]);
    let journal = vec![
        acked("a", a, a_decided),
        acked("b", b, b_decided),
        Acked { repeats: Some(b), ..acked("b", b_again, b_decided) },
        Acked { refusal: Some("JobUnknown".into()), ..acked("c", c, b_decided) },
    ];
    (log, journal)
}

#[test]
fn a_whole_log_and_its_journals_agree() {
    let (log, journal) = whole();
    let report = check(log.log.clone(), journal.clone());
    assert_eq!(report.faults, BTreeMap::new(), "{report}");
    assert_eq!((report.acked, report.repeats, report.refused, report.commands), (4, 1, 1, 4));
    let written: Vec<String> = journal.iter().map(ToString::to_string).collect();
    let read: Vec<Acked> = crate::journal::read(written.join("\n").as_bytes()).collect();
    assert_eq!(read, journal);
}

#[test]
fn a_line_of_a_journal_that_is_altered_is_found() {
    let (log, journal) = whole();
    let altered = |alter: &dyn Fn(&mut Acked)| {
        let mut journal = journal.clone();
        alter(&mut journal[1]);
        log.faults(&journal)
    };
    assert_eq!(altered(&|line| line.key = "other".into()), [Fault::Lost]);
    assert_eq!(altered(&|line| line.offset = line.offset.next()), [Fault::Differs]);
    assert_eq!(altered(&|line| line.offset = Offset(999)), [Fault::Lost]);
    assert_eq!(altered(&|line| line.decision = line.decision.next()), [Fault::Differs]);
    assert_eq!(altered(&|line| line.refusal = Some("JobUnknown".into())), [Fault::Differs]);
    assert_eq!(altered(&|line| line.repeats = Some(Offset(1))), [Fault::Lost]);
}

#[test]
fn a_decision_that_is_dropped_is_found() {
    let (mut log, journal) = whole();
    let last = log.log.pop();
    assert_eq!(log.faults(&journal), [Fault::Lost], "the end of the log is gone");
    log.log.extend(last);
    let first = log.log.iter().position(|stored| stored.offset == journal[0].decision).expect("there");
    log.log.remove(first);
    assert!(log.faults(&journal).contains(&Fault::Halt), "offsets have a hole");
    for (at, stored) in (0..).zip(&mut log.log) {
        stored.offset = Offset(at);
    }
    assert!(log.faults(&journal).contains(&Fault::Halt), "the next decision begins too late");
}

#[test]
fn a_command_that_a_decision_passes_over_is_lost() {
    let mut log = MadeUp::new();
    let (a, b) = (log.command("a"), log.command("b"));
    let decided = log.decide(vec![yes(b)]);
    assert_eq!(log.faults(&[]), [Fault::Lost]);
    assert_eq!(log.faults(&[acked("a", a, decided)]), [Fault::Lost]);
}

#[test]
fn what_happens_twice_is_found() {
    let mut log = MadeUp::new();
    let (a, again) = (log.command("a"), log.command("a"));
    log.decide(vec![yes(a), yes(again)]);
    assert_eq!(log.faults(&[]), [Fault::Doubled], "one key, two effects");

    let mut log = MadeUp::new();
    let a = log.command("a");
    log.decide(vec![yes(a), yes(a)]);
    assert_eq!(log.faults(&[]), [Fault::Doubled], "one command, two answers");

    let mut log = MadeUp::new();
    let a = log.command("a");
    let placed = Event::TaskPlaced(TaskPlacedV1 {
        task: TaskId::of_job(&JobId::new("j").expect("legal"), 0),
        incarnation: Incarnation(1),
        agent: AgentId::new("m").expect("legal"),
        resources: "cpu=1 mem=16Mi".parse().expect("legal"),
        run: None,
    });
    log.decide(vec![AnswerV1 { events: vec![placed.clone(), placed], ..yes(a) }]);
    assert_eq!(log.faults(&[]), [Fault::StartedTwice]);
}

#[test]
fn an_answer_outside_the_range_of_its_decision_is_found() {
    let mut log = MadeUp::new();
    let a = log.command("a");
    log.decide(vec![yes(a), yes(Offset(77))]);
    assert_eq!(log.faults(&[]), [Fault::Range]);
}
