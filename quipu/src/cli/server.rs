//! The arguments of the commands that run parts of a cell on this machine.

use std::{net::SocketAddr, path::PathBuf};

use allocator::leader::checkpoint::PublicKey;
use clap::{Args, Subcommand};
use command_log::kafka;
use log_schema::AgentId;
use replay::Changes;

use super::parse::{self, AtArg, History};
use crate::client::address;

/// Where a log that many processes share is.
#[derive(Clone, Debug, Args)]
pub(crate) struct KafkaLog {
    /// The cell's log, as in kafka://127.0.0.1:9092/cell.
    #[arg(long, value_name = "kafka://HOST:PORT,…/CELL", env = "QUIPU_LOG", value_parser = kafka::Config::parse)]
    pub(crate) log: kafka::Config,
    #[command(flatten)]
    pub(crate) options: KafkaOptions,
}

/// How brokers are spoken to, and where that is which they no longer have.
#[derive(Clone, Debug, Args)]
pub(crate) struct KafkaOptions {
    /// A file of client properties, as for TLS and SASL: one name=value a line.
    #[arg(long, value_name = "FILE", env = "QUIPU_KAFKA_CONFIG")]
    pub(crate) kafka_config: Option<PathBuf>,
    /// On how many brokers each record must be [default: three, or as many as there are].
    #[arg(long, value_name = "N", value_parser = parse::whole(1..=u16::MAX), allow_negative_numbers = true)]
    pub(crate) replication: Option<u16>,
    /// Where the segments of the log are that `quipu log archive` has written.
    #[arg(long, value_name = "DIR", env = "QUIPU_ARCHIVE")]
    pub(crate) archive: Option<PathBuf>,
}

/// A log that is read or copied: that of a cell on this machine, or one in Kafka.
#[derive(Clone, Debug, Args)]
pub(crate) struct LogPlace {
    /// The directory of a cell, running or not, or kafka://HOST:PORT,…/CELL [default: the usual directory].
    #[arg(long, value_name = "DIR|kafka://…", env = "QUIPU_LOG", value_parser = parse::log_place)]
    pub(crate) log: Option<String>,
    #[command(flatten)]
    pub(crate) options: KafkaOptions,
}

/// `quipu allocator`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  quipu allocator --log kafka://127.0.0.1:9092/cell --dir ./allocator-1
  quipu allocator --log kafka://k1:9092,k2:9092,k3:9092/cell --dir ./allocator-2 --take-over-ms 3000")]
pub(crate) struct Allocator {
    #[command(flatten)]
    pub(crate) log: KafkaLog,
    /// Where it keeps snapshots, each allocator its own.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// After how many milliseconds without a decision that was due it takes over.
    #[arg(long, value_name = "MS", default_value_t = 2_000, value_parser = parse::whole(100..=u64::MAX))]
    #[arg(allow_negative_numbers = true)]
    pub(crate) take_over_ms: u64,
    /// After how many milliseconds of silence an agent counts as unreachable; 0: never.
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = parse::whole(0..=u64::MAX))]
    #[arg(allow_negative_numbers = true)]
    pub(crate) agent_silent_ms: u64,
}

/// `quipu gateway`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  quipu gateway --log kafka://127.0.0.1:9092/cell --dir ./gateway-1
  quipu gateway --log kafka://127.0.0.1:9092/cell --dir ./gateway-2 --listen 127.0.0.1:7071")]
pub(crate) struct Gateway {
    #[command(flatten)]
    pub(crate) log: KafkaLog,
    /// Where it keeps projections, each gateway its own; they are made again where they are missing.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Where it listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7070", value_parser = parse::loopback)]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) history: HistoryOption,
}

/// For how long the past can be asked for.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct HistoryOption {
    /// For how long the past can be asked for, as in 12h or 30d, or `forever`. What is older leaves the projections by
    /// itself, and the log keeps it.
    #[arg(long, value_name = "DURATION", default_value = "30d", env = "QUIPU_HISTORY")]
    pub(crate) history: History,
}

/// `quipu log`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  quipu log export --log ./cell cell.qlog
  quipu log import --log kafka://127.0.0.1:9092/cell cell.qlog
  quipu log check --log ./cell
  quipu log archive --log kafka://127.0.0.1:9092/cell --archive ./archive --follow
  quipu log trim --log kafka://127.0.0.1:9092/cell --archive ./archive")]
pub(crate) struct LogCommand {
    /// What to do.
    #[command(subcommand)]
    pub(crate) action: LogAction,
}

/// What is done with a whole log.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum LogAction {
    /// Write every record of a log to a file, with digests.
    #[command(after_help = "\
Examples:
  quipu log export cell.qlog                 of the cell in the usual directory
  quipu log export --log ./cell cell.qlog    of the cell in this directory, running or not")]
    Export(Export),
    /// Append every record of a file to an empty log: so a cell moves to Kafka, and back.
    #[command(after_help = "\
Examples:
  quipu log import --log kafka://127.0.0.1:9092/cell cell.qlog
  quipu log import --log ./new-cell cell.qlog")]
    Import(Import),
    /// Write what a log has beyond its archive as further segments, and read each back.
    #[command(after_help = "\
Examples:
  quipu log archive --log kafka://127.0.0.1:9092/cell --archive ./archive            whole segments, and end
  quipu log archive --log kafka://127.0.0.1:9092/cell --archive ./archive --all      everything, and end
  quipu log archive --log kafka://127.0.0.1:9092/cell --archive ./archive --follow   until it is told to stop")]
    Archive(Archive),
    /// Read every record of a log, and say whether all are there as they were written.
    #[command(after_help = "\
Examples:
  quipu log check                the cell in the usual directory, running or not
  quipu log check --log ./cell   the cell in this directory")]
    Check(Check),
    /// Let a log forget what an archive has. It cannot be undone.
    ///
    /// A cell that runs does it itself, if it was started with the same --archive, and goes on meanwhile.
    #[command(after_help = "\
Examples:
  quipu log trim --log kafka://127.0.0.1:9092/cell --archive ./archive                   all but the newest million
  quipu log trim --log kafka://127.0.0.1:9092/cell --archive ./archive --below 1000000   no more than that
  quipu log trim --log ./cell --archive ./archive                                        of a cell that is stopped, or
                                                                                         runs with this --archive")]
    Trim(Trim),
}

/// `quipu log export`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) place: LogPlace,
    /// The file to write; it must not exist.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// `quipu log import`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) place: LogPlace,
    /// The file to read.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// `quipu log check`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) place: LogPlace,
}

/// `quipu log archive`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Archive {
    #[command(flatten)]
    pub(crate) place: LogPlace,
    /// How many records a segment has.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = parse::whole(1..=10_000_000_u64))]
    #[arg(allow_negative_numbers = true)]
    pub(crate) segment_records: u64,
    /// Write the rest too, which is less than a segment.
    #[arg(long)]
    pub(crate) all: bool,
    /// Go on as the log grows, until SIGTERM or SIGINT.
    #[arg(long, conflicts_with = "all")]
    pub(crate) follow: bool,
}

/// `quipu log trim`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Trim {
    #[command(flatten)]
    pub(crate) place: LogPlace,
    /// The first offset that the log is to keep [default: as far as --keep and the archive allow].
    #[arg(long, value_name = "OFFSET", value_parser = parse::whole(0..=u64::MAX), allow_negative_numbers = true)]
    pub(crate) below: Option<u64>,
    /// How many of the newest records the log keeps at least: allocators without --archive go on from snapshots,
    /// which are 200000 records old or younger.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = parse::whole(0..=u64::MAX))]
    #[arg(allow_negative_numbers = true)]
    pub(crate) keep: u64,
}

/// `quipu up`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  quipu up                                        keep the cell in the usual directory
  quipu up --dir ./cell --listen 127.0.0.1:8080   keep it here, and listen there
  quipu up --agent-resources 'cpu=2 mem=4Gi'      offer less than the whole machine
  quipu up --no-agent                             agents come from elsewhere")]
pub(crate) struct Up {
    /// Where the cell is kept [default: $XDG_STATE_HOME/quipu or ~/.local/state/quipu].
    #[arg(long, value_name = "DIR", env = "QUIPU_DIR", hide_env = false)]
    #[arg(default_value_os_t = address::dir_default(), hide_default_value = true)]
    pub(crate) dir: PathBuf,
    /// Where the gateway listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7070", value_parser = parse::loopback)]
    pub(crate) listen: SocketAddr,
    /// Start no agent on this machine.
    #[arg(long)]
    pub(crate) no_agent: bool,
    /// The name of the agent [default: the one that it has, or the name of this machine].
    #[arg(long, value_name = "AGENT", value_parser = parse::agent, conflicts_with = "no_agent")]
    pub(crate) agent_id: Option<String>,
    /// What the agent offers, as in 'cpu=2 mem=4Gi ports=31000-32000' [default: the whole machine].
    #[arg(long, value_name = "RESOURCES", value_parser = parse::resources_text, conflicts_with = "no_agent")]
    pub(crate) agent_resources: Option<String>,
    /// After how many milliseconds of silence an agent counts as unreachable; 0: never.
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = parse::whole(0..=u64::MAX))]
    #[arg(allow_negative_numbers = true)]
    pub(crate) agent_silent_ms: u64,
    /// Where the segments of the log are that `quipu log archive` has written, if `quipu log trim` was used.
    #[arg(long, value_name = "DIR", env = "QUIPU_ARCHIVE")]
    pub(crate) archive: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) history: HistoryOption,
}

/// `quipu down`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  quipu down                stop the cell; its tasks run on and are found again by the next `quipu up`
  quipu down --kill-tasks   stop the cell and everything that it runs; a task that holds out against SIGTERM has the grace
                            of its job, but at most ten seconds, then SIGKILL
  quipu down --kill-tasks --force   the same with SIGKILL at once")]
pub(crate) struct Down {
    /// Where the cell is kept [default: $XDG_STATE_HOME/quipu or ~/.local/state/quipu].
    #[arg(long, value_name = "DIR", env = "QUIPU_DIR")]
    #[arg(default_value_os_t = address::dir_default(), hide_default_value = true)]
    pub(crate) dir: PathBuf,
    /// End the tasks of this machine as well, with the grace of their jobs, but at most ten seconds.
    #[arg(long)]
    pub(crate) kill_tasks: bool,
    /// SIGKILL to the tasks at once.
    #[arg(short, long, requires = "kill_tasks")]
    pub(crate) force: bool,
}

/// `quipu agent`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  quipu agent --id a1 --dir ./a1
  quipu agent --id a2 --dir ./a2 --gateway http://127.0.0.1:8080 --resources 'cpu=8 mem=32Gi' --attribute zone=north
  quipu agent --dir ./a3 --gateway http://127.0.0.1:7070,http://127.0.0.1:7071
  quipu agent --dir ./a4 --log kafka://127.0.0.1:9092/cell")]
pub(crate) struct Agent {
    /// The name of the agent [default: that of the directory, or in a new one the name of this machine].
    #[arg(long, value_name = "AGENT", value_parser = parse::agent)]
    pub(crate) id: Option<String>,
    /// The gateway through which it reads and writes the log; several, with commas between, where one may be lost.
    #[arg(long, value_name = "URL", env = "QUIPU_GATEWAY", default_value = address::URL_DEFAULT)]
    pub(crate) gateway: String,
    /// The directory of a cell on this machine: where its gateway listens is read there, again for each connection.
    #[arg(long, value_name = "DIR", conflicts_with = "log")]
    pub(crate) cell: Option<PathBuf>,
    /// The log itself, in the place of a gateway: the agent then folds all of it.
    #[arg(long, value_name = "kafka://HOST:PORT,…/CELL", value_parser = kafka::Config::parse, conflicts_with = "gateway")]
    pub(crate) log: Option<kafka::Config>,
    #[command(flatten)]
    pub(crate) options: KafkaOptions,
    /// Where it keeps sandboxes and what it must not forget.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// What it offers, as in 'cpu=2 mem=4Gi ports=31000-32000' [default: the whole machine].
    #[arg(long, value_name = "RESOURCES", value_parser = parse::resources_text)]
    pub(crate) resources: Option<String>,
    /// What constraints are compared with, as in zone=north; may be given several times.
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = parse::pair_text)]
    pub(crate) attributes: Vec<String>,
}

/// `quipu audit`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  quipu audit verify --log kafka://127.0.0.1:9092/cell
  quipu audit verify                 the cell in the usual directory
  quipu audit verify --log ./cell    the cell in this directory, running or not
  quipu audit verify --log kafka://127.0.0.1:9092/cell --checkpoints ./allocator-1/snapshots")]
pub(crate) struct Audit {
    /// What to do.
    #[command(subcommand)]
    pub(crate) action: AuditAction,
}

/// What an audit does.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum AuditAction {
    /// Decide every command of the log again, and compare with what was decided.
    Verify(Verify),
}

/// `quipu audit verify`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) place: LogPlace,
    /// A directory of signed checkpoints to compare with [default: those of the cell's own directory].
    #[arg(long, value_name = "DIR")]
    pub(crate) checkpoints: Option<PathBuf>,
    /// A public key by which every checkpoint must be signed; several, where several allocators have led.
    #[arg(long = "key", value_name = "HEX", value_parser = parse::public_key)]
    pub(crate) keys: Vec<PublicKey>,
}

/// `quipu whatif`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  quipu whatif --set policy=spread
  quipu whatif --log ./cell --at 12000 --add-agents '20x{cpu=8,mem=32Gi}'
  quipu whatif --log ./cell --drop-agent a7 --scale web=2.0")]
pub(crate) struct Whatif {
    #[command(flatten)]
    pub(crate) place: LogPlace,
    /// Where history forks: an offset, a time such as 2026-07-29T10:15:00Z, or how long ago, as in 5m.
    #[arg(long, value_name = "OFFSET|TIME", allow_hyphen_values = true)]
    pub(crate) at: Option<AtArg>,
    /// Another parameter, as in policy=spread; may be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse::change(Changes::add_set))]
    pub(crate) set: Vec<String>,
    /// More agents, as in '20x{cpu=8,mem=32Gi}'; may be given several times.
    #[arg(long, value_name = "COUNTx{RESOURCES}", value_parser = parse::change(Changes::add_agents))]
    pub(crate) add_agents: Vec<String>,
    /// An agent to do without; may be given several times.
    #[arg(long, value_name = "AGENT")]
    pub(crate) drop_agent: Vec<AgentId>,
    /// More or fewer tasks of a job, as in web=2.0; may be given several times.
    #[arg(long, value_name = "JOB=FACTOR", value_parser = parse::change(Changes::add_scale))]
    pub(crate) scale: Vec<String>,
}

/// `quipu supervise`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Supervise {
    /// The sandbox of the task.
    pub(crate) sandbox: PathBuf,
}
