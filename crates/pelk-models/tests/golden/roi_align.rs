//! Golden cases of RoIAlign: regions of one map, and of a pyramid, each from the map of its size.

use crate::case::{Case, GRADIENTS, VALUES, channels_last, text, upload};
use pelk_autodiff::operators::{Roi, RoiAlign};
use pelk_autodiff::{Backend, Executor, Parameters, Tape};
use pelk_ops::roi_align::level;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoiAlignAttrs {
    size: [usize; 2],
    scale: f64,
    sampling_ratio: usize,
    aligned: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoiExtractAttrs {
    size: [usize; 2],
    strides: Vec<usize>,
    finest_scale: f32,
    sampling_ratio: usize,
    aligned: bool,
}

pub fn one_map<B: Backend>(case: &mut Case, backend: &B) -> Result<(), String> {
    let RoiAlignAttrs { size, scale, sampling_ratio, aligned } = case.attrs()?;
    let stride = (1.0 / scale).round();
    if !aligned || stride * scale != 1.0 {
        return Err(format!("aligned is {aligned} and the stride {}", 1.0 / scale));
    }
    let rois = rois(case, |_| 0)?;
    let op = RoiAlign { rois, size, strides: [stride as usize].into(), sampling_ratio };
    compare(case, backend, op, &["x".to_owned()])
}

pub fn pyramid<B: Backend>(case: &mut Case, backend: &B) -> Result<(), String> {
    let RoiExtractAttrs { size, strides, finest_scale, sampling_ratio, aligned } = case.attrs()?;
    if !aligned {
        return Err("aligned is false".into());
    }
    let rois = rois(case, |corners| level(corners, finest_scale, strides.len()))?;
    let levels: Vec<i64> = rois.iter().map(|roi| roi.map as i64).collect();
    case.compare_integers("out.levels", &levels)?;
    let maps: Vec<String> = (0..strides.len()).map(|map| format!("x{map}")).collect();
    compare(case, backend, RoiAlign { rois, size, strides: strides.into(), sampling_ratio }, &maps)
}

/// `in.rois`, rows of an image and four corners.
fn rois(case: &Case, map: impl Fn([f32; 4]) -> usize) -> Result<Arc<[Roi]>, String> {
    let roi = |row: ndarray::ArrayView1<'_, f32>| match row.to_vec()[..] {
        [image, x1, y1, x2, y2] => {
            let corners = [x1, y1, x2, y2];
            Ok(Roi { image: image as usize, map: map(corners), corners })
        }
        _ => Err(format!("a region of {} values", row.len())),
    };
    let table = case.get("in.rois")?.view().into_dimensionality::<ndarray::Ix2>().map_err(text)?;
    table.rows().into_iter().map(roi).collect()
}

/// Compares the output, and the gradients of the maps with these names.
fn compare<B: Backend>(case: &mut Case, backend: &B, op: RoiAlign, maps: &[String]) -> Result<(), String> {
    let parameters = Parameters::upload(backend, &Default::default()).map_err(text)?;
    let mut tape = Tape::evaluating(backend, &parameters);
    let mut inputs = Vec::new();
    for name in maps {
        let map = channels_last(case.get(&format!("in.{name}"))?);
        inputs.push(tape.leaf(name, upload(backend, &map)?));
    }
    let y = tape.apply_one(op, &inputs.iter().collect::<Vec<_>>()).map_err(text)?;
    case.compare_tensor(backend, "out.y", y.tensor(), VALUES)?;
    let gy = upload(backend, &channels_last(case.get("in.gy")?))?;
    let gradients = tape.backward(&y, gy).map_err(text)?.gradients;
    for name in maps {
        let gradient = gradients.get(name).ok_or_else(|| format!("no gradient of {name}"))?;
        case.compare_tensor(backend, &format!("grad.{name}"), gradient, GRADIENTS)?;
    }
    Ok(())
}
