//! Measures whole networks, each in its own process, so that the process's peak memory is the network's.

use super::cases::{Model, Pass};
use super::operators::{CPU, values};
use super::record::{Record, Times};
use crate::device::{Choice, Device, open};
use crate::memory::peak_bytes;
use crate::own_process;
use crate::timing::{PeakRate, repeat};
use anyhow::{Context, Result, bail, ensure};
use pelk_autodiff::operators::CrossEntropy;
use pelk_autodiff::{Backend, Executor, HostParameters, Parameters, Shape, Tape, Var, from_host};
use pelk_models::{ModelSpec, Network, NetworkConfig, cost, initialize, zoo};
use pelk_report::table::{Table, number, text};
use pelk_train::presets::PRESETS;
use pelk_train::{Optimizer, TrainConfig, Update, gradient_norm};
use std::cmp::Reverse;
use std::sync::Arc;

/// Channels and classes: those of ImageNet, or of Fashion-MNIST for networks for small images.
fn dimensions(model: &zoo::Model) -> (usize, usize) {
    if model.for_small_images() { (1, 10) } else { (3, 1000) }
}

/// The image size that a model of the zoo is made for.
///
/// # Errors
/// When there is no such model.
pub fn usual_size(name: &str) -> Result<usize> {
    Ok(if zoo::model(name)?.for_small_images() { 28 } else { 224 })
}

/// The default training configuration.
///
/// # Errors
/// When it is invalid.
pub fn default_training() -> Result<TrainConfig> {
    Ok(TrainConfig::parse(PRESETS[0].name, PRESETS[0].text, &[])?)
}

/// Measures a network in a fresh process of this program.
///
/// # Errors
/// When the process cannot be started or fails.
pub fn in_own_process(model: &Model, device: &Choice, threads: Option<usize>, runs: usize) -> Result<Record> {
    let own = ["bench", "--json", "--in-this-process", "--model", &model.name, "--pass", model.pass.name()];
    let mut command = own_process::command(own)?;
    command.args(["--device", &device.to_string()]);
    command.args(model.dense.then_some("--dense"));
    let numbers = [
        ("--size", Some(model.size)),
        ("--batch", Some(model.batch)),
        ("--runs", Some(runs)),
        ("--threads", threads),
    ];
    for (option, number) in numbers {
        command.args(number.map(|number| [option.to_owned(), number.to_string()]).iter().flatten());
    }
    let what = || format!("cannot measure {} ({}, size {})", model.name, model.pass.name(), model.size);
    own_process::answer(command.spawn().with_context(what)?).with_context(what)
}

/// Measures a network in this process, with the current threads; `peak` is the CPU's peak rate, for
/// comparison. The time of a run includes transferring its result.
///
/// # Errors
/// When there is no such model, the image is too small for it, or the backend fails.
pub fn measure(case: &Model, device: &Device, runs: usize, peak: Option<PeakRate>) -> Result<Record> {
    match device {
        Device::Cpu(backend) => {
            let (name, simd) = (CPU.to_owned(), backend.level().name().to_owned());
            measure_on(backend, case, runs, Machine { name, simd, peak, peak_bytes })
        }
        Device::Gpu(backend) => {
            let (name, simd) = (backend.gpu().name().to_owned(), "wgsl".to_owned());
            let peak_bytes = || Some(backend.gpu().memory_use().peak);
            measure_on(backend, case, runs, Machine { name, simd, peak, peak_bytes })
        }
    }
}

/// A record's information about the machine.
struct Machine<P> {
    name: String,
    simd: String,
    /// Peak rate, if known.
    peak: Option<PeakRate>,
    peak_bytes: P,
}

/// The time of each kernel in one run of a network on a GPU, slowest first.
///
/// # Errors
/// When the device is not a GPU, there is no such model, or the backend fails.
pub fn profile(case: &Model, device: &Choice) -> Result<Table<4>> {
    let Device::Gpu(backend) = open(device)? else { bail!("--profile is for GPUs: add --device gpu") };
    let once = |run: &mut dyn FnMut() -> Result<()>| {
        run()?; // compiles the kernels
        let (result, kernels) = backend.gpu().profiled(run);
        result.map(|()| kernels)
    };
    let (network, images) = subject(case)?;
    let kernels = run(&backend, network, &images, case.pass, once)?;
    let mut kernels: Vec<_> = kernels.into_iter().collect();
    kernels.sort_by_key(|(_, kernel)| Reverse(kernel.time));
    let all: f64 = kernels.iter().map(|(_, kernel)| kernel.time.as_secs_f64()).sum();
    let mut table = Table::new([text("kernel"), number("calls"), number("ms"), number("share")]);
    for (name, kernel) in kernels {
        let time = kernel.time.as_secs_f64();
        let share = format!("{:.1} %", 100.0 * time / all);
        table.row([name.to_owned(), kernel.calls.to_string(), format!("{:.3}", 1e3 * time), share]);
    }
    Ok(table)
}

/// The network and its input.
fn subject(case: &Model) -> Result<(Network, Images)> {
    let model = zoo::model(&case.name)?;
    let (channels, classes) = dimensions(&model);
    let mut spec = ModelSpec::named(model.name)?;
    if case.dense {
        spec = spec.with("form", "dense")?;
    }
    let network = Network::new(zoo::configure(&spec, channels, classes)?)?;
    let smallest = network.config().smallest_input();
    ensure!(case.size >= smallest, "{} needs images of at least {smallest} pixels", model.name);
    let shape = Shape::from([case.batch, case.size, case.size, channels]);
    Ok((network, Images { shape, classes }))
}

/// Calls `runner` with a function that runs the network once.
fn run<B: Backend, T>(
    backend: &B,
    network: Network,
    images: &Images,
    pass: Pass,
    runner: impl FnMut(&mut dyn FnMut() -> Result<()>) -> Result<T>,
) -> Result<T> {
    match pass {
        Pass::Inference => inference(backend, &network, images, runner),
        Pass::TrainStep => training(backend, network, images, runner),
        other => bail!("{} is a pass of operators, not of models", other.name()),
    }
}

fn measure_on<B: Backend>(
    backend: &B,
    case: &Model,
    runs: usize,
    machine: Machine<impl Fn() -> Option<u64>>,
) -> Result<Record> {
    let (network, images) = subject(case)?;
    let name = network.config().name.clone();
    let multiply_adds =
        cost::count(&network, [case.size, case.size], cost::PaperRules::PLAIN)?.total().macs_executed
            * case.batch as u64;
    let timing = run(backend, network, &images, case.pass, |run| repeat(runs, run))?;
    let threads = rayon::current_num_threads();
    let floor_ms = machine.peak.map(|peak| peak.floor_ms(multiply_adds * case.pass.cost(), threads));
    Ok(Record::Model {
        model: if case.dense { format!("{name}, dense") } else { name },
        pass: case.pass,
        n: case.batch,
        size: case.size,
        threads,
        times: Times::new(timing, floor_ms),
        peak_bytes: (machine.peak_bytes)(),
        simd: machine.simd,
        images_per_second: (1e6 * case.batch as f64 / timing.median_ms).round() / 1e3,
        device: machine.name,
    })
}

/// Random images.
struct Images {
    shape: Shape,
    classes: usize,
}

/// The logits of the folded network, as `predict` computes them.
fn inference<B: Backend, T>(
    backend: &B,
    network: &Network,
    images: &Images,
    mut runner: impl FnMut(&mut dyn FnMut() -> Result<()>) -> Result<T>,
) -> Result<T> {
    let network = Network::new(NetworkConfig { folded: true, ..network.config().clone() })?;
    let parameters = fresh(backend, &network)?;
    let pixels = values(images.shape.elements());
    let mut session = network.session(backend, &parameters, &images.shape)?;
    runner(&mut || {
        let logits = session.run(backend.upload(&images.shape, &pixels)?)?;
        let logits = backend.download(&logits)?;
        ensure!(logits.iter().all(|logit| logit.is_finite()), "the logits are not finite");
        Ok(())
    })
}

/// Random parameters, uploaded one at a time so that peak memory does not include a second copy.
fn fresh<B: Backend>(backend: &B, network: &Network) -> Result<Parameters<B>> {
    let mut parameters = Parameters::upload(backend, &HostParameters::new())?;
    for (name, array) in initialize(network, SEED)? {
        parameters.replace([(name, from_host(backend, &array)?)].into());
    }
    Ok(parameters)
}

/// Training steps with the settings of the default preset, one after another on the same images.
fn training<B: Backend, T>(
    backend: &B,
    network: Network,
    images: &Images,
    mut runner: impl FnMut(&mut dyn FnMut() -> Result<()>) -> Result<T>,
) -> Result<T> {
    let config = default_training()?;
    let mut parameters = fresh(backend, &network)?;
    let mut optimizer = Optimizer::new(backend, config.optimizer, &network.parameters()?)?;
    let pixels = values(images.shape.elements());
    let labels: Arc<[i64]> = (0..images.shape[0]).map(|i| (i % images.classes) as i64).collect();
    let mut step = 0;
    runner(&mut || {
        let pass = pelk_autodiff::Pass { seed: SEED, index: step };
        step += 1;
        let mut tape = Tape::new(backend, &parameters, pass);
        let images = Var::constant(backend.upload(&images.shape, &pixels)?);
        let logits = network.logits(&mut tape, &images)?;
        let (labels, label_smoothing) = (labels.clone(), config.loss.label_smoothing);
        let loss = CrossEntropy { labels, label_smoothing, ..CrossEntropy::default() };
        let loss = tape.apply_one(loss, &[&logits])?;
        let backward = tape.backward(&loss, backend.upload(&Shape::from([1]), &[1.0])?)?;
        parameters.replace(backward.buffers);
        let norm = gradient_norm(backend, &backward.gradients)?;
        ensure!(norm.is_finite(), "the gradients are not finite");
        let update = Update { step, learning_rate: LEARNING_RATE, scale: 1.0, norm };
        optimizer.step(backend, &mut parameters, backward.gradients, update)?;
        Ok(())
    })
}

const SEED: u64 = 0;
/// Low enough that hundreds of steps without a schedule leave the network nearly unchanged.
const LEARNING_RATE: f64 = 1e-6;
