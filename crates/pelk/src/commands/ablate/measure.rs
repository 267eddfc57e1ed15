//! Measures the cost of arms, each in its own process so that its peak memory is the arm's, and as many at a
//! time as there will be runs.

use super::Jobs;
use crate::device::{Choice, on_device, open};
use crate::memory::peak_bytes;
use crate::output::say;
use crate::threads::in_pool;
use crate::{datasets, own_process};
use anyhow::{Context, Result};
use pelk_ablation::cost::{ArmCost, Costs, Measured};
use pelk_ablation::plan::Plan;
use pelk_autodiff::Backend;
use pelk_train::{Limits, Observer, StepReport, TrainConfig, Trainer};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Instant;

/// Number of warm-up steps and of timed steps.
const STEPS: [u64; 2] = [3, 10];

/// Measures all arms of a plan.
///
/// # Errors
/// When an arm cannot be trained.
pub fn costs(plan: &Plan, jobs: &Jobs) -> Result<Costs> {
    let threads = jobs.workers.threads;
    let mut arms = Vec::new();
    for (task, budgets) in plan.tasks()? {
        let steps = budgets.last().copied().unwrap_or(1);
        for arm in plan.arms(task)? {
            arms.push((task.name, plan.configure(task, &arm, steps, 0)?, arm));
        }
    }
    let mut costs = Vec::new();
    for several in arms.chunks(jobs.workers.jobs) {
        let started = several.iter().map(|(_, config, _)| start(config, jobs));
        // Start all before waiting for the first.
        let children: Vec<_> = started.collect();
        for ((task, _, arm), child) in several.iter().zip(children) {
            let what = || format!("cannot measure arm {arm:?} of task {task}");
            let measured = child.and_then(own_process::answer).with_context(what)?;
            let (task, arm) = ((*task).to_owned(), arm.clone());
            costs.push(ArmCost { task, arm, threads, measured });
        }
    }
    Ok(Costs::new(costs))
}

/// Starts a process that measures one configuration.
fn start(config: &TrainConfig, jobs: &Jobs) -> Result<Child> {
    let (threads, device) = (jobs.workers.threads.to_string(), jobs.device.to_string());
    let mut command =
        own_process::command(["ablate", "--measure", "--threads", &threads, "--device", &device])?;
    if let Some(data) = &jobs.data {
        command.arg("--data").arg(data);
    }
    let mut child = command.stdin(Stdio::piped()).spawn().context("cannot start another pelk process")?;
    let mut input = child.stdin.take().context("the process does not accept input")?;
    input.write_all(config.to_toml()?.as_bytes()).context("the process ended early")?;
    Ok(child)
}

/// The measuring process: reads a configuration from standard input and prints a line of JSON.
///
/// # Errors
/// When the configuration cannot be trained.
pub fn answer(data: Option<&Path>, threads: Option<usize>, device: &Choice) -> Result<()> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("cannot read the configuration")?;
    let config = TrainConfig::parse("standard input", &text, &[])?;
    let measured = in_pool(threads, || on_device!(open(device)?, backend => measure(backend, config, data)))?;
    say!("{}", serde_json::to_string(&measured)?);
    Ok(())
}

fn measure<B: Backend>(backend: B, mut config: TrainConfig, data: Option<&Path>) -> Result<Measured> {
    let datasets = datasets::open_both(&config.data, data)?;
    let [warm_up, timed] = STEPS;
    // Long enough, and without evaluations.
    (config.schedule.steps, config.schedule.evaluate_every) = (warm_up + timed + 1, 0);
    (config.schedule.warmup_epochs, config.schedule.warmup_steps) = (0.0, 0);
    let images = config.batch.images_per_step() as f64;
    let mut trainer = Trainer::new(backend, config, datasets.clone())?;
    let mut clock = Clock(vec![Instant::now()]);
    trainer.run(Limits { max_steps: Some(warm_up + timed), ..Limits::default() }, &mut clock)?;
    let ends = clock.0.get(warm_up as usize..).unwrap_or_default();
    let mut seconds: Vec<f64> = ends.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    seconds.sort_by(f64::total_cmp);
    let step = seconds.get(seconds.len() / 2).copied().context("training ended too early")?;
    let inference = trainer.measure_inference(Limits::default())?;
    Ok(Measured {
        parameters: trainer.nonzeros()? as usize,
        training_images_per_second: images / step,
        inference_images_per_second: inference.context("there are no test images")?,
        test_images: datasets.test.len(),
        peak_bytes: peak_bytes(),
    })
}

/// The time when each step ended.
struct Clock(Vec<Instant>);

impl Observer for Clock {
    fn on_step(&mut self, _: &StepReport) -> bool {
        self.0.push(Instant::now());
        true
    }
}
