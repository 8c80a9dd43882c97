//! `quipu run`: a command in the cell as if it ran here. Its output comes here, its exit code is ours.
//!
//! ```text
//!   submit ──> events of the job ──┬── a run begins ──> its output, both streams
//!                                  └── the job ended ──> what is left of the output, then exit
//! ```

mod console;
mod outputs;
mod session;
mod signals;

use std::process::ExitCode;

use log_schema::{JobId, MiB, MilliCpu, MilliGpu, Resources, RoleName, job::TASKS_PER_JOB_MAX};
use sha2::{Digest, Sha256};

use self::{session::Session, signals::Signals};
use super::{Asking, Context, runtime, submit};
use crate::{
    cli::parse,
    client::{Answer, Client, graphql::key_made},
    job::{Constraint, Job, Kind, Restart, RestartOn},
    output,
};

/// How much of the hash of a key a job's name holds: enough for no two keys of a cell to meet.
const KEY_HASH_BYTES: usize = 5;

/// `quipu run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu run -- echo hello
  quipu run --cpu 2 --mem 1Gi --name build -- make -j2
  quipu run -n 3 --env COLOUR=red -- sh -c 'echo $QUIPU_INDEX'
  quipu run --constraint zone=north --ports 1 --detach -- python3 -m http.server
  quipu run --key nightly-17 -- ./report.sh     sent twice, it runs once: the second shows the first's output

It ends with the exit code of the command; with -n, of the first task that failed; 128 and the
number of the signal that ended it; 127 where it could not be started; 74 if all went
well but output was lost, which standard error says.

Ctrl-C, SIGTERM and SIGHUP stop the job, and this command ends with 130, 143 or 129 once it has ended; a second
one leaves without waiting. A signal that is ignored, as SIGHUP under nohup, changes nothing. To leave a job
running, start it with --detach.")]
pub(crate) struct Args {
    /// How many tasks to run the command in.
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 1)]
    #[arg(value_parser = parse::whole(1..=TASKS_PER_JOB_MAX), allow_negative_numbers = true)]
    pub(crate) count: u32,
    /// How much CPU one task needs: 2, 0.5 or 500m.
    #[arg(long, default_value = "0.5", allow_negative_numbers = true)]
    cpu: MilliCpu,
    /// How much memory one task needs: 512Mi or 2Gi.
    #[arg(long, default_value = "128Mi", allow_negative_numbers = true)]
    mem: MiB,
    /// How much GPU one task needs: 1 or 0.5.
    #[arg(long, allow_negative_numbers = true)]
    gpu: Option<MilliGpu>,
    /// How many ports one task needs; it finds them as PORT0, PORT1 … in its environment.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    #[arg(value_parser = parse::whole(0..=u16::MAX), allow_negative_numbers = true)]
    ports: u16,
    /// An environment variable; may be given several times.
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = parse::pair)]
    env: Vec<(String, String)>,
    /// The name of the job [default: one that is made from the command].
    #[arg(long, value_name = "JOB")]
    name: Option<JobId>,
    /// The role whose share is used.
    #[arg(long, value_name = "ROLE")]
    role: Option<RoleName>,
    /// Where it may run, as in zone=north,south or zone!=north or ssd; may be given several times.
    #[arg(long, value_name = "CONSTRAINT")]
    constraint: Vec<Constraint>,
    /// How often a task that fails is started again.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    #[arg(value_parser = parse::whole(0..=u32::MAX), allow_negative_numbers = true)]
    restarts: u32,
    /// Do not wait: print the name of the job and leave.
    #[arg(short, long)]
    detach: bool,
    #[command(flatten)]
    asking: Asking,
    /// The command and its arguments.
    #[arg(trailing_var_arg = true, required = true, value_name = "CMD")]
    pub(crate) argv: Vec<String>,
}

/// Runs a command in the cell.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    // Made here if none is given: who does not hear what became of the command may repeat it under this key.
    let key = args.asking.key().map_or_else(key_made, str::to_owned);
    let job = job(args, context.client.principal(), &key);
    if args.detach {
        let answer = submit::submit(&context.client, &job, Some(&key))?;
        said(&job, &answer);
        output::show(context.format, &answer.payload, || format!("{}\n", job.name))?;
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = runtime()?;
    let code = runtime.block_on(attend(&context.client, &job, &key));
    // A request that is under way when a signal ends the wait is not waited for.
    runtime.shutdown_background();
    Ok(ExitCode::from(code?))
}

/// Submits a job and attends it to its end.
async fn attend(client: &Client, job: &Job, key: &str) -> anyhow::Result<u8> {
    let mut signals = Signals::listen()?;
    let submitted = {
        let (client, job, key) = (client.clone(), job.clone(), key.to_owned());
        tokio::task::spawn_blocking(move || submit::submit(&client, &job, Some(&key)))
    };
    let answer = tokio::select! {
        answer = submitted => answer??,
        ending = signals.next() => {
            let name = &job.name;
            output::notice(&format!(
                "{} before there was an answer: job {name} may have been submitted; `quipu stop {name}` stops it",
                ending.name
            ));
            return Ok(ending.exit_code());
        }
    };
    said(job, &answer);
    let since = answer.first_offset().to_owned();
    Session::open(client, job, since, signals).await?.attend().await
}

/// Says what the output of the command does not.
fn said(job: &Job, answer: &Answer) {
    if answer.is_repeat() {
        output::notice(&submit::accepted(job, answer));
    }
    submit::warn(job, answer);
}

fn job(args: &Args, principal: &str, key: &str) -> Job {
    let resources =
        Resources { cpu: args.cpu, mem: args.mem, gpu: args.gpu.unwrap_or_default(), ..Resources::default() };
    let (on, limit) = if args.restarts == 0 { (RestartOn::Never, 0) } else { (RestartOn::Failure, args.restarts) };
    Job {
        name: args.name.clone().unwrap_or_else(|| name_of(&args.argv, &ending(principal, key))),
        kind: Kind::Batch,
        role: args.role.clone(),
        count: args.count,
        resources,
        ports: args.ports,
        command: args.argv.clone(),
        env: args.env.iter().cloned().collect(),
        directory: None,
        kill_grace_ms: None,
        constraints: args.constraint.clone(),
        restart: Some(Restart { on: Some(on), limit: Some(limit), ..Restart::default() }),
    }
}

/// How the name of a job ends. One key of a principal means one command, so the name follows from it.
fn ending(principal: &str, key: &str) -> String {
    let hash = Sha256::digest(format!("{principal}\n{key}"));
    hash[..KEY_HASH_BYTES].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `/usr/bin/wc.sh` is `wc-sh-` and the ending.
fn name_of(argv: &[String], ending: &str) -> JobId {
    let program = argv.first().and_then(|program| program.rsplit('/').next()).unwrap_or_default();
    let legal = program.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' });
    let word: String = legal.take(32).collect();
    let word = word.trim_matches('-');
    let word = if word.is_empty() { "run" } else { word };
    JobId::new(format!("{word}-{ending}")).expect("letters, digits and dashes make a legal name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_named_after_its_program() {
        let name = |program: &str, key| name_of(&[program.into()], &ending("ann", key)).to_string();
        assert!(name("/usr/bin/wc.sh", "k").starts_with("wc-sh-"));
        assert!(name("...", "k").starts_with("run-"));
        assert_eq!(name("echo", "k"), name("echo", "k"));
        assert_ne!(name("echo", "k"), name("echo", "l"));
        assert_ne!(ending("ann", "k"), ending("bob", "k"), "a key is its principal's");
    }

    #[test]
    fn what_is_run_is_a_batch_job_that_is_not_started_again() {
        let cli = <crate::cli::Cli as clap::Parser>::try_parse_from([
            "quipu",
            "run",
            "-n",
            "2",
            "--cpu",
            "500m",
            "--constraint",
            "zone!=a",
            "-e",
            "A=b=c",
            "--",
            "echo",
            "-n",
            "x",
        ]);
        let crate::cli::Command::Run(args) = cli.expect("legal").command else { panic!("run") };
        let job = job(&args, "ann", "k");
        assert_eq!(
            (job.kind, job.count, job.command.as_slice()),
            (Kind::Batch, 2, ["echo", "-n", "x"].map(String::from).as_slice())
        );
        assert_eq!((job.resources.to_string(), job.env["A"].as_str()), ("cpu=0.5 mem=128Mi".into(), "b=c"));
        assert_eq!(job.restart.and_then(|restart| restart.on), Some(RestartOn::Never));
    }
}
