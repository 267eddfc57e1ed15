//! What training an arm costs: measured before a sweep, each arm in a process of its own, as many at once as runs will be.

use super::plan::{EVALUATIONS, Plan, PlannedRun};
use super::sweep::Workers;
use crate::datasets;
use crate::device::{Choice, on_device};
use crate::memory::peak_bytes;
use crate::output::say;
use crate::own_process;
use crate::workspace::in_pool;
use anyhow::{Context, Result};
use pelk_autodiff::Backend;
use pelk_data::Loader;
use pelk_train::{Datasets, Limits, Observer, StepReport, TrainConfig, Trainer, write_atomically};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Instant;

/// Steps to warm up, and steps that are timed.
const STEPS: [u64; 2] = [3, 10];

/// What an arm costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmCost {
    /// The task.
    pub task: String,
    /// The arm.
    pub arm: String,
    /// Threads it was measured with.
    pub threads: usize,
    /// What was measured.
    #[serde(flatten)]
    pub measured: Measured,
}

/// What a measuring process answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Trained values that are not masked.
    pub parameters: usize,
    /// Training speed: the median over some steps.
    pub training_images_per_second: f64,
    /// Speed of evaluation: the best of some runs of one batch.
    pub inference_images_per_second: f64,
    /// Images of an evaluation.
    pub test_images: usize,
    /// Most resident memory of the process; none where the system does not tell.
    pub peak_bytes: Option<u64>,
}

/// Seconds that some runs take.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Estimate {
    /// Of steps.
    pub training: f64,
    /// Of evaluations, however many steps there are.
    pub evaluating: f64,
}

/// The costs of a sweep's arms.
#[derive(Debug, Clone, Default)]
pub struct Costs(Vec<ArmCost>);

#[derive(Serialize, Deserialize)]
struct CostFile {
    arms: Vec<ArmCost>,
}

impl Costs {
    fn file(folder: &Path) -> PathBuf {
        folder.join("costs.toml")
    }

    /// The costs that were measured for a sweep's folder; none where none were.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn read(folder: &Path) -> Result<Costs> {
        let path = Costs::file(folder);
        if !path.exists() {
            return Ok(Costs::default());
        }
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let file: CostFile =
            toml::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Costs(file.arms))
    }

    /// Writes them into a sweep's folder.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let text = toml::to_string(&CostFile { arms: self.0.clone() })?;
        Ok(write_atomically(&Costs::file(folder), text.as_bytes())?)
    }

    /// Adds the costs of other arms; those of an arm that was measured twice are left out.
    pub fn extend(&mut self, others: Costs) {
        for cost in others.0 {
            if self.of(&cost.task, &cost.arm).is_none() {
                self.0.push(cost);
            }
        }
    }

    /// The cost of an arm.
    pub fn of(&self, task: &str, arm: &str) -> Option<&ArmCost> {
        self.0.iter().find(|cost| cost.task == task && cost.arm == arm)
    }

    /// What these runs will take, one after another; none where an arm was not measured.
    pub fn estimate(&self, runs: &[PlannedRun]) -> Option<Estimate> {
        let mut estimate = Estimate::default();
        for run in runs {
            let cost = &self.of(run.task.name, &run.arm)?.measured;
            let images = run.steps as f64 * run.config.batch.images_per_step() as f64;
            let tested = (EVALUATIONS as usize * cost.test_images) as f64;
            estimate.training += images / cost.training_images_per_second;
            estimate.evaluating += tested / cost.inference_images_per_second;
        }
        Some(estimate)
    }

    /// Measures all arms of a plan, as many at once as runs will be.
    ///
    /// # Errors
    /// When an arm cannot be trained.
    pub fn measure(plan: &Plan, workers: &Workers) -> Result<Costs> {
        let threads = workers.threads;
        let mut arms = Vec::new();
        for (task, budgets) in plan.tasks()? {
            let steps = budgets.last().copied().unwrap_or(1);
            for arm in plan.arms(task)? {
                arms.push((task.name, plan.configure(task, &arm, steps, 0)?, arm));
            }
        }
        let mut costs = Vec::new();
        for several in arms.chunks(workers.jobs) {
            let started = several.iter().map(|(_, config, _)| start(config, workers));
            // All start before the first is waited for.
            let children: Vec<_> = started.collect();
            for ((task, _, arm), child) in several.iter().zip(children) {
                let what = || format!("cannot measure arm {arm:?} of task {task}");
                let measured = child.and_then(own_process::answer).with_context(what)?;
                let (task, arm) = ((*task).to_owned(), arm.clone());
                costs.push(ArmCost { task, arm, threads, measured });
            }
        }
        Ok(Costs(costs))
    }
}

/// Starts a process that measures one configuration.
fn start(config: &TrainConfig, workers: &Workers) -> Result<Child> {
    let (threads, device) = (workers.threads.to_string(), workers.device.to_string());
    let mut command =
        own_process::command(["ablate", "--measure", "--threads", &threads, "--device", &device])?;
    if let Some(data) = &workers.data {
        command.arg("--data").arg(data);
    }
    let mut child = command.stdin(Stdio::piped()).spawn().context("cannot start this program once more")?;
    let mut input = child.stdin.take().context("the process takes no input")?;
    input.write_all(config.to_toml()?.as_bytes()).context("the process ended early")?;
    Ok(child)
}

/// The measuring process: reads a configuration from the standard input, answers with a line of JSON.
///
/// # Errors
/// When the configuration cannot be trained.
pub fn answer(data: Option<&Path>, threads: Option<usize>, device: &Choice) -> Result<()> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("cannot read the configuration")?;
    let config = TrainConfig::parse("standard input", &text, &[])?;
    let measured =
        in_pool(threads, || on_device!(device.open()?, backend => measure(backend, config, data)))?;
    say!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

fn measure<B: Backend>(backend: B, mut config: TrainConfig, data: Option<&Path>) -> Result<Measured> {
    let datasets = datasets::open_both(&config.data, data)?;
    let [warm_up, timed] = STEPS;
    // Long enough, and not evaluated on the way.
    (config.schedule.steps, config.schedule.evaluate_every) = (warm_up + timed + 1, 0);
    (config.schedule.warmup_epochs, config.schedule.warmup_steps) = (0.0, 0);
    let images = config.batch.images_per_step() as f64;
    let mut trainer = Trainer::new(backend.clone(), config.clone(), datasets.clone())?;
    let mut clock = Clock(vec![Instant::now()]);
    trainer.run(Limits { max_steps: Some(warm_up + timed), ..Limits::default() }, &mut clock)?;
    let ends = clock.0.get(warm_up as usize..).unwrap_or_default();
    let mut seconds: Vec<f64> = ends.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    seconds.sort_by(f64::total_cmp);
    let step = seconds.get(seconds.len() / 2).copied().context("training ended at once")?;
    let inference_images_per_second = inference(&backend, &trainer, &config, &datasets)?;
    Ok(Measured {
        parameters: trainer.nonzeros()? as usize,
        training_images_per_second: images / step,
        inference_images_per_second,
        test_images: datasets.test.len(),
        peak_bytes: peak_bytes(),
    })
}

/// Images per second of evaluation: the best of some runs of one batch, after a first.
fn inference<B: Backend>(
    backend: &B,
    trainer: &Trainer<B>,
    config: &TrainConfig,
    datasets: &Datasets,
) -> Result<f64> {
    use pelk_autodiff::{Parameters, from_host};
    const BATCHES: usize = 3;
    let parameters = Parameters::upload(backend, &pelk_models::initialize(trainer.network(), 0)?)?;
    let (test, size) = (&datasets.test, config.batch.evaluation_size);
    let loading = config.data.evaluation_loading(&**test, size, datasets.train.statistics());
    let batch = Loader::new(test.clone(), loading)?.next().context("there are no test images")??;
    let input = from_host(backend, &batch.images)?;
    let mut session = trainer.network().session(backend, &parameters, backend.shape(&input))?;
    session.run(input)?;
    let mut shortest = f64::INFINITY;
    for _ in 0..BATCHES {
        let input = from_host(backend, &batch.images)?;
        let start = Instant::now();
        let logits = session.run(input)?;
        backend.download(&logits)?;
        shortest = shortest.min(start.elapsed().as_secs_f64());
    }
    Ok(batch.indices.len() as f64 / shortest)
}

/// When each step ended.
struct Clock(Vec<Instant>);

impl Observer for Clock {
    fn on_step(&mut self, _: &StepReport) -> bool {
        self.0.push(Instant::now());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_kept_with_the_sweep() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Costs::read(folder.path()).unwrap().of("long-range", "reversed").is_none());
        let cost = ArmCost {
            task: "long-range".into(),
            arm: "reversed".into(),
            threads: 1,
            measured: Measured {
                parameters: 20_000,
                training_images_per_second: 800.0,
                inference_images_per_second: 3000.0,
                test_images: 1000,
                peak_bytes: Some(100 << 20),
            },
        };
        Costs(vec![cost.clone()]).write(folder.path()).unwrap();
        let read = Costs::read(folder.path()).unwrap();
        assert_eq!(read.of("long-range", "reversed"), Some(&cost));
        assert!(read.of("long-range", "dense 47").is_none());
    }
}
