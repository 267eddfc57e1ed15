//! `pelk bench`: measures operators and networks on this machine.

mod cases;
mod dispatch;
mod gemm;
mod gpu_operators;
mod model;
mod operators;
mod record;
mod table8;

use crate::device::{Choice, Device, DeviceArgs};
use crate::output::{note, say};
use crate::threads::in_pool;
use crate::timing::PeakRate;
use anyhow::{Context, Result, bail, ensure};
use cases::{Depthwise, Group, Mlp, Model, Pass, Peripheral};
use clap::ArgGroup;
use clap::builder::RangedU64ValueParser;
use gemm::{Linear, LinearPass};
use gpu_operators::GpuBench;
use operators::{Bench, Operators};
use pelk_simd::Level;
use record::{EXPLANATION, Record, tables};
use std::io::IsTerminal;

/// Measure the speed of operators and networks on this machine.
///
/// By default, prints a table of the convolutions and pixel MLPs of PeLK-T, and of whole networks in
/// inference and training, with random weights and images. With shapes or models, measures only these.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES,
    group = ArgGroup::new("single").args(["shape", "depthwise", "mlp", "gemm", "model"]).multiple(true),
    group = ArgGroup::new("sized").args(["shape", "depthwise", "model"]).multiple(true)
)]
pub struct BenchArgs {
    /// Measure only these parts of the table
    #[arg(long, value_name = "GROUP", value_delimiter = ',', conflicts_with = "single")]
    only: Vec<Group>,

    /// A peripheral convolution: channels, map height and width, kernel size, center size
    #[arg(long, value_name = "C,H,KERNEL,CENTER", value_parser = cases::parse_peripheral)]
    shape: Vec<Peripheral>,

    /// A depthwise convolution with a dense kernel
    #[arg(long, value_name = "C,H,KERNEL_H,KERNEL_W", value_parser = cases::parse_depthwise)]
    depthwise: Vec<Depthwise>,

    /// A pixel MLP: pixels and channels
    #[arg(long, value_name = "ROWS,C", value_parser = cases::parse_mlp)]
    mlp: Vec<Mlp>,

    /// The products of a linear layer: rows, inputs and outputs
    #[arg(long, value_name = "ROWS,INPUTS,OUTPUTS", value_parser = cases::parse_linear)]
    gemm: Vec<Linear>,

    /// A network, by name (see `pelk models`)
    #[arg(long, value_name = "NAME")]
    model: Vec<String>,

    /// Height and width of the model's images [default: 224, or 28 for models for small images]
    #[arg(long, value_name = "PIXELS", requires = "model")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=8192))]
    size: Option<usize>,

    /// Use dense large kernels in the model, with a parameter for every tap
    #[arg(long, requires = "model")]
    dense: bool,

    /// Batch size for the given shapes and models [default: 1]
    #[arg(long, value_name = "N", requires = "sized")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=4096))]
    batch: Option<usize>,

    /// Measure only these passes
    #[arg(long, value_name = "PASS", value_delimiter = ',')]
    pass: Vec<Pass>,

    #[command(flatten)]
    device: DeviceArgs,

    /// Number of threads to compute with [default: 1 for operators, all cores for networks]
    #[arg(long, value_name = "N")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    threads: Option<usize>,

    /// Minimum number of timed runs, after a warm-up; short runs are repeated more often
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    runs: usize,

    /// Print one line of JSON per measurement, for scripts
    #[arg(long)]
    json: bool,

    /// Instead, check that the convolution variant chosen for each shape is the fastest
    #[arg(long, conflicts_with_all = ["only", "single", "pass", "device"])]
    check_dispatch: bool,

    /// Instead, measure Table 8 of the paper: images/s of SLaK-T, PeLK-T, and PeLK-T with dense kernels
    #[arg(long, conflicts_with_all = ["only", "single", "pass", "json", "check_dispatch"])]
    table8: bool,

    /// Instead, print the time of each of the model's GPU kernels, waiting for each
    #[arg(long, requires = "model", conflicts_with_all = ["json", "threads", "runs"])]
    profile: bool,

    /// Measure models in this process, not in separate ones
    #[arg(long, hide = true, requires = "model")]
    in_this_process: bool,
}

const EXAMPLES: &str = "\
Examples:
  pelk bench                                    everything, in a few minutes
  pelk bench --only conv,mlp --threads 2
  pelk bench --shape 36,56,51,5 --pass forward  one peripheral convolution, 51 x 51 on 56 x 56
  pelk bench --only gemm --threads 2            matrix products beside other libraries
  pelk bench --model pelk_t --size 512 --pass inference --json
  pelk bench --device gpu --only conv           the convolutions on a GPU
  pelk bench --device gpu --model pelk_t --batch 8 --profile   the time of each GPU kernel
  pelk bench --table8                           throughput in the paper and on this machine
  pelk bench --check-dispatch                   fails if a chosen convolution variant is not the fastest

Close other programs first, and only compare measurements from the same machine. PELK_SIMD=avx2 (or another
level) sets the vector instructions.";

/// Runs the command.
///
/// # Errors
/// When the arguments leave nothing to measure, a measurement fails, or a chosen variant is not the fastest.
pub fn run(args: &BenchArgs) -> Result<()> {
    if args.check_dispatch {
        return dispatch::check(Level::from_env()?, args.json);
    }
    if args.table8 {
        return table8::run(&args.device.device, args.threads, args.runs);
    }
    let cases = cases(args)?;
    ensure!(!cases.is_empty(), "nothing to measure: the selected parts do not have the selected passes");
    if args.profile {
        return profile(&cases, &args.device.device);
    }
    let measuring = Measuring::new(args)?;
    let mut records = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        measuring.announce(case, number + 1, cases.len());
        for record in measuring.measure(case)? {
            if args.json {
                say!("{}", serde_json::to_string(&record)?);
            }
            records.push(record);
        }
    }
    if !args.json {
        say!("{}\n", measuring.operators.machine());
        say!("{}\n{EXPLANATION}", tables(&records));
    }
    Ok(())
}

fn profile(cases: &[Case], device: &Choice) -> Result<()> {
    for case in cases {
        if let Case::Model(model) = case {
            say!("{} at {}, {} images, {}\n", model.name, model.size, model.batch, model.pass.name());
            say!("{}", model::profile(model, device)?);
        }
    }
    Ok(())
}

/// One row of a table.
#[derive(Debug, Clone, PartialEq)]
enum Case {
    Peripheral(Peripheral, usize, Pass),
    Depthwise(Depthwise, usize, Pass),
    Mlp(Mlp, Pass),
    Gemm(Linear, LinearPass),
    Model(Model),
}

/// The cases from the arguments: the given shapes and models, or the table.
fn cases(args: &BenchArgs) -> Result<Vec<Case>> {
    const OPERATOR: [Pass; 2] = [Pass::Forward, Pass::ForwardBackward];
    const NETWORK: [Pass; 2] = [Pass::Inference, Pass::TrainStep];
    let wanted = |pass: &Pass| args.pass.is_empty() || args.pass.contains(pass);
    let single = !(args.shape.is_empty()
        && args.depthwise.is_empty()
        && args.mlp.is_empty()
        && args.gemm.is_empty()
        && args.model.is_empty());
    let group = |group| !single && (args.only.is_empty() || args.only.contains(&group));
    let batch = args.batch.unwrap_or(1);

    let mut peripheral = args.shape.clone();
    let mut depthwise = args.depthwise.clone();
    if group(Group::Conv) {
        peripheral.extend(cases::PERIPHERAL);
        depthwise.extend(cases::DEPTHWISE);
    }
    let mut mlp = args.mlp.clone();
    if group(Group::Mlp) {
        mlp.extend(cases::MLP);
    }
    let mut linears = args.gemm.clone();
    if args.only.contains(&Group::Gemm) {
        linears.extend(gemm::table());
    }
    let mut models = Vec::new();
    for name in &args.model {
        let size = args.size.map_or_else(|| model::usual_size(name), Ok)?;
        models.extend(NETWORK.map(|pass| Model { name: name.clone(), dense: args.dense, size, batch, pass }));
    }
    if group(Group::Model) {
        models.extend(cases::models(model::default_training()?.batch.size));
    }

    let passes = || OPERATOR.into_iter().filter(wanted);
    let mut cases: Vec<Case> = Vec::new();
    cases.extend(
        peripheral
            .into_iter()
            .flat_map(|shape| passes().map(move |pass| Case::Peripheral(shape, batch, pass))),
    );
    cases.extend(
        depthwise.into_iter().flat_map(|shape| passes().map(move |pass| Case::Depthwise(shape, batch, pass))),
    );
    cases.extend(mlp.into_iter().flat_map(|shape| passes().map(move |pass| Case::Mlp(shape, pass))));
    // A linear layer's passes are its own.
    if args.pass.is_empty() {
        cases.extend(
            linears.into_iter().flat_map(|linear| LinearPass::ALL.map(|pass| Case::Gemm(linear, pass))),
        );
    }
    cases.extend(models.into_iter().filter(|model| wanted(&model.pass)).map(Case::Model));
    Ok(cases)
}

/// How cases are measured.
struct Measuring<'a> {
    args: &'a BenchArgs,
    device: Device,
    /// Peak rate of the CPU, for comparison.
    peak: Option<PeakRate>,
    operators: Box<dyn Operators>,
    /// Threads for operators.
    pool: rayon::ThreadPool,
}

impl Measuring<'_> {
    fn new(args: &BenchArgs) -> Result<Measuring<'_>> {
        let threads = args.threads.unwrap_or(1);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .context("cannot start the threads")?;
        let runs = args.runs;
        let device = args.device.open()?;
        let (peak, operators): (_, Box<dyn Operators>) = match &device {
            Device::Cpu(backend) => {
                let peak = PeakRate::measure();
                (Some(peak), Box::new(Bench { level: backend.level(), threads, runs, peak }))
            }
            Device::Gpu(backend) => (None, Box::new(GpuBench { gpu: backend.gpu().clone(), runs })),
        };
        Ok(Measuring { args, device, peak, operators, pool })
    }

    /// Shows a user at a terminal what is being measured.
    fn announce(&self, case: &Case, number: usize, all: usize) {
        if std::io::stderr().is_terminal() {
            let name = match case {
                Case::Peripheral(shape, ..) => format!("peripheral convolution {0} x {0}", shape.kernel),
                Case::Depthwise(shape, ..) => {
                    format!("depthwise convolution {} x {}", shape.kernel_h, shape.kernel_w)
                }
                Case::Mlp(shape, _) => format!("pixel MLP of {} channels", shape.c),
                Case::Gemm(Linear { rows, inputs, outputs }, pass) => {
                    format!("linear layer {rows} x {inputs} to {outputs}, {}", pass.name())
                }
                Case::Model(model) => format!("{} at {}, {}", model.name, model.size, model.pass.name()),
            };
            note!("{number} of {all}: {name}");
        }
    }

    fn measure(&self, case: &Case) -> Result<Vec<Record>> {
        let (args, choice, operators) = (self.args, &self.args.device.device, &self.operators);
        match case {
            Case::Peripheral(shape, n, pass) => {
                self.pool.install(|| operators.peripheral(*shape, *n, *pass)).map(|record| vec![record])
            }
            Case::Depthwise(shape, n, pass) => {
                self.pool.install(|| operators.depthwise(*shape, *n, *pass)).map(|record| vec![record])
            }
            Case::Mlp(shape, pass) => {
                self.pool.install(|| operators.mlp(*shape, *pass)).map(|record| vec![record])
            }
            Case::Gemm(linear, pass) => {
                let (Device::Cpu(backend), Some(peak)) = (&self.device, self.peak) else {
                    bail!("matrix products are measured on the CPU alone: leave out --device")
                };
                let level = backend.level();
                self.pool.install(|| gemm::measure(level, peak, *linear, *pass, args.runs))
            }
            Case::Model(model) if args.in_this_process => {
                in_pool(args.threads, || model::measure(model, &self.device, args.runs, self.peak))
                    .map(|record| vec![record])
            }
            Case::Model(model) => {
                model::in_own_process(model, choice, args.threads, args.runs).map(|record| vec![record])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: BenchArgs,
    }

    fn parse(line: &str) -> Result<BenchArgs, clap::Error> {
        Line::try_parse_from(["bench"].into_iter().chain(line.split_whitespace())).map(|line| line.args)
    }

    fn cases_of(line: &str) -> Vec<Case> {
        cases(&parse(line).unwrap()).unwrap()
    }

    #[test]
    fn the_table_has_every_group_and_groups_can_be_chosen() {
        let all = cases_of("");
        let parts = ["conv", "mlp", "model"].map(|group| cases_of(&format!("--only {group}")));
        assert_eq!(all, parts.concat());
        assert_eq!(cases_of("--only model --only mlp"), [&parts[1][..], &parts[2][..]].concat());
        assert_eq!(cases_of("--only conv,mlp"), [&parts[0][..], &parts[1][..]].concat());
        let products = cases_of("--only gemm");
        assert!(products.len() > 200 && products.iter().all(|case| matches!(case, Case::Gemm(..))));
        assert!(parts[2].contains(&Case::Model(Model {
            name: "pelk_atto".to_owned(),
            dense: false,
            size: 28,
            batch: 128,
            pass: Pass::TrainStep,
        })));
        assert_eq!(cases_of("--pass inference,train_step"), parts[2]);
        assert!(cases_of("--only mlp --pass inference").is_empty());
    }

    #[test]
    fn what_is_given_is_measured_alone() {
        let shape = Peripheral { c: 36, h: 56, kernel: 51, center: 5 };
        assert_eq!(
            cases_of("--shape 36,56,51,5 --pass forward"),
            [Case::Peripheral(shape, 1, Pass::Forward)]
        );
        assert_eq!(
            cases_of("--shape 36,56,51,5 --batch 2"),
            [Case::Peripheral(shape, 2, Pass::Forward), Case::Peripheral(shape, 2, Pass::ForwardBackward)]
        );
        assert_eq!(cases_of("--mlp 49,768 --depthwise 8,7,5,3").len(), 4);
        let linear = Linear { rows: 49, inputs: 998, outputs: 3992 };
        assert_eq!(cases_of("--gemm 49,998,3992"), LinearPass::ALL.map(|pass| Case::Gemm(linear, pass)));
        let model = |name: &str, size, pass| {
            Case::Model(Model { name: name.to_owned(), dense: false, size, batch: 1, pass })
        };
        assert_eq!(
            cases_of("--model pelk_t --model pelk_atto --pass inference"),
            [model("pelk_t", 224, Pass::Inference), model("pelk_atto", 28, Pass::Inference)]
        );
        assert_eq!(
            cases_of("--model pelk_t --size 64 --pass train_step"),
            [model("pelk_t", 64, Pass::TrainStep)]
        );
    }

    #[test]
    fn senseless_arguments_are_refused() {
        for line in [
            "--only gpu",
            "--only conv --shape 36,56,51,5",
            "--shape 36,56,51",
            "--size 224",
            "--batch 2",
            "--mlp 49,768 --batch 2",
            "--model pelk_t --size 0",
            "--threads 0",
            "--runs 0",
            "--pass sideways",
            "--dense",
            "--check-dispatch --only conv",
            "--table8 --model pelk_t",
            "--table8 --json",
            "--in-this-process",
            "--profile",
            "--model pelk_t --profile --json",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        let unknown = cases(&parse("--model pelk_tt").unwrap()).unwrap_err().to_string();
        assert!(unknown.contains("pelk_t"), "{unknown}");
    }
}
