//! The thread that writes the watermark, so that it can be synced while the WAL is.

use std::{
    path::PathBuf,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::JoinHandle,
};

use super::acked::{Acked, Statement};
use crate::Error;

/// Writes one statement at a time: [`Scribe::begin`], then [`Scribe::finish`].
pub(super) struct Scribe {
    statements: Option<SyncSender<Statement>>,
    written: Receiver<Result<(), Error>>,
    thread: Option<JoinHandle<()>>,
}

impl Scribe {
    /// Starts the thread.
    pub(super) fn start(mut acked: Acked) -> Result<Self, Error> {
        let (statements, inbox) = sync_channel::<Statement>(1);
        let (outbox, written) = sync_channel(1);
        let thread = std::thread::Builder::new().name("command-log-acked".to_owned()).spawn(move || {
            while let Ok(statement) = inbox.recv() {
                if outbox.send(acked.state(&statement)).is_err() {
                    return;
                }
            }
        });
        let thread =
            thread.map_err(|source| Error::Io { doing: "start a thread for", path: PathBuf::from("acked"), source })?;
        Ok(Self { statements: Some(statements), written, thread: Some(thread) })
    }

    /// Begins to write a statement.
    pub(super) fn begin(&self, statement: Statement) -> Result<(), Error> {
        let statements = self.statements.as_ref().ok_or(Error::Closed)?;
        statements.send(statement).map_err(|_| Error::Closed)
    }

    /// Waits until the statement that was begun is durable.
    pub(super) fn finish(&self) -> Result<(), Error> {
        self.written.recv().map_err(|_| Error::Closed)?
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        self.statements = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that writes the watermark panicked");
        }
    }
}
