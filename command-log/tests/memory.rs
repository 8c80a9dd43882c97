//! The memory log passes the suite, and forks keep offsets and times.

use std::sync::Arc;

use command_log::{BoxFuture, Log, Stored, conformance::Place, memory::MemoryLog};
use log_schema::{Kind, Offset, Record, TimeMs};

struct Memory {
    low: u64,
}

impl Place for Memory {
    fn fresh(&self) -> BoxFuture<'_, Arc<dyn Log>> {
        Box::pin(async { Arc::new(MemoryLog::starting_at(Offset(self.low))) as Arc<dyn Log> })
    }

    fn reopen(&self, _: Arc<dyn Log>) -> BoxFuture<'_, Option<Arc<dyn Log>>> {
        Box::pin(async { None })
    }
}

mod from_zero {
    use super::*;
    command_log::conformance_tests!(Memory { low: 0 });
}

mod after_a_trim {
    use super::*;
    command_log::conformance_tests!(Memory { low: 1_000 });
}

fn tick(n: u8) -> Record {
    Record::v1(Kind::Tick, vec![n])
}

#[tokio::test]
async fn a_fork_keeps_offsets_and_times_and_goes_on_by_itself() {
    let origin = MemoryLog::new();
    origin.append_at(TimeMs(100), vec![tick(0), tick(1)]).expect("appended");
    origin.append_at(TimeMs(200), vec![tick(2)]).expect("appended");
    let history = origin.read(Offset(0), 1000).await.expect("read");
    let fork = MemoryLog::from_records(history[..2].to_vec());
    fork.append_at(TimeMs(300), vec![tick(9)]).expect("appended");
    let told: Vec<_> = fork.read(Offset(0), 1000).await.expect("read").iter().map(line).collect();
    assert_eq!(told, ["0 100 [0]", "1 100 [1]", "2 300 [9]"]);
    assert_eq!(origin.read(Offset(2), 1000).await.expect("read")[0].record, tick(2));
}

#[test]
#[should_panic(expected = "a fork has no holes")]
fn a_fork_with_a_hole_is_a_mistake() {
    let stored = |n| Stored { offset: Offset(n), time: TimeMs(0), record: tick(0) };
    MemoryLog::from_records(vec![stored(3), stored(5)]);
}

fn line(stored: &Stored) -> String {
    format!("{} {} {:?}", stored.offset, stored.time, &stored.record.payload[..])
}
