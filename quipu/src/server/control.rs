//! What the owner of a cell's directory may ask of the control plane that runs there, and no client of the gateway may.
//!
//! A socket in the directory, one line of JSON each way. A user who may write in the directory can do all of it by hand
//! while the cell is stopped; no other user can connect.

use std::{
    convert::Infallible,
    fs::{File, Permissions},
    io,
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use command_log::embedded::EmbeddedLog;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    time::timeout,
};

use super::{
    layout::Layout,
    log::trim::{self, Wanted},
};
use crate::exit::{Failure, hint_of, one_line};

/// How long a client may take to send its request.
const REQUEST_WAIT: Duration = Duration::from_secs(5);
/// How long a request may be.
const REQUEST_BYTES_MAX: u64 = 64 * 1024;
/// The wait after a connection could not be taken.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// What can be asked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Request {
    /// Have the log forget what the archive has.
    Trim {
        /// Where the archive is; the cell must have been started with this one.
        archive: PathBuf,
        /// How much is to go.
        wanted: Wanted,
    },
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Answer {
    /// So many records are forgotten.
    Forgot(u64),
    /// Nothing was done.
    Failed { what: String, hint: Option<String> },
}

/// The socket of a control plane. Dropping it removes it.
pub(super) struct Control {
    path: PathBuf,
    listener: Option<UnixListener>,
}

impl Control {
    /// Listens in the directory of a cell whose log is open, so that no other control plane is there. A cell runs
    /// without, too: some file systems have no sockets.
    pub fn open(layout: &Layout) -> Self {
        let path = layout.root().join(Layout::CONTROL_SOCKET);
        let listen = || {
            // One that was left behind by a process that was killed.
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let (_held, short) = short(layout.root())?;
            let listener = UnixListener::bind(short)?;
            std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            Ok(listener)
        };
        let listener = listen().inspect_err(|error| {
            tracing::warn!(path = %path.display(), %error, "the log of this cell cannot be trimmed while it runs");
        });
        Self { listener: listener.ok(), path }
    }

    /// Does what is asked for, one request after the other.
    pub async fn obey(&self, log: &EmbeddedLog, archive: Option<&Path>) -> Infallible {
        let Some(listener) = &self.listener else { return std::future::pending().await };
        loop {
            let served = match listener.accept().await {
                Ok((stream, _)) => serve(stream, log, archive).await,
                Err(error) => {
                    tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                    Err(error)
                }
            };
            if let Err(error) = served {
                tracing::warn!(%error, "a request to this control plane was not answered");
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if self.listener.take().is_some() {
            // One that stays is removed by the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

async fn serve(stream: UnixStream, log: &EmbeddedLog, archive: Option<&Path>) -> io::Result<()> {
    let (mut stream, mut line) = (BufReader::new(stream), String::new());
    let mut limited = (&mut stream).take(REQUEST_BYTES_MAX);
    timeout(REQUEST_WAIT, limited.read_line(&mut line)).await??;
    let answer = match serde_json::from_str(&line) {
        Ok(Request::Trim { archive: named, wanted }) => match forget(log, archive, &named, wanted).await {
            Ok(records) => Answer::Forgot(records),
            Err(error) => Answer::Failed { what: one_line(error.as_ref()), hint: hint_of(&error) },
        },
        Err(error) => Answer::Failed {
            what: format!("the control plane does not know what is asked for: {error}"),
            hint: Some("use the `quipu` that the cell runs with".into()),
        },
    };
    let mut text = serde_json::to_string(&answer).map_err(io::Error::other)?;
    text.push('\n');
    stream.write_all(text.as_bytes()).await
}

async fn forget(log: &EmbeddedLog, own: Option<&Path>, named: &Path, wanted: Wanted) -> anyhow::Result<u64> {
    let hint = "start the cell with `quipu up --archive DIR`, or stop it and trim then";
    let Some(own) = own else {
        let what = "the cell runs without an archive: it could not read what was trimmed";
        return Err(Failure::new(what).hint(hint).into());
    };
    let place = |path: &Path| path.canonicalize().with_context(|| format!("could not find {}", path.display()));
    if place(own)? != place(named)? {
        let what =
            format!("the cell runs with the archive in {}, and not the one in {}", own.display(), named.display());
        return Err(Failure::new(what).hint(hint).into());
    }
    trim::of_embedded(log, own, wanted).await
}

/// Asks the control plane in a directory to have its log forget; returns how many records are. None: none runs there.
pub(super) async fn ask_to_trim(layout: &Layout, archive: &Path, wanted: Wanted) -> anyhow::Result<Option<u64>> {
    let connected = match short(layout.root()) {
        Ok((_held, short)) => UnixStream::connect(short).await,
        Err(error) => Err(error),
    };
    let mut stream = match connected {
        Ok(stream) => BufReader::new(stream),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(error).with_context(|| asking(layout)),
    };
    let archive = archive.canonicalize().with_context(|| format!("could not find {}", archive.display()))?;
    let mut text = serde_json::to_string(&Request::Trim { archive, wanted })?;
    text.push('\n');
    stream.write_all(text.as_bytes()).await.with_context(|| asking(layout))?;
    let mut line = String::new();
    stream.read_line(&mut line).await.with_context(|| asking(layout))?;
    if line.is_empty() {
        let what = "the control plane ended before it answered: whether the log was trimmed is not known";
        return Err(Failure::unknown(what).hint("run the command again; what is forgotten is in the archive").into());
    }
    match serde_json::from_str(&line).with_context(|| asking(layout))? {
        Answer::Forgot(records) => Ok(Some(records)),
        Answer::Failed { what, hint } => {
            let failure = Failure::new(what);
            Err(hint.map_or(failure.clone(), |hint| failure.hint(hint)).into())
        }
    }
}

fn asking(layout: &Layout) -> String {
    format!("could not ask the control plane that runs in {}", layout.root().display())
}

/// A name for the socket that is short enough for a socket, however long that of the directory is; good while the
/// directory is held open.
fn short(root: &Path) -> io::Result<(File, PathBuf)> {
    let directory = File::open(root)?;
    let path = format!("/proc/self/fd/{}/{}", directory.as_raw_fd(), Layout::CONTROL_SOCKET);
    Ok((directory, path.into()))
}
