//! Golden cases of the detector's losses.

use crate::case::{Case, GRADIENTS, VALUES, channels_first, channels_last, text, upload};
use ndarray::{ArrayD, arr1};
use pelk_autodiff::operators::{
    BinaryCrossEntropy, BoxCoder, BoxGiou, CrossEntropy, MaskCrossEntropy, SmoothL1,
};
use pelk_autodiff::{Backend, Executor, Op, Parameters, Shape, Tape, to_host};
use pelk_ops::boxes;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BinaryAttrs {
    avg_factor: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SmoothL1Attrs {
    beta: f32,
    loss_weight: f32,
    avg_factor: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GiouAttrs {
    eps: f64,
    loss_weight: f32,
    avg_factor: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WeightedAttrs {
    avg_factor: f32,
    loss_weight: f32,
}

/// A sum of losses of one input, each times a factor, and its gradient times the case's `gy`.
fn sum_of_losses<B: Backend>(
    case: &Case,
    backend: &B,
    x: &ArrayD<f32>,
    losses: Vec<(f32, Op)>,
) -> Result<(f32, ArrayD<f32>), String> {
    let gy = gy(case)?;
    let parameters = Parameters::upload(backend, &Default::default()).map_err(text)?;
    let (mut sum, mut gradient) = (0.0, ArrayD::zeros(x.shape()));
    for (factor, op) in losses {
        let mut tape = Tape::evaluating(backend, &parameters);
        let leaf = tape.leaf("x", upload(backend, x)?);
        let y = tape.apply_one(op, &[&leaf]).map_err(text)?;
        sum += factor * backend.download(y.tensor()).map_err(text)?[0];
        let seed = backend.upload(&Shape::from([1]), &[factor * gy]).map_err(text)?;
        let gradients = tape.backward(&y, seed).map_err(text)?.gradients;
        gradient += &to_host(backend, gradients.get("x").ok_or("no gradient")?).map_err(text)?;
    }
    Ok((sum, gradient))
}

/// Runs losses of the input `in.NAME`, and compares the sum and its gradient. Images are turned to channels
/// last.
fn run<B: Backend>(case: &mut Case, backend: &B, name: &str, losses: Vec<(f32, Op)>) -> Result<(), String> {
    let x = channels_last(case.get(&format!("in.{name}"))?);
    let (y, gradient) = sum_of_losses(case, backend, &x, losses)?;
    compare(case, name, y, &channels_first(&gradient))
}

fn compare(case: &mut Case, name: &str, y: f32, gradient: &ArrayD<f32>) -> Result<(), String> {
    case.compare("out.y", &arr1(&[y]).into_dyn(), VALUES)?;
    case.compare(&format!("grad.{name}"), gradient, GRADIENTS)
}

fn gy(case: &Case) -> Result<f32, String> {
    case.get("in.gy")?.first().copied().ok_or_else(|| "in.gy is empty".into())
}

fn values(case: &Case, name: &str) -> Result<Vec<f32>, String> {
    Ok(case.get(name)?.iter().copied().collect())
}

/// The rows of four numbers in the tensor called `name`.
fn fours(case: &Case, name: &str) -> Result<Vec<[f32; 4]>, String> {
    match values(case, name)?.as_chunks() {
        (rows, []) => Ok(rows.to_vec()),
        _ => Err(format!("{name} is not made of rows of four")),
    }
}

/// The rows of each weight; those of weight 0 are left out.
fn rows_by_weight(weights: impl IntoIterator<Item = f32>) -> Vec<(f32, Vec<usize>)> {
    let mut groups: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (row, weight) in weights.into_iter().enumerate().filter(|(_, weight)| *weight != 0.0) {
        groups.entry(weight.to_bits()).or_default().push(row);
    }
    groups.into_iter().map(|(bits, rows)| (f32::from_bits(bits), rows)).collect()
}

fn numbers(rows: &[usize]) -> std::sync::Arc<[u32]> {
    rows.iter().map(|row| *row as u32).collect()
}

pub fn binary_cross_entropy<B: Backend>(case: &mut Case, backend: &B) -> Result<(), String> {
    let BinaryAttrs { avg_factor: normalizer } = case.attrs()?;
    let targets = case.labels()?.iter().map(|target| *target as f32).collect();
    let weights = values(case, "in.weights")?.into();
    run(case, backend, "logits", vec![(1.0, BinaryCrossEntropy { targets, weights, normalizer }.into())])
}

/// The operator has no weights: rows of one weight are one loss.
pub fn smooth_l1<B: Backend>(case: &mut Case, backend: &B) -> Result<(), String> {
    let SmoothL1Attrs { beta, loss_weight, avg_factor: normalizer } = case.attrs()?;
    let (targets, weights) = (fours(case, "in.target")?, fours(case, "in.weights")?);
    if weights.iter().any(|[first, rest @ ..]| rest.iter().any(|weight| weight != first)) {
        return Err("a row has several weights, which the operator cannot express".into());
    }
    let losses =
        rows_by_weight(weights.iter().map(|[first, ..]| *first)).into_iter().map(|(weight, rows)| {
            let targets = rows.iter().map(|row| targets[*row]).collect();
            (loss_weight * weight, SmoothL1 { rows: numbers(&rows), targets, beta, normalizer }.into())
        });
    let losses = losses.collect();
    run(case, backend, "x", losses)
}

pub fn mask_cross_entropy<B: Backend>(case: &mut Case, backend: &B) -> Result<(), String> {
    let BinaryAttrs { avg_factor: normalizer } = case.attrs()?;
    let classes = case.integers.get("in.classes").ok_or("no in.classes")?;
    let classes =
        classes.iter().map(|class| u32::try_from(*class).map_err(text)).collect::<Result<_, _>>()?;
    let target = |value: &f32| match *value {
        0.0 => Ok(false),
        1.0 => Ok(true),
        other => Err(format!("a target is {other}, and masks are 0 or 1")),
    };
    let targets = values(case, "in.target")?.iter().map(target).collect::<Result<_, _>>()?;
    let weights = values(case, "in.weights")?.into();
    run(
        case,
        backend,
        "logits",
        vec![(1.0, MaskCrossEntropy { classes, targets, weights, normalizer }.into())],
    )
}

/// The operator is the mean over the rows that count: rows of one weight are one loss.
pub fn weighted_cross_entropy<B: Backend>(case: &mut Case, backend: &B) -> Result<(), String> {
    const IGNORED: i64 = -1;
    let WeightedAttrs { avg_factor, loss_weight } = case.attrs()?;
    let labels = case.labels()?;
    let mut losses = Vec::new();
    for (weight, rows) in rows_by_weight(values(case, "in.weights")?) {
        let mut counted = vec![IGNORED; labels.len()];
        rows.iter().for_each(|row| counted[*row] = labels[*row]);
        let op =
            CrossEntropy { labels: counted.into(), ignore_index: Some(IGNORED), ..CrossEntropy::default() };
        losses.push((loss_weight * weight * rows.len() as f32 / avg_factor, op.into()));
    }
    run(case, backend, "logits", losses)
}

/// First the function of two boxes, then the operator, with deltas of 0 from the boxes. The operator makes no
/// box without a positive size: such rows stay what the function gives.
pub fn giou<B: Backend>(case: &mut Case, backend: &B) -> Result<(), String> {
    let GiouAttrs { eps, loss_weight, avg_factor } = case.attrs()?;
    if eps != 1e-7 {
        return Err(format!("the least area is 1e-7, the case has {eps}"));
    }
    let (made, targets) = (fours(case, "in.boxes")?, fours(case, "in.targets")?);
    let weights = values(case, "in.weights")?;
    let gy = f64::from(gy(case)?);
    let (mut sum, mut gradients) = (Vec::new(), Vec::new());
    for (row, weight) in weights.iter().enumerate() {
        let factor = f64::from(loss_weight) * f64::from(*weight) / f64::from(avg_factor);
        let (overlap, gradient) = boxes::giou(&made[row].map(f64::from), &targets[row].map(f64::from));
        sum.push(factor * (1.0 - overlap));
        gradients.push(gradient.map(|g| -gy * factor * g));
    }
    let shape = [made.len(), 4];
    let array = |rows: &[[f64; 4]]| {
        let values = rows.as_flattened().iter().map(|g| *g as f32).collect();
        ArrayD::from_shape_vec(&shape[..], values).map_err(text)
    };
    compare(case, "boxes", sum.iter().sum::<f64>() as f32, &array(&gradients)?)?;

    let has_size = |b: &[f32; 4]| b[0] < b[2] && b[1] < b[3];
    let counted = |row: usize| if has_size(&made[row]) { weights[row] } else { 0.0 };
    let losses = rows_by_weight((0..made.len()).map(counted)).into_iter().map(|(weight, rows)| {
        let op = BoxGiou {
            rows: numbers(&rows),
            classes: vec![0; rows.len()].into(),
            boxes: rows.iter().map(|row| made[*row]).collect(),
            targets: rows.iter().map(|row| targets[*row]).collect(),
            coder: BoxCoder::default(),
            weight: loss_weight * weight,
            normalizer: avg_factor,
        };
        (1.0, op.into())
    });
    let deltas = ArrayD::zeros(&shape[..]);
    let (mut y, by_deltas) = sum_of_losses(case, backend, &deltas, losses.collect())?;
    for (row, by_deltas) in by_deltas.rows().into_iter().enumerate() {
        if !has_size(&made[row]) {
            y += sum[row] as f32;
            continue;
        }
        for axis in 0..2 {
            // dx moves both corners by the size, dw moves each by half of it, outwards.
            let size = f64::from(made[row][axis + 2]) - f64::from(made[row][axis]);
            let both = f64::from(by_deltas[axis]) / size;
            let outwards = 2.0 * f64::from(by_deltas[axis + 2]) / size;
            gradients[row][axis] = 0.5 * (both - outwards);
            gradients[row][axis + 2] = 0.5 * (both + outwards);
        }
    }
    compare(case, "boxes", y, &array(&gradients)?)
}
