//! `pelk ablate`

mod measure;
mod place;
mod progress;

use crate::datasets::Opener;
use crate::device::{self, Choice, DeviceArgs, on_device};
use crate::folders::shown;
use crate::interrupt::Interrupts;
use crate::invocation::Advice;
use crate::output::{note, say};
use crate::pace::duration;
use crate::threads;
use anyhow::{Context, Result, ensure};
use pelk_ablation::cost::Costs;
use pelk_ablation::plan::{Plan, PlannedRun};
use pelk_ablation::results::{Results, sweeps_in};
use pelk_ablation::sweep::{Ending, Workers, train};
use pelk_ablation::{catalog, report};
use pelk_train::DataConfig;
use progress::SweepProgress;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Reproduce the paper's ablations on a small scale and write a report.
///
/// Without options, runs quick versions of three studies, in at most 20 minutes on two cores.
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub struct AblateArgs {
    /// Study to run, or "all"; can be repeated [default: the quick versions of kernel, grid and center]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    study: Vec<String>,
    /// Task to train on, or "all"; can be repeated [default: long-range]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    task: Vec<String>,
    /// Use only the arms in the quick version of each study
    #[arg(long)]
    quick: bool,
    /// Number of runs per arm and budget, each with its own seed [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: Option<u64>,
    /// Time limit for the whole sweep: measures the arms, then chooses the training lengths
    #[arg(long, value_name = "MINUTES", conflicts_with = "steps", value_parser = minutes)]
    budget: Option<f64>,
    /// Training lengths in steps, in place of the task's own two
    #[arg(long, value_name = "STEPS", value_delimiter = ',')]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    steps: Vec<u64>,
    /// Set a configuration key for all runs, for example batch.size=64; can be repeated
    #[arg(long, value_name = "KEY.PATH=VALUE")]
    set: Vec<String>,
    /// Folder for the sweep's runs and report [default: runs/ablate, or runs/ablate-2 and so on]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Resume the sweep in --out, or the latest one
    #[arg(long, conflicts_with_all = ["study", "task", "quick", "seeds", "budget", "steps", "set"])]
    resume: bool,
    /// Train only every N-th run, starting with the I-th, for example 2/4; needs --out; finish with --collect
    #[arg(long, value_name = "I/N", requires = "out", conflicts_with = "budget", value_parser = shard)]
    shard: Option<Shard>,
    /// Only write the report, for a sweep's folder or a folder with the folders of its shards
    #[arg(long, value_name = "DIR", conflicts_with_all = ["resume", "shard"])]
    #[arg(conflicts_with_all = ["study", "task", "quick", "seeds", "budget", "steps", "set"])]
    collect: Option<PathBuf>,
    /// Folder with the dataset's files [default: its folder in $PELK_DATASETS or ./datasets]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Number of runs at a time; does not change results [default: one per core; one on a GPU]
    #[arg(long, value_name = "N", value_parser = positive)]
    jobs: Option<usize>,
    /// Threads per run; does not change results [default: cores divided by jobs]
    #[arg(long, value_name = "N", value_parser = positive)]
    threads: Option<usize>,
    /// Steps between checkpoints of a run, which are also written at evaluations
    #[arg(long, value_name = "STEPS", default_value_t = 200)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_every: u64,
    /// Measure one configuration from standard input; this is how the command calls itself
    #[arg(long, hide = true)]
    measure: bool,
}

const EXAMPLES: &str = "\
Examples:
  pelk ablate                                    kernel, grid and center, during a coffee break
  pelk ablate --study form --seeds 5             dense, stripe and peripheral kernels
  pelk ablate --study grid --task fashion-mnist --budget 60
  pelk ablate --study all --out /shared/sweep --shard 3/16   one of sixteen jobs, all with the same --out
  pelk ablate --collect /shared/sweep            the report when all jobs are finished
  pelk ablate --resume                           continue a sweep that was stopped or killed

The sweep's folder contains report.html, report.md, results.csv, and a normal run folder for each run.

Studies:";

fn after_help() -> String {
    let line = |name: &str, text: &str| format!("\n  {name:<15}{text}");
    let studies: String = catalog::STUDIES.iter().map(|study| line(&study.name, &study.question)).collect();
    let tasks: String =
        catalog::TASKS.iter().map(|task| line(task.name, &format!("preset {}", task.preset))).collect();
    format!("{EXAMPLES}{studies}\n\nTasks:{tasks}")
}

/// The studies whose quick versions run by default.
const QUICK: [&str; 3] = ["kernel", "grid", "center"];
const SEEDS: u64 = 3;

/// Every `of`-th run, starting at `index`, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shard {
    index: usize,
    of: usize,
}

fn shard(text: &str) -> Result<Shard, String> {
    let parsed = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    match parsed {
        Some((i, of)) if (1..=of).contains(&i) => Ok(Shard { index: i - 1, of }),
        _ => Err("must have the form I/N with I from 1 to N, for example 2/4".to_owned()),
    }
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "must be a number of minutes".to_owned())?;
    if minutes.is_finite() && minutes > 0.0 { Ok(minutes) } else { Err("must be above 0".to_owned()) }
}

fn positive(text: &str) -> Result<usize, String> {
    let found = text.parse().ok().filter(|number| (1..=threads::MOST).contains(number));
    found.ok_or_else(|| format!("must be a whole number, at least 1 and at most {}", threads::MOST))
}

/// Runs the command.
///
/// # Errors
/// When the arguments or a folder are unusable, or a run fails.
pub fn run(args: &AblateArgs) -> Result<()> {
    if args.measure {
        return measure::answer(args.data.as_deref(), args.threads, &args.device.device);
    }
    if let Some(folder) = &args.collect {
        let folders = sweeps_in(folder)?;
        return conclude(&folders, args.out.as_deref().unwrap_or(folder));
    }
    sweep(args)
}

fn sweep(args: &AblateArgs) -> Result<()> {
    let start = Instant::now();
    let folder = place::folder(args)?;
    let jobs = jobs(args)?;
    let plan = if args.resume { Plan::read(&folder)? } else { plan(args)? };
    // Report unknown names and invalid settings before any work.
    plan.runs()?;
    let is_new = !folder.exists();
    let locks = place::own(&folder, args.shard)?;
    let planned = with_costs(plan, args, &folder, &jobs);
    let (plan, costs) = match planned {
        Ok(planned) => planned,
        Err(error) => {
            drop(locks);
            if is_new {
                // Succeeds only if there is nothing in it.
                let _ = std::fs::remove_dir(&folder);
            }
            return Err(error);
        }
    };
    let runs = part_of(plan.runs()?, args.shard)?;
    introduce(&plan, &runs, &costs, &jobs.workers, &folder, args.shard)?;

    let stop = Interrupts::handle()?.save_first();
    let progress = SweepProgress::new(&runs);
    let opener = Opener::default();
    let open = |config: &DataConfig| opener.open_both(config, jobs.data.as_deref());
    let ending = on_device!(device::open(&jobs.device)?, backend => {
        train(&backend, &runs, &folder, &jobs.workers, &open, &stop, &progress)
    });
    progress.finish();
    let resume = || resume_command(args, &folder);
    let ending = ending.with_context(|| {
        format!("finished steps are saved; fix the problem, then continue with {}", resume())
    })?;
    if ending == Ending::Stopped {
        say!("Stopped and saved. To continue:\n  {}", resume());
        return Ok(());
    }
    say!("{} runs in {}.", runs.len(), duration(start.elapsed().as_secs_f64()));
    if args.shard.is_some() && !Results::read(std::slice::from_ref(&folder))?.complete() {
        say!("When the other shards are finished:\n  {}", Advice::new("ablate").path("--collect", &folder));
        return Ok(());
    }
    conclude(std::slice::from_ref(&folder), &folder)
}

/// How and where the runs of a sweep are trained.
struct Jobs {
    workers: Workers,
    /// The device, which all runs share.
    device: Choice,
    /// The folder from `--data`, if given.
    data: Option<PathBuf>,
}

/// Several runs at a time with few threads each: small networks do not keep many threads busy.
fn jobs(args: &AblateArgs) -> Result<Jobs> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let device = args.device.device.clone();
    let usual = if device == Choice::Cpu { cores } else { 1 };
    let jobs = args.jobs.unwrap_or_else(|| args.threads.map_or(usual, |threads| usual / threads).max(1));
    let each = args.threads.unwrap_or_else(|| (cores / jobs).max(1));
    let all = jobs.saturating_mul(each);
    ensure!(
        all <= threads::MOST,
        "--jobs {jobs} with --threads {each} needs {all} threads: use at most {} in all",
        threads::MOST
    );
    let workers = Workers { jobs, threads: each, checkpoint_every: args.checkpoint_every };
    Ok(Jobs { workers, device, data: args.data.clone() })
}

/// The runs of a shard.
fn part_of(runs: Vec<PlannedRun>, shard: Option<Shard>) -> Result<Vec<PlannedRun>> {
    let Some(Shard { index, of }) = shard else { return Ok(runs) };
    let all = runs.len();
    ensure!(index < all, "shard {} of {of} has nothing to do: the sweep has only {all} runs", index + 1);
    Ok(runs.into_iter().skip(index).step_by(of).collect())
}

fn resume_command(args: &AblateArgs, folder: &Path) -> Advice {
    let advice = Advice::new("ablate").word("--resume").path("--out", folder);
    let advice = match args.shard {
        Some(Shard { index, of }) => advice.word("--shard").word(format!("{}/{of}", index + 1)),
        None => advice,
    };
    advice.on(args.data.as_deref(), &args.device.device)
}

/// The plan from the arguments.
fn plan(args: &AblateArgs) -> Result<Plan> {
    let all = |names: &[String]| names.iter().any(|name| name == "all");
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let studies = match args.study.as_slice() {
        [] => names(&QUICK),
        given if all(given) => catalog::STUDIES.iter().map(|study| study.name.clone()).collect(),
        given => given.to_vec(),
    };
    let tasks = match args.task.as_slice() {
        [] => names(&[catalog::TASKS[0].name]),
        given if all(given) => catalog::TASKS.iter().map(|task| task.name.to_owned()).collect(),
        given => given.to_vec(),
    };
    for study in &studies {
        catalog::study(study)?;
    }
    let mut steps = args.steps.clone();
    steps.sort_unstable();
    steps.dedup();
    let quick = args.quick || args.study.is_empty();
    let budgets = |name: String| {
        let task = catalog::task(&name)?;
        let usual = if quick { task.quick_budgets } else { task.budgets };
        Ok((name, if steps.is_empty() { usual.to_vec() } else { steps.clone() }))
    };
    Ok(Plan {
        studies,
        quick,
        seeds: args.seeds.unwrap_or(SEEDS),
        settings: args.set.clone(),
        budgets: tasks.into_iter().map(budgets).collect::<Result<_>>()?,
    })
}

/// Share of `--budget` available for runs; the rest is for measuring, files and the report.
const USABLE: f64 = 0.9;

/// Fixes the training lengths and writes the plan and the costs of its arms to the sweep's folder.
fn with_costs(plan: Plan, args: &AblateArgs, folder: &Path, jobs: &Jobs) -> Result<(Plan, Costs)> {
    let measured = || {
        note!("Measuring the cost of each arm ...");
        measure::costs(&plan, jobs)
    };
    if let Some(minutes) = args.budget {
        let costs = measured()?;
        let plan = fitting(&plan, &costs, 60.0 * minutes, jobs.workers.jobs)?;
        // Before it is written, so that lengths that make no run leave no plan.
        plan.runs()?;
        plan.write(folder)?;
        costs.write(folder)?;
        return Ok((plan, costs));
    }
    plan.write(folder)?;
    let mut costs = Costs::read(folder)?;
    if costs.estimate(&plan.runs()?).is_none() {
        costs = measured()?;
        costs.write(folder)?;
    }
    Ok((plan, costs))
}

/// The plan with budgets that fit into `seconds`, with `jobs` runs at a time.
fn fitting(plan: &Plan, costs: &Costs, seconds: f64, jobs: usize) -> Result<Plan> {
    let needed = costs.estimate(&plan.runs()?).context("an arm was not measured")?;
    let evaluating = needed.evaluating / jobs as f64;
    let available = USABLE * seconds - evaluating;
    ensure!(
        available > 0.0,
        "--budget is too short: evaluations alone take {}; use fewer seeds or studies, or add --quick",
        duration(evaluating)
    );
    Ok(plan.scaled(available * jobs as f64 / needed.training))
}

fn introduce(
    plan: &Plan,
    runs: &[PlannedRun],
    costs: &Costs,
    workers: &Workers,
    folder: &Path,
    shard: Option<Shard>,
) -> Result<()> {
    for (task, budgets) in plan.tasks()? {
        let budgets: Vec<_> = budgets.iter().map(ToString::to_string).collect();
        say!(
            "{} on {}: {} arms, {} seeds, {} steps",
            plan.studies.join(", "),
            task.name,
            plan.arms(task)?.len(),
            plan.seeds,
            budgets.join(" and "),
        );
    }
    let part = shard.map_or(String::new(), |Shard { index, of }| format!(" (shard {} of {of})", index + 1));
    let estimate = costs.estimate(runs).context("an arm was not measured")?;
    let seconds = (estimate.training + estimate.evaluating) / workers.jobs.min(runs.len()) as f64;
    say!(
        "{} runs{part}, {} at a time with {} thread{} each: about {} if none is finished yet",
        runs.len(),
        workers.jobs,
        workers.threads,
        if workers.threads == 1 { "" } else { "s" },
        duration(seconds),
    );
    say!("sweep folder: {}", shown(folder));
    Ok(())
}

/// Writes the report and prints its summary and path.
fn conclude(folders: &[PathBuf], out: &Path) -> Result<()> {
    let results = Results::read(folders)?;
    ensure!(
        !results.finished.is_empty(),
        "nothing to report: none of the sweep's {} runs is finished yet",
        results.planned
    );
    let mut costs = Costs::default();
    for folder in folders {
        costs.extend(Costs::read(folder)?);
    }
    let written = report::write(&results, &costs, out)?;
    say!("\n{}", written.summary.trim_end());
    if !results.complete() {
        say!("\nOnly {} of {} runs are finished.", results.finished.len(), results.planned);
    }
    say!("\nNext:\n  open {}", shown(&written.html));
    Ok(())
}
