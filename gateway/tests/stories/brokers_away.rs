//! A gateway whose log says nothing for a while, as one in Kafka does when all brokers are down.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use command_log::{
    BoxFuture, Error, Log, Stored, Watermarks,
    memory::MemoryLog,
    remote::{Inbound, protocol::FromGateway},
};
use log_schema::{Offset, Record};

use super::{cell::Cell, link::Agent};

/// A log whose brokers are away: it never says how long it is.
#[derive(Debug)]
struct Mute {
    log: Arc<MemoryLog>,
    is_mute: AtomicBool,
}

impl Log for Mute {
    fn append(&self, batch: Vec<Record>) -> BoxFuture<'_, Result<Vec<Offset>, Error>> {
        self.log.append(batch)
    }

    fn read(&self, from: Offset, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Stored>, Error>> {
        self.log.read(from, bytes_max)
    }

    fn watermarks(&self) -> BoxFuture<'_, Result<Watermarks, Error>> {
        if self.is_mute.load(Ordering::Relaxed) { Box::pin(std::future::pending()) } else { self.log.watermarks() }
    }

    fn wait_past(&self, offset: Offset) -> BoxFuture<'_, Result<(), Error>> {
        self.log.wait_past(offset)
    }
}

#[tokio::test]
async fn a_link_begins_and_lives_while_nobody_says_how_long_the_log_is() {
    let cell = Cell::led().await;
    cell.admit("a1").await;
    let high = cell.log.watermarks().await.unwrap().high;
    let log = Arc::new(Mute { log: cell.log.clone(), is_mute: AtomicBool::new(false) });
    let dir = tempfile::tempdir().unwrap();
    let config = gateway::Config::new(log.clone(), cell.telemetry.clone(), dir.path());
    let gateway = gateway::serve(config).await.unwrap();
    log.is_mute.store(true, Ordering::Relaxed);

    let mut agent = Agent::connect_to(gateway.local_addr(), "a1", None);
    let mut heard = Offset(0);
    // The gateway says what it has heard and read by itself, and that is all of it in the end.
    while heard < high {
        if let Inbound::Message(FromGateway::Watermarks { high, .. }) = agent.next().await {
            heard = high;
        }
    }
    gateway.stop().await.unwrap();
}
