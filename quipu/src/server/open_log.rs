//! Opens the log that a command names: that of a cell on this machine, or one in Kafka.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use command_log::{
    Log,
    archive::{Archive, ArchivedLog},
    embedded::FrozenLog,
    kafka::{self, KafkaLog},
};

use super::layout::Layout;
use crate::{cli, client::address, exit::Failure};

/// How long it is tried to reach brokers that do not answer: they may be starting.
const REACH_MAX: Duration = Duration::from_secs(60);
const REACH_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Where a log is.
pub(super) enum Place {
    /// Below the directory of a cell.
    Directory(PathBuf),
    /// In Kafka.
    Kafka(kafka::Config),
}

/// What the command line names; the usual directory where it names none.
pub(super) fn place(args: &cli::LogPlace, create: bool) -> anyhow::Result<Place> {
    match &args.log {
        Some(address) if address.starts_with(kafka::SCHEME) => {
            Ok(Place::Kafka(configure(kafka::Config::parse(address)?, &args.options, create)?))
        }
        Some(directory) => Ok(Place::Directory(directory.into())),
        None => Ok(Place::Directory(address::dir_of_environment().unwrap_or_else(address::dir_default))),
    }
}

/// Adds what the command line says about brokers.
pub(super) fn configure(
    mut config: kafka::Config,
    options: &cli::server::KafkaOptions,
    create: bool,
) -> anyhow::Result<kafka::Config> {
    if let Some(file) = &options.kafka_config {
        config = config.with_properties(file)?;
    }
    config.replication = options.replication;
    config.create = create;
    Ok(config)
}

/// A log that was opened to be read.
pub(super) struct ToRead {
    /// It passed every check that a start of the cell makes.
    pub log: Arc<dyn Log>,
    /// What those checks cannot see, for people.
    pub not_seen: String,
}

/// The log alone, without the archive that is made of it.
pub(super) async fn to_archive(args: &cli::LogPlace) -> anyhow::Result<ToRead> {
    let mut alone = args.clone();
    alone.options.archive = None;
    to_read(&alone).await
}

/// A log to read as it is now; nothing is made, and nothing is waited for.
pub(super) async fn to_read(args: &cli::LogPlace) -> anyhow::Result<ToRead> {
    let archive = args.options.archive.as_deref();
    match place(args, false)? {
        Place::Directory(root) => {
            let path = Layout::new(root).log();
            let log = FrozenLog::open(&path);
            let log = log.with_context(|| format!("could not read the log in {}", path.display()))?;
            let doubt = log.doubt().map(|doubt| format!("; {doubt}")).unwrap_or_default();
            let not_seen = format!(
                "all records that were acked are there, which is those below offset {}; whether the whole directory is \
                 an older copy of itself, only checkpoints that are kept elsewhere can say{doubt}",
                log.acked()
            );
            Ok(ToRead { log: with_archive(log, archive).await?, not_seen })
        }
        Place::Kafka(config) => {
            let not_seen = "a topic keeps no mark of what was acked: whether brokers have lost the end of the log, only \
                            checkpoints can say";
            let log = with_archive(KafkaLog::open(&config).await?, archive).await?;
            Ok(ToRead { log, not_seen: not_seen.to_owned() })
        }
    }
}

/// A log that others have open too; brokers that do not answer yet are waited for.
pub(super) async fn shared(
    config: &kafka::Config,
    options: &cli::server::KafkaOptions,
) -> anyhow::Result<Arc<dyn Log>> {
    let begun = tokio::time::Instant::now();
    let log = loop {
        match KafkaLog::open(config).await {
            Err(error) if error.is_transient() && begun.elapsed() < REACH_MAX => {
                tracing::warn!(error = &error as &dyn std::error::Error, "trying to open the log again");
                tokio::time::sleep(REACH_AGAIN_AFTER).await;
            }
            opened => break opened?,
        }
    };
    with_archive(log, options.archive.as_deref()).await
}

/// The log, and before it what an archive has.
pub(super) async fn with_archive(log: impl Log, archive: Option<&Path>) -> anyhow::Result<Arc<dyn Log>> {
    let Some(directory) = archive else { return Ok(Arc::new(log)) };
    Ok(Arc::new(ArchivedLog::join(self::archive(directory)?, log).await?))
}

/// The archive in a directory, which has to be there.
pub(super) fn archive(directory: &Path) -> anyhow::Result<Archive> {
    if !directory.is_dir() {
        let what = format!("there is no archive in {}", directory.display());
        return Err(Failure::usage(what).hint("`quipu log archive` makes one").into());
    }
    Ok(Archive::open(directory)?)
}
