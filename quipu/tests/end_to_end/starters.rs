//! Servers whose starter left them something that they would trip over.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::cell::{Cell, WITHOUT_AGENT, binary, wait_for};

/// Starts the program with SIGTERM and SIGINT blocked, and new files closed to everybody.
fn badly_started(arguments: &[&str]) -> Child {
    let mut command = Command::new("env");
    command.args(["--block-signal=TERM", "--block-signal=INT", "sh", "-c", "umask 0777; exec \"$@\"", "sh"]);
    command.arg(binary()).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary is built")
}

/// Ends it as an operator does, and says with which exit code it ended.
fn terminated(mut child: Child) -> Option<i32> {
    kill(Pid::from_raw(i32::try_from(child.id()).expect("a process id")), Signal::SIGTERM).expect("it runs");
    wait_for("the end that was asked for", || child.try_wait().expect("a child of this process")).code()
}

fn owner_may(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[test]
fn signals_that_the_starter_blocked_and_its_umask_hinder_no_server() {
    let cell = Cell::prepare(WITHOUT_AGENT);
    let dir = cell.dir().display().to_string();
    let up = badly_started(&["up", "--no-agent", "--dir", &dir, "--listen", "127.0.0.1:0"]);
    let url = wait_for("the address of the gateway", || cell.url());
    let machine = cell.results().join("machine");
    let dir = machine.display().to_string();
    let agent = badly_started(&["agent", "--id", "a1", "--gateway", &url, "--dir", &dir]);
    wait_for("the agent to be up", || {
        let agents = cell.ask("{ agent(name: \"a1\") { state } }", serde_json::json!({})).ok()?;
        (agents["agent"]["state"] == "UP").then_some(())
    });
    for path in [cell.dir(), cell.dir().join("log"), machine.clone(), machine.join("sandboxes")] {
        assert_eq!(owner_may(&path), 0o700, "{}", path.display());
    }
    assert_eq!((terminated(agent), terminated(up)), (Some(0), Some(0)));
}
