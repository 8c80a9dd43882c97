//! What a gateway is given: the log, the telemetry, where to listen and where to keep projections.

use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use command_log::{Log, telemetry::Telemetry};

/// How long a mutation waits for its decision where nothing else is said.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long the head of a request may take, and how long a connection may be silent between two.
pub const HEAD_WAIT: Duration = Duration::from_secs(15);
/// How long the body of a request may take.
pub const BODY_WAIT: Duration = Duration::from_secs(15);
/// How long a connection is kept whose peer takes nothing of what is to be written.
pub const STALLED_MAX: Duration = Duration::from_secs(60);

/// How long a gateway waits for its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// For the head of a request.
    pub head: Duration,
    /// For the body of a request.
    pub body: Duration,
    /// For a peer that takes nothing.
    pub stalled: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self { head: HEAD_WAIT, body: BODY_WAIT, stalled: STALLED_MAX }
    }
}

/// All that a gateway needs to know. It is never told who decides: that is in the log.
#[derive(Clone)]
pub struct Config {
    /// Where to listen. Only loopback addresses are taken; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The cell's log.
    pub log: Arc<dyn Log>,
    /// The directory of the projections; it is made, and may be deleted while no gateway runs.
    pub projections_dir: PathBuf,
    /// Where agents' samples go, and where usage is taken from.
    pub telemetry: Arc<dyn Telemetry>,
    /// The name of the cell, for people.
    pub cell: String,
    /// For how long the past can be asked for, in milliseconds; for ever where nothing is said.
    pub retention_ms: Option<u64>,
    /// How long a mutation waits for its decision.
    pub patience: Duration,
    /// How long it waits for its peers.
    pub waits: Waits,
    /// The most connections; as many as the process may have where nothing is said.
    pub connections: Option<usize>,
}

impl Config {
    /// A gateway of a log, with everything else as usual: a free port on 127.0.0.1.
    pub fn new(log: Arc<dyn Log>, telemetry: Arc<dyn Telemetry>, projections_dir: impl Into<PathBuf>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            log,
            projections_dir: projections_dir.into(),
            telemetry,
            cell: "main".into(),
            retention_ms: None,
            patience: PATIENCE,
            waits: Waits::default(),
            connections: None,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listen, projections_dir, cell, retention_ms, patience, waits, connections, log: _, telemetry: _ } =
            self;
        f.debug_struct("Config")
            .field("listen", listen)
            .field("projections_dir", projections_dir)
            .field("cell", cell)
            .field("retention_ms", retention_ms)
            .field("patience", patience)
            .field("waits", waits)
            .field("connections", connections)
            .finish_non_exhaustive()
    }
}
