//! `pelk completions`

use crate::invocation::PROGRAM;
use crate::output::say;
use anyhow::Result;
use clap::Command;
use clap_complete::{Shell, generate};

/// Print a script that completes commands and options in a shell
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  pelk completions bash > ~/.local/share/bash-completion/completions/pelk
  pelk completions zsh > ~/.zfunc/_pelk
  pelk completions fish > ~/.config/fish/completions/pelk.fish

The script completes the command `pelk`, whatever the name it was started by.";

/// Runs the command; `command` is the whole program's.
///
/// # Errors
/// When the script is not text, which never happens.
pub fn run(args: &CompletionsArgs, mut command: Command) -> Result<()> {
    let mut script = Vec::new();
    generate(args.shell, &mut command, PROGRAM, &mut script);
    say!("{}", String::from_utf8(script)?.trim_end());
    Ok(())
}
