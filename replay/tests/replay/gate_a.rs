//! A fork in which nothing is changed is history, record by record, from every offset.

use log_schema::Offset;
use replay::{
    Changes,
    moment::Moment,
    whatif::{History, Pace, Until, run},
};

use super::{
    cell::{records, runtime},
    wild::wild_log,
};

fn gate_a(seed: u64, size: u64, with_frameworks: bool, step: usize) {
    let log = wild_log(seed, size, with_frameworks);
    let all = records(&log);
    for fork in (0..=all.len()).step_by(step) {
        let moment = Moment::Offset(Offset(fork as u64));
        let history = runtime().block_on(History::read(&log, moment, &mut |_| {})).expect("a history");
        let run = run(&history, &Changes::default(), Pace::History, Until::WorkIsDone).expect("a run");
        assert_eq!(run.parted, None, "seed {seed}, fork at {fork} of {}", all.len());
        let forked = records(&run.log);
        let first = usize::try_from(forked.first().map_or(fork as u64, |first| first.offset.0)).expect("small");
        let missing: Vec<_> = all[first..].iter().skip(forked.len()).map(|stored| stored.record.kind).collect();
        assert!(missing.is_empty(), "seed {seed}, fork at {fork}: the fork lacks records of the kinds {missing:?}");
        for (ours, theirs) in forked.iter().zip(&all[first..]) {
            assert_eq!((ours.offset, &ours.record), (theirs.offset, &theirs.record), "seed {seed}, fork at {fork}");
        }
    }
}

#[test]
fn a_fork_at_every_offset_gives_the_same_suffix() {
    (1..=6).for_each(|seed| gate_a(seed, 320, false, 1));
}

#[test]
fn a_fork_at_every_offset_gives_the_same_suffix_with_frameworks_too() {
    (11..=14).for_each(|seed| gate_a(seed, 320, true, 1));
}

#[test]
fn many_wild_logs_come_out_the_same() {
    (100..160).for_each(|seed| gate_a(seed, 700, seed % 2 == 0, 97));
}
