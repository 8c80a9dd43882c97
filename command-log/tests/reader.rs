//! Stories of the reader rule: which records count, which are void, and where a reader halts.

use bytes::Bytes;
use command_log::{
    Stored,
    reader::{ACCEPTED_MAX, Halt, Reader, Verdict},
};
use log_schema::{Chain, DecisionV1, EpochNumber, EpochV1, Kind, Offset, Principal, Record, TimeMs, codec};

/// A log that is judged as it grows.
struct Story {
    reader: Reader,
    told: Vec<String>,
}

impl Story {
    fn new() -> Self {
        Self { reader: Reader::new(), told: Vec::new() }
    }

    /// A log in which one leader reigns; epoch 1 is at offset 0.
    fn led() -> Self {
        let mut story = Self::new();
        story.epoch(1, "n1");
        story
    }

    fn append(&mut self, record: Record) -> Result<Verdict, Halt> {
        let verdict = self.reader.judge(&stored(self.reader.next(), record));
        self.told.push(match &verdict {
            Ok(verdict) => say(verdict),
            Err(halt) => format!("halt: {}", halt.code()),
        });
        verdict
    }

    fn command(&mut self) -> &mut Self {
        self.append(command()).expect("a command never halts");
        self
    }

    fn epoch(&mut self, epoch: u64, node: &str) -> &mut Self {
        self.append(claim(epoch, node)).expect("an epoch never halts");
        self
    }

    /// A decision with the chain that this log has at `to`.
    fn decision(&mut self, epoch: u64, from: u64, to: u64) -> Result<Verdict, Halt> {
        let chain = self.reader.chain_at(Offset(to)).unwrap_or_default();
        self.append(decision(epoch, from, to, chain).to_record())
    }

    fn decide(&mut self, epoch: u64, from: u64, to: u64) -> &mut Self {
        self.decision(epoch, from, to).expect("this decision does not halt");
        self
    }
}

fn stored(offset: Offset, record: Record) -> Stored {
    Stored { offset, time: TimeMs(0), record }
}

fn command() -> Record {
    Record::v1(Kind::SubmitJob, Bytes::from_static(b"whatever"))
}

fn claim(epoch: u64, node: &str) -> Record {
    EpochV1 { epoch: EpochNumber(epoch), node: Principal::new(node).expect("a principal"), logic_version: 1 }
        .to_record()
}

fn decision(epoch: u64, from: u64, to: u64, chain: Chain) -> DecisionV1 {
    DecisionV1 { epoch: EpochNumber(epoch), from: Offset(from), to: Offset(to), chain, answers: Vec::new() }
}

fn say(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Epoch(claim) => format!("epoch {} of {}", claim.epoch, claim.node),
        Verdict::VoidEpoch { claimed } => format!("void epoch {claimed:?}"),
        Verdict::Decision(decision) => format!("decision {}..={}", decision.from, decision.to),
        Verdict::VoidDecision { epoch } => format!("void decision {epoch:?}"),
        Verdict::DuplicateDecision { from, to, compared } => format!("duplicate {from}..={to} {compared}"),
        Verdict::Command => "command".to_owned(),
    }
}

#[test]
fn of_two_racers_the_first_in_the_log_wins() {
    let mut story = Story::new();
    story.epoch(1, "n1").epoch(1, "n2").epoch(3, "n3").epoch(2, "n2");
    assert_eq!(
        story.told,
        ["epoch 1 of n1", "void epoch Some(EpochNumber(1))", "void epoch Some(EpochNumber(3))", "epoch 2 of n2"]
    );
    assert_eq!((story.reader.epoch(), story.reader.counts().epochs_void), (EpochNumber(2), 2));
}

#[test]
fn decisions_that_follow_each_other_count() {
    let mut story = Story::led();
    story.command().command().decide(1, 0, 1).decide(1, 2, 2).command().decide(1, 3, 5);
    assert_eq!(story.told[3..], ["decision 0..=1", "decision 2..=2", "command", "decision 3..=5"]);
    assert_eq!((story.reader.last_to(), story.reader.first_undecided()), (Some(Offset(5)), Offset(6)));
    assert_eq!((story.reader.counts().decisions, story.reader.counts().decisions_unchecked), (3, 0));
}

#[test]
fn a_leader_that_was_replaced_decides_nothing() {
    let mut story = Story::led();
    story.command().epoch(2, "n2").decide(1, 0, 1).decide(2, 0, 1);
    assert_eq!(story.told[3..], ["void decision Some(EpochNumber(1))", "decision 0..=1"]);
    assert_eq!(story.reader.counts().decisions_void, 1);
}

#[test]
fn the_same_decision_twice_counts_once() {
    let mut story = Story::led();
    let first = decision(1, 0, 0, story.reader.chain()).to_record();
    story.append(first.clone()).expect("counts");
    story.command().decide(1, 1, 2);
    story.append(first).expect("a duplicate");
    assert_eq!(story.told[4], "duplicate 0..=0 true");
    assert_eq!((story.reader.last_to(), story.reader.counts().decisions_duplicate), (Some(Offset(2)), 1));
}

#[test]
fn another_decision_for_the_same_offsets_halts() {
    let mut story = Story::led();
    story.command().command().decide(1, 0, 2);
    for (from, to) in [(0, 2), (0, 1), (1, 2)] {
        let differs = decision(1, from, to, Chain([7; 32])).to_record();
        let halt = story.append(differs).unwrap_err();
        assert!(matches!(halt, Halt::Nondeterminism { at, .. } if at == Offset(4)), "{halt}");
    }
}

#[test]
fn a_duplicate_of_a_forgotten_decision_is_void() {
    let mut story = Story::led();
    let first = decision(1, 0, 0, story.reader.chain()).to_record();
    story.append(first.clone()).expect("counts");
    for n in 1..=ACCEPTED_MAX as u64 {
        story.decide(1, n, n);
    }
    story.append(first).expect("a duplicate");
    assert_eq!(story.told.last().map(String::as_str), Some("duplicate 0..=0 false"));
}

#[test]
fn a_gap_or_an_overlap_halts() {
    let mut story = Story::led();
    story.command().command().command().decide(1, 0, 1);
    for from in [3, 1] {
        let halt = story.decision(1, from, 3).unwrap_err();
        assert!(matches!(halt, Halt::Gap { expected: Offset(2), .. }), "{halt}");
    }
    story.decide(1, 2, 3);
}

#[test]
fn the_first_decision_answers_from_the_very_first_record() {
    let halt = Story::led().command().decision(1, 1, 1).unwrap_err();
    assert!(matches!(halt, Halt::Gap { expected: Offset(0), from: Offset(1), .. }), "{halt}");
}

#[test]
fn a_decision_of_an_epoch_that_nobody_claimed_halts() {
    let halt = Story::led().decision(2, 0, 0).unwrap_err();
    assert_eq!(halt.to_string(), "the decision at 1 is of epoch 2, but the log has only reached epoch 1");
}

#[test]
fn a_decision_cannot_answer_itself_nor_end_before_it_begins() {
    let mut story = Story::led();
    assert_eq!(story.decision(1, 0, 1).unwrap_err().code(), "impossible_range");
    assert_eq!(story.decision(1, 1, 0).unwrap_err().code(), "impossible_range");
}

#[test]
fn a_record_that_differs_from_what_the_leader_saw_is_found_at_the_next_decision() {
    let mut leader = Story::led();
    let mut reader = Story::led();
    leader.command().command();
    reader.append(Record::v1(Kind::SubmitJob, Bytes::from_static(b"changed"))).expect("a command");
    reader.command();
    let decided = decision(1, 0, 1, leader.reader.chain_at(Offset(1)).expect("undecided")).to_record();
    leader.append(decided.clone()).expect("counts");
    let halt = reader.append(decided).unwrap_err();
    assert!(matches!(halt, Halt::ChainMismatch { at: Offset(3), to: Offset(1), .. }), "{halt}");
}

#[test]
fn unknown_kinds_and_versions_halt_and_say_what_to_do() {
    let mut story = Story::led();
    let kind = story.append(Record { kind: 999, version: 1, payload: Bytes::new() }).unwrap_err();
    assert_eq!(kind.to_string(), "record 1 has the unknown kind 999");
    let version = story.append(Record { version: 2, ..command() }).unwrap_err();
    assert_eq!(version.to_string(), "record 1 is a submit_job of the unknown version 2");
    assert_eq!(version.hint(), "upgrade this program to at least the version of the leader");
    assert_eq!((version.at(), version.is_transient()), (Offset(1), false));
}

#[test]
fn a_record_out_of_order_halts_and_moves_nothing() {
    let mut story = Story::led();
    for wrong in [0, 2] {
        let halt = story.reader.judge(&stored(Offset(wrong), command())).unwrap_err();
        assert!(matches!(halt, Halt::OutOfOrder { expected: Offset(1), .. }), "{halt}");
    }
    story.command();
    assert_eq!(story.reader.next(), Offset(2));
}

#[test]
fn what_cannot_be_read_is_void_for_everybody() {
    let mut story = Story::led();
    let garbage = |kind| Record::v1(kind, Bytes::from_static(b"\xc1garbage"));
    for kind in [Kind::Epoch, Kind::Decision, Kind::SubmitJob] {
        story.append(garbage(kind)).expect("no halt");
    }
    assert_eq!(story.told[1..], ["void epoch None", "void decision None", "command"]);
    story.decide(1, 0, 3);
}

#[test]
fn a_decision_that_counts_and_cannot_be_read_halts() {
    #[derive(serde::Serialize)]
    struct Newer {
        epoch: u64,
        from: u64,
        to: u64,
        chain: Chain,
        answers: Vec<&'static str>,
    }
    let mut story = Story::led();
    story.epoch(2, "n2");
    let chain = story.reader.chain_at(Offset(0)).expect("undecided");
    let newer = |epoch| {
        let payload = codec::encode(&Newer { epoch, from: 0, to: 0, chain, answers: vec!["of a newer shape"] });
        Record::v1(Kind::Decision, payload)
    };
    assert_eq!(story.append(newer(1)).expect("stale"), Verdict::VoidDecision { epoch: Some(EpochNumber(1)) });
    let halt = story.append(newer(2)).unwrap_err();
    assert!(matches!(halt, Halt::UnreadableDecision { at: Offset(3), .. }), "{halt}");
}

#[test]
fn a_halt_is_the_same_when_asked_again() {
    let mut story = Story::led();
    let before = (story.reader.chain(), story.reader.counts());
    let codes = [0, 1].map(|_| story.decision(1, 5, 9).unwrap_err().code());
    assert_eq!(codes, ["impossible_range"; 2]);
    assert_eq!((story.reader.chain(), story.reader.counts()), before);
}

#[test]
fn a_reader_that_resumes_reaches_the_same_verdicts() {
    let mut story = Story::led();
    story.command().command().decide(1, 0, 1);
    let whole = &story.reader;
    let mut resumed = Reader::resume(whole.epoch(), whole.last_to(), whole.next(), whole.chain());
    let records = [command(), decision(1, 2, 3, whole.chain_at(Offset(3)).expect("undecided")).to_record()];
    for record in records {
        let (next, told) = (resumed.next(), story.append(record.clone()).expect("counts"));
        assert_eq!(resumed.judge(&stored(next, record)).expect("counts"), told);
    }
    assert_eq!((resumed.chain(), resumed.last_to()), (story.reader.chain(), story.reader.last_to()));
    assert_eq!(resumed.counts().decisions_unchecked, 0);
}

#[test]
fn a_chain_from_before_the_place_of_resuming_is_not_compared_and_the_next_one_is() {
    let mut story = Story::led();
    story.command().command();
    let whole = &story.reader;
    let mut resumed = Reader::resume(whole.epoch(), None, whole.next(), whole.chain());
    let unknown = stored(Offset(3), decision(1, 0, 0, Chain([1; 32])).to_record());
    resumed.judge(&unknown).expect("its chain cannot be known");
    assert_eq!(resumed.counts().decisions_unchecked, 1);
    let wrong = stored(Offset(4), decision(1, 1, 2, Chain([1; 32])).to_record());
    assert_eq!(resumed.judge(&wrong).unwrap_err().code(), "chain_mismatch");
}
