//! Brokers for the stories: started by the project's script, ended when this program ends.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use command_log::kafka::{Config, KafkaLog};

/// A cluster of brokers of its own.
pub(crate) struct Cluster {
    dir: PathBuf,
    bootstrap: String,
}

impl Cluster {
    /// One broker, which all stories of this program share. It also speaks TLS.
    pub(crate) fn one() -> &'static Self {
        static ONE: OnceLock<Cluster> = OnceLock::new();
        ONE.get_or_init(|| Self::start(&["--brokers", "1", "--secure"]))
    }

    /// A cluster that a story may do harm to.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory").keep();
        let owner = std::process::id().to_string();
        let bootstrap = script(&dir, &[&["start", "--for", &owner], arguments].concat());
        Self { dir, bootstrap: bootstrap.trim().to_owned() }
    }

    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// A file that the script has written.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// `kill -9` of a broker.
    pub(crate) fn kill(&self, broker: u32) {
        script(&self.dir, &["kill", &broker.to_string()]);
    }

    /// Starts a broker that was killed.
    pub(crate) fn restart(&self, broker: u32) {
        script(&self.dir, &["restart", &broker.to_string()]);
    }

    /// A cell that no other story uses, whose topics are made.
    pub(crate) fn cell(&self) -> Config {
        static CELLS: AtomicU32 = AtomicU32::new(0);
        let cell = CELLS.fetch_add(1, Ordering::Relaxed);
        let mut config = Config::parse(&format!("kafka://{}/cell-{cell}", self.bootstrap)).expect("legal");
        config.create = true;
        config
    }
}

/// How long a cluster may be too busy to answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// Opens a log that must open, though perhaps not at once.
pub(crate) async fn open(config: &Config) -> KafkaLog {
    let begun = Instant::now();
    loop {
        match KafkaLog::open(config).await {
            Err(error) if error.is_transient() && begun.elapsed() < PATIENCE => eprintln!("once more: {error}"),
            opened => return opened.expect("the log opens"),
        }
    }
}

fn script(dir: &Path, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("kafka-dev/kafka.sh");
    let ran = Command::new(script).args(arguments).arg("--dir").arg(dir).output().expect("bash is here");
    assert!(ran.status.success(), "kafka.sh {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).expect("text")
}
