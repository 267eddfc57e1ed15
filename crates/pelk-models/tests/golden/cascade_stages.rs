//! Golden cases of the stages of Cascade Mask R-CNN as a whole, in training and in inference.

use crate::cascade::{ALL, PASS, boxes, compare_gradients, maps, network, parameters};
use crate::case::{Case, VALUES, text};
use ndarray::{ArrayD, IxDyn};
use pelk_autodiff::Backend;
use pelk_detection::{CascadeOutput, DetectionSettings, MaskCrop, Resized, StageSettings};
use pelk_models::CascadeConfig;
use pelk_models::detection::{Cascade, Heads, ImageTruths, Stages};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrainAttrs {
    classes: usize,
    images: Vec<[usize; 2]>,
    padded: [usize; 2],
    strides: Vec<usize>,
    finest_scale: f32,
    box_size: usize,
    mask_size: usize,
    mask_roi: usize,
    stds: Vec<[f32; 4]>,
    thresholds: Vec<f32>,
    stage_weights: Vec<f32>,
    giou_weight: f32,
    bn_eps: f32,
    bn_momentum: f32,
    sampled: String,
}

/// The number of layers `prefix` + number + `suffix` in a case.
fn count(case: &Case, prefix: &str, suffix: &str) -> usize {
    (0..).take_while(|i| case.floats.contains_key(&format!("{prefix}{i}{suffix}"))).count()
}

/// The sizes of the heads in a case.
fn heads_of(case: &Case, channels: usize) -> Result<CascadeConfig, String> {
    Ok(CascadeConfig {
        channels,
        box_convs: count(case, "in.roi_head.bbox_head.0.shared_convs.", ".conv.weight"),
        box_features: case.get("in.roi_head.bbox_head.0.shared_fcs.0.bias")?.len(),
        mask_convs: count(case, "in.roi_head.mask_head.0.convs.", ".conv.weight"),
        ..CascadeConfig::default()
    })
}

pub fn train<B: Backend>(case: &mut Case, backend: &B) -> Result<(), String> {
    let attrs: TrainAttrs = case.attrs()?;
    let draws_nothing = attrs.sampled.starts_with("all;");
    if (attrs.bn_eps, attrs.bn_momentum, attrs.mask_roi * 2, draws_nothing)
        != (1e-5, 0.1, attrs.mask_size, true)
    {
        return Err("other constants than MMDetection's".into());
    }
    let maps = maps(case, backend)?;
    let stages = attrs.stds.iter().zip(&attrs.thresholds).zip(&attrs.stage_weights);
    let stages = stages.map(|((&stds, &iou_threshold), &loss_weight)| StageSettings {
        iou_threshold,
        stds,
        loss_weight,
        samples: ALL.count,
        positive_share: ALL.positive_share,
    });
    let config = CascadeConfig {
        finest_scale: attrs.finest_scale,
        box_size: attrs.box_size,
        mask_size: attrs.mask_size,
        stages: stages.collect(),
        box_loss_weight: attrs.giou_weight,
        ..heads_of(case, backend.shape(&maps[0]).channels())?
    };
    let network = network(config.clone(), attrs.classes, attrs.strides[0])?;
    let parameters = parameters(case, backend, attrs.box_size)?;
    let (mut truths, mut proposals) = (Vec::new(), Vec::new());
    for (image, size) in attrs.images.iter().enumerate() {
        proposals.push(boxes(case, &format!("in.proposals{image}")));
        let classes = case.integers.get(&format!("in.labels{image}")).ok_or("no labels")?;
        let masks = case.get(&format!("in.masks{image}"))?.outer_iter();
        truths.push(ImageTruths {
            size: *size,
            boxes: boxes(case, &format!("in.truths{image}")),
            classes: classes.iter().map(|&class| class as usize).collect(),
            masks: masks
                .map(|mask| MaskCrop {
                    origin: [0, 0],
                    size: attrs.padded,
                    pixels: mask.iter().map(|&pixel| pixel as u8).collect(),
                })
                .collect(),
        });
    }
    let scale = case.get("in.gy")?.iter().copied().next().ok_or("no seed")?;
    let cascade = Cascade {
        backend,
        parameters: &parameters,
        network: &network,
        config: &config,
        padded: attrs.padded,
        pass: PASS,
        scale,
    };
    let Stages { losses, samples, gradients, buffers, maps: by_maps } =
        cascade.run(&maps, proposals, &truths).map_err(text)?;

    let scalar = |value: f64| ArrayD::from_elem(IxDyn(&[1]), value as f32);
    let mut total = 0.0;
    for (stage, (losses, samples)) in losses.iter().zip(&samples).enumerate() {
        total += losses.class + losses.boxes + losses.mask;
        for (name, loss) in [("cls", losses.class), ("bbox", losses.boxes), ("mask", losses.mask)] {
            case.compare(&format!("out.losses.s{stage}.loss_{name}"), &scalar(loss), VALUES)?;
        }
        let (mut rois, mut labels) = (Vec::new(), Vec::new());
        for (image, samples) in samples.iter().enumerate() {
            for corners in &samples.boxes {
                rois.extend([image as f32].iter().chain(corners));
            }
            labels.extend(samples.labels.iter().map(|&label| label as i64));
        }
        let rois = ArrayD::from_shape_vec(IxDyn(&[labels.len(), 5]), rois).map_err(text)?;
        case.compare(&format!("out.rois{stage}"), &rois, VALUES)?;
        case.compare_integers(&format!("out.labels{stage}"), &labels)?;
    }
    case.compare("out.y", &scalar(total), VALUES)?;
    case.compare_statistics(backend, &buffers, str::to_owned)?;
    compare_gradients(case, backend, |name| {
        match name.strip_prefix('x').and_then(|i| i.parse::<usize>().ok()) {
            Some(map) => by_maps[map].clone(),
            None => gradients.get(name).cloned(),
        }
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TestAttrs {
    classes: usize,
    image: [usize; 2],
    original: [usize; 2],
    padded: [usize; 2],
    strides: Vec<usize>,
    finest_scale: f32,
    box_size: usize,
    mask_roi: usize,
    stds: Vec<[f32; 4]>,
    score_threshold: f32,
    iou_threshold: f32,
    max_per_image: usize,
    mask_threshold: f32,
    bn_eps: f32,
}

pub fn test<B: Backend>(case: &mut Case, backend: &B) -> Result<(), String> {
    let attrs: TestAttrs = case.attrs()?;
    let maps = maps(case, backend)?;
    let first = backend.shape(&maps[0]).clone();
    if [first[1], first[2]] != attrs.padded.map(|side| side / attrs.strides[0]) {
        return Err("the maps are not those of the padded image".into());
    }
    if (attrs.bn_eps, attrs.mask_threshold) != (1e-5, 0.5) {
        return Err("other constants than MMDetection's".into());
    }
    let stage = |stds: &[f32; 4]| StageSettings { stds: *stds, ..StageSettings::default() };
    let config = CascadeConfig {
        finest_scale: attrs.finest_scale,
        box_size: attrs.box_size,
        mask_size: 2 * attrs.mask_roi,
        stages: attrs.stds.iter().map(stage).collect(),
        detections: DetectionSettings {
            score_threshold: attrs.score_threshold,
            iou_threshold: attrs.iou_threshold,
            max_per_image: attrs.max_per_image,
        },
        ..heads_of(case, first.channels())?
    };
    let network = network(config.clone(), attrs.classes, attrs.strides[0])?;
    let parameters = parameters(case, backend, attrs.box_size)?;
    let heads = Heads { backend, network: &network, config: &config, parameters: &parameters };
    let size = Resized { original: attrs.original, resized: attrs.image };
    let rois = case.get("in.rois")?;
    let boxes: Vec<[f32; 4]> = rois.outer_iter().map(|roi| std::array::from_fn(|i| roi[i + 1])).collect();

    let refined = heads.refine(&maps, boxes.clone(), &size).map_err(text)?;
    let with_image = |corners: &[f32; 4]| [0.0].into_iter().chain(*corners).collect::<Vec<_>>();
    let rows = |values: Vec<f32>, columns: usize| {
        let rows = values.len() / columns;
        ArrayD::from_shape_vec(IxDyn(&[rows, columns]), values).map_err(text)
    };
    case.compare("out.rois", &rows(refined.boxes.iter().flat_map(with_image).collect(), 5)?, VALUES)?;
    let output = CascadeOutput {
        boxes: &refined.boxes,
        logits: &refined.logits.iter().map(Vec::as_slice).collect::<Vec<_>>(),
        deltas: &refined.deltas,
        classes: attrs.classes,
        coder: config.stages[config.stages.len() - 1].coder(),
    };
    let probabilities = output.probabilities().map_err(text)?;
    let things = probabilities.chunks_exact(attrs.classes + 1).flat_map(|row| &row[..attrs.classes]);
    case.compare("out.probabilities", &rows(things.copied().collect(), attrs.classes)?, VALUES)?;

    let detected = heads.detect(&maps, boxes, &size).map_err(text)?;
    let [height, width] = attrs.original;
    let corners = detected.iter().flat_map(|detected| detected.corners).collect();
    case.compare("out.boxes", &rows(corners, 4)?, VALUES)?;
    let scores: Vec<f32> = detected.iter().map(|detected| detected.score).collect();
    case.compare(
        "out.scores",
        &ArrayD::from_shape_vec(IxDyn(&[scores.len()]), scores).map_err(text)?,
        VALUES,
    )?;
    let labels: Vec<i64> = detected.iter().map(|detected| detected.class as i64).collect();
    case.compare_integers("out.labels", &labels)?;
    let masks = detected.iter().flat_map(|detected| {
        let pixels = (0..height).flat_map(move |y| (0..width).map(move |x| (y, x)));
        pixels.map(|(y, x)| f32::from(u8::from(detected.mask.at(y, x))))
    });
    let masks =
        ArrayD::from_shape_vec(IxDyn(&[labels.len(), height, width]), masks.collect()).map_err(text)?;
    case.compare("out.masks", &masks, VALUES)
}
