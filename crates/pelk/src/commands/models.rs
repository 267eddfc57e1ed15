//! `pelk models`

use crate::invocation::with_program_name_in;
use crate::output::say;
use anyhow::{Result, bail};
use pelk_models::Network;
use pelk_models::cost::{PaperRules, count};
use pelk_models::zoo::{self, Model, Task};
use pelk_report::table::{Table, number, text};
use serde::Serialize;

/// List the models of the zoo with their parameters and multiply-adds
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ModelsArgs {
    /// List only models with this word in their name or description
    #[arg(value_name = "WORD")]
    word: Option<String>,
    /// Print one line of JSON per model, for scripts
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  pelk models
  pelk models pelk
  pelk models stripes
  pelk train --set model.name=convnext_atto
  pelk cost pelk_t             the cost of one model, part by part";

const EXPLANATION: &str = "\
params  all parameters, in millions, with 1000 classes and 3 channels, or 10 classes and 1 channel at 28 x 28
paper   the same as the papers count them: only the weights that sparsity keeps (PeLK and SLaK keep 60 %), and
        without small kernels, which deployment merges into the large ones
MACs    multiply-adds in thousands of millions, which papers call FLOPs, for an image of this size; `pelk cost`
        compares them with the papers' numbers";

/// A model at its intended image size.
#[derive(Serialize)]
struct Listed {
    name: &'static str,
    /// Height and width of the image.
    size: usize,
    classes: usize,
    parameters: u64,
    parameters_paper: u64,
    multiply_adds: u64,
    summary: &'static str,
}

impl Listed {
    fn new(model: &Model) -> Result<Listed> {
        let (size, channels, classes) = match model.for_small_images() {
            true => (28, 1, 10),
            false => {
                let mut printed = model.paper.iter().filter(|printed| printed.task == Task::ImageNet);
                (printed.next().map_or(224, |printed| printed.size[0]), 3, Task::ImageNet.classes())
            }
        };
        let network = Network::new(model.configure(channels, classes)?)?;
        let rules = PaperRules { density: model.density, runs_small_kernels: false };
        let cost = count(&network, [size; 2], rules)?.total();
        Ok(Listed {
            name: model.name,
            size,
            classes,
            parameters: cost.params,
            parameters_paper: cost.params_paper.round() as u64,
            multiply_adds: cost.macs_executed,
            summary: model.summary,
        })
    }
}

/// Runs the command.
///
/// # Errors
/// When no model matches.
pub fn run(args: &ModelsArgs) -> Result<()> {
    let word = args.word.as_deref().unwrap_or_default();
    let has = |text: &str| text.to_lowercase().contains(&word.to_lowercase());
    let models = zoo::models().into_iter().filter(|model| has(model.name) || has(model.summary));
    let listed: Vec<Listed> = models.map(|model| Listed::new(&model)).collect::<Result<_>>()?;
    if listed.is_empty() {
        bail!("no model has {word:?} in its name or description");
    }
    if args.json {
        for model in &listed {
            say!("{}", serde_json::to_string(model)?);
        }
        return Ok(());
    }
    let mut table = Table::new([
        text("model"),
        number("size"),
        number("params, M"),
        number("paper"),
        number("MACs, G"),
        text("what it is"),
    ]);
    for model in &listed {
        table.row([
            model.name.to_owned(),
            model.size.to_string(),
            format!("{:.2}", model.parameters as f64 / 1e6),
            format!("{:.2}", model.parameters_paper as f64 / 1e6),
            format!("{:.3}", model.multiply_adds as f64 / 1e9),
            model.summary.to_owned(),
        ]);
    }
    say!("{table}\n{}", with_program_name_in(EXPLANATION));
    Ok(())
}
