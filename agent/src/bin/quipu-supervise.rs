//! A supervisor as a program of its own, for tests and for machines where the agent's binary may be
//! replaced while tasks run: `quipu-supervise SANDBOX_DIR`.

use std::{path::Path, process::ExitCode};

fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(dir) => agent::supervisor::main(Path::new(&dir)),
        None => ExitCode::FAILURE,
    }
}
