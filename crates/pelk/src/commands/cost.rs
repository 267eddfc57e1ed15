//! `pelk cost`: parameters and multiply-adds of the models, beside the numbers that the papers print.

mod figures;
mod footnotes;
mod nonzeros;

use crate::output::say;
use anyhow::{Context, Result};
use clap::value_parser;
use footnotes::{Quantity, footnotes};
use pelk_models::Network;
use pelk_models::cost::{NetworkCost, PaperRules, Part, PartCost, count};
use pelk_models::zoo::{self, Model, PaperNumbers, Task};
use pelk_report::table::{Table, number, text};
use serde::Serialize;
use std::path::PathBuf;

/// The papers count for color images.
const CHANNELS: u32 = 3;

/// Sizes up to here keep all counts far below the range of the integers.
const LARGEST: i64 = 65_536;

/// Count parameters and multiply-adds, beside the papers' numbers.
///
/// Without a model: all those for which a paper prints numbers. With models: these, and for each a table by part.
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub struct CostArgs {
    /// Names from the list below, such as pelk_t
    #[arg(value_name = "MODEL")]
    models: Vec<String>,

    /// What to count for: classification as on ImageNet, or segmentation with UperNet as on ADE20K
    #[arg(long, value_name = "TASK", default_value = "imagenet")]
    task: CostTask,

    /// Height and width of the image [default: each size that the paper prints, else 224 or for ade20k 512, or 28 for the models
    /// for small images, whose first convolution takes steps of 1 or 2]
    #[arg(long, value_name = "PIXELS", value_parser = value_parser!(u32).range(1..=LARGEST))]
    size: Option<u32>,

    /// Number of classes [default: the task's, 1000 or 150]
    #[arg(long, value_name = "NUMBER", value_parser = value_parser!(u32).range(1..=LARGEST))]
    classes: Option<u32>,

    /// Channels of the image
    #[arg(long, value_name = "NUMBER", default_value_t = CHANNELS, value_parser = value_parser!(u32).range(1..=LARGEST))]
    channels: u32,

    /// Show what the cost is spent on, for all models
    #[arg(long, conflicts_with = "json")]
    by_part: bool,

    /// Print one line of JSON a model and size, for scripts
    #[arg(long)]
    json: bool,

    /// Count the values of a trained network that are not zero, which dynamic sparsity leaves
    #[arg(long, value_name = "FILE", conflicts_with_all = ["models", "task", "size", "classes", "channels", "by_part", "json", "chart"])]
    checkpoint: Option<PathBuf>,

    /// Write figures 5 and 6 of the paper, as counted here, as SVG: what PeLK-T's multiply-adds are spent on, and the
    /// parameters of ConvNeXt-T with ever larger kernels
    #[arg(long, conflicts_with_all = ["models", "size", "classes", "channels", "by_part", "json"])]
    chart: bool,

    /// The folder for the figures [default: the checkout's docs]
    #[arg(long, value_name = "DIR", requires = "chart")]
    out: Option<PathBuf>,
}

/// The tasks on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum CostTask {
    Imagenet,
    Ade20k,
}

impl From<CostTask> for Task {
    fn from(task: CostTask) -> Task {
        match task {
            CostTask::Imagenet => Task::ImageNet,
            CostTask::Ade20k => Task::Ade20k,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  pelk cost                        all models of the papers
  pelk cost --task ade20k          the same with UperNet, at 2048 x 512
  pelk cost pelk_t                 one of them, part by part
  pelk cost pelk_t --size 1024     on a larger image
  pelk cost pelk_atto --channels 1 --classes 10
  pelk cost --checkpoint runs/fashion-mnist/best.safetensors
  pelk cost --chart --out figures  figures 5 and 6 of the paper

Models:";

fn after_help() -> String {
    zoo::models()
        .iter()
        .fold(EXAMPLES.to_owned(), |help, model| help + &format!("\n  {:<20}{}", model.name, model.summary))
}

/// What the columns mean; below the tables, where it is read after the numbers have raised the question.
const EXPLANATION: &str = "\
params   parameters: K thousands, M millions
MACs     multiply-adds, which papers call FLOPs: M millions, G thousands of millions
size     height and width, or width x height
counted  as papers do: only the share of the backbone's weights that sparsity leaves (PeLK: 0.6), but every tap of a
         dense kernel, padding included; small kernels are left out, since deployment merges them into the large ones
         (their multiply-adds count for ade20k, where only so the printed numbers come out); UperNet's auxiliary head
         has parameters, but works in training only
printed  what the paper prints
here     as computed by this project: all weights, one multiply-add a region of the sharing grid, and depthwise
         convolutions with a stride at every pixel
saved    MACs with dense kernels and all weights, over those here";

/// Units of the tables.
const K: f64 = 1e3;
const M: f64 = 1e6;
const G: f64 = 1e9;

/// A model, counted at one size.
struct Counted {
    model: &'static str,
    /// Height and width.
    size: [usize; 2],
    cost: NetworkCost,
    /// The paper's count at density 1: its multiply-adds are those of dense kernels with all weights.
    dense: NetworkCost,
    printed: Option<PaperNumbers>,
}

impl Counted {
    fn new(model: &Model, size: [usize; 2], args: &CostArgs) -> Result<Counted> {
        let task = Task::from(args.task);
        let channels = args.channels as usize;
        let classes = args.classes.map_or_else(|| task.classes(), |classes| classes as usize);
        let network = Network::new(model.configure_for(task, channels, classes)?)?;
        let count = |density| {
            let rules = PaperRules { density, runs_small_kernels: task.runs_small_kernels() };
            count(&network, size, rules)
                .with_context(|| format!("cannot count {} at {} x {}", model.name, size[0], size[1]))
        };
        let comparable = args.channels == CHANNELS && classes == task.classes();
        let printed =
            model.paper.iter().find(|printed| comparable && printed.task == task && printed.size == size);
        Ok(Counted {
            model: model.name,
            size,
            cost: count(model.density)?,
            dense: count(1.0)?,
            printed: printed.copied(),
        })
    }

    /// How many times fewer multiply-adds `parts` take than with dense kernels and all weights; empty where they take
    /// none.
    fn saved(&self, parts: &[Part]) -> String {
        let here = |part: &Part| self.cost.part(*part).macs_executed as f64;
        // Where the paper's way of counting leaves small kernels out, they are dense as they are.
        let dense = |part: &Part| match part {
            Part::SmallKernel => here(part),
            part => self.dense.part(*part).macs_paper,
        };
        let (dense, here): (f64, f64) = (parts.iter().map(dense).sum(), parts.iter().map(here).sum());
        if here > 0.0 { format!("{:.2}x", dense / here) } else { String::new() }
    }

    /// The size as papers write it.
    fn size(&self) -> String {
        let [height, width] = self.size;
        if height == width { height.to_string() } else { format!("{width} x {height}") }
    }
}

/// Counts, then prints.
///
/// # Errors
/// If there is no such model, the image is too small for it, or a figure cannot be written.
pub fn run(args: &CostArgs) -> Result<()> {
    if args.chart {
        return figures::run(args.out.as_deref());
    }
    if let Some(path) = &args.checkpoint {
        return nonzeros::run(path);
    }
    let counted = count_all(args)?;
    if args.json {
        for counted in &counted {
            say!("{}", json_line(counted)?);
        }
        return Ok(());
    }
    say!("{}", summary(&counted).to_string().trim_end());
    if args.by_part || !args.models.is_empty() {
        for counted in &counted {
            let [height, width] = counted.size;
            let parts = by_part(counted).to_string();
            say!("\n{} at {width} x {height}, by part\n\n{}", counted.model, parts.trim_end());
        }
    }
    say!("\n{EXPLANATION}");
    for note in footnotes(&counted) {
        say!("\n{note}");
    }
    Ok(())
}

fn count_all(args: &CostArgs) -> Result<Vec<Counted>> {
    let models = if args.models.is_empty() {
        let printed = |model: &Model| model.paper.iter().any(|printed| printed.task == args.task.into());
        zoo::models().into_iter().filter(printed).collect()
    } else {
        args.models.iter().map(|name| zoo::model(name)).collect::<Result<Vec<_>, _>>()?
    };
    let mut counted = Vec::new();
    for model in &models {
        for size in sizes(model, args.task.into(), args.size) {
            counted.push(Counted::new(model, size, args)?);
        }
    }
    Ok(counted)
}

/// The size asked for, or those that suit the model.
fn sizes(model: &Model, task: Task, asked: Option<u32>) -> Vec<[usize; 2]> {
    let printed: Vec<_> =
        model.paper.iter().filter(|printed| printed.task == task).map(|printed| printed.size).collect();
    match (asked, task) {
        (Some(size), _) => vec![[size as usize; 2]],
        (None, _) if !printed.is_empty() => printed,
        (None, _) if model.for_small_images() => vec![[28; 2]],
        (None, Task::ImageNet) => vec![[224; 2]],
        (None, Task::Ade20k) => vec![[512; 2]],
    }
}

#[derive(Serialize)]
struct JsonLine {
    model: &'static str,
    height: usize,
    width: usize,
    params_paper: u64,
    macs_paper: u64,
    params: u64,
    macs_executed: u64,
}

fn json_line(counted: &Counted) -> Result<String> {
    let PartCost { params, params_paper, macs_executed, macs_paper } = counted.cost.total();
    let [height, width] = counted.size;
    let line = JsonLine {
        model: counted.model,
        height,
        width,
        params_paper: params_paper.round() as u64,
        macs_paper: macs_paper.round() as u64,
        params,
        macs_executed,
    };
    Ok(serde_json::to_string(&line)?)
}

fn summary(counted: &[Counted]) -> Table<11> {
    let mut table = Table::new([
        text("model"),
        number("size"),
        number("params, M\ncounted"),
        number("printed"),
        text("difference"),
        number("MACs, G\ncounted"),
        number("printed"),
        text("difference"),
        number("params, M\nhere"),
        number("MACs, G\nhere"),
        number("saved"),
    ]);
    for counted in counted {
        let total = counted.cost.total();
        let compared = |quantity: Quantity| match quantity.compare(counted) {
            None => ["-".to_owned(), String::new()],
            Some(comparison) => [comparison.printed_text(), comparison.difference_text()],
        };
        let [params_printed, params_difference] = compared(Quantity::Parameters);
        let [macs_printed, macs_difference] = compared(Quantity::MultiplyAdds);
        table.row([
            counted.model.to_owned(),
            counted.size(),
            scaled(total.params_paper, M),
            params_printed,
            params_difference,
            scaled(total.macs_paper, G),
            macs_printed,
            macs_difference,
            scaled(total.params as f64, M),
            scaled(total.macs_executed as f64, G),
            counted.saved(&Part::ALL),
        ]);
    }
    table
}

fn by_part(counted: &Counted) -> Table<9> {
    let mut table = Table::new([
        text("part"),
        number("params, K\ncounted"),
        number("share"),
        number("MACs, M\ncounted"),
        number("share"),
        number("params, K\nhere"),
        number("MACs, M\nhere"),
        number("share"),
        number("saved"),
    ]);
    let total = counted.cost.total();
    let mut row = |name: &str, cost: PartCost, parts: &[Part]| {
        table.row([
            name.to_owned(),
            scaled(cost.params_paper, K),
            share(cost.params_paper, total.params_paper),
            scaled(cost.macs_paper, M),
            share(cost.macs_paper, total.macs_paper),
            scaled(cost.params as f64, K),
            scaled(cost.macs_executed as f64, M),
            share(cost.macs_executed as f64, total.macs_executed as f64),
            counted.saved(parts),
        ]);
    };
    for part in Part::ALL {
        let cost = counted.cost.part(part);
        // ConvNeXt, for one, has no small kernels and no position embedding.
        if cost != PartCost::default() {
            row(part.name(), cost, &[part]);
        }
    }
    row("total", total, &Part::ALL);
    table
}

fn scaled(value: f64, unit: f64) -> String {
    format!("{:.3}", value / unit)
}

fn share(part: f64, total: f64) -> String {
    if total > 0.0 { format!("{:.2} %", 100.0 * part / total) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        cost: CostArgs,
    }

    fn parse(line: &str) -> CostArgs {
        Command::try_parse_from(line.split_whitespace()).unwrap().cost
    }

    #[test]
    fn without_a_model_all_printed_numbers_are_counted() {
        let counted = count_all(&parse("cost")).unwrap();
        let with_upernet = count_all(&parse("cost --task ade20k")).unwrap();
        let printed: usize = zoo::models().iter().map(|model| model.paper.len()).sum();
        assert_eq!(counted.len() + with_upernet.len(), printed);
        assert!(counted.iter().chain(&with_upernet).all(|counted| counted.printed.is_some()));
    }

    #[test]
    fn sizes_follow_the_paper_or_the_stem() {
        let sizes_of = |name: &str, task| sizes(&zoo::model(name).unwrap(), task, None);
        assert_eq!(sizes_of("pelk_b", Task::ImageNet), [[224; 2], [384; 2]]);
        assert_eq!(sizes_of("pelk_b", Task::Ade20k), [[512, 2048]]);
        assert_eq!(sizes_of("pelk_t_101", Task::ImageNet), [[224; 2]]);
        assert_eq!(sizes_of("pelk_t_101", Task::Ade20k), [[512; 2]]);
        assert_eq!(sizes_of("pelk_atto", Task::ImageNet), [[28; 2]]);
        assert_eq!(sizes(&zoo::model("pelk_b").unwrap(), Task::ImageNet, Some(96)), [[96; 2]]);
    }

    #[test]
    fn numbers_are_compared_only_for_what_the_paper_counted() {
        for line in [
            "cost pelk_t --task ade20k --classes 11",
            "cost pelk_t --size 256",
            "cost pelk_t --classes 10",
            "cost pelk_t --channels 1",
        ] {
            assert!(count_all(&parse(line)).unwrap()[0].printed.is_none(), "{line}");
        }
    }

    #[test]
    fn a_json_line_has_whole_numbers_under_the_documented_names() {
        let counted = count_all(&parse("cost pelk_b --size 384 --json")).unwrap();
        let line = json_line(&counted[0]).unwrap();
        assert!(
            line.starts_with("{\"model\":\"pelk_b\",\"height\":384,\"width\":384,\"params_paper\":"),
            "{line}"
        );
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        let total = counted[0].cost.total();
        assert_eq!(value["params"], total.params);
        assert_eq!(value["macs_executed"], total.macs_executed);
        assert_eq!(value["params_paper"], total.params_paper.round() as u64);
        assert_eq!(value["macs_paper"], total.macs_paper.round() as u64);
        assert_eq!(value.as_object().unwrap().len(), 7);
    }

    #[test]
    fn the_parts_add_up_to_the_line_below_them() {
        let counted = count_all(&parse("cost pelk_t")).unwrap();
        let table = by_part(&counted[0]).to_string();
        let last = table.lines().last().unwrap();
        assert!(last.starts_with("total") && last.contains("100.00 %"), "{last}");
        // Without UperNet's two parts.
        assert_eq!(table.lines().count(), 3 + Part::ALL.len() - 2 + 1);
    }

    #[test]
    fn only_shared_kernels_save_work() {
        let counted = count_all(&parse("cost pelk_t convnext_t")).unwrap();
        assert_eq!(counted[0].saved(&[Part::Mlp, Part::SmallKernel]), "1.00x");
        // About 2601 / 169 for the 51 x 51 kernels, less for the others.
        assert_eq!(counted[0].saved(&[Part::LargeKernel]), "14.03x");
        assert_eq!(counted[1].saved(&Part::ALL), "1.00x");
        assert_eq!(counted[1].saved(&[Part::SmallKernel]), "");
    }

    #[test]
    fn errors_name_the_model_and_the_size() {
        let error = |line| format!("{:#}", count_all(&parse(line)).err().unwrap());
        let small = error("cost pelk_t --size 16");
        assert!(small.contains("pelk_t at 16 x 16") && small.contains("at least 32"), "{small}");
        let unknown = error("cost pelk_x");
        assert!(unknown.contains("did you mean \"pelk_"), "{unknown}");
    }
}
