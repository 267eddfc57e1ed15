//! `pelk cost`: parameters and multiply-adds of the models, compared with the papers' numbers.

mod counted;
mod figures;
mod footnotes;
mod nonzeros;
mod tables;
mod units;

use crate::folders::FIGURES;
use crate::output::say;
use anyhow::Result;
use clap::value_parser;
use counted::{CHANNELS, Counted, Setting};
use footnotes::footnotes;
use pelk_models::zoo::{self, Model, Task};
use std::path::PathBuf;
use tables::{by_part, json_line, summary};

/// Sizes up to this keep all counts far within the range of the integers.
const LARGEST: i64 = 65_536;

/// Count parameters and multiply-adds, and compare them with the papers' numbers.
///
/// Without a model, counts all models for which a paper prints numbers. With models, counts these, each also
/// by part.
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub struct CostArgs {
    /// Models from the list below, such as pelk_t
    #[arg(value_name = "MODEL")]
    models: Vec<String>,

    /// Task: classification as on ImageNet, segmentation with UperNet as on ADE20K, or detection with Cascade
    /// Mask R-CNN as on COCO
    #[arg(long, value_name = "TASK", default_value = "imagenet")]
    task: CostTask,

    /// Image height and width [default: each size in the paper; otherwise 224, or 512 for ade20k, or
    /// 1280 x 800 for coco, or 28 for models for small images, whose first convolution has a stride of 1 or 2]
    #[arg(long, value_name = "PIXELS", value_parser = value_parser!(u32).range(1..=LARGEST))]
    size: Option<u32>,

    /// Number of classes [default: the task's, 1000, 150 or 80]
    #[arg(long, value_name = "NUMBER", value_parser = value_parser!(u32).range(1..=LARGEST))]
    classes: Option<u32>,

    /// Channels of the image
    #[arg(long, value_name = "NUMBER", default_value_t = CHANNELS as u32)]
    #[arg(value_parser = value_parser!(u32).range(1..=LARGEST))]
    channels: u32,

    /// Show the cost by part, for all models
    #[arg(long, conflicts_with = "json")]
    by_part: bool,

    /// Print one line of JSON per model and size, for scripts
    #[arg(long)]
    json: bool,

    /// Count the nonzero values of a trained network, such as one with dynamic sparsity
    #[arg(long, value_name = "FILE", conflicts_with_all = ["models", "task", "size", "classes", "channels"])]
    #[arg(conflicts_with_all = ["by_part", "json", "chart"])]
    checkpoint: Option<PathBuf>,

    /// Write Figures 5 and 6 of the paper, as counted here, to SVG files: PeLK-T's multiply-adds by part, and
    /// ConvNeXt-T's parameters by kernel size
    #[arg(long, conflicts_with_all = ["models", "size", "classes", "channels", "by_part", "json"])]
    chart: bool,

    /// Folder for the figures
    #[arg(long, value_name = "DIR", default_value = FIGURES, requires = "chart")]
    out: PathBuf,

    /// Overwrite existing figures
    #[arg(long, requires = "chart")]
    force: bool,
}

/// The tasks on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum CostTask {
    Imagenet,
    Ade20k,
    Coco,
}

impl From<CostTask> for Task {
    fn from(task: CostTask) -> Task {
        match task {
            CostTask::Imagenet => Task::ImageNet,
            CostTask::Ade20k => Task::Ade20k,
            CostTask::Coco => Task::Coco,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  pelk cost                        all models of the papers
  pelk cost --task ade20k          with UperNet, at 2048 x 512
  pelk cost --task coco            with Cascade Mask R-CNN, at 1280 x 800
  pelk cost pelk_t                 one model, also by part
  pelk cost pelk_t --size 1024     on a larger image
  pelk cost pelk_atto --channels 1 --classes 10
  pelk cost --checkpoint runs/fashion-mnist/best.safetensors
  pelk cost --chart                Figures 5 and 6 of the paper

Models:";

fn after_help() -> String {
    zoo::models()
        .iter()
        .fold(EXAMPLES.to_owned(), |help, model| help + &format!("\n  {:<20}{}", model.name, model.summary))
}

/// Explanation of the columns, printed below the tables.
const EXPLANATION: &str = "\
params   parameters: K thousands, M millions
MACs     multiply-adds, which papers call FLOPs: M millions, G billions
size     height and width, or width x height
counted  as the papers do: only the share of the backbone's weights that sparsity keeps (PeLK: 0.6), but every
         tap of a dense kernel, including padding; without small kernels, which deployment merges into the
         large ones (with their MACs for ade20k and coco, because only then do the counts match); UperNet's
         auxiliary head has parameters but no MACs, since it runs only in training; for coco, 1000 boxes in
         each box head, 100 in each mask head, and what MMCV's counter adds to the MACs: an operation for each
         output of a convolution with bias and of a ReLU
alone    MACs without these additions
printed  the number in the paper
here     as computed by this project: all weights, one multiply-add per cell of the sharing grid, and strided
         depthwise convolutions computed at every pixel
saved    MACs with dense kernels and all weights, divided by those here";

/// Runs the command.
///
/// # Errors
/// When a model is unknown, the image is too small for it, or a figure cannot be written.
pub fn run(args: &CostArgs) -> Result<()> {
    if args.chart {
        return figures::run(&args.out, args.force);
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
    let task = Task::from(args.task);
    let classes = args.classes.map_or_else(|| task.classes(), |classes| classes as usize);
    let setting = Setting { task, channels: args.channels as usize, classes };
    let mut counted = Vec::new();
    for model in &models {
        for size in sizes(model, task, args.size) {
            counted.push(Counted::new(model, size, setting)?);
        }
    }
    Ok(counted)
}

/// The given size, or the default sizes of the model.
fn sizes(model: &Model, task: Task, given: Option<u32>) -> Vec<[usize; 2]> {
    let printed: Vec<_> =
        model.paper.iter().filter(|printed| printed.task == task).map(|printed| printed.size).collect();
    match (given, task) {
        (Some(size), _) => vec![[size as usize; 2]],
        (None, _) if !printed.is_empty() => printed,
        (None, _) if model.for_small_images() => vec![[28; 2]],
        (None, Task::ImageNet) => vec![[224; 2]],
        (None, Task::Ade20k) => vec![[512; 2]],
        (None, Task::Coco) => vec![[800, 1280]],
    }
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
        let detectors = count_all(&parse("cost --task coco")).unwrap();
        let printed: usize = zoo::models().iter().map(|model| model.paper.len()).sum();
        assert_eq!(counted.len() + with_upernet.len() + detectors.len(), printed);
        let all = counted.iter().chain(&with_upernet).chain(&detectors);
        assert!(all.into_iter().all(|counted| counted.printed.is_some()));
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
    fn errors_name_the_model_and_the_size() {
        let error = |line| format!("{:#}", count_all(&parse(line)).err().unwrap());
        let small = error("cost pelk_t --size 16");
        assert!(small.contains("pelk_t at 16 x 16") && small.contains("at least 32"), "{small}");
        let unknown = error("cost pelk_x");
        assert!(unknown.contains("did you mean \"pelk_"), "{unknown}");
    }
}
