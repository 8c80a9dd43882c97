//! The same log gives the same answers: in this process, in another one, however they are batched.

use allocator::{State, answer, apply_decision};
use log_schema::{AnswerV1, Chain, DecisionV1, EpochNumber, Kind, Offset, Record, codec};

use crate::{cell::Cell, parse, random::Random, story::play_line};

/// Set in the environment of a child process, which then only tells its chain.
const TELL: &str = "ALLOCATOR_TEST_TELLS_ITS_CHAIN";

/// A log of some hundred commands that touch everything.
fn log() -> Vec<Record> {
    let mut random = Random::new(42);
    let mut cell = Cell::new(42);
    let mut log = Vec::new();
    let mut say = |cell: &mut Cell, line: &str| {
        log.push(if line.starts_with("tick") {
            crate::cell::tick(cell.state.now.after(500))
        } else {
            parse::record(line, cell)
        });
        play_line(cell, if line.starts_with("tick") { "tick +500" } else { line });
    };
    for agent in 0..20 {
        say(&mut cell, &format!("agent a{agent} cpu={} mem=8Gi ports=100-120 rack=r{}", 2 + agent % 5, agent % 3));
    }
    say(&mut cell, "framework f1 role=web");
    say(&mut cell, "framework f2 role=db");
    for number in 0..150 {
        let line = match random.below(6) {
            0 | 1 => format!(
                "job j{number} kind=service count={} cpu=0.5 mem=256 in.rack=r1|r2 restart=any backoff=100",
                random.below(9) + 1
            ),
            2 => format!("status j{}.0 failed", random.below(number + 1)),
            3 => format!("unreachable a{}", random.below(20)),
            4 => format!("accept f1 o{}; t{number} cpu=1 mem=1Gi ports=110", random.below(60)),
            _ => "tick".to_owned(),
        };
        say(&mut cell, &line);
    }
    log
}

/// Links every answer into one chain, starting over from a snapshot now and then.
fn chain(log: &[Record], restarts: &mut Random) -> (Chain, Vec<AnswerV1>, State) {
    let mut state = State::default();
    let mut chain = Chain::default();
    let mut answers = Vec::new();
    for (at, record) in log.iter().enumerate() {
        let at = Offset(at as u64);
        if restarts.one_in(20) {
            state = State::decode(&state.encode()).expect("a snapshot is readable");
        }
        if let Some(answer) = answer(&mut state, at, record).expect("a record of this version") {
            chain = chain.link(at, &Record::v1(Kind::Decision, codec::encode(&answer)));
            answers.push(answer);
        }
    }
    (chain, answers, state)
}

#[test]
fn the_same_log_gives_the_same_chain_whenever_it_is_started_over() {
    let log = log();
    let (first, ..) = chain(&log, &mut Random::new(1));
    for seed in 2..6 {
        assert_eq!(chain(&log, &mut Random::new(seed)).0, first);
    }
}

#[test]
fn decisions_fold_to_the_same_state_however_they_are_cut() {
    let (_, answers, state) = chain(&log(), &mut Random::new(1));
    for size in [1, 2, 7, 1000] {
        let mut folded = State::default();
        for answers in answers.chunks(size) {
            let to = answers.last().expect("a chunk").at;
            let (epoch, from, chain, answers) = (EpochNumber(1), answers[0].at, Chain::default(), answers.to_vec());
            apply_decision(&mut folded, &DecisionV1 { epoch, from, to, chain, answers });
        }
        assert_eq!(folded.digest(), state.digest(), "in decisions of {size}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "this test starts processes to compare them")]
fn another_process_gives_the_same_chain() {
    let told = format!("chain={}", chain(&log(), &mut Random::new(1)).0);
    if std::env::var_os(TELL).is_some() {
        println!("{told}");
        return;
    }
    for _ in 0..2 {
        let this = std::env::current_exe().expect("this test's program");
        let mut child = std::process::Command::new(this);
        child.args(["--exact", "determinism::another_process_gives_the_same_chain", "--nocapture"]);
        let output = child.env(TELL, "1").output().expect("a second process");
        let output = String::from_utf8_lossy(&output.stdout);
        assert!(output.contains(&told), "{told}, but the other process says {output}");
    }
}
