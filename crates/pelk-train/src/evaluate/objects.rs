//! What a detector finds in a dataset, measured as COCO does.

use super::EvaluationTask;
use super::groups::{GroupResult, GroupScores};
use crate::error::{Result, TrainError};
use pelk_autodiff::{Backend, from_host};
use pelk_coco::{BBox, Detection, ResultEntry, Selection, Settings, Shape, Truth};
use pelk_data::{Batch, Dataset, Loader, LoaderConfig, NO_GROUP, Object};
use pelk_detection::Resized;
use pelk_models::detection::{Detected, Detector};

/// The results of a detector on a dataset, by COCO's rules. The categories of both evaluations are the
/// dataset's classes, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectEvaluation {
    /// Of boxes.
    pub boxes: pelk_coco::Evaluation,
    /// Of masks.
    pub masks: pelk_coco::Evaluation,
    /// What was found, image by image, those with the highest scores first.
    pub results: Vec<ResultEntry>,
    /// The results of each of the dataset's groups of objects, see [`pelk_coco::evaluate_groups`].
    pub groups: Vec<GroupResult>,
}

impl ObjectEvaluation {
    /// The average precision of boxes or masks at one of the overlaps, or over all of them; `None` without
    /// objects.
    pub(crate) fn precision(evaluation: &pelk_coco::Evaluation, iou: Option<f64>) -> Option<f64> {
        let thresholds = &evaluation.settings().iou_thresholds;
        let position = |iou: f64| thresholds.iter().position(|threshold| (threshold - iou).abs() < 1e-9);
        let selection = Selection { iou: iou.and_then(position), ..Selection::default() };
        evaluation.average_precision(selection)
    }
}

/// Runs a detector over a dataset, an image at a time, since padding an image to the size of others would
/// change what is found in it.
pub(super) fn evaluate<B: Backend>(
    task: EvaluationTask<'_, B>,
    mut on_batch: impl FnMut(usize) -> bool,
) -> Result<ObjectEvaluation> {
    let EvaluationTask { backend, network, parameters, dataset, loading } = task;
    let mut detector = Detector::new(backend, network, parameters)?;
    let (mut box_truths, mut mask_truths) = (Vec::new(), Vec::new());
    // Results have the ids of the dataset's file, which may be in another order than its classes.
    let (mut results, mut classes) = (Vec::new(), Vec::new());
    for (done, batch) in Loader::new(dataset.clone(), LoaderConfig { batch_size: 1, ..loading })?.enumerate()
    {
        let batch = batch?;
        let index = batch.indices[0];
        for object in dataset.objects(index)?.iter() {
            box_truths.push(truth(&*dataset, index, object, bbox(object.bbox)));
            mask_truths.push(truth(&*dataset, index, object, object.mask.clone()));
        }
        let found = objects_of(&mut detector, &batch)?;
        classes.extend(found.iter().map(|found| found.class as u64));
        results.extend(results_of(&*dataset, index, batch.original_sizes[0], found)?);
        super::go_on(on_batch(done + 1))?;
    }
    let categories: Vec<u64> = (0..dataset.classes().len() as u64).collect();
    let boxes = detections(&results, &classes, |entry| entry.bbox);
    let masks = detections(&results, &classes, |entry| entry.segmentation.clone());
    let settings = Settings::default();
    let refused = |error: pelk_coco::EvaluationError| TrainError::Objects(error.to_string());
    let count = dataset.groups().len();
    let box_groups = pelk_coco::evaluate_groups(&settings, &categories, count, &box_truths, &boxes);
    let mask_groups = pelk_coco::evaluate_groups(&settings, &categories, count, &mask_truths, &masks);
    let (box_groups, mask_groups) = (box_groups.map_err(refused)?, mask_groups.map_err(refused)?);
    let group = |(group, (boxes, masks)): (usize, (&pelk_coco::Evaluation, &pelk_coco::Evaluation))| {
        let inside = |truth: &&Truth<BBox>| truth.group == Some(group) && !truth.crowd;
        GroupResult {
            name: dataset.groups()[group].clone(),
            count: box_truths.iter().filter(inside).count() as u64,
            scores: GroupScores::Objects {
                box_ap: ObjectEvaluation::precision(boxes, None),
                mask_ap: ObjectEvaluation::precision(masks, None),
            },
        }
    };
    Ok(ObjectEvaluation {
        boxes: pelk_coco::evaluate(&settings, &categories, &box_truths, &boxes).map_err(refused)?,
        masks: pelk_coco::evaluate(&settings, &categories, &mask_truths, &masks).map_err(refused)?,
        groups: box_groups.iter().zip(&mask_groups).enumerate().map(group).collect(),
        results,
    })
}

/// What the detector finds in a batch of one image.
///
/// # Errors
/// When the image does not fit the network, or the backend fails.
pub fn objects_of<B: Backend>(detector: &mut Detector<'_, B>, batch: &Batch) -> Result<Vec<Detected>> {
    let size = Resized { original: batch.original_sizes[0], resized: batch.sizes[0] };
    Ok(detector.detect(from_host(detector.backend(), &batch.images)?, &size)?)
}

/// What was found in image `index`, of `size` pixels, as entries of a file of results.
///
/// # Errors
/// When a mask does not fit the image.
pub fn results_of(
    dataset: &dyn Dataset,
    index: usize,
    size: [usize; 2],
    found: Vec<Detected>,
) -> Result<Vec<ResultEntry>> {
    let entry = |found: Detected| {
        Ok(ResultEntry {
            image_id: dataset.image_id(index),
            category_id: dataset.category_id(found.class as u32),
            bbox: Some(bbox(found.corners)),
            score: f64::from(found.score),
            segmentation: Some(found.mask.to_rle(size)?),
        })
    };
    found
        .into_iter()
        .map(entry)
        .collect::<std::result::Result<_, pelk_models::ModelError>>()
        .map_err(Into::into)
}

/// The entries by their boxes or masks, with their classes as categories.
fn detections<S: Shape>(
    results: &[ResultEntry],
    classes: &[u64],
    shape: impl Fn(&ResultEntry) -> Option<S>,
) -> Vec<Detection<S>> {
    let detection = |(entry, &class): (&ResultEntry, &u64)| {
        Some(Detection::new(entry.image_id, class, shape(entry)?, entry.score))
    };
    results.iter().zip(classes).filter_map(detection).collect()
}

fn truth<S>(dataset: &dyn Dataset, index: usize, object: &Object, shape: S) -> Truth<S> {
    Truth {
        image_id: dataset.image_id(index),
        category_id: u64::from(object.class),
        shape,
        area: object.area,
        crowd: object.crowd,
        group: (object.group != NO_GROUP).then_some(usize::from(object.group)),
    }
}

/// x, y, width, height.
fn bbox(corners: [f32; 4]) -> BBox {
    let [x1, y1, x2, y2] = corners.map(f64::from);
    [x1, y1, x2 - x1, y2 - y1]
}
