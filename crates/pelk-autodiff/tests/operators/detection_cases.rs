//! The test cases of a detector's operators.

use crate::case::{Case, values};
use pelk_autodiff::operators::{
    BinaryCrossEntropy, BoxCoder, BoxGiou, MaskCrossEntropy, Roi, RoiAlign, SmoothL1,
};
use std::sync::Arc;

pub fn binary_cross_entropy() -> Vec<Case> {
    let case = |what: &str, logits: &[usize], weights: &[f32], normalizer| {
        let targets = values(what, 0, logits.iter().product());
        let targets = targets.iter().map(|t| if t.abs() < 0.2 { 2.0 * t.abs() } else { f32::from(*t > 0.0) });
        let op = BinaryCrossEntropy { targets: targets.collect(), weights: weights.into(), normalizer };
        let mut case = Case::new(what, op, &[logits]);
        case.inputs[0].values.iter_mut().for_each(|z| *z *= 8.0);
        case
    };
    let many: Vec<f32> =
        values("weights", 0, 3 * 17 * 19 * 37).iter().map(|w| if *w < 0.5 { 0.0 } else { *w }).collect();
    vec![
        case("one logit", &[1], &[], 0.5),
        case("an image", &[2, 3, 5, 7], &[], 210.0),
        case("weights", &[2, 3], &[1.0, 0.0, 2.5, 0.0, 1.0, 0.25], 3.0),
        case("nothing that counts", &[2, 3], &[0.0; 6], 1.0),
        case("large", &[3, 17, 19, 37], &many, 512.0),
    ]
}

pub fn smooth_l1() -> Vec<Case> {
    let case = |what: &str, deltas: &[usize], rows: &[u32], beta| {
        let op = SmoothL1 { rows: rows.into(), targets: fours(what, rows.len()), beta, normalizer: 3.0 };
        Case::new(what, op, &[deltas])
    };
    let many: Vec<u32> = (0..300).map(|i| i * 7 % 1300).collect();
    vec![
        case("one row", &[4], &[0], 0.5),
        case("maps of anchors", &[2, 3, 5, 12], &[89, 0, 17, 3], 1.0 / 9.0),
        case("every row", &[3, 8], &[0, 1, 2, 3, 4, 5], 1.0),
        case("no row", &[3, 8], &[], 1.0),
        case("large", &[2, 10, 13, 20], &many, 0.3),
    ]
}

pub fn box_giou() -> Vec<Case> {
    let case = |what: &str, deltas: &[usize], rows: &[u32], coder| {
        let classes = deltas[deltas.len() - 1] as u32 / 4;
        let op = BoxGiou {
            rows: rows.into(),
            classes: rows.iter().map(|row| row * row % classes).collect(),
            boxes: boxes(&format!("{what}, boxes"), rows.len()).into(),
            targets: boxes(&format!("{what}, targets"), rows.len()).into(),
            coder,
            weight: 10.0,
            normalizer: 7.0,
        };
        Case::new(what, op, &[deltas])
    };
    let usual = BoxCoder::with_stds([0.1, 0.1, 0.2, 0.2]);
    let shifted = BoxCoder { means: [0.2, -0.1, 0.1, 0.3], ..BoxCoder::default() };
    let many: Vec<u32> = (0..300).map(|i| i * 7 % 640).collect();
    vec![
        case("one row", &[4], &[0], usual),
        case("classes", &[7, 1, 1, 12], &[6, 0, 3, 4], usual),
        case("means", &[5, 8], &[0, 1, 2, 3, 4], shifted),
        case(
            "sides at their limits",
            &[9, 8],
            &[8, 7, 6, 5, 4, 3],
            BoxCoder::with_stds([1.0, 1.0, 9.0, 9.0]),
        ),
        case("no row", &[3, 8], &[], usual),
        case("large", &[640, 20], &many, usual),
    ]
}

pub fn mask_cross_entropy() -> Vec<Case> {
    let case = |what: &str, logits: &[usize; 4], weights: &[f32]| {
        let [regions, height, width, classes] = *logits;
        let op = MaskCrossEntropy {
            classes: (0..regions).map(|region| (region * region % classes) as u32).collect(),
            targets: values(what, 0, regions * height * width).iter().map(|t| *t > 0.1).collect(),
            weights: weights.into(),
            normalizer: (regions * height * width) as f32,
        };
        let mut case = Case::new(what, op, &[logits]);
        case.inputs[0].values.iter_mut().for_each(|z| *z *= 8.0);
        case
    };
    let many: Vec<f32> = (0..17).map(|region| [1.0, 0.0, 0.5][region % 3]).collect();
    vec![
        case("one pixel", &[1, 1, 1, 1], &[2.0]),
        case("classes", &[4, 4, 4, 4], &[1.0; 4]),
        case("weights", &[3, 5, 7, 2], &[0.0, 1.0, 0.25]),
        case("nothing that counts", &[2, 3, 3, 2], &[0.0; 2]),
        case("large", &[17, 14, 13, 6], &many),
    ]
}

/// Four numbers in -1..1 for each row.
fn fours(name: &str, rows: usize) -> Arc<[[f32; 4]]> {
    values(name, 0, 4 * rows).as_chunks().0.into()
}

/// Boxes that mostly overlap, far from the origin.
fn boxes(name: &str, rows: usize) -> Vec<[f32; 4]> {
    let made = fours(name, rows);
    let made = made.iter().map(|[x, y, w, h]| {
        let [left, top] = [1000.0 + 20.0 * x, 600.0 + 20.0 * y];
        [left, top, left + 40.0 + 30.0 * w, top + 30.0 + 20.0 * h]
    });
    made.collect()
}

pub fn roi_align() -> Vec<Case> {
    // Inside, over two borders, outside, without width, tiny, larger than the image, two samples a bin.
    let corners = [
        [5.0, 3.5, 41.0, 30.25],
        [-13.0, -7.0, 18.0, 11.0],
        [40.0, 30.0, 90.0, 77.0],
        [200.0, 150.0, 260.0, 190.0],
        [12.0, 3.0, 12.0, 31.0],
        [24.0, 24.0, 24.3, 24.2],
        [-300.0, -200.0, 500.0, 400.0],
        [0.0, 0.0, 24.0, 16.0],
    ];
    let rois = |count: usize, images: usize, maps: usize| -> Arc<[Roi]> {
        let roi =
            |i: usize| Roi { image: i % images, map: i / 2 % maps, corners: corners[i % corners.len()] };
        (0..count).map(roi).collect()
    };
    let op = |rois, strides: &[usize], size, sampling_ratio| RoiAlign {
        rois,
        size,
        strides: strides.into(),
        sampling_ratio,
    };
    let one = Roi { image: 0, map: 0, corners: [0.0, 0.0, 8.0, 8.0] };
    let pyramid: [&[usize]; 3] = [&[2, 13, 17, 19], &[2, 7, 9, 19], &[2, 4, 5, 19]];
    vec![
        Case::new("one pixel", op([one].into(), &[8], [1, 1], 0), &[&[1, 1, 1, 1]]),
        Case::new("one map", op(rois(8, 2, 1), &[4], [3, 2], 0), &[&[2, 9, 11, 5]]),
        Case::new("two samples a bin", op(rois(8, 1, 1), &[4], [2, 3], 2), &[&[1, 7, 12, 3]]),
        Case::new("one sample a bin", op(rois(8, 3, 1), &[5], [4, 4], 1), &[&[3, 4, 4, 4]]),
        Case::new("a pyramid", op(rois(16, 2, 3), &[4, 8, 16], [7, 7], 0), &pyramid),
        Case::new(
            "a map without regions",
            op(rois(3, 1, 1), &[4, 8], [2, 2], 0),
            &[&[1, 6, 5, 3], &[1, 3, 3, 3]],
        ),
        Case::new("large", op(rois(14, 3, 1), &[3], [5, 6], 0), &[&[3, 17, 19, 37]]),
    ]
}
