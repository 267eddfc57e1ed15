//! `pelk presets`

use crate::output::say;
use crate::wrap::wrapped;
use anyhow::Result;
use pelk_train::TrainConfig;
use pelk_train::presets::{PRESETS, Preset, find};

/// List the configurations that come with the program, or print one
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct PresetsArgs {
    /// Print this preset as TOML, to start your own configuration from
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  pelk presets
  pelk presets fashion-mnist
  pelk presets folder > mine.toml";

/// Runs the command.
///
/// # Errors
/// When there is no such preset.
pub fn run(args: &PresetsArgs) -> Result<()> {
    match &args.name {
        Some(name) => say!("{}", find(name)?.text.trim_end()),
        None => {
            for preset in PRESETS {
                say!("{}", listed(preset)?);
            }
        }
    }
    Ok(())
}

fn listed(preset: &Preset) -> Result<String> {
    let config = TrainConfig::parse(preset.name, preset.text, &[])?;
    let (model, dataset) = (&config.model.name, &config.data.dataset);
    let length = match config.schedule.steps {
        0 => format!("{} epochs", config.schedule.epochs),
        steps => format!("{steps} steps"),
    };
    let purpose = wrapped(&purpose(preset.text), 4);
    Ok(format!("{:<24}{model:<12}{dataset:<18}{length}\n{purpose}", preset.name))
}

/// A preset's purpose: the first sentence of the comment at its beginning.
fn purpose(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim);
    let comment = lines.collect::<Vec<_>>().join(" ");
    let end = comment.find(". ").map_or(comment.len(), |end| end + 1);
    comment[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_says_what_it_is_for() {
        for preset in PRESETS {
            assert!(purpose(preset.text).len() > 30, "{}", preset.name);
        }
        assert_eq!(purpose("# One\n# sentence. Another.\nseed = 1\n# no"), "One sentence.");
    }
}
