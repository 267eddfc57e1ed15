//! `pelk train`

mod estimate;
mod files;
mod predictions;
mod report;
mod step_log;

#[cfg(feature = "dashboard")]
use crate::dashboard::{Dashboard, Headline};
use crate::datasets;
use crate::device::{Choice, DeviceArgs, on_device};
use crate::folders::{RUNS, shown};
use crate::interrupt::Interrupts;
use crate::memory::{self, available_bytes};
use crate::output::{note, say};
use crate::progress::{Display, Progress};
use crate::threads::in_pool;
use anyhow::{Result, bail};
use clap::builder::RangedU64ValueParser;
use files::{Files, Waited};
use pelk_autodiff::Backend;
use pelk_train::presets::{self, PRESETS};
use pelk_train::{
    Checkpoint, Datasets, EventLog, Limits, Outcome, Run, TrainConfig, TrainError, Trainer, least_memory,
};
use report::{conclude, describe_start, introduce};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use step_log::StepLog;

/// Train a network; without options, a small PeLK on Fashion-MNIST in a few minutes
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct TrainArgs {
    /// Preset to train with, fashion-mnist by default; `pelk presets` lists them all
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    preset: Option<String>,
    /// Configuration file to use instead of a preset; a run's config.toml is a good start
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder with the dataset's files [default: its folder in $PELK_DATASETS or ./datasets]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Annotation file in COCO's format, instead of those with the usual names in the folder: a fifth of its
    /// images is held out for testing; given twice, the second file is for testing
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    annotations: Vec<PathBuf>,
    /// Start the backbone from the weights in a safetensors file, such as a classifier's best.safetensors
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Set a configuration key, for example optimizer.learning_rate=0.002; without a value, reset it to its
    /// default; can be repeated; `pelk keys` lists all keys
    #[arg(long, value_name = "KEY.PATH=VALUE")]
    set: Vec<String>,
    /// Folder for the run's files [default: runs/PRESET, with a number if that exists]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Continue the run in --out, or the preset's latest run, from its last checkpoint
    #[arg(long, conflicts_with_all = ["set", "seed", "config", "weights"])]
    resume: bool,
    /// With --resume: change the length of the whole run to this many epochs (or steps, for a run with
    /// schedule.steps), so that a finished run goes on
    #[arg(long, value_name = "EPOCHS", value_parser = clap::value_parser!(u64).range(1..))]
    #[arg(requires = "resume", conflicts_with_all = ["set", "seed", "config", "weights"])]
    extend: Option<u64>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Number of threads to compute with; does not change results [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Stop after this step and save; the schedule is still the whole run's, so --resume can finish it
    #[arg(long, value_name = "N")]
    max_steps: Option<u64>,
    /// Steps between saves of last.safetensors, which is also saved after each evaluation
    #[arg(long, value_name = "STEPS", default_value_t = 200)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_every: u64,
    /// Number of checkpoints to keep: last.safetensors, and earlier ones in the folder checkpoints
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    keep: usize,
    /// Number of threads that load images, in addition to those that compute; does not change results
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=256))]
    loaders: usize,
    /// Estimate how long the run will take and try one step; writes nothing
    #[arg(long, conflicts_with_all = ["out", "resume", "max_steps", "step_log"])]
    dry_run: bool,
    /// Write one line per step: step, loss, gradient norm, accuracy on its images, learning rate, seconds,
    /// and seconds spent waiting for images; with --resume, add to the lines up to the checkpoint
    #[arg(long, value_name = "FILE.csv")]
    step_log: Option<PathBuf>,
    /// Show the run full screen: curves, latest evaluations, time left; q saves and stops, as Ctrl-C does
    #[arg(long)]
    tui: bool,
    /// Seed of all random numbers; runs with equal seeds give equal bits
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

const EXAMPLES: &str = "\
Examples:
  pelk train
  pelk train --set model.name=convnext_atto --out runs/convnext
  pelk train --set schedule.epochs=10 --set optimizer.learning_rate=0.002
  pelk train --preset scenes
  pelk train --preset ade20k-pelk-t --data ADEChallengeData2016 --weights pelk-t.safetensors
  pelk train --resume
  pelk train --resume --extend 20
  pelk train --preset fashion-mnist-long --tui
  pelk train --preset fashion-mnist-long --dry-run

A run's folder holds config.toml (every setting, written out), metrics.csv, curves.svg, best.safetensors,
last.safetensors and event files for `tensorboard --logdir runs`; with averaged weights (ema.decay)
best-ema.safetensors; for segmentation and detection predictions.png. Ctrl-C saves before it stops, with exit
status 0.";

/// Runs the command.
///
/// # Errors
/// When the arguments, the data or a file of the run are unusable, or training fails.
pub fn run(args: &TrainArgs) -> Result<()> {
    in_pool(args.threads, || on_device!(args.device.open()?, backend => train(args, backend)))
}

fn train<B: Backend>(args: &TrainArgs, backend: B) -> Result<()> {
    if args.tui {
        #[cfg(feature = "dashboard")]
        Dashboard::check_terminal()?;
        #[cfg(not(feature = "dashboard"))]
        bail!(
            "pelk was built without the dashboard of --tui: leave it out, or build pelk with its feature \
             `dashboard`"
        );
    }
    let interrupts = Interrupts::handle()?;
    let (config, origin) = if args.resume { resume(args)? } else { fresh(args)? };
    let datasets = datasets::open_both(&config.data, args.data.as_deref())?;
    let device = backend.name();
    let needed = least_memory(&config, &datasets)?;
    if args.device.device == Choice::Cpu {
        check_memory(needed)?;
    }
    let mut trainer = Trainer::new(backend, config.clone(), datasets.clone())?;
    let limits = Limits {
        max_steps: args.max_steps,
        checkpoint_every: Some(args.checkpoint_every),
        loaders: Some(args.loaders),
    };
    let mut run = match origin {
        Origin::Fresh(place) => {
            if let Some(start) = trainer.warm_start()? {
                say!("{}", describe_start(&config, &start));
            }
            introduce(&trainer, &config, &datasets, &device)?;
            if args.dry_run {
                return estimate::dry_run(&mut trainer, limits, needed);
            }
            if trainer.step() < last_step(args, &trainer) {
                say!("{}", estimate::sentence(&trainer.estimate(limits)?));
                trainer.prepare(limits)?;
            }
            // From here on, there is a folder that a signal must not leave behind.
            interrupts.save_first();
            // Only now, so that a run whose first step fails leaves none.
            place.create(&config)?
        }
        Origin::Resumed(mut run, checkpoint) => {
            match checkpoint {
                Some(checkpoint) => trainer.restore(*checkpoint, &run.last())?,
                None => {
                    note!("The run has no checkpoint yet; starting from the beginning.");
                    trainer.warm_start()?;
                }
            }
            introduce(&trainer, &config, &datasets, &device)?;
            if trainer.step() < last_step(args, &trainer) {
                match trainer.estimate(limits) {
                    Ok(estimate) => say!("{}", estimate::sentence(&estimate)),
                    // The run will soon fail in the same way, and save its progress.
                    Err(error) => note!("no estimate of the time: {error}"),
                }
            }
            if args.extend.is_some() {
                run.replace_config(&config)?;
            }
            *run
        }
    };
    say!("run folder: {}", shown(run.folder()));
    let stop = interrupts.save_first();
    let result = go(args, &mut trainer, &config, &datasets, &device, limits, (&mut run, stop));
    if result.is_err()
        && let Err(error) = run.remove_if_empty()
    {
        note!("{error}");
    }
    result
}

/// Checks that the machine has this much memory; a run that needs more would be killed at its first step.
fn check_memory(needed: u64) -> Result<()> {
    match available_bytes() {
        Some(available) if available < needed => bail!(
            "the run needs at least {} of memory, but only {} are available: make batch.size smaller (with \
             batch.accumulation larger for the same result), set batch.recompute = true, or choose smaller \
             images or a smaller model",
            memory::shown(needed),
            memory::shown(available),
        ),
        _ => Ok(()),
    }
}

/// The last step that this start of the program may take.
fn last_step<B: Backend>(args: &TrainArgs, trainer: &Trainer<B>) -> u64 {
    let total = trainer.total_steps();
    args.max_steps.map_or(total, |max| max.min(total))
}

/// Trains, and writes the results into the run's folder.
fn go<B: Backend>(
    args: &TrainArgs,
    trainer: &mut Trainer<B>,
    config: &TrainConfig,
    datasets: &Datasets,
    device: &str,
    limits: Limits,
    (run, stop): (&mut Run, Arc<AtomicBool>),
) -> Result<()> {
    let last = last_step(args, trainer);
    if trainer.step() >= last && !trainer.evaluation_is_due() {
        say!("Nothing to do: the run has taken {} of {last} steps.", trainer.step());
        if last == trainer.total_steps() {
            say!("To train it longer, add --extend with the number of epochs in all.");
        }
        return Ok(());
    }
    let open_log = |path| match args.resume {
        true => StepLog::resume(path, trainer.step()),
        false => StepLog::create(path),
    };
    let step_log = args.step_log.as_deref().map(open_log).transpose()?;
    let events = EventLog::create(run.folder(), trainer.step())?;
    let progress: Box<dyn Display> = match args.tui {
        #[cfg(feature = "dashboard")]
        true => {
            let title = format!("{} on {}", config.model.name, config.data.dataset);
            let place = format!("{} · {device}", shown(run.folder()));
            let headline = Headline { title, place, metric: config.metric(), steps: (trainer.step(), last) };
            Box::new(Dashboard::open(headline, run.rows(), stop.clone())?)
        }
        _ => Box::new(Progress::new(trainer.step(), last)),
    };
    let start = Instant::now();
    let mut observer = Files {
        run,
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
    let sheet = match outcome {
        Outcome::Finished => predictions::write(run.folder(), trainer, config, datasets)?,
        _ => None,
    };
    conclude(outcome, run, trainer, config, sheet.as_deref(), seconds, waited, args);
    if let Some(log) = step_log {
        log.close()?;
    }
    events.close()?;
    Ok(())
}

/// The origin of a run's state.
enum Origin {
    /// A new run.
    Fresh(Place),
    /// A run begun earlier, and its last checkpoint, if any.
    Resumed(Box<Run>, Option<Box<Checkpoint>>),
}

/// Where a new run goes.
enum Place {
    /// Into this folder.
    Folder(PathBuf),
    /// Into the first free folder of this name.
    Numbered(String),
}

impl Place {
    fn create(&self, config: &TrainConfig) -> Result<Run> {
        let name = match self {
            Place::Folder(folder) => return Ok(Run::create(folder, config)?),
            Place::Numbered(name) => name,
        };
        for folder in numbered(name) {
            match Run::create(&folder, config) {
                // Another process may take a folder at any time.
                Err(TrainError::RunExists { .. } | TrainError::InUse { .. }) => {}
                created => return Ok(created?),
            }
        }
        bail!("all folders {RUNS}/{name} are taken; name another one with --out")
    }
}

fn fresh(args: &TrainArgs) -> Result<(TrainConfig, Origin)> {
    let mut settings = args.set.clone();
    settings.extend(args.seed.map(|seed| format!("seed={seed}")));
    settings.extend(
        args.weights.iter().map(|path| format!("weights={}", toml::Value::from(path.display().to_string()))),
    );
    let (name, mut config) =
        presets::configuration(args.preset.as_deref(), args.config.as_deref(), &settings)?;
    // Stored, so that resuming and evaluating find the data again.
    config.data = datasets::stored(&config.data, args.data.as_deref());
    config.data = datasets::annotated(&config.data, &args.annotations);
    let place = args.out.clone().map_or(Place::Numbered(name), Place::Folder);
    match &place {
        // Before the data are read, which may take a while.
        Place::Folder(folder) if Run::exists(folder) => {
            Err(TrainError::RunExists { folder: folder.clone() }.into())
        }
        _ => Ok((config, Origin::Fresh(place))),
    }
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
    let (run, mut config, checkpoint) = Run::open(&folder)?;
    if let Some(length) = args.extend {
        config.schedule.extend_to(length)?;
    }
    Ok((config, Origin::Resumed(Box::new(run), checkpoint.map(Box::new))))
}

/// `runs/NAME`, `runs/NAME-2`, `runs/NAME-3`, and so on.
fn numbered(name: &str) -> impl Iterator<Item = PathBuf> {
    let first = Path::new(RUNS).join(name);
    let others = (2..).map({
        let first = first.clone();
        move |i: u32| PathBuf::from(format!("{}-{i}", first.display()))
    });
    std::iter::once(first).chain(others)
}
