//! How far the log reaches, as it was heard last. Links say it to their agents, and never wait for brokers
//! to say it anew: an agent that hears nothing takes a living gateway for a dead one.

use std::{sync::Arc, time::Duration};

use command_log::{Watermarks, remote::protocol::WATERMARKS_INTERVAL_MS};
use tokio::{sync::watch, time::MissedTickBehavior};

use super::Desk;
use crate::shutdown::Shutdown;

/// How often the log is asked.
const ASK_EVERY: Duration = Duration::from_millis(WATERMARKS_INTERVAL_MS / 2);

/// What was heard last.
#[derive(Debug)]
pub(crate) struct Marks(watch::Sender<Watermarks>);

impl Marks {
    pub(crate) fn new(heard: Watermarks) -> Self {
        Self(watch::Sender::new(heard))
    }

    fn heard(&self) -> Watermarks {
        *self.0.borrow()
    }
}

/// Asks the log now and then, until the gateway ends.
pub(crate) async fn keep(desk: Arc<Desk>, shutdown: Shutdown) {
    let ask = async {
        let mut interval = tokio::time::interval(ASK_EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            if let Ok(marks) = desk.hub.log.watermarks().await {
                desk.marks.0.send_replace(marks);
            }
        }
    };
    tokio::select! {
        () = ask => {}
        () = shutdown.over() => {}
    }
}

impl Desk {
    /// How far the log reaches at least: this gateway may have read further since it asked.
    pub(crate) fn known_marks(&self) -> Watermarks {
        let Watermarks { low, high } = self.marks.heard();
        Watermarks { low, high: high.max(self.hub.now().next) }
    }
}
