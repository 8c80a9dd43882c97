//! The check of a whole log while its cell runs: each record is read from the disk once, slowly.
//!
//! A start checks what was written last. What lies in sorted files is read by nobody for months, and damage to it is
//! the easier to mend the sooner it is known: as long as there is a copy that reaches as far.

use std::{sync::Arc, time::Duration};

use command_log::{Log, embedded::EmbeddedLog};
use log_schema::Offset;
use tokio::{sync::watch, task::JoinHandle, time::Instant};

/// The bytes that are read at once.
const LOOK_BYTES: usize = 1024 * 1024;
/// The bytes that are read in a second, at most: a small part of what a disk can do.
const BYTES_PER_S_MAX: u64 = 16 * 1024 * 1024;
/// How often it is said how far the check is.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// A check that is under way, or over.
pub(super) struct BackgroundCheck {
    found: watch::Receiver<Option<Arc<command_log::Error>>>,
    task: JoinHandle<()>,
}

impl BackgroundCheck {
    /// Starts it; it ends when it is done, at the first damage, or when it is told to.
    pub(super) fn start(log: Arc<EmbeddedLog>) -> Self {
        let (damage, found) = watch::channel(None);
        let task = tokio::spawn(async move {
            if let Err(error) = check(&log).await {
                damage.send_replace(Some(Arc::new(error)));
            }
            // Nobody may wait for what never comes, so the end of a good check is no end of the channel.
            damage.closed().await;
        });
        Self { found, task }
    }

    /// Ends it; the log is let go then.
    pub(super) async fn end(self) {
        self.task.abort();
        // One that was cut off is ended too.
        let _ = self.task.await;
    }

    /// Resolves when something is damaged.
    pub(super) async fn damage(&self) -> anyhow::Error {
        let mut found = self.found.clone();
        match found.wait_for(Option::is_some).await.map(|found| found.clone()) {
            Ok(Some(error)) => anyhow::Error::from(error),
            Ok(None) | Err(_) => anyhow::anyhow!("it ended by itself: an invariant is broken; see the messages above"),
        }
    }
}

async fn check(log: &EmbeddedLog) -> Result<(), command_log::Error> {
    let (mut next, end) = (Offset(0), log.watermarks().await?.high);
    let (begun, mut said, mut bytes) = (Instant::now(), Instant::now(), 0);
    while next < end {
        let (reached, read) = log.check(next, LOOK_BYTES).await?;
        (next, bytes) = (reached, bytes + read);
        if said.elapsed() > SAY_EVERY {
            said = Instant::now();
            tracing::info!(%next, %end, "checking the whole log");
        }
        tokio::time::sleep_until(begun + Duration::from_millis(bytes * 1000 / BYTES_PER_S_MAX)).await;
    }
    tracing::info!(below = %end, bytes, "the whole log was checked: every record is as it was written");
    Ok(())
}
