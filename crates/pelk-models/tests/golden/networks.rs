//! Golden cases of a block and of a whole network in training.

use crate::case::{Case, GRADIENTS, TEN_STEPS, VALUES, channels_last, rows, text, upload};
use pelk_autodiff::operators::CrossEntropy;
use pelk_autodiff::{
    AdamW, Backend, Eager, Executor, HostParameters, Parameters, Pass, Role, Shape, Tape, Var, to_host,
};
use pelk_grid::SharingGrid;
use pelk_models::{
    Family, Head, MixerConfig, Network, NetworkConfig, PeripheralConfig, Position, StageConfig, StripeConfig,
    ThetaScale,
};
use serde::Deserialize;
use std::collections::BTreeMap;

const PASS: Pass = Pass { seed: 0, index: 0 };

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BlockAttrs {
    dim: usize,
    conv_channels: usize,
    kernel: usize,
    center: usize,
    base: usize,
    small_kernel: usize,
    position: Position,
    training: bool,
    bn_eps: f32,
    bn_momentum: f32,
    ln_eps: f32,
}

/// The kernels of a rival.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Form {
    Stripe,
    Dense,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RivalAttrs {
    form: Form,
    dim: usize,
    conv_channels: usize,
    kernel: usize,
    small_kernel: usize,
    training: bool,
    bn_eps: f32,
    bn_momentum: f32,
    ln_eps: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrainAttrs {
    depths: Vec<usize>,
    dims: Vec<usize>,
    kernels: Vec<usize>,
    center: usize,
    classes: usize,
    width: f64,
    base: usize,
    ratio: f64,
    position: Position,
    lr: f64,
    weight_decay: f64,
    label_smoothing: f32,
    betas: [f64; 2],
    eps: f64,
    no_decay: String,
    steps: usize,
}

fn network(in_channels: usize, classes: usize, stages: Vec<StageConfig>) -> Result<Network, String> {
    let name = "golden".to_owned();
    let config = NetworkConfig {
        name,
        in_channels,
        classes,
        stem_stride: 4,
        stages,
        mlp_ratio: 4,
        layer_scale: 1.0,
        family: Family::ConvNeXt,
        head_init_scale: 1.0,
        dense_init: pelk_models::DenseInit::Fixed,
        drop_path: 0.0,
        folded: false,
        head: Head::Pooled,
    };
    Network::new(config).map_err(text)
}

pub fn block<B: Backend>(case: &mut Case, backend: &B) -> Result<(), String> {
    let attrs: BlockAttrs = case.attrs()?;
    constants(attrs.bn_eps, attrs.bn_momentum, attrs.ln_eps)?;
    let mixer = MixerConfig::Peripheral(PeripheralConfig {
        grid: SharingGrid::exponential(attrs.kernel, attrs.center, attrs.base).map_err(text)?,
        channels: attrs.conv_channels,
        small_kernel: attrs.small_kernel,
        position: attrs.position,
        theta_scale: ThetaScale::Sum,
    });
    run_block(
        case,
        backend,
        StageConfig { depth: 1, width: attrs.dim, mixer, mlp_ratio: None },
        attrs.training,
    )
}

/// A block of SLaK or RepLKNet over some of the channels.
pub fn rival<B: Backend>(case: &mut Case, backend: &B) -> Result<(), String> {
    let attrs: RivalAttrs = case.attrs()?;
    constants(attrs.bn_eps, attrs.bn_momentum, attrs.ln_eps)?;
    let channels = attrs.conv_channels;
    let mixer = match attrs.form {
        Form::Stripe => {
            MixerConfig::Stripe(StripeConfig { kernel: attrs.kernel, width: attrs.small_kernel, channels })
        }
        Form::Dense => MixerConfig::Peripheral(PeripheralConfig {
            grid: SharingGrid::dense(attrs.kernel).map_err(text)?,
            channels,
            small_kernel: attrs.small_kernel,
            position: Position::None,
            theta_scale: ThetaScale::Sum,
        }),
    };
    run_block(
        case,
        backend,
        StageConfig { depth: 1, width: attrs.dim, mixer, mlp_ratio: None },
        attrs.training,
    )
}

fn constants(bn_eps: f32, bn_momentum: f32, ln_eps: f32) -> Result<(), String> {
    if (bn_eps, bn_momentum, ln_eps) == (1e-5, 0.1, 1e-6) {
        return Ok(());
    }
    Err("the block's norms have other constants than the network's".into())
}

/// The block is `stages.0.0` of a network with no other block.
fn run_block<B: Backend>(
    case: &mut Case,
    backend: &B,
    stage: StageConfig,
    training: bool,
) -> Result<(), String> {
    let network = network(1, 1, vec![stage])?;
    let full_name = |name: &str| match name {
        "position" => "positions.0".to_owned(),
        name => format!("stages.0.0.{name}"),
    };
    let mut weights = HostParameters::new();
    for name in case.names("in.") {
        if !["x", "gy"].contains(&name.as_str()) {
            weights.insert(full_name(&name), case.get(&format!("in.{name}"))?.clone());
        }
    }
    let parameters = Parameters::upload(backend, &weights).map_err(text)?;
    let mut tape = match training {
        true => Tape::new(backend, &parameters, PASS),
        false => Tape::evaluating(backend, &parameters),
    };
    let x = tape.leaf("x", upload(backend, &channels_last(case.get("in.x")?))?);
    let y = network.block(&mut tape, 0, 0, 0.0, &x).map_err(text)?;
    case.compare_tensor(backend, "out.y", y.tensor(), VALUES)?;
    let gy = upload(backend, &channels_last(case.get("in.gy")?))?;
    let backward = tape.backward(&y, gy).map_err(text)?;
    case.compare_statistics(backend, &backward.buffers, full_name)?;
    for name in case.names("grad.") {
        let key = if name == "x" { name.clone() } else { full_name(&name) };
        let gradient = backward.gradients.get(&key).ok_or_else(|| format!("no gradient of {name}"))?;
        if name == "x" {
            case.compare_tensor(backend, "grad.x", gradient, GRADIENTS)?;
        } else {
            case.compare(&format!("grad.{name}"), &to_host(backend, gradient).map_err(text)?, GRADIENTS)?;
        }
    }
    Ok(())
}

pub fn train<B: Backend>(case: &mut Case, backend: &B) -> Result<(), String> {
    let attrs: TrainAttrs = case.attrs()?;
    if attrs.no_decay != "1-D tensors and positions.*" {
        return Err(format!("unknown rule of decay {:?}", attrs.no_decay));
    }
    let stage = |i: usize| {
        let width = (attrs.dims[i] as f64 * attrs.width) as usize;
        let mixer = MixerConfig::Peripheral(PeripheralConfig {
            grid: SharingGrid::exponential(attrs.kernels[i], attrs.center, attrs.base).map_err(text)?,
            channels: (width as f64 * attrs.ratio) as usize,
            small_kernel: 5,
            position: attrs.position,
            theta_scale: ThetaScale::Sum,
        });
        Ok(StageConfig { depth: attrs.depths[i], width, mixer, mlp_ratio: None })
    };
    let stages = (0..attrs.depths.len()).map(stage).collect::<Result<Vec<_>, String>>()?;
    let network = network(3, attrs.classes, stages)?;
    let specs = network.parameters().map_err(text)?;

    let mut weights = HostParameters::new();
    for spec in &specs {
        weights.insert(spec.name.clone(), case.get(&format!("in.{}", spec.name))?.clone());
    }
    // Every input of the case must be a parameter of the network, or the two differ.
    if let Some(name) = case.names("in.").into_iter().find(|name| name != "x" && !weights.contains_key(name))
    {
        return Err(format!("the network has no parameter {name}"));
    }
    let mut parameters = Parameters::upload(backend, &weights).map_err(text)?;
    let images = upload(backend, &channels_last(case.get("in.x")?))?;

    evaluate(case, backend, &network, &parameters, &images, "before")?;
    let mut eager = Eager::new(backend, &parameters);
    for (i, features) in network.features(&mut eager, &images).map_err(text)?.iter().enumerate() {
        case.compare_tensor(backend, &format!("out.features.{i}"), features, VALUES)?;
    }

    let mut moments = BTreeMap::new();
    let mut losses = Vec::new();
    for step in 0..attrs.steps {
        let mut tape = Tape::new(backend, &parameters, PASS);
        let logits = network.logits(&mut tape, &Var::constant(images.clone())).map_err(text)?;
        let labels = case.labels()?.into();
        let loss = CrossEntropy { labels, label_smoothing: attrs.label_smoothing, ..CrossEntropy::default() };
        let loss = tape.apply_one(loss, &[&logits]).map_err(text)?;
        losses.push(backend.download(loss.tensor()).map_err(text)?[0]);
        let one = backend.upload(&Shape::from([1]), &[1.0]).map_err(text)?;
        let backward = tape.backward(&loss, one).map_err(text)?;
        if step == 0 {
            for name in case.names("grad.") {
                let gradient =
                    backward.gradients.get(&name).ok_or_else(|| format!("no gradient of {name}"))?;
                case.compare(&format!("grad.{name}"), &to_host(backend, gradient).map_err(text)?, GRADIENTS)?;
            }
        }
        parameters.replace(backward.buffers);
        for spec in specs.iter().filter(|spec| spec.role != Role::Buffer) {
            let zeros = || backend.zeros(&spec.shape).map_err(text);
            if !moments.contains_key(&spec.name) {
                moments.insert(spec.name.clone(), [zeros()?, zeros()?]);
            }
            let hyper = AdamW {
                learning_rate: attrs.lr,
                beta1: attrs.betas[0],
                beta2: attrs.betas[1],
                eps: attrs.eps,
                weight_decay: if spec.role == Role::Weight { attrs.weight_decay } else { 0.0 },
                step: step as u64 + 1,
            };
            let [first, second] = moments.get_mut(&spec.name).ok_or("moments")?;
            let parameter = parameters.get_mut(&spec.name).ok_or("parameter")?;
            let gradient =
                backward.gradients.get(&spec.name).ok_or_else(|| format!("no gradient of {}", spec.name))?;
            backend.adamw(&hyper, parameter, gradient, [first, second]).map_err(text)?;
        }
    }
    case.compare("out.losses", &ndarray::Array1::from(losses).into_dyn(), TEN_STEPS)?;
    evaluate(case, backend, &network, &parameters, &images, "after")
}

fn evaluate<B: Backend>(
    case: &mut Case,
    backend: &B,
    network: &Network,
    parameters: &Parameters<B>,
    images: &B::Tensor,
    when: &str,
) -> Result<(), String> {
    let logits = network.logits(&mut Eager::new(backend, parameters), images).map_err(text)?;
    let logits = rows(to_host(backend, &logits).map_err(text)?);
    let tolerance = if when == "before" { VALUES } else { TEN_STEPS };
    case.compare(&format!("out.logits_eval_{when}"), &logits, tolerance)
}
