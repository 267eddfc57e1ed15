//! Suggestions for an unknown option: a configuration key that other tools have as an option, or another
//! option.

use clap::Command;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;

/// Other tools' names for our options that are not configuration keys.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("workers", "--loaders"),
    ("num-workers", "--loaders"),
    ("dataloader-num-workers", "--loaders"),
    ("j", "--loaders"),
    ("num-threads", "--threads"),
    ("data-dir", "--data"),
    ("data-path", "--data"),
    ("root", "--data"),
    ("output", "--out"),
    ("output-dir", "--out"),
    ("save-dir", "--out"),
    ("work-dir", "--out"),
    ("gpu", "--device gpu"),
    ("gpus", "--device gpu"),
    ("cuda", "--device gpu"),
    ("recipe", "--preset"),
];

/// The option that another tool calls `name`, with or without dashes.
pub fn known_elsewhere(name: &str) -> Option<&'static str> {
    let name = name.trim_start_matches('-').replace('_', "-").to_lowercase();
    OTHER_NAMES.iter().find(|(other, _)| *other == name).map(|(_, option)| *option)
}

/// The error of a command line, with suggestions if an option is a configuration key or another tool's
/// option.
pub fn explained(mut error: clap::Error, arguments: &[OsString], command: &Command) -> clap::Error {
    let tips = tips(&error, arguments, command);
    if !tips.is_empty() {
        error.remove(ContextKind::SuggestedArg);
        let tips = tips.into_iter().map(|tip| StyledStr::from(format!("use '{tip}'"))).collect();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    error
}

fn tips(error: &clap::Error, arguments: &[OsString], command: &Command) -> Vec<String> {
    let (ErrorKind::UnknownArgument, Some(ContextValue::String(option))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    else {
        return Vec::new();
    };
    let words: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    let Some(subcommand) = words.get(1).and_then(|name| command.find_subcommand(name)) else {
        return Vec::new();
    };
    let has = |option: &str| subcommand.get_arguments().any(|argument| argument.get_long() == Some(option));
    if let Some(other) = known_elsewhere(option) {
        let name = other.trim_start_matches('-').split(' ').next().unwrap_or_default();
        return Vec::from_iter(has(name).then(|| other.to_owned()));
    }
    let keys = pelk_train::suggestions(option);
    if !has("set") || keys.iter().any(|key| has(key)) {
        return Vec::new();
    }
    let given = words.iter().position(|word| word == option).and_then(|at| words.get(at + 1));
    let joined = words.iter().find_map(|word| word.strip_prefix(option.as_str())?.strip_prefix('='));
    let value = joined.or(given.copied().filter(|word| !word.starts_with("--"))).unwrap_or("VALUE");
    // shell_words quotes every "=", which shells do not need.
    let quoted = match value.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-+/".contains(letter))
    {
        true => value.into(),
        false => shell_words::quote(value),
    };
    keys.iter().map(|key| format!("--set {key}={quoted}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    fn command() -> Command {
        let options = ["set", "seed", "loaders", "threads", "data", "out", "device", "preset"];
        let train = Command::new("train").args(options.map(|name| Arg::new(name).long(name)));
        Command::new("pelk").subcommand(train).subcommand(Command::new("grid"))
    }

    fn told(line: &str) -> String {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let error = command().try_get_matches_from(&arguments).unwrap_err();
        explained(error, &arguments, &command()).to_string()
    }

    #[test]
    fn options_of_other_tools_get_the_setting_that_does_it() {
        for (line, tip) in [
            ("pelk train --lr 0.001", "use '--set optimizer.learning_rate=0.001'"),
            ("pelk train --out x --batch-size=64", "use '--set batch.size=64'"),
            ("pelk train --batch 64", "use '--set batch.size=64'"),
            ("pelk train --epochs", "use '--set schedule.epochs=VALUE'"),
            ("pelk train --wd 0.1 --lr 1", "use '--set optimizer.weight_decay=0.1'"),
            ("pelk train --model pelk_t", "use '--set model.name=pelk_t'"),
            ("pelk train --amp --out x", "use '--set batch.float16=VALUE'"),
            ("pelk train --img-size 96", "use '--set data.evaluation.size=96'"),
            ("pelk train --workers 4", "use '--loaders'"),
            ("pelk train --gpu", "use '--device gpu'"),
            ("pelk train --thread 2", "exists: '--threads'"),
            ("pelk train --seeed 2", "exists: '--seed'"),
        ] {
            let text = told(line);
            assert!(text.contains(tip), "{line}: {text}");
        }
    }

    #[test]
    fn without_a_near_key_or_settings_there_is_no_tip() {
        for line in ["pelk train --teacher x", "pelk grid --lr 1", "pelk --lr 1"] {
            assert!(!told(line).contains("--set"), "{line}: {}", told(line));
        }
    }
}
