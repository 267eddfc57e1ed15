//! `pelk data`

mod check;
mod show;
mod speed;
mod write;

use anyhow::Result;

/// Inspect, check and time datasets, and write composed ones to files
#[derive(Debug, clap::Args)]
pub struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, clap::Subcommand)]
enum DataCommand {
    Check(check::CheckArgs),
    Show(show::ShowArgs),
    Speed(speed::SpeedArgs),
    Write(write::WriteArgs),
}

/// Runs the command.
///
/// # Errors
/// When the data is unusable or a file cannot be written.
pub fn run(args: &DataArgs) -> Result<()> {
    match &args.command {
        DataCommand::Check(args) => check::run(args),
        DataCommand::Show(args) => show::run(args),
        DataCommand::Speed(args) => speed::run(args),
        DataCommand::Write(args) => write::run(args),
    }
}
