//! `quipu completions`: what a shell needs to complete this program's command lines.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{cli::Cli, output};

/// `quipu completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  quipu completions bash > ~/.local/share/bash-completion/completions/quipu
  quipu completions zsh > ~/.zfunc/_quipu
  quipu completions fish > ~/.config/fish/completions/quipu.fish")]
pub(crate) struct Args {
    /// The shell.
    shell: Shell,
}

/// Writes a completion script.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    output::write(&script(args.shell))?;
    Ok(ExitCode::SUCCESS)
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "quipu", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_gets_a_script_that_knows_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            assert!(script.contains("remove-agent") && script.contains("whatif"), "{shell}");
        }
    }
}
