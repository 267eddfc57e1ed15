//! One module per command. To add one: a file here with its arguments and a `run`, and its lines below.

mod ablate;
mod bench;
mod completions;
mod cost;
mod data;
mod devices;
mod erf;
mod eval;
mod fold;
mod grid;
mod keys;
mod models;
mod predict;
mod presets;
mod train;

use crate::invocation::{PROGRAM, with_program_name};
use crate::options;
use crate::output::ignore_broken_stdout;
use anyhow::Result;
use clap::{CommandFactory, FromArgMatches};
use std::ffi::OsString;
use std::fmt::Write;

/// PeLK: ConvNets with very large kernels that share parameters away from their center
#[derive(Debug, clap::Parser)]
#[command(
    name = PROGRAM,
    version,
    disable_help_subcommand = true,
    after_help = EXAMPLES
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  pelk train                   a small network on Fashion-MNIST, which is in the checkout
  pelk eval --checkpoint runs/fashion-mnist/best.safetensors
  pelk keys lr                 the configuration key for the learning rate
  pelk grid --kernel 51        how a 51 x 51 kernel gets by with 169 parameters
  pelk cost pelk_t             the cost of PeLK-T, part by part
  pelk ablate                  how far a kernel sees, and how its parameters may be shared
  pelk train --device gpu      training on a GPU

`pelk <COMMAND> --help` explains a command and all its options.";

// In the order of the groups in the help.
#[derive(Debug, clap::Subcommand)]
enum Command {
    Train(train::TrainArgs),
    Eval(eval::EvalArgs),
    Predict(predict::PredictArgs),
    Fold(fold::FoldArgs),
    Data(data::DataArgs),
    Models(models::ModelsArgs),
    Presets(presets::PresetsArgs),
    Keys(keys::KeysArgs),
    Devices(devices::DevicesArgs),
    Grid(grid::GridArgs),
    Cost(cost::CostArgs),
    Erf(erf::ErfArgs),
    Ablate(ablate::AblateArgs),
    Bench(bench::BenchArgs),
    Completions(completions::CompletionsArgs),
}

/// The help's headings, each with its number of commands.
const GROUPS: [(&str, usize); 4] = [
    ("Train and use networks", 5),
    ("List what is available", 4),
    ("Study kernels and networks", 5),
    ("Set up", 1),
];

/// `command` with its commands grouped in the help, which clap cannot do.
fn grouped(command: clap::Command) -> clap::Command {
    let styles = command.get_styles();
    let (header, literal) = (*styles.get_header(), *styles.get_literal());
    let mut subcommands = command.get_subcommands();
    let mut text = String::new();
    for (heading, number) in GROUPS {
        let _ = writeln!(text, "\n{header}{heading}:{header:#}");
        for subcommand in subcommands.by_ref().take(number) {
            let about = subcommand.get_about().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(text, "  {literal}{:<12}{literal:#} {about}", subcommand.get_name());
        }
    }
    drop(subcommands);
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{text}\n\
         {header}Options:{header:#}\n{{options}}{{after-help}}"
    );
    command.help_template(template)
}

/// Parses the command line; ends the program on an error or a request for help.
pub fn parse() -> Cli {
    let mut command = with_program_name(grouped(Cli::command()));
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let matches = command.try_get_matches_from_mut(&arguments);
    let cli = matches
        .and_then(|matches| Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command)));
    cli.unwrap_or_else(|error| options::explained(error, &arguments, &command).exit())
}

/// Runs the command.
///
/// # Errors
/// When the command fails.
pub fn run(cli: Cli) -> Result<()> {
    if matches!(cli.command, Command::Train(_) | Command::Ablate(_)) {
        // These may run for days, and their results are files.
        ignore_broken_stdout();
    }
    match cli.command {
        Command::Train(args) => train::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Fold(args) => fold::run(&args),
        Command::Data(args) => data::run(&args),
        Command::Ablate(args) => ablate::run(&args),
        Command::Grid(args) => grid::run(args),
        Command::Cost(args) => cost::run(&args),
        Command::Erf(args) => erf::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Models(args) => models::run(&args),
        Command::Presets(args) => presets::run(&args),
        Command::Keys(args) => keys::run(&args),
        Command::Completions(args) => completions::run(&args, Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_of_all_commands_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does_in_one_line() {
        for command in Cli::command().get_subcommands() {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!((10..=90).contains(&about.len()), "{}: {about:?}", command.get_name());
        }
    }

    #[test]
    fn every_command_is_in_a_group_of_the_help() {
        let commands = Cli::command().get_subcommands().count();
        assert_eq!(GROUPS.map(|(_, number)| number).iter().sum::<usize>(), commands);
        let help = grouped(Cli::command()).render_help().to_string();
        for (heading, first) in [
            ("Train and use networks", "train"),
            ("List what is available", "models"),
            ("Set up", "completions"),
        ] {
            assert!(help.contains(&format!("{heading}:\n  {first} ")), "{help}");
        }
        assert!(help.contains("\nOptions:\n") && help.ends_with("all its options.\n"), "{help}");
    }
}
