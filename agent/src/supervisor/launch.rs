//! Starting the task's program: in its own process group, in its control groups, with its output in
//! pipes. All or nothing: an error means that nothing runs.

use std::{
    io::{self, Write},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

use log_schema::task::EndReason;
use nix::{
    errno::Errno,
    sys::{prctl, signal::Signal},
    unistd::{getpid, getppid},
};

use super::{ground, pump::Pumps};
use crate::sandbox::{Sandbox, Spec};

/// Starts the program; its process id and the ends of its output.
pub(super) fn launch(sandbox: &Sandbox, spec: &Spec) -> io::Result<(i32, Pumps)> {
    let mut command = command(spec)?;
    spec.group.create(&spec.limits)?;
    enter_before_exec(&mut command, spec)?;
    let mut child = command.spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let pumps = Pumps::new(sandbox.dir(), spec.output, stdout.map(Into::into), stderr.map(Into::into));
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    Ok((pid, pumps?))
}

/// Why a program could not be started: it is not there or may not be run, or the machine cannot start any.
pub(super) fn whose_fault(error: &io::Error) -> EndReason {
    use io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound
        | ErrorKind::PermissionDenied
        | ErrorKind::InvalidInput
        | ErrorKind::InvalidFilename
        | ErrorKind::NotADirectory
        | ErrorKind::IsADirectory
        | ErrorKind::ArgumentListTooLong
        | ErrorKind::ExecutableFileBusy => EndReason::CannotStart,
        // Neither has a kind: a file that is no program, and links that lead to themselves.
        _ if matches!(error.raw_os_error(), Some(number) if [Errno::ENOEXEC as i32, Errno::ELOOP as i32].contains(&number)) => {
            EndReason::CannotStart
        }
        _ => EndReason::MachineFault,
    }
}

fn command(spec: &Spec) -> io::Result<Command> {
    let wrong = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    let [program, arguments @ ..] = spec.argv.as_slice() else {
        return wrong("the command line is empty");
    };
    if program.is_empty() {
        return wrong("the name of the program is empty");
    }
    if spec.env.iter().any(|(name, _)| name.is_empty() || name.contains('=')) {
        return wrong("the name of an environment variable is empty or holds `=`");
    }
    if !spec.directory.is_dir() {
        return wrong(&format!("there is no directory {}", spec.directory.display()));
    }
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(spec.env.iter().map(|(name, value)| (name, value)))
        .current_dir(&spec.directory)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(command)
}

/// Makes the new process move into its control groups, enter the state that tasks start from, and die with
/// its supervisor, all before it becomes the program.
#[expect(unsafe_code, reason = "no safe interface runs code between fork and exec; see the SAFETY comment")]
fn enter_before_exec(command: &mut Command, spec: &Spec) -> io::Result<()> {
    let mut doors = spec.group.doors()?;
    let supervisor = getpid();
    let enter = move || -> io::Result<()> {
        doors.iter_mut().try_for_each(|door| door.write_all(b"0"))?;
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        ground::enter();
        // The supervisor may have died before the line above could take effect.
        if getppid() == supervisor { Ok(()) } else { Err(io::Error::other("the supervisor died")) }
    };
    // SAFETY: the closure runs in the child between fork and exec, where only what is safe in a signal
    // handler may be done if another thread held a lock at the fork. The supervisor has one thread,
    // and the closure only makes system calls on what was opened before; it allocates on no way but
    // the one that ends the child.
    unsafe {
        command.pre_exec(enter);
    }
    Ok(())
}
