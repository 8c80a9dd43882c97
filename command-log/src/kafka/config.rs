//! Where a cell's topics are and how to get there: `kafka://HOST:PORT,HOST:PORT/CELL`, and a file of properties.

use std::{collections::BTreeMap, fmt, path::Path, time::Duration};

use rdkafka::ClientConfig;

use crate::Error;

/// What an address begins with.
pub const SCHEME: &str = "kafka://";
/// The cell of an address that names none.
const CELL_DEFAULT: &str = "cell";
/// How many bytes the name of a cell may have: a topic's name has 249 at most.
const CELL_BYTES_MAX: usize = 200;
/// How long a command may wait for its ack before its sender is told that nobody knows.
const UNACKED_AFTER: Duration = Duration::from_secs(30);

/// Settings of Kafka's clients, under all their names, on which it rests that nothing is lost, doubled or out of order.
const OURS: [&str; 15] = [
    "acks",
    "allow.auto.create.topics",
    "auto.offset.reset",
    "bootstrap.servers",
    "check.crcs",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "isolation.level",
    "message.timeout.ms",
    "metadata.broker.list",
    "request.required.acks",
    "transactional.id",
];

/// A cell on a Kafka cluster.
#[derive(Clone)]
pub struct Config {
    brokers: String,
    cell: String,
    properties: BTreeMap<String, String>,
    /// How many brokers each record is to be on; `None`: on three, or on as many as there are.
    pub replication: Option<u16>,
    /// Whether topics that are not there are made.
    pub create: bool,
    /// After how long without an ack an append gives up; `None` never does, which is for whoever decides.
    pub unacked_after: Option<Duration>,
}

impl Config {
    /// Reads an address such as `kafka://127.0.0.1:9092/cell`.
    pub fn parse(address: &str) -> Result<Self, Error> {
        let fault = |why: &str| Error::Configuration { name: address.to_owned(), why: why.to_owned() };
        let rest = address.strip_prefix(SCHEME).ok_or_else(|| fault("an address begins with kafka://"))?;
        let (brokers, cell) = rest.split_once('/').unwrap_or((rest, CELL_DEFAULT));
        let cell = if cell.is_empty() { CELL_DEFAULT } else { cell };
        if !brokers.split(',').all(is_broker) {
            return Err(fault("the brokers are HOST:PORT, with commas between them"));
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if cell.len() > CELL_BYTES_MAX || !cell.chars().all(legal) {
            return Err(fault("the name of a cell has letters, digits, '-' and '_' only, 200 at most"));
        }
        Ok(Self {
            brokers: brokers.to_owned(),
            cell: cell.to_owned(),
            properties: BTreeMap::new(),
            replication: None,
            create: false,
            unacked_after: Some(UNACKED_AFTER),
        })
    }

    /// Adds a file of client properties, one `name=value` a line: TLS and SASL above all.
    pub fn with_properties(mut self, path: &Path) -> Result<Self, Error> {
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|source| Error::Io { doing: "read", path: path.to_owned(), source })?;
        for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| is_property(text)) {
            let fault = |why| Error::Configuration { name: format!("{}, line {line}", path.display()), why };
            let (name, value) = text.split_once('=').ok_or_else(|| fault("it is not name=value".to_owned()))?;
            let name = name.trim();
            if OURS.contains(&name) {
                return Err(fault(format!("{name} is not for you to set: the log's promises rest on it")));
            }
            self.properties.insert(name.to_owned(), value.trim().to_owned());
        }
        Ok(self)
    }

    /// The same log, for whoever decides: an append is tried until it is acked or can never be.
    #[must_use]
    pub fn for_decisions(mut self) -> Self {
        self.unacked_after = None;
        self
    }

    /// The name of the cell.
    pub fn cell(&self) -> &str {
        &self.cell
    }

    /// The topic of commands and decisions.
    pub(super) fn log_topic(&self) -> String {
        format!("quipu.{}.log", self.cell)
    }

    /// The topic of heartbeats and usage.
    pub(super) fn telemetry_topic(&self) -> String {
        format!("quipu.{}.telemetry", self.cell)
    }

    /// What every client of this cluster is told.
    pub(super) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("client.id", "quipu").set("reconnect.backoff.max.ms", "1000").set("log.connection.close", "false");
        for (name, value) in &self.properties {
            client.set(name, value);
        }
        // A topic that is gone is not to come back as the brokers please.
        client.set("bootstrap.servers", &self.brokers).set("allow.auto.create.topics", "false");
        client
    }
}

fn is_broker(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

fn is_property(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.brokers, self.cell)
    }
}

/// Without the values of properties: there are passwords among them.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.properties.keys().collect();
        f.debug_struct("Config").field("address", &self.to_string()).field("properties", &names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_brokers_and_a_cell() {
        let config = Config::parse("kafka://127.0.0.1:9092,[::1]:9093/west-2").expect("legal");
        assert_eq!((config.brokers.as_str(), config.cell()), ("127.0.0.1:9092,[::1]:9093", "west-2"));
        assert_eq!(config.log_topic(), "quipu.west-2.log");
        assert_eq!(Config::parse("kafka://k:1").expect("legal").cell(), "cell");
        for bad in ["http://k:1/c", "kafka://", "kafka://k/c", "kafka://k:1/a.b", "kafka://k:x/c"] {
            let error = Config::parse(bad).expect_err(bad);
            assert_eq!(error.code(), "configuration");
            assert!(error.to_string().starts_with(bad), "{error}");
        }
    }

    #[test]
    fn properties_are_read_but_not_those_that_the_promises_rest_on() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let read = |text: &str| {
            std::fs::write(file.path(), text).expect("written");
            Config::parse("kafka://k:1").expect("legal").with_properties(file.path())
        };
        let config = read("# who we are\n\nsasl.username = quipu\nsasl.password=a=b\n").expect("legal");
        assert_eq!(config.client().get("sasl.password"), Some("a=b"));
        assert!(!format!("{config:?}").contains("a=b"), "a password must not be printed");
        let error = read("sasl.username=quipu\nacks=1").expect_err("ours").to_string();
        assert!(error.contains("line 2") && error.contains("acks"), "{error}");
        for alias in ["delivery.timeout.ms=1", "metadata.broker.list=k:2", "request.required.acks=0"] {
            read(alias).expect_err("ours under another name");
        }
        read("nonsense").expect_err("not a property");
    }
}
