//! The name by which this program was started, for help and advice.

use crate::device::Choice;
use crate::folders::shown;
use clap::Command;
use clap::builder::StyledStr;
use std::fmt;
use std::path::Path;

/// The program's name in the source of help texts and examples.
pub const PROGRAM: &str = "pelk";

/// `pelk`, or the value of `PELK_COMMAND`, which wrappers such as `cargo xtask` set.
pub fn name() -> String {
    std::env::var("PELK_COMMAND").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| PROGRAM.to_owned())
}

/// `command` with this name in its help, so that examples can be copied.
pub fn with_program_name(command: Command) -> Command {
    match name() {
        name if name == PROGRAM => command,
        name => renamed(command.bin_name(name.clone()), &name),
    }
}

/// `text` with this program's name in the commands that it advises.
pub fn with_program_name_in(text: &str) -> String {
    called(text, &name())
}

fn called(text: &str, name: &str) -> String {
    text.replace("pelk ", &format!("{name} "))
}

fn renamed(mut command: Command, name: &str) -> Command {
    let say = |text: &StyledStr| called(&text.to_string(), name);
    if let Some(text) = command.get_after_help().map(say) {
        command = command.after_help(text);
    }
    command
        .mut_args(|argument| match argument.get_help().map(say) {
            Some(text) => argument.help(text),
            None => argument,
        })
        .mut_subcommands(|subcommand| renamed(subcommand, name))
}

/// A suggested command that a user can copy into a shell.
pub struct Advice {
    words: Vec<String>,
}

impl Advice {
    /// A command of this program.
    pub fn new(command: &str) -> Advice {
        Advice { words: command.split(' ').map(str::to_owned).collect() }
    }

    /// Adds a word.
    pub fn word(mut self, word: impl Into<String>) -> Advice {
        self.words.push(word.into());
        self
    }

    /// Adds an option with a path, relative to the current folder.
    pub fn path(self, option: &str, path: &Path) -> Advice {
        self.word(option).word(shown(path))
    }

    /// Adds the `--data` and `--device` options of this command.
    pub fn on(self, data: Option<&Path>, device: &Choice) -> Advice {
        let advice = match data {
            Some(folder) => self.path("--data", folder),
            None => self,
        };
        match device {
            Choice::Cpu => advice,
            other => advice.word("--device").word(other.to_string()),
        }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", name(), shell_words::join(&self.words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_the_words_by_which_the_program_was_started() {
        let command = Command::new(PROGRAM)
            .arg(clap::Arg::new("device").help("One of `pelk devices`"))
            .subcommand(Command::new("grid").after_help("Example:\n  pelk grid --kernel 51"));
        let mut command = renamed(command, "cargo xtask");
        let grid = command.find_subcommand_mut("grid").unwrap().render_help().to_string();
        assert!(grid.contains("  cargo xtask grid --kernel 51"), "{grid}");
        assert!(command.render_help().to_string().contains("`cargo xtask devices`"));
    }

    #[test]
    fn advice_can_be_copied_into_a_shell() {
        let folder = Path::new("my runs/it's");
        let advice = Advice::new("train").word("--resume").path("--out", folder);
        let on_gpu = advice.on(Some(Path::new("images")), &Choice::Gpu(Some("radeon 780m".to_owned())));
        assert_eq!(
            on_gpu.to_string(),
            r"pelk train --resume --out 'my runs/it'\''s' --data images --device 'gpu:radeon 780m'"
        );
        let plain = Advice::new("data check").on(None, &Choice::Cpu);
        assert_eq!(plain.to_string(), "pelk data check");
    }
}
