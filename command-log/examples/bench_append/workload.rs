//! What every log is given to append, and how it is reported.

use std::{error::Error, ops::Range, sync::Arc, time::Duration};

use command_log::{Follower, Log};
use log_schema::{Chain, Kind, Offset, Record};

pub(crate) const VALUE_BYTES: usize = 200;

/// One line of the report: so many batches of one size, in so many rounds.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub batch: u64,
    batches_per_round: u64,
    rounds: u64,
}

impl Case {
    pub(crate) fn all(smoke: bool) -> [Self; 3] {
        let case = |(batch, batches_per_round, rounds)| Self { batch, batches_per_round, rounds };
        if smoke {
            return [(1, 5, 2), (100, 5, 2), (10_000, 1, 2)].map(case);
        }
        [(1, 400, 8), (100, 200, 8), (10_000, 10, 16)].map(case)
    }

    pub(crate) fn rounds(&self) -> impl Iterator<Item = Range<u64>> {
        let (size, rounds) = (self.batch * self.batches_per_round, self.rounds);
        (0..rounds).map(move |round| round * size..(round + 1) * size)
    }

    pub(crate) fn records(&self) -> u64 {
        self.batch * self.batches_per_round * self.rounds
    }

    /// The batches of one round.
    pub(crate) fn batches(&self, round: Range<u64>) -> Vec<Vec<Record>> {
        let size = usize::try_from(self.batch).expect("small");
        round
            .clone()
            .step_by(size)
            .map(|begin| (begin..(begin + self.batch).min(round.end)).map(record).collect())
            .collect()
    }
}

/// The n-th record of the workload: half of its bytes look random, so that it packs like a command.
pub(crate) fn record(n: u64) -> Record {
    let mut state = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut payload = vec![b'q'; VALUE_BYTES];
    for chunk in payload[..VALUE_BYTES / 2].chunks_mut(8) {
        state = (state ^ (state >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        chunk.copy_from_slice(&state.to_be_bytes()[..chunk.len()]);
    }
    Record::v1(Kind::SubmitJob, payload)
}

/// Appends a round and waits for the acks of each batch before the next one.
pub(crate) async fn append(log: &dyn Log, batches: Vec<Vec<Record>>) -> Result<Duration, Box<dyn Error>> {
    let start = std::time::Instant::now();
    for batch in batches {
        log.append(batch).await?;
    }
    Ok(start.elapsed())
}

/// Reads a log from its beginning, and returns its chain if it holds exactly the workload.
pub(crate) async fn read_back(log: Arc<dyn Log>, records: u64) -> Result<Chain, Box<dyn Error>> {
    let mut follower = Follower::new(log, Offset(0));
    let mut found = Chain::default();
    while follower.position() < Offset(records) {
        for stored in follower.next_batch().await? {
            found = found.link(stored.offset, &stored.record);
        }
    }
    let expected = (0..records).fold(Chain::default(), |chain, n| chain.link(Offset(n), &record(n)));
    assert_eq!((follower.position(), found), (Offset(records), expected), "what was read is not what was appended");
    Ok(found)
}

/// What was measured of one case: our log, and the store beneath it used barely.
pub(crate) struct Measured {
    pub name: &'static str,
    pub acked: &'static str,
    pub answer: Chain,
    pub log: Duration,
    pub bare: Duration,
}

impl Measured {
    pub(crate) fn report(&self, case: &Case) {
        let (records, batch) = (case.records(), case.batch);
        let [value, bare] = [self.log, self.bare].map(|took| u128::from(records) * 1_000_000 / took.as_micros().max(1));
        let ratio = value * 1000 / bare.max(1);
        let Self { name, acked, answer, .. } = self;
        println!(
            r#"{{"name":"{name}_{batch}","workload":"{VALUE_BYTES}-byte records, batches of {batch}, {acked}","n":{records},"unit":"1/s","value":{value},"answer":"{answer}","bare":{bare},"ratio":{}.{:03}}}"#,
            ratio / 1000,
            ratio % 1000,
        );
    }
}
