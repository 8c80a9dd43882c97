//! Real brokers, started, killed and started again by the project's script. They end with this program.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// For brokers that live for a minute, on few cores, between other programs: compile once, and quickly; one thread
/// collects garbage.
const JAVA_OPTIONS: &str = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC";

/// A cluster of its own.
pub struct Brokers {
    dir: PathBuf,
    count: u32,
    bootstrap: String,
}

impl Brokers {
    /// Starts one broker, or three.
    pub fn start(dir: PathBuf, count: u32) -> Self {
        let owner = std::process::id().to_string();
        let bootstrap = script(&dir, &["start", "--brokers", &count.to_string(), "--for", &owner]);
        Self { bootstrap: bootstrap.trim().to_owned(), dir, count }
    }

    /// Where clients begin.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// How many there are, running or not.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Ends one with SIGKILL; they are numbered from 1.
    pub fn kill9(&self, number: u32) {
        script(&self.dir, &["kill", &number.to_string()]);
    }

    /// Starts one again, and waits until it listens: the others must run.
    pub fn restart(&self, number: u32) {
        script(&self.dir, &["restart", &number.to_string()]);
    }

    /// Ends all with SIGKILL.
    pub fn kill9_all(&self) {
        (1..=self.count).for_each(|number| self.kill9(number));
    }

    /// Starts all that are down.
    pub fn restart_all(&self) {
        script(&self.dir, &["start"]);
    }
}

fn script(dir: &Path, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../command-log/kafka-dev/kafka.sh");
    let mut script = Command::new(script);
    script.env("JAVA_TOOL_OPTIONS", JAVA_OPTIONS).args(arguments).arg("--dir").arg(dir);
    let ran = script.output().expect("bash is here");
    assert!(ran.status.success(), "kafka.sh {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).expect("text")
}
