//! One module a command. To add one: a file here with its arguments and a `run`, and its lines below.

mod ablate;
mod bench;
mod cost;
mod data;
mod devices;
mod erf;
mod eval;
mod fold;
mod grid;
mod predict;
mod train;

use crate::invocation::{PROGRAM, in_its_words};
use crate::output::go_on_unheard;
use anyhow::Result;
use clap::{CommandFactory, FromArgMatches};

/// PeLK: ConvNets with very large kernels, which share parameters away from their center.
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
  pelk ablate                  how far a kernel sees, and how its parameters may be shared
  pelk grid --kernel 51        how a 51 x 51 kernel comes to have 169 parameters
  pelk cost pelk_t             what PeLK-T costs, part by part
  pelk erf --checkpoint runs/fashion-mnist/best.safetensors
  pelk train --device gpu      the same training on a GPU; `pelk devices` lists those that there are
  pelk bench --only conv       how long convolutions take here

`pelk <COMMAND> --help` explains a command and all its options.";

// In the order in which a newcomer meets them, which is that of the help.
#[derive(Debug, clap::Subcommand)]
enum Command {
    Train(train::TrainArgs),
    Eval(eval::EvalArgs),
    Predict(predict::PredictArgs),
    Fold(fold::FoldArgs),
    Data(data::DataArgs),
    Ablate(ablate::AblateArgs),
    Grid(grid::GridArgs),
    Cost(cost::CostArgs),
    Erf(erf::ErfArgs),
    Bench(bench::BenchArgs),
    Devices(devices::DevicesArgs),
}

/// Reads the command line; ends the program where it is wrong or asks for help.
pub fn parse() -> Cli {
    let mut command = in_its_words(Cli::command());
    let matches = command.get_matches_mut();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit())
}

/// Runs the command that was asked for.
///
/// # Errors
/// Those of the command.
pub fn run(cli: Cli) -> Result<()> {
    if matches!(cli.command, Command::Train(_) | Command::Ablate(_)) {
        // Days of work, whose results are files.
        go_on_unheard();
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

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
}
