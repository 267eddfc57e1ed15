//! Average precision and recall, exactly as pycocotools computes them.

mod accumulate;
mod error;
mod matching;
mod results;
mod settings;
mod summary;

use crate::Shape;
use accumulate::{Curves, Detections};
use matching::Scene;
use rayon::prelude::*;
use std::cmp::Ordering;
use std::ops::Range;

pub use error::EvaluationError;
pub use results::{Evaluation, Selection};
pub use settings::{AreaRange, Settings};
pub use summary::{Summary, SummaryLine};

/// What there is to detect.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth<S> {
    /// The image. Images are taken in the order of their ids.
    pub image_id: u64,
    /// The category.
    pub category_id: u64,
    /// A [`BBox`](crate::BBox) or an [`Rle`](crate::Rle).
    pub shape: S,
    /// The area in square pixels that decides whether it is small, medium or large: the annotation's own
    /// number, for boxes too.
    pub area: f64,
    /// Whether it stands for a crowd, which detections may match without counting.
    pub crowd: bool,
}

/// What was detected.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection<S> {
    /// The image.
    pub image_id: u64,
    /// The category.
    pub category_id: u64,
    /// A [`BBox`](crate::BBox) or an [`Rle`](crate::Rle).
    pub shape: S,
    /// The area in square pixels: if it is out of a range, the detection does not count as wrong there.
    pub area: f64,
    /// The score. Of equal scores the earlier detection goes first.
    pub score: f64,
}

impl<S: Shape> Detection<S> {
    /// A detection with its shape's area, width times height or the number of pixels.
    pub fn new(image_id: u64, category_id: u64, shape: S, score: f64) -> Detection<S> {
        Detection { image_id, category_id, area: shape.area(), shape, score }
    }
}

/// Evaluates detections against truths, for all of the `categories` (ids in any order). The result has the
/// numbers of pycocotools' `COCOeval`, and does not depend on the number of threads.
///
/// Images without truths need no mention: their detections are wrong.
///
/// ```
/// use pelk_coco::{Detection, Settings, Truth, evaluate};
///
/// let shape = [0.0, 0.0, 8.0, 8.0]; // x, y, width, height
/// let truths = [Truth { image_id: 1, category_id: 7, shape, area: 64.0, crowd: false }];
/// let detections = [Detection::new(1, 7, [0.0, 0.0, 8.0, 6.5], 0.9)]; // an IoU of 0.8125
/// let evaluation = evaluate(&Settings::default(), &[7], &truths, &detections)?;
/// let summary = evaluation.summary();
/// assert!((summary.values()[0] - 0.7).abs() < 1e-12); // found at seven of ten thresholds
/// assert!(summary.to_string().starts_with(
///     " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.700\n"
/// ));
/// # Ok::<(), pelk_coco::EvaluationError>(())
/// ```
///
/// # Errors
/// [`EvaluationError`] if a setting is invalid, a category unknown, a score or an area NaN, a box not
/// finite, or if shapes
/// cannot be compared.
pub fn evaluate<S: Shape>(
    settings: &Settings,
    categories: &[u64],
    truths: &[Truth<S>],
    detections: &[Detection<S>],
) -> Result<Evaluation, EvaluationError> {
    settings.check()?;
    let mut ids = categories.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let rank = |what, index, category_id| {
        let unknown = EvaluationError::UnknownCategory { what, index, category_id };
        ids.binary_search(&category_id).map_err(|_| unknown)
    };
    let not_a_number = |what, index, field| Err(EvaluationError::NotANumber { what, index, field });
    // Truths and detections of each category that is evaluated, in the order of the input.
    let groups = if settings.use_categories { ids.len() } else { 1 };
    let mut members: Vec<(Vec<Member>, Vec<Member>)> = vec![Default::default(); groups];
    for (index, truth) in truths.iter().enumerate() {
        let category = rank("truth", index, truth.category_id)?;
        if let Some(field) = wrong_field(truth.area, 0.0, &truth.shape) {
            return not_a_number("truth", index, field);
        }
        let member = Member { image: truth.image_id, score: 0.0, category, index };
        members[if settings.use_categories { category } else { 0 }].0.push(member);
    }
    for (index, detection) in detections.iter().enumerate() {
        let category = rank("detection", index, detection.category_id)?;
        if let Some(field) = wrong_field(detection.area, detection.score, &detection.shape) {
            return not_a_number("detection", index, field);
        }
        // -0 and 0 are equal scores.
        let member = Member { image: detection.image_id, score: detection.score + 0.0, category, index };
        members[if settings.use_categories { category } else { 0 }].1.push(member);
    }
    let curves: Vec<Curves> = members
        .into_par_iter()
        .map(|(truth_members, detection_members)| {
            let one = Category { settings, truths, detections, truth_members, detection_members };
            one.curves()
        })
        .collect::<Result<_, _>>()?;
    Ok(Evaluation::new(settings.clone(), ids, curves))
}

fn wrong_field(area: f64, score: f64, shape: &impl Shape) -> Option<&'static str> {
    let wrong = [("score", score.is_nan()), ("shape", !shape.is_finite()), ("area", area.is_nan())];
    wrong.into_iter().find(|(_, wrong)| *wrong).map(|(field, _)| field)
}

/// A truth or a detection while they are sorted.
#[derive(Debug, Clone)]
struct Member {
    image: u64,
    score: f64,
    category: usize,
    index: usize,
}

impl Member {
    fn order(&self, other: &Member) -> Ordering {
        let by_score = other.score.total_cmp(&self.score);
        let by_place = (self.category, self.index).cmp(&(other.category, other.index));
        self.image.cmp(&other.image).then(by_score).then(by_place)
    }
}

/// The input of one category.
struct Category<'a, S> {
    settings: &'a Settings,
    truths: &'a [Truth<S>],
    detections: &'a [Detection<S>],
    truth_members: Vec<Member>,
    detection_members: Vec<Member>,
}

impl<S: Shape> Category<'_, S> {
    fn curves(mut self) -> Result<Curves, EvaluationError> {
        self.truth_members.par_sort_unstable_by(Member::order);
        self.detection_members.par_sort_unstable_by(Member::order);
        let images = self.images();
        let outcomes: Vec<_> = images
            .par_iter()
            .map(|(truths, detections)| Ok(self.scene(truths, detections)?.outcomes(self.settings)))
            .collect::<Result<_, EvaluationError>>()?;

        let kept = || images.iter().flat_map(|(_, detections)| detections.clone());
        let count = kept().count();
        let cells = self.settings.areas.len() * self.settings.iou_thresholds.len();
        let mut all = Detections {
            scores: kept().map(|i| self.detection_members[i].score).collect(),
            ranks: images.iter().flat_map(|(_, detections)| 0..detections.len()).collect(),
            outcomes: vec![0; cells * count],
            positives: vec![0; self.settings.areas.len()],
        };
        let mut at = 0;
        for ((_, detections), (outcomes, positives)) in images.iter().zip(outcomes) {
            let length = detections.len();
            for cell in 0..cells {
                all.outcomes[cell * count + at..][..length]
                    .copy_from_slice(&outcomes[cell * length..][..length]);
            }
            all.positives.iter_mut().zip(positives).for_each(|(sum, positives)| *sum += positives);
            at += length;
        }
        Ok(all.curves(self.settings))
    }

    /// The members of each image, detections cut to the largest number that counts.
    fn images(&self) -> Vec<(Range<usize>, Range<usize>)> {
        let limit = self.settings.max_detections.last().copied().unwrap_or_default();
        let (truths, detections) = (&self.truth_members, &self.detection_members);
        let (mut truth, mut detection) = (0, 0);
        let mut images = Vec::new();
        while let Some(image) = [truths.get(truth), detections.get(detection)]
            .into_iter()
            .flatten()
            .map(|member| member.image)
            .min()
        {
            let end = |members: &[Member], start: usize| {
                start + members[start..].iter().take_while(|member| member.image == image).count()
            };
            let ends = (end(truths, truth), end(detections, detection));
            images.push((truth..ends.0, detection..ends.1.min(detection.saturating_add(limit))));
            (truth, detection) = ends;
        }
        images
    }

    fn scene(&self, truths: &Range<usize>, detections: &Range<usize>) -> Result<Scene, EvaluationError> {
        let truths: Vec<&Truth<S>> =
            self.truth_members[truths.clone()].iter().map(|member| &self.truths[member.index]).collect();
        let detections: Vec<&Detection<S>> = self.detection_members[detections.clone()]
            .iter()
            .map(|member| &self.detections[member.index])
            .collect();
        let mut ious = Vec::new();
        if let (Some(first), false) = (truths.first(), detections.is_empty()) {
            let (image_id, category_id) = (first.image_id, first.category_id);
            let shapes: Vec<&S> = detections.iter().map(|detection| &detection.shape).collect();
            let crowds: Vec<(&S, bool)> = truths.iter().map(|truth| (&truth.shape, truth.crowd)).collect();
            ious = S::ious(&shapes, &crowds).map_err(|source| EvaluationError::Shapes {
                image_id,
                category_id,
                source,
            })?;
            if ious.len() != truths.len() * detections.len() || ious.iter().any(|iou| iou.is_nan()) {
                return Err(EvaluationError::Overlap { image_id, category_id });
            }
        }
        Ok(Scene {
            truths: truths.iter().map(|truth| (truth.area, truth.crowd)).collect(),
            detections: detections.iter().map(|detection| detection.area).collect(),
            ious,
        })
    }
}
