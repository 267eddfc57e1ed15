//! Golden cases of the parts of Cascade Mask R-CNN.

use crate::case::{Case, GRADIENTS, VALUES, channels_last, text, upload};
use ndarray::{ArrayD, Axis, IxDyn};
use pelk_autodiff::{Backend, HostParameters, Parameters, Pass, Storage, Tape, Var, to_host};
use pelk_detection::{AssignSettings, RpnTargetSettings, SampleSettings};
use pelk_models::detection::{Anchored, ImageTruths, proposal_losses};
use pelk_models::heads::cascade::{HeadForm, box_outputs, mask_logits, propose, pyramid};
use pelk_models::zoo;
use pelk_models::{CascadeConfig, Head, NetworkConfig, ProposalConfig};
use serde::Deserialize;

type Value<B> = Var<<B as Storage>::Tensor>;
type Tensor<B> = <B as Storage>::Tensor;

pub const PASS: Pass = Pass { seed: 0, index: 0 };
/// More boxes than any case has, so that nothing is drawn.
pub const ALL: SampleSettings = SampleSettings { count: 1 << 20, positive_share: 1.0 };

/// The first linear layer of a box head, which is a convolution here.
fn is_flattened(name: &str) -> bool {
    name.ends_with("shared_fcs.0.weight")
}

/// The parameters in a case. `side` is that of a box head's features.
pub fn parameters<B: Backend>(case: &Case, backend: &B, side: usize) -> Result<Parameters<B>, String> {
    let mut host = HostParameters::new();
    for name in case.names("in.").into_iter().filter(|name| name.contains("head") || name.contains("neck")) {
        let mut array = case.get(&format!("in.{name}"))?.clone();
        if is_flattened(&name) {
            let [outputs, inputs] = [array.shape()[0], array.shape()[1] / (side * side)];
            array = array.into_shape_with_order(IxDyn(&[outputs, inputs, side, side])).map_err(text)?;
        }
        host.insert(name, array);
    }
    Parameters::upload(backend, &host).map_err(text)
}

/// The maps or images `in.x0`, `in.x1`, .. of a case.
pub fn maps<B: Backend>(case: &Case, backend: &B) -> Result<Vec<Tensor<B>>, String> {
    let of = |i: usize| case.get(&format!("in.x{i}")).ok();
    (0..).map_while(of).map(|array| upload(backend, &channels_last(array))).collect()
}

fn leaves<B: Backend>(tape: &mut Tape<'_, B>, maps: Vec<Tensor<B>>) -> Vec<Value<B>> {
    maps.into_iter().enumerate().map(|(i, map)| tape.leaf(&format!("x{i}"), map)).collect()
}

pub fn boxes(case: &Case, name: &str) -> Vec<[f32; 4]> {
    let rows = case.get(name).map(|array| array.iter().copied().collect::<Vec<f32>>()).unwrap_or_default();
    rows.as_chunks().0.to_vec()
}

fn seed<B: Backend>(case: &Case, backend: &B, name: &str) -> Result<Tensor<B>, String> {
    upload(backend, &channels_last(case.get(name)?))
}

/// Compares the gradients of parameters and of the leaves `x..`.
pub fn compare_gradients<B: Backend>(
    case: &mut Case,
    backend: &B,
    gradient: impl Fn(&str) -> Option<Tensor<B>>,
) -> Result<(), String> {
    for name in case.names("grad.") {
        let full = format!("grad.{name}");
        let expected = case.get(&full)?.clone();
        let gradient = match gradient(&name) {
            Some(gradient) => to_host(backend, &gradient).map_err(text)?,
            // A map that no box reads has none.
            None if expected.iter().all(|value| *value == 0.0) => channels_last(&expected),
            None => return Err(format!("no gradient of {name}")),
        };
        if is_flattened(&name) {
            let gradient = gradient.into_shape_with_order(expected.raw_dim()).map_err(text)?;
            case.compare(&full, &gradient, GRADIENTS)?;
        } else if name.starts_with('x') {
            case.compare(&full, &crate::case::channels_first(&gradient), GRADIENTS)?;
        } else {
            case.compare(&full, &gradient, GRADIENTS)?;
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FpnAttrs {
    channels: usize,
    inputs: Vec<usize>,
}

pub fn fpn<B: Backend>(case: &mut Case, backend: &B) -> Result<(), String> {
    let attrs: FpnAttrs = case.attrs()?;
    let parameters = parameters(case, backend, 1)?;
    let mut tape = Tape::new(backend, &parameters, PASS);
    let features = maps(case, backend)?;
    if features.iter().map(|map| backend.shape(map).channels()).ne(attrs.inputs) {
        return Err("the maps have other channels than the attributes say".into());
    }
    let features = leaves(&mut tape, features);
    let outputs = pyramid(&mut tape, attrs.channels, &features).map_err(text)?;
    let mut seeds = Vec::new();
    for (i, output) in outputs.iter().enumerate() {
        case.compare_tensor(backend, &format!("out.y{i}"), output.tensor(), VALUES)?;
        seeds.push((output, seed(case, backend, &format!("in.gy{i}"))?));
    }
    let backward = tape.backward_from(seeds).map_err(text)?;
    compare_gradients(case, backend, |name| backward.gradients.get(name).cloned())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RpnAttrs {
    strides: Vec<usize>,
    scales: Vec<f32>,
    ratios: Vec<f32>,
    images: Vec<[usize; 2]>,
    padded: [usize; 2],
    positive: f32,
    negative: f32,
    least: f32,
    low_quality: bool,
    allowed_border: f32,
    sampled: String,
    beta: f64,
    nms_pre: usize,
    drop_empty: bool,
    iou_threshold: f32,
    max_per_image: usize,
}

pub fn rpn<B: Backend>(case: &mut Case, backend: &B) -> Result<(), String> {
    let attrs: RpnAttrs = case.attrs()?;
    if attrs.allowed_border != 0.0 || attrs.sampled != "all" || !attrs.drop_empty {
        return Err("borders, sampling and empty boxes are only as in MMDetection".into());
    }
    if (attrs.beta - 1.0 / 9.0).abs() > 1e-9 {
        return Err("beta is always 1/9".into());
    }
    let parameters = parameters(case, backend, 1)?;
    let maps = maps(case, backend)?;
    let levels = maps.iter().zip(&attrs.strides);
    for (map, stride) in levels.clone() {
        let shape = backend.shape(map);
        if [shape[1], shape[2]] != attrs.padded.map(|side| side.div_ceil(*stride)) {
            return Err("the maps are not those of the padded image".into());
        }
    }
    let config = CascadeConfig {
        channels: backend.shape(&maps[0]).channels(),
        anchor_scales: attrs.scales,
        anchor_ratios: attrs.ratios,
        rpn: RpnTargetSettings {
            assign: AssignSettings {
                positive: attrs.positive,
                negative: attrs.negative,
                least: attrs.least,
                low_quality: attrs.low_quality,
            },
            sample: ALL,
        },
        proposals: ProposalConfig {
            training_before_nms: attrs.nms_pre,
            training_after_nms: attrs.max_per_image,
            iou_threshold: attrs.iou_threshold,
            ..ProposalConfig::default()
        },
        ..CascadeConfig::default()
    };
    let network = network(config.clone(), 1, attrs.strides[0])?;
    let truths: Vec<ImageTruths> = (0..attrs.images.len())
        .map(|image| {
            let boxes = boxes(case, &format!("in.truths{image}"));
            ImageTruths { size: attrs.images[image], boxes, ..ImageTruths::default() }
        })
        .collect();

    let mut tape = Tape::new(backend, &parameters, PASS);
    let maps = leaves(&mut tape, maps);
    let outputs = propose(&mut tape, &config, &maps).map_err(text)?;
    let anchored = Anchored::of(backend, &network, &config, &outputs.map(|output| output.tensor().clone()))
        .map_err(text)?;
    let targets = anchored.targets(&truths, PASS).map_err(text)?;
    let losses = proposal_losses(&mut tape, &outputs, anchored.anchors(), &targets).map_err(text)?;
    let sizes = truths.iter().map(|truths| truths.size);
    let found = anchored.proposals(&config.proposals.in_training(), sizes).map_err(text)?;
    for (image, (found, targets)) in found.iter().zip(&targets).enumerate() {
        let rows = found.iter().flat_map(|found| found.corners.into_iter().chain([found.score])).collect();
        let rows = ArrayD::from_shape_vec(IxDyn(&[found.len(), 5]), rows).map_err(text)?;
        case.compare(&format!("out.proposals{image}"), &rows, VALUES)?;
        // All are sampled, so that the sampled ones are the assigned ones.
        let mut assigned = vec![-1; anchored.anchors().len()];
        targets.negatives.iter().for_each(|&anchor| assigned[anchor] = 0);
        let name = format!("out.assigned{image}");
        let expected = case.integers.get(&name).cloned().ok_or("no assignment")?;
        for &anchor in &targets.positives {
            // Which truth it is shows in the deltas, and so in the loss.
            assigned[anchor] = expected[anchor].max(1);
        }
        case.compare_integers(&name, &assigned)?;
    }
    let mut seeds = Vec::new();
    for (i, loss) in losses.iter().enumerate() {
        case.compare_tensor(backend, &format!("out.y{i}"), loss.tensor(), VALUES)?;
        seeds.push((loss, seed(case, backend, &format!("in.gy{i}"))?));
    }
    let backward = tape.backward_from(seeds).map_err(text)?;
    compare_gradients(case, backend, |name| backward.gradients.get(name).cloned())
}

/// A network with this cascade; only the head matters.
pub fn network(config: CascadeConfig, classes: usize, stride: usize) -> Result<NetworkConfig, String> {
    let model = zoo::model("pelk_atto").map_err(text)?;
    let head = Head::CascadeMaskRcnn(config);
    Ok(NetworkConfig { head, stem_stride: stride, ..model.configure(3, classes).map_err(text)? })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BoxHeadAttrs {
    training: bool,
    bn_eps: f32,
    bn_momentum: f32,
    convs: usize,
    classes: usize,
    flatten: String,
}

pub fn box_head<B: Backend>(case: &mut Case, backend: &B) -> Result<(), String> {
    let attrs: BoxHeadAttrs = case.attrs()?;
    if (attrs.bn_eps, attrs.bn_momentum, attrs.flatten.as_str()) != (1e-5, 0.1, "C, H, W") {
        return Err("other constants than MMDetection's".into());
    }
    let x = upload(backend, &channels_last(case.get("in.x")?))?;
    let shape = backend.shape(&x).clone();
    let parameters = parameters(case, backend, shape[1])?;
    let config = CascadeConfig {
        channels: shape.channels(),
        box_convs: attrs.convs,
        box_features: case.get("in.roi_head.bbox_head.0.shared_fcs.0.bias")?.len(),
        ..CascadeConfig::default()
    };
    let form = HeadForm { classes: attrs.classes, stride: 4, folded: false };
    let mut tape = match attrs.training {
        true => Tape::new(backend, &parameters, PASS),
        false => Tape::evaluating(backend, &parameters),
    };
    let x = tape.leaf("x", x);
    let outputs = box_outputs(&mut tape, &config, form, 0, &x).map_err(text)?;
    let mut seeds = Vec::new();
    for (i, output) in [&outputs.logits, &outputs.deltas].into_iter().enumerate() {
        let rows = crate::case::rows(to_host(backend, output.tensor()).map_err(text)?);
        case.compare(&format!("out.y{i}"), &rows, VALUES)?;
        let gy = case.get(&format!("in.gy{i}"))?.clone().insert_axis(Axis(1)).insert_axis(Axis(1));
        seeds.push((output, upload(backend, &gy)?));
    }
    let backward = tape.backward_from(seeds).map_err(text)?;
    case.compare_statistics(backend, &backward.buffers, str::to_owned)?;
    compare_gradients(case, backend, |name| backward.gradients.get(name).cloned())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MaskHeadAttrs {
    convs: usize,
    classes: usize,
}

pub fn mask_head<B: Backend>(case: &mut Case, backend: &B) -> Result<(), String> {
    let attrs: MaskHeadAttrs = case.attrs()?;
    let x = upload(backend, &channels_last(case.get("in.x")?))?;
    let parameters = parameters(case, backend, 1)?;
    let config = CascadeConfig {
        channels: backend.shape(&x).channels(),
        mask_convs: attrs.convs,
        ..CascadeConfig::default()
    };
    let form = HeadForm { classes: attrs.classes, stride: 4, folded: false };
    let mut tape = Tape::new(backend, &parameters, PASS);
    let x = tape.leaf("x", x);
    let logits = mask_logits(&mut tape, &config, form, 0, &x).map_err(text)?;
    case.compare_tensor(backend, "out.y", logits.tensor(), VALUES)?;
    let gy = seed(case, backend, "in.gy")?;
    let backward = tape.backward(&logits, gy).map_err(text)?;
    compare_gradients(case, backend, |name| backward.gradients.get(name).cloned())
}
