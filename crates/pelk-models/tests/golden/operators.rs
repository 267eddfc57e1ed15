//! Golden cases of single operators.

use crate::case::{Case, GRADIENTS, VALUES, channels_last, text, upload};
use crate::detection_operators;
use ndarray::ArrayD;
use pelk_autodiff::operators::{
    AdaptiveAvgPool, BatchNorm, BilinearResize, Conv2d, CrossEntropy, DepthwiseConv, Gelu, LayerNorm, Linear,
    PositionBias, Relu, SoftCrossEntropy,
};
use pelk_autodiff::{Backend, Executor, Op, Parameters, Storage, Tape, Var};
use pelk_grid::SharingGrid;
use pelk_models::Position;
use serde::Deserialize;

type Value<B> = Var<<B as Storage>::Tensor>;

/// A tape on which the case's inputs are leaves.
struct Inputs<'a, B: Backend> {
    tape: Tape<'a, B>,
    backend: &'a B,
}

impl<B: Backend> Inputs<'_, B> {
    /// The input `in.NAME`. Images are converted to channels last, weights are not.
    fn get(&mut self, case: &Case, name: &str) -> Result<Value<B>, String> {
        let array = case.get(&format!("in.{name}"))?;
        let array = if is_image(name) { channels_last(array) } else { array.clone() };
        Ok(self.tape.leaf(name, upload(self.backend, &array)?))
    }
}

fn is_image(name: &str) -> bool {
    ["x", "gy", "logits", "y"].contains(&name)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GeluAttrs {
    approximate: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PeripheralAttrs {
    kernel: usize,
    center: usize,
    base: usize,
    grid: Vec<usize>,
    position: Position,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DepthwiseAttrs {
    kernel: [usize; 2],
    #[serde(default = "every_pixel")]
    stride: usize,
}

fn every_pixel() -> usize {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Conv2dAttrs {
    stride: usize,
    padding: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerNormAttrs {
    eps: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchNormAttrs {
    eps: f32,
    momentum: f32,
    training: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SizeAttrs {
    size: [usize; 2],
    #[serde(default)]
    align_corners: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CrossEntropyAttrs {
    ignore_index: Option<i64>,
    label_smoothing: f32,
}

pub fn run<B: Backend>(op: &str, case: &mut Case, backend: &B) -> Result<(), String> {
    let parameters = Parameters::upload(backend, &Default::default()).map_err(text)?;
    let mut inputs = Inputs { tape: Tape::evaluating(backend, &parameters), backend };
    let outputs = match op {
        "peripheral_conv" => peripheral(case, &mut inputs)?,
        "depthwise_conv" => {
            let DepthwiseAttrs { kernel: [k, l], stride } = case.attrs()?;
            let (rows, columns) =
                (SharingGrid::dense(k).map_err(text)?, SharingGrid::dense(l).map_err(text)?);
            apply(case, &mut inputs, DepthwiseConv { rows, columns, stride }, &["x", "weight"])?
        }
        "conv2d" => {
            let Conv2dAttrs { stride, padding } = case.attrs()?;
            apply(case, &mut inputs, Conv2d { stride, padding }, &["x", "weight", "bias"])?
        }
        "linear" => {
            case.attrs::<Nothing>()?;
            apply(case, &mut inputs, Linear, &["x", "weight", "bias"])?
        }
        "layer_norm" => {
            let LayerNormAttrs { eps } = case.attrs()?;
            apply(case, &mut inputs, LayerNorm { eps }, &["x", "weight", "bias"])?
        }
        "batch_norm" => batch_norm(case, &mut inputs)?,
        "gelu" => {
            let GeluAttrs { approximate } = case.attrs()?;
            if approximate != "none" {
                return Err(format!("unknown approximation {approximate:?}"));
            }
            apply(case, &mut inputs, Gelu, &["x"])?
        }
        "relu" => {
            case.attrs::<Nothing>()?;
            apply(case, &mut inputs, Relu, &["x"])?
        }
        "bilinear_resize" | "adaptive_avg_pool" => {
            let SizeAttrs { size, align_corners } = case.attrs()?;
            match (op, align_corners) {
                ("adaptive_avg_pool", false) => apply(case, &mut inputs, AdaptiveAvgPool { size }, &["x"])?,
                ("bilinear_resize", false) => apply(case, &mut inputs, BilinearResize { size }, &["x"])?,
                _ => return Err("align_corners is not known".into()),
            }
        }
        "cross_entropy" => {
            let CrossEntropyAttrs { ignore_index, label_smoothing } = case.attrs()?;
            let labels = case.labels()?.into();
            apply(
                case,
                &mut inputs,
                CrossEntropy { labels, ignore_index, label_smoothing, ..CrossEntropy::default() },
                &["logits"],
            )?
        }
        "soft_cross_entropy" => {
            case.attrs::<Nothing>()?;
            let targets = case.get("in.target")?.iter().copied().collect();
            apply(case, &mut inputs, SoftCrossEntropy { targets }, &["logits"])?
        }
        _ => {
            let (op, names) = detection_operators::operator(case)?;
            apply(case, &mut inputs, op, names)?
        }
    };
    let y = &outputs[0];
    case.compare_tensor(backend, "out.y", y.tensor(), VALUES)?;
    let gy = upload(backend, &channels_last(case.get("in.gy")?))?;
    let gradients = inputs.tape.backward(y, gy).map_err(text)?.gradients;
    for name in case.names("grad.") {
        let gradient = gradients.get(&name).ok_or_else(|| format!("no gradient of {name}"))?;
        let full = format!("grad.{name}");
        if is_image(&name) {
            case.compare_tensor(backend, &full, gradient, GRADIENTS)?;
        } else {
            let array: ArrayD<f32> = pelk_autodiff::to_host(backend, gradient).map_err(text)?;
            case.compare(&full, &array, GRADIENTS)?;
        }
    }
    Ok(())
}

fn apply<B: Backend>(
    case: &Case,
    inputs: &mut Inputs<'_, B>,
    op: impl Into<Op>,
    names: &[&str],
) -> Result<Vec<Value<B>>, String> {
    let values = names.iter().map(|name| inputs.get(case, name)).collect::<Result<Vec<_>, _>>()?;
    inputs.tape.apply(op, &values.iter().collect::<Vec<_>>()).map_err(text)
}

fn peripheral<B: Backend>(case: &Case, inputs: &mut Inputs<'_, B>) -> Result<Vec<Value<B>>, String> {
    let PeripheralAttrs { kernel, center, base, grid: intervals, position } = case.attrs()?;
    let grid = SharingGrid::exponential(kernel, center, base).map_err(text)?;
    if grid.intervals() != intervals {
        return Err(format!("the rule gives {:?}, the case has {intervals:?}", grid.intervals()));
    }
    let (x, theta) = (inputs.get(case, "x")?, inputs.get(case, "theta")?);
    let mut operands = vec![x.clone(), theta.clone()];
    if let Some(form) = position.form() {
        let position = inputs.get(case, "position")?;
        let size = [inputs.tape.shape(&x)[1], inputs.tape.shape(&x)[2]];
        let op = PositionBias { grid: grid.clone(), form, size };
        operands.push(inputs.tape.apply_one(op, &[&theta, &position]).map_err(text)?);
    }
    inputs.tape.apply(DepthwiseConv::square(grid), &operands.iter().collect::<Vec<_>>()).map_err(text)
}

fn batch_norm<B: Backend>(case: &mut Case, inputs: &mut Inputs<'_, B>) -> Result<Vec<Value<B>>, String> {
    let BatchNormAttrs { eps, momentum, training } = case.attrs()?;
    let op = BatchNorm { eps, momentum, training };
    let outputs = apply(case, inputs, op, &["x", "weight", "bias", "running_mean", "running_var"])?;
    for (i, name) in ["running_mean", "running_var"].into_iter().enumerate() {
        // In evaluation the operator returns no new statistics: they do not change.
        match outputs.get(i + 1) {
            Some(value) => {
                case.compare_tensor(inputs.backend, &format!("out.{name}"), value.tensor(), VALUES)
            }
            None => case.compare(&format!("out.{name}"), &case.get(&format!("in.{name}"))?.clone(), 0.0),
        }?;
    }
    Ok(outputs)
}
