//! Golden cases of the detector's decisions on the host.

use crate::case::{Case, GRADIENTS, VALUES, text};
use ndarray::{Array, ArrayD};
use pelk_detection::{AnchorSettings, AssignSettings, Assigned, BoxMask, MaskCrop};
use pelk_ops::BoxCoder;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnchorAttrs {
    strides: Vec<usize>,
    scales: Vec<f32>,
    ratios: Vec<f32>,
    center_offset: f32,
    sizes: Vec<[usize; 2]>,
    image: [usize; 2],
    allowed_border: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EncodeAttrs {
    means: [f32; 4],
    stds: [f32; 4],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecodeAttrs {
    means: [f32; 4],
    stds: [f32; 4],
    image: Option<[usize; 2]>,
    wh_ratio_clip: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NmsAttrs {
    iou_threshold: f32,
    order: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetAttrs {
    size: [usize; 2],
    threshold: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasteAttrs {
    height: usize,
    width: usize,
    threshold: f32,
}

/// The rows of four numbers in the input `name`.
fn rows_of_four(case: &Case, name: &str) -> Result<Vec<[f32; 4]>, String> {
    let values: Vec<f32> = case.get(name)?.iter().copied().collect();
    match values.as_chunks() {
        (rows, []) => Ok(rows.to_vec()),
        _ => Err(format!("{name} has {} values, which are no rows of four", values.len())),
    }
}

/// Values in the shape of the tensor `name`.
fn shaped(case: &Case, name: &str, values: Vec<f32>) -> Result<ArrayD<f32>, String> {
    Array::from_shape_vec(case.get(name)?.raw_dim(), values).map_err(|error| format!("{name}: {error}"))
}

fn compare(case: &mut Case, name: &str, values: Vec<f32>, tolerance: f32) -> Result<(), String> {
    let actual = shaped(case, name, values)?;
    case.compare(name, &actual, tolerance)
}

pub fn anchors(case: &mut Case) -> Result<(), String> {
    let attrs: AnchorAttrs = case.attrs()?;
    if attrs.center_offset != 0.0 || attrs.allowed_border != 0 {
        return Err("center_offset and allowed_border must be 0".into());
    }
    let AnchorAttrs { strides, scales, ratios, .. } = attrs;
    let anchors = AnchorSettings { strides, scales, ratios }.anchors(&attrs.sizes).map_err(text)?;
    for (level, boxes) in anchors.levels().iter().enumerate() {
        compare(case, &format!("out.y{level}"), boxes.concat(), VALUES)?;
    }
    let mut inside = vec![0; anchors.len()];
    anchors.inside(attrs.image).0.into_iter().for_each(|i| inside[i] = 1);
    case.compare_integers("out.inside", &inside)
}

pub fn delta_encode(case: &mut Case) -> Result<(), String> {
    let EncodeAttrs { means, stds } = case.attrs()?;
    let coder = BoxCoder { means, ..BoxCoder::with_stds(stds) };
    let (boxes, targets) = (rows_of_four(case, "in.boxes")?, rows_of_four(case, "in.targets")?);
    let y = boxes.iter().zip(&targets).flat_map(|(from, target)| coder.encode(from, target));
    compare(case, "out.y", y.collect(), VALUES)
}

pub fn delta_decode(case: &mut Case) -> Result<(), String> {
    let DecodeAttrs { means, stds, image, wh_ratio_clip: max_ratio } = case.attrs()?;
    let coder = BoxCoder { means, stds, max_ratio };
    let boxes = rows_of_four(case, "in.boxes")?;
    let (deltas, gy) = (rows_of_four(case, "in.deltas")?, rows_of_four(case, "in.gy")?);
    // A row of deltas holds four for each class.
    let classes = deltas.len() / boxes.len();
    let decode = |i: usize| coder.decode(&boxes[i / classes], &deltas[i], image);
    let y = (0..deltas.len()).flat_map(decode).collect();
    compare(case, "out.y", y, VALUES)?;
    let gradient = |i: usize| coder.decode_gradient(&boxes[i / classes], &deltas[i], image, &gy[i]);
    compare(case, "grad.deltas", (0..deltas.len()).flat_map(gradient).collect(), GRADIENTS)
}

pub fn nms(case: &mut Case) -> Result<(), String> {
    let NmsAttrs { iou_threshold, order } = case.attrs()?;
    if order != "falling score, then index" {
        return Err(format!("unknown order {order:?}"));
    }
    let boxes = rows_of_four(case, "in.boxes")?;
    let scores: Vec<f32> = case.get("in.scores")?.iter().copied().collect();
    let kept = match case.integers.get("in.classes") {
        Some(classes) => {
            let classes: Vec<usize> = classes.iter().map(|&class| class as usize).collect();
            pelk_detection::nms_by_class(&boxes, &scores, &classes, iou_threshold)
        }
        None => pelk_detection::nms(&boxes, &scores, iou_threshold),
    };
    let kept: Vec<i64> = kept.map_err(text)?.into_iter().map(|i| i as i64).collect();
    case.compare_integers("out.keep", &kept)
}

pub fn assign(case: &mut Case) -> Result<(), String> {
    let settings: AssignSettings = case.attrs()?;
    let boxes = rows_of_four(case, "in.boxes")?;
    let truths = match case.floats.contains_key("in.truths") {
        true => rows_of_four(case, "in.truths")?,
        false => Vec::new(),
    };
    let assignment = pelk_detection::assign(&boxes, &truths, &settings).map_err(text)?;
    let assigned = assignment.assigned.iter().map(|assigned| match assigned {
        Assigned::Ignored => -1,
        Assigned::Negative => 0,
        Assigned::Truth(truth) => i64::from(*truth) + 1,
    });
    case.compare_integers("out.assigned", &assigned.collect::<Vec<_>>())?;
    compare(case, "out.overlaps", assignment.overlaps, VALUES)
}

pub fn mask_target(case: &mut Case) -> Result<(), String> {
    let TargetAttrs { size: [size, width], threshold } = case.attrs()?;
    if size != width || threshold != 0.5 {
        return Err("the size must be a square and the threshold 0.5".into());
    }
    let masks = case.get("in.masks")?;
    let bitmap = [masks.shape()[1], masks.shape()[2]];
    let masks: Vec<MaskCrop> = masks
        .outer_iter()
        .map(|mask| MaskCrop {
            origin: [0, 0],
            size: bitmap,
            pixels: mask.iter().map(|&p| p as u8).collect(),
        })
        .collect();
    let boxes = rows_of_four(case, "in.boxes")?;
    let indices = case.integers.get("in.indices").ok_or("the case holds no in.indices")?;
    let (mut soft, mut hard) = (Vec::new(), Vec::new());
    for (corners, &index) in boxes.iter().zip(indices) {
        let mask = &masks[index as usize];
        soft.extend(pelk_detection::mask_coverage(mask, bitmap, corners, size).map_err(text)?);
        let target = pelk_detection::mask_target(mask, bitmap, corners, size).map_err(text)?;
        hard.extend(target.into_iter().map(|hit| f32::from(u8::from(hit))));
    }
    compare(case, "out.soft", soft, VALUES)?;
    compare(case, "out.y", hard, 0.0)
}

pub fn mask_paste(case: &mut Case) -> Result<(), String> {
    let PasteAttrs { height, width, threshold } = case.attrs()?;
    let boxes = rows_of_four(case, "in.boxes")?;
    let (mut soft, mut hard) = (Vec::new(), Vec::new());
    for (mask, &corners) in case.get("in.masks")?.outer_iter().zip(&boxes) {
        let probabilities: Vec<f32> = mask.iter().copied().collect();
        let mask = BoxMask { probabilities: &probabilities, side: mask.shape()[0], corners };
        soft.extend(mask.interpolate(0..height, 0..width).map_err(text)?);
        let pasted = mask.paste([height, width], threshold).map_err(text)?;
        let pixels = (0..height * width).map(|i| pasted.at(i / width, i % width));
        hard.extend(pixels.map(|one| f32::from(u8::from(one))));
    }
    compare(case, "out.soft", soft, VALUES)?;
    compare(case, "out.y", hard, 0.0)
}
