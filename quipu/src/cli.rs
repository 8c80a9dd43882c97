//! The command line: every command, its arguments and its examples. Nothing here does anything.
//!
//! Client commands keep their arguments beside their code, in `command/`; those that run parts of a
//! cell on this machine keep them in `cli/server.rs`.

pub(crate) mod parse;
pub(crate) mod server;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use self::server::{
    Agent, Allocator, Archive, AuditAction, Check, Down, Export, Gateway, Import, LogAction, LogCommand, LogPlace,
    Supervise, Trim, Up, Verify, Whatif,
};
use crate::{command, output::Format};

/// Quipu: a datacenter operating system whose only truth is an append-only command log.
#[derive(Debug, Parser)]
#[command(name = "quipu", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  quipu up                                a one-machine cell on 127.0.0.1
  quipu run -- echo hello                 run a command and see its output
  quipu submit job.toml --wait            run a described job to its end
  quipu ps                                what runs where
  quipu why web.0                         why it waits, runs there, or ended
  quipu ps --at 5m                        what ran where five minutes ago

Exit codes:
  0 done · 1 what was asked for failed · 2 wrong usage · 3 refused by the cell
  4 the gateway cannot be reached · 5 timed out, or the outcome is unknown
  `quipu run` ends with the exit code of what it ran.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options for every command")]
pub(crate) struct Global {
    /// The address of the gateway [env: QUIPU_GATEWAY] [default: http://127.0.0.1:7070].
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) gateway: Option<String>,
    /// The directory of a cell on this machine, whose gateway is asked [env: QUIPU_DIR].
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Who asks; commands are recorded under this name.
    #[arg(long = "as", global = true, value_name = "NAME", env = "QUIPU_PRINCIPAL")]
    pub(crate) principal: Option<String>,
    /// How answers are written.
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Format,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a one-machine cell: log, allocator, gateway and one agent.
    Up(server::Up),
    /// Stop the cell that runs in a directory.
    Down(server::Down),
    /// Run an agent: offer this machine to a cell.
    Agent(server::Agent),
    /// Run an allocator of a cell whose log is in Kafka; the first leads, others stand by.
    Allocator(server::Allocator),
    /// Run a gateway of a cell whose log is in Kafka; any number may serve.
    Gateway(server::Gateway),

    /// Run a command in the cell, show its output, and end with its exit code.
    Run(command::run::Args),
    /// Submit the jobs of a file.
    Submit(command::submit::Args),
    /// Stop a job: waiting tasks are withdrawn, running ones are killed.
    Stop(command::stop::Args),
    /// Change how many tasks a job has.
    Scale(command::scale::Args),
    /// End one task for good.
    Kill(command::kill::Args),
    /// Start one task of a job again, whatever became of it.
    Restart(command::restart::Args),

    /// List tasks: what runs where.
    Ps(command::ps::Args),
    /// List jobs.
    Jobs(command::jobs::Args),
    /// Show one job.
    Job(command::job::Args),
    /// Show the output of a task.
    Logs(command::logs::Args),
    /// Tell why a task or job waits, where it was placed, or how it ended.
    Why(command::why::Args),
    /// Show what happened, and what happens.
    Events(command::events::Args),
    /// List what the cell refused.
    Refusals(command::refusals::Args),

    /// List agents.
    Agents(command::agents::Args),
    /// Remove an agent for good; its tasks are lost.
    RemoveAgent(command::remove_agent::Args),
    /// List the offers that stand.
    Offers(command::offers::Args),
    /// List frameworks.
    Frameworks(command::frameworks::Args),
    /// List roles, their weights and their shares.
    Roles(command::roles::Args),
    /// Change a role.
    Role(command::role::Args),
    /// Show or change the cell's parameters.
    Parameters(command::parameters::Args),
    /// Show the cell: who leads, how far the log is, what is used.
    Cell(command::cell::Args),

    /// Copy a whole log to a file, or from one.
    Log(server::LogCommand),
    /// Prove that the decisions of a log follow from its commands.
    Audit(server::Audit),
    /// Ask what would have happened, from real history.
    Whatif(server::Whatif),
    /// Write a completion script for a shell.
    Completions(command::completions::Args),
    /// Look after one task; agents start this.
    #[command(hide = true)]
    Supervise(server::Supervise),
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, error::ErrorKind};

    use super::*;

    fn refused(line: &str) -> (ErrorKind, String) {
        let error = Cli::try_parse_from(line.split(' ')).expect_err(line);
        (error.kind(), error.to_string())
    }

    fn parsed(line: &str) -> Cli {
        Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    #[test]
    fn the_tree_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_visible_command_shows_examples() {
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with("Examples:\n  quipu "), "{} has no examples", command.get_name());
        }
    }

    /// The words of a line as a shell reads them; `'` quotes.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        for (index, part) in line.split('\'').enumerate() {
            let mut pieces = if index % 2 == 1 { vec![part] } else { part.split(' ').collect() }.into_iter();
            words.last_mut().expect("never empty").push_str(pieces.next().unwrap_or_default());
            words.extend(pieces.map(Into::into));
        }
        words
    }

    #[test]
    fn every_example_can_be_parsed() {
        let root = Cli::command();
        for command in root.get_subcommands().chain([&root]) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in
                help.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| line.starts_with("quipu "))
            {
                let line = line.split("  ").next().expect("a first part").split(" >").next().expect("a first part");
                let parsed = Cli::try_parse_from(words(line));
                assert!(parsed.is_ok(), "{line}: {}", parsed.expect_err("checked"));
            }
        }
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        for line in ["quipu --dir /tmp/c -o json ps", "quipu ps --dir /tmp/c -o json"] {
            let global = parsed(line).global;
            assert_eq!(global.dir.as_deref(), Some(std::path::Path::new("/tmp/c")));
            assert_eq!(global.output, Format::Json);
        }
    }

    #[test]
    fn the_directory_of_up_may_stand_before_it() {
        for line in ["quipu --dir /tmp/c up", "quipu up --dir /tmp/c"] {
            let Command::Up(up) = parsed(line).command else { panic!("{line}") };
            assert_eq!(up.dir, PathBuf::from("/tmp/c"));
        }
    }

    #[test]
    fn what_is_run_keeps_its_own_options() {
        let Command::Run(run) = parsed("quipu run -n 3 -- ls -l --all").command else { panic!("run") };
        assert_eq!((run.count, run.argv), (3, vec!["ls".into(), "-l".into(), "--all".into()]));
    }

    #[test]
    fn a_misspelt_command_gets_a_suggestion() {
        let (kind, text) = refused("quipu agnets");
        assert_eq!(kind, ErrorKind::InvalidSubcommand);
        assert!(text.contains("'agents'"), "{text}");
    }

    #[test]
    fn a_number_that_cannot_be_one_is_refused_with_what_was_meant_and_its_bound() {
        let of_count = |line| (line, "'<COUNT>'", "a whole number, 0 or more");
        let cases = [
            of_count("quipu scale web -1"),
            of_count("quipu scale web x"),
            ("quipu scale web 1000001", "'<COUNT>'", "at most 1000000"),
            ("quipu run -n -1 -- true", "'--count <COUNT>'", "a whole number, 1 or more"),
            ("quipu run -n 0 -- true", "'--count <COUNT>'", "a whole number, 1 or more"),
            ("quipu run --ports -1 -- true", "'--ports <COUNT>'", "a whole number, 0 or more"),
            ("quipu run --cpu -1 -- true", "'--cpu <CPU>'", ""),
            ("quipu logs web.0 -n -5", "'--lines <LINES>'", "a whole number, 0 or more"),
            ("quipu events -n -5", "'--lines <COUNT>'", "a whole number, 1 or more"),
            ("quipu events -n 0", "'--lines <COUNT>'", "a whole number, 1 or more"),
            ("quipu ps --limit -5", "'--limit <COUNT>'", "a whole number, 1 or more"),
            ("quipu ps --limit 0", "'--limit <COUNT>'", "a whole number, 1 or more"),
            ("quipu refusals --code Nope", "'--code <CODE>'", "JobExists"),
            ("quipu ps --at -5", "'--at <OFFSET|TIME>'", "expected an offset"),
            ("quipu role set web --weight 0", "'--weight <WEIGHT>'", "a whole number, 1 or more"),
        ];
        for (line, place, bound) in cases {
            let (kind, text) = refused(line);
            assert_eq!(kind, ErrorKind::ValueValidation, "{line}: {text}");
            assert!(text.contains(place) && text.contains(bound), "{line}: {text}");
        }
    }

    #[test]
    fn a_wrong_place_change_or_key_is_wrong_usage() {
        for line in [
            "quipu audit verify --log kafka://nonsense",
            "quipu whatif --log kafka://nonsense",
            "quipu whatif --set policy=foo",
            "quipu whatif --add-agents 100001x{cpu=1}",
            "quipu whatif --scale web=x",
            "quipu audit verify --key 12ab",
        ] {
            let (kind, text) = refused(line);
            assert_eq!(kind, ErrorKind::ValueValidation, "{line}: {text}");
        }
    }

    #[test]
    fn illegal_names_are_refused_before_anything_is_sent() {
        for line in ["quipu stop a.b", "quipu kill web", "quipu scale web many", "quipu role set a!b --weight 2"] {
            assert_eq!(refused(line).0, ErrorKind::ValueValidation, "{line}");
        }
    }
}
