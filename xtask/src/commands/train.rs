//! `cargo xtask train`

mod estimate;
mod predictions;

use crate::dashboard::{Dashboard, Headline};
use crate::device::{DeviceArgs, on_device};
use crate::interrupt::stop_on_ctrl_c;
use crate::output::{note, say};
use crate::presets::{self, PRESETS};
use crate::progress::{Display, Progress, duration};
use crate::table::{Table, number};
use crate::workspace::{datasets, in_pool, root, shown};
use anyhow::{Context, Result, bail};
use clap::builder::RangedU64ValueParser;
use pelk_autodiff::Backend;
use pelk_models::Head;
use pelk_train::{
    Checkpoint, Datasets, EvaluationReport, EventLog, Limits, Metric, MetricsRow, Observer, Outcome, Run,
    Scores, StepReport, TrainConfig, Trainer, WarmStart,
};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Train a network; without options, a small PeLK on Fashion-MNIST in a few minutes
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct TrainArgs {
    /// What to train: fashion-mnist (the default, a few minutes), fashion-mnist-long (better, under an hour), long-range
    /// (how far a kernel sees), scenes (segmentation, six minutes), or segmentation of ADE20K as in the paper, which needs the
    /// dataset and a GPU: ade20k-pelk-t, -s, -b or -b-101
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    preset: Option<String>,
    /// A configuration of your own instead of a preset; start from the config.toml of a run
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the dataset's files [default: the folder of the dataset's name in `datasets`]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Start the backbone from the weights in a safetensors file, such as a classifier's best.safetensors
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Change a key of the configuration, for instance optimizer.learning_rate=0.002; may be repeated
    #[arg(long, value_name = "KEY.PATH=VALUE")]
    set: Vec<String>,
    /// Folder of the run's files [default: runs/PRESET, numbered where that is taken]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with the run in --out, or with the preset's latest run, from its last checkpoint
    #[arg(long, conflicts_with_all = ["set", "seed", "config", "weights"])]
    resume: bool,
    #[command(flatten)]
    device: DeviceArgs,
    /// Threads to compute with; does not change results [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Stop after this step and save; the schedule stays that of the whole run, so --resume can finish it
    #[arg(long, value_name = "N")]
    max_steps: Option<u64>,
    /// Save last.safetensors every so many steps, beside each evaluation
    #[arg(long, value_name = "STEPS", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_every: u64,
    /// Keep so many states to go on from: last.safetensors, and those before it in the folder `checkpoints`
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    keep: usize,
    /// Threads that read and change training images, beside those that compute; does not change results
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<usize>::new().range(1..=256))]
    loaders: usize,
    /// Say how long the run will take and take one step, without a folder; nothing is kept
    #[arg(long, conflicts_with_all = ["out", "resume", "max_steps", "step_log"])]
    dry_run: bool,
    /// Write a line for each step: step, loss, norm of the gradients, accuracy on its images, learning rate, seconds that it
    /// took, seconds of these that it waited for images
    #[arg(long, value_name = "FILE.csv")]
    step_log: Option<PathBuf>,
    /// Show the run on the whole terminal: curves, last evaluations, time left; q saves and stops, as Ctrl-C does
    #[arg(long)]
    tui: bool,
    /// Seed of everything random; runs with equal seeds give equal bits
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask train
  cargo xtask train --set model.name=convnext_atto --out runs/convnext
  cargo xtask train --set schedule.epochs=10 --set optimizer.learning_rate=0.002
  cargo xtask train --preset scenes
  cargo xtask train --preset ade20k-pelk-t --data ADEChallengeData2016 --weights pelk-t.safetensors
  cargo xtask train --resume
  cargo xtask train --preset fashion-mnist-long --tui
  cargo xtask train --preset fashion-mnist-long --dry-run

A run's folder holds config.toml (every setting, written out), metrics.csv, curves.svg, best.safetensors,
last.safetensors and event files for `tensorboard --logdir runs`; with averaged weights (ema.decay) best-ema.safetensors;
of segmentation predictions.png. Ctrl-C saves before it stops, with exit status 0.";

/// Runs the command.
///
/// # Errors
/// When the arguments, the data or a file of the run are unusable, or training fails.
pub fn run(args: &TrainArgs) -> Result<()> {
    in_pool(args.threads, || on_device!(args.device.device.open()?, backend => train(args, backend)))
}

fn train<B: Backend>(args: &TrainArgs, backend: B) -> Result<()> {
    if args.tui {
        Dashboard::check_terminal()?;
    }
    let (config, origin) = if args.resume { resume(args)? } else { fresh(args)? };
    let datasets = datasets(&config.data, args.data.as_deref())?;
    let device = backend.name();
    let mut trainer = Trainer::new(backend, config.clone(), datasets.clone())?;
    let limits = Limits {
        max_steps: args.max_steps,
        checkpoint_every: Some(args.checkpoint_every),
        loaders: Some(args.loaders),
    };
    let mut run = match origin {
        Origin::Fresh(folder) => {
            if let Some(start) = trainer.warm_start()? {
                say!("{}", describe_start(&config, &start));
            }
            if args.dry_run {
                introduce(&trainer, &config, &datasets, &device, None)?;
                return estimate::dry_run(&mut trainer, limits);
            }
            // Only now, so that a run which cannot start leaves no folder behind.
            Run::create(&folder, &config)?
        }
        Origin::Resumed(run, Some(checkpoint)) => {
            trainer.restore(*checkpoint, &run.last())?;
            run
        }
        Origin::Resumed(run, None) => {
            note!("The run had not come to a checkpoint yet: starting it from the beginning.");
            trainer.warm_start()?;
            run
        }
    };
    introduce(&trainer, &config, &datasets, &device, Some(&run))?;

    let stop = stop_on_ctrl_c()?;
    let total = trainer.total_steps();
    let last = args.max_steps.map_or(total, |max| max.min(total));
    if trainer.step() >= last {
        say!("Nothing to do: the run has taken {} of {last} steps.", trainer.step());
        return Ok(());
    }
    match trainer.estimate(limits) {
        Ok(estimate) => say!("{}", estimate::sentence(&estimate)),
        // The run meets the same soon, and saves what it has come to.
        Err(error) => note!("no estimate of the time: {error}"),
    }
    let step_log = args.step_log.as_deref().map(StepLog::create).transpose()?;
    let events = EventLog::create(run.folder(), trainer.step())?;
    let progress = match args.tui {
        true => {
            let title = format!("{} on {}", config.model.name, config.data.dataset);
            let place = format!("{} · {device}", shown(run.folder()));
            let headline = Headline { title, place, metric: config.metric(), steps: (trainer.step(), last) };
            Display::Dashboard(Dashboard::open(headline, run.rows(), stop.clone())?)
        }
        false => Display::Lines(Progress::new(trainer.step(), last)),
    };
    let start = Instant::now();
    let mut observer = Files {
        run: &mut run,
        metric: config.metric(),
        keep: args.keep,
        progress,
        stop,
        step_log,
        events,
        waited: Waited::default(),
    };
    let outcome = trainer.run(limits, &mut observer);
    observer.progress.finish();
    let waited = observer.waited.share();
    let (step_log, events) = (observer.step_log, observer.events);
    let (outcome, seconds) = (outcome?, start.elapsed().as_secs_f64());
    let sheet = match (outcome, config.metric()) {
        (Outcome::Finished, Metric::MeanIou) => {
            let path = run.folder().join("predictions.png");
            predictions::write(&path, &trainer, &config, &*datasets.test)?;
            Some(path)
        }
        _ => None,
    };
    conclude(outcome, &run, &trainer, &config, sheet.as_deref(), seconds, args);
    if waited > WORTH_SAYING {
        say!(
            "\nSteps waited for images for {:.0} % of their time: more --loaders help where there are cores for them.",
            100.0 * waited
        );
    }
    if let Some(log) = step_log {
        log.close()?;
    }
    events.close()?;
    Ok(())
}

/// What became of the weights that the run starts from.
fn describe_start(config: &TrainConfig, start: &WarmStart) -> String {
    let some = |names: &[String]| match names {
        [] => "none".to_owned(),
        names => {
            let mut parts: Vec<&str> =
                names.iter().map(|name| name.split('.').next().unwrap_or(name)).collect();
            parts.dedup();
            format!("{} ({})", names.len(), parts.join(", "))
        }
    };
    format!(
        "{} tensors from {}; starting afresh: {}; in the file and not used: {}",
        start.taken,
        config.weights.display(),
        some(&start.fresh),
        some(&start.unused),
    )
}

/// Where a run's state comes from.
enum Origin {
    /// A new run, in this folder.
    Fresh(PathBuf),
    /// A run that had begun, and its last checkpoint, if it had come to one.
    Resumed(Run, Option<Box<Checkpoint>>),
}

fn fresh(args: &TrainArgs) -> Result<(TrainConfig, Origin)> {
    let mut settings = args.set.clone();
    settings.extend(args.seed.map(|seed| format!("seed={seed}")));
    settings.extend(
        args.weights.iter().map(|path| format!("weights={}", toml::Value::from(path.display().to_string()))),
    );
    let (name, config) = presets::configuration(args.preset.as_deref(), args.config.as_deref(), &settings)?;
    let folder = args.out.clone().unwrap_or_else(|| free_folder(&name));
    Ok((config, Origin::Fresh(folder)))
}

fn resume(args: &TrainArgs) -> Result<(TrainConfig, Origin)> {
    let folder = match &args.out {
        Some(folder) => folder.clone(),
        None => {
            let name = presets::find(args.preset.as_deref().unwrap_or(PRESETS[0].name))?.name;
            match numbered(name).take_while(|folder| Run::exists(folder)).last() {
                Some(folder) => folder,
                None => bail!("there is no run of preset {name} to resume; give its folder with --out"),
            }
        }
    };
    let (run, config, checkpoint) = Run::open(&folder)?;
    Ok((config, Origin::Resumed(run, checkpoint.map(Box::new))))
}

/// `runs/NAME`, `runs/NAME-2`, `runs/NAME-3`, and so on.
fn numbered(name: &str) -> impl Iterator<Item = PathBuf> {
    let first = root().join("runs").join(name);
    let others = (2..).map({
        let first = first.clone();
        move |i: u32| PathBuf::from(format!("{}-{i}", first.display()))
    });
    std::iter::once(first).chain(others)
}

fn free_folder(name: &str) -> PathBuf {
    numbered(name).find(|folder| !Run::exists(folder)).unwrap_or_else(|| root().join("runs").join(name))
}

fn introduce<B: Backend>(
    trainer: &Trainer<B>,
    config: &TrainConfig,
    datasets: &Datasets,
    device: &str,
    run: Option<&Run>,
) -> Result<()> {
    let parameters = trainer.network().trained_values()?;
    say!(
        "{} ({parameters} parameters) on {}: {} training and {} test images",
        config.model.name,
        config.data.dataset,
        datasets.train.len(),
        datasets.test.len(),
    );
    say!(
        "{} steps, {} an epoch, on {device} with {} threads, seed {}",
        trainer.total_steps(),
        trainer.steps_per_epoch(),
        rayon::current_num_threads(),
        config.seed,
    );
    if let Some(run) = run {
        say!("run folder: {}", shown(run.folder()));
    }
    if trainer.step() > 0 {
        say!("going on after step {}", trainer.step());
    }
    Ok(())
}

/// Writes what training makes into the run's folder.
struct Files<'a> {
    run: &'a mut Run,
    metric: Metric,
    /// How many states to go on from are kept.
    keep: usize,
    progress: Display,
    stop: Arc<AtomicBool>,
    step_log: Option<StepLog>,
    events: EventLog,
    waited: Waited,
}

/// The share of their time that steps waited for images above which the user hears of it.
const WORTH_SAYING: f64 = 0.1;

/// How long steps took, and how long they waited for images.
#[derive(Default)]
struct Waited {
    all: Duration,
    waited: Duration,
}

impl Waited {
    fn add(&mut self, report: &StepReport) {
        self.all += report.time;
        self.waited += report.waited;
    }

    fn share(&self) -> f64 {
        self.waited.as_secs_f64() / self.all.as_secs_f64().max(1e-9)
    }
}

/// A file with a line for each step.
struct StepLog {
    path: PathBuf,
    file: BufWriter<File>,
    /// The first line that could not be written: told at the end, since a log is no reason to stop.
    failure: Option<std::io::Error>,
}

impl StepLog {
    fn create(path: &Path) -> Result<StepLog> {
        let create = || {
            let mut file = BufWriter::new(File::create(path)?);
            writeln!(file, "step,loss,gradient_norm,accuracy,learning_rate,seconds,waited")?;
            Ok::<_, std::io::Error>(file)
        };
        let file = create().with_context(|| format!("cannot write {}", path.display()))?;
        Ok(StepLog { path: path.to_owned(), file, failure: None })
    }

    fn add(&mut self, report: &StepReport) {
        let StepReport { step, loss, gradient_norm, accuracy, learning_rate, time, waited, .. } = report;
        let (seconds, waited) = (time.as_secs_f64(), waited.as_secs_f64());
        let written = writeln!(
            self.file,
            "{step},{loss},{gradient_norm},{accuracy},{learning_rate},{seconds:.6},{waited:.6}"
        );
        self.failure = self.failure.take().or(written.err());
    }

    fn close(mut self) -> Result<()> {
        let flushed = self.file.flush();
        self.failure
            .take()
            .map_or(flushed, Err)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

impl Observer for Files<'_> {
    fn on_step(&mut self, report: &StepReport) -> bool {
        self.progress.step(report);
        self.waited.add(report);
        self.events.step(report);
        if let Some(log) = &mut self.step_log {
            log.add(report);
        }
        if report.skipped {
            let step = report.step;
            self.progress.line(&format!(
                "step {step:>6}: a gradient overflowed its 16 bits; the loss is scaled less from here"
            ));
        }
        !self.stop.load(Ordering::Relaxed)
    }

    fn on_evaluation_batch(&mut self, done: usize, all: usize) {
        self.progress.evaluation(done, all);
    }

    fn on_checkpoint(&mut self, checkpoint: &Checkpoint) -> pelk_train::Result<()> {
        self.run.save(checkpoint, self.keep)
    }

    fn on_evaluation(&mut self, report: &EvaluationReport<'_>) -> pelk_train::Result<()> {
        self.run.add(report)?;
        self.events.evaluation(report);
        let row = &report.row;
        self.progress.evaluated(row);
        let ema = row.ema.map(|scores| format!(" (EMA {:.2} %)", 100.0 * self.metric.of(&scores)));
        self.progress.line(&format!(
            "epoch {:>3}, step {:>6}: train loss {:.4}, test loss {:.4}, test {} {:.2} %{}, {:.0} images/s",
            row.epoch,
            row.step,
            row.train_loss,
            row.test.loss,
            self.metric.name(),
            100.0 * self.metric.of(&row.test),
            ema.unwrap_or_default(),
            row.images_per_second,
        ));
        if !report.evaluation.groups.is_empty() {
            let groups = report.evaluation.groups.iter();
            let parts: Vec<_> =
                groups.map(|group| format!("{} {:.2} %", group.name, 100.0 * group.accuracy())).collect();
            self.progress.line(&format!("           of which {}", parts.join(", ")));
        }
        Ok(())
    }
}

/// Rows of the table at the end: the last few epochs.
const ROWS: usize = 5;

fn conclude<B: Backend>(
    outcome: Outcome,
    run: &Run,
    trainer: &Trainer<B>,
    config: &TrainConfig,
    sheet: Option<&Path>,
    seconds: f64,
    args: &TrainArgs,
) {
    let (step, total) = (trainer.step(), trainer.total_steps());
    let (rows, metric) = (run.rows(), config.metric());
    if !rows.is_empty() {
        let mut table = Table::new([
            number("epoch"),
            number("step"),
            number("train loss"),
            number("test loss"),
            number(match metric {
                Metric::Accuracy => "test accuracy",
                Metric::MeanIou => "test mIoU",
            }),
            number("EMA"),
            number("images/s"),
        ]);
        for row in &rows[rows.len().saturating_sub(ROWS)..] {
            table.row([
                row.epoch.to_string(),
                row.step.to_string(),
                format!("{:.4}", row.train_loss),
                format!("{:.4}", row.test.loss),
                format!("{:.2} %", 100.0 * metric.of(&row.test)),
                row.ema.map_or("-".to_owned(), |scores| format!("{:.2} %", 100.0 * metric.of(&scores))),
                format!("{:.0}", row.images_per_second),
            ]);
        }
        say!("\n{table}");
    }
    let folder = shown(run.folder());
    match (outcome, rows.last()) {
        (Outcome::Finished, Some(last)) => {
            let best = |scores: &dyn Fn(&MetricsRow) -> Option<Scores>| {
                100.0 * rows.iter().filter_map(scores).map(|scores| metric.of(&scores)).fold(0.0, f64::max)
            };
            say!(
                "Test {} {:.2} % at the end (best {:.2} %), in {}.",
                metric.name(),
                100.0 * metric.of(&last.test),
                best(&|row| Some(row.test)),
                duration(seconds),
            );
            if let Some(ema) = last.ema {
                let (last, best) = (100.0 * metric.of(&ema), best(&|row| row.ema));
                say!("The average of its weights (EMA): {last:.2} % (best {best:.2} %).");
            }
        }
        (Outcome::Stopped, _) => say!("Stopped and saved after step {step} of {total}."),
        _ => say!("Saved after step {step} of {total}, the limit given."),
    }
    let data = args.data.as_deref().map_or(String::new(), |folder| format!(" --data {}", shown(folder)));
    let again = data + &args.device.device.option();
    say!("\nNext:");
    if outcome != Outcome::Finished {
        say!("  cargo xtask train --resume --out {folder}{again}");
    }
    let checkpoint = |path: &Path| shown(path);
    if run.best().exists() {
        say!("  cargo xtask eval --checkpoint {}{again}", checkpoint(&run.best()));
        if trainer.network().config().head != Head::Dense {
            say!("  cargo xtask predict --checkpoint {} IMAGE...", checkpoint(&run.best()));
        }
        say!("  open {}", shown(&run.curves()));
        if let Some(sheet) = sheet {
            say!("  open {}", shown(sheet));
        }
    }
}
