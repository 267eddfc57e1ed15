//! Average precision and recall, exactly as pycocotools computes them.

mod accumulate;
mod error;
mod input;
mod matching;
mod overlaps;
mod results;
mod settings;
mod summary;

use crate::Shape;
use accumulate::{Curves, Detections};
use matching::Scene;
use overlaps::{ious, most_overlapped};
use rayon::prelude::*;
use std::cmp::Ordering;
use std::ops::Range;

pub use error::EvaluationError;
pub use input::{Detection, Truth};
pub use results::{Evaluation, Selection};
pub use settings::{AreaRange, Settings};
pub use summary::{Summary, SummaryLine};

/// Evaluates detections against truths, for all of the `categories` (ids in any order). The result has the
/// numbers of pycocotools' `COCOeval`, and does not depend on the number of threads.
///
/// Images without truths need no mention: their detections are wrong.
///
/// ```
/// use pelk_coco::{Detection, Settings, Truth, evaluate};
///
/// let shape = [0.0, 0.0, 8.0, 8.0]; // x, y, width, height
/// let truths = [Truth { image_id: 1, category_id: 7, shape, area: 64.0, crowd: false, group: None }];
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
/// finite, or if shapes cannot be compared.
pub fn evaluate<S: Shape>(
    settings: &Settings,
    categories: &[u64],
    truths: &[Truth<S>],
    detections: &[Detection<S>],
) -> Result<Evaluation, EvaluationError> {
    check(truths, detections)?;
    let truth_areas = truths.iter().map(|truth| Some(truth.area)).collect();
    let detection_areas = detections.iter().map(|detection| Some(detection.area)).collect();
    Input { settings, truths, detections, truth_areas, detection_areas }.evaluate(categories)
}

/// Evaluates detections once for each of the `groups` of truths ([`Truth::group`]), all else as in
/// [`evaluate`]. pycocotools has no groups; the rules are those of its ranges of areas:
///
/// - Truths outside the group are ignored: they do not have to be found, and a detection that matches one
///   counts neither way.
/// - A detection that matches nothing is wrong in one group only: that of the truth of its image that it
///   overlaps most, of any category. This stands for the area that decides it in ranges of areas. If that
///   truth has no group, the detection is wrong in none. A detection that overlaps no truth is wrong in every
///   group.
///
/// If wrong detections counted in every group, the precision of a group would depend on its share of the
/// truths, and small groups would look hard. If all truths are of one group, the result is that of
/// [`evaluate`].
///
/// # Errors
/// Those of [`evaluate`], and [`EvaluationError::UnknownGroup`].
pub fn evaluate_groups<S: Shape>(
    settings: &Settings,
    categories: &[u64],
    groups: usize,
    truths: &[Truth<S>],
    detections: &[Detection<S>],
) -> Result<Vec<Evaluation>, EvaluationError> {
    check(truths, detections)?;
    for (index, truth) in truths.iter().enumerate() {
        if let Some(group) = truth.group.filter(|&group| group >= groups) {
            return Err(EvaluationError::UnknownGroup { index, group, groups });
        }
    }
    let most_overlapped = most_overlapped(truths, detections)?;
    let of_group = |group: usize| {
        let inside = |truth: &Truth<S>| truth.group == Some(group);
        let truth_areas = truths.iter().map(|truth| inside(truth).then_some(truth.area)).collect();
        let detection_area = |(detection, truth): (&Detection<S>, &Option<usize>)| {
            truth.is_none_or(|truth| inside(&truths[truth])).then_some(detection.area)
        };
        let detection_areas = detections.iter().zip(&most_overlapped).map(detection_area).collect();
        Input { settings, truths, detections, truth_areas, detection_areas }.evaluate(categories)
    };
    (0..groups).map(of_group).collect()
}

/// Checks that all numbers are numbers.
fn check<S: Shape>(truths: &[Truth<S>], detections: &[Detection<S>]) -> Result<(), EvaluationError> {
    let wrong_field = |area: f64, score: f64, shape: &S| {
        let wrong = [("score", score.is_nan()), ("shape", !shape.is_finite()), ("area", area.is_nan())];
        wrong.into_iter().find(|(_, wrong)| *wrong).map(|(field, _)| field)
    };
    let wrong_truth = |(index, truth): (usize, &Truth<S>)| {
        let field = wrong_field(truth.area, 0.0, &truth.shape)?;
        Some(EvaluationError::NotANumber { what: "truth", index, field })
    };
    let wrong_detection = |(index, detection): (usize, &Detection<S>)| {
        let field = wrong_field(detection.area, detection.score, &detection.shape)?;
        Some(EvaluationError::NotANumber { what: "detection", index, field })
    };
    let truth = truths.iter().enumerate().find_map(wrong_truth);
    truth.or_else(|| detections.iter().enumerate().find_map(wrong_detection)).map_or(Ok(()), Err)
}

/// What is evaluated.
struct Input<'a, S> {
    settings: &'a Settings,
    truths: &'a [Truth<S>],
    detections: &'a [Detection<S>],
    /// The areas of truths and detections, or `None` for those of another group, which are out of any range.
    truth_areas: Vec<Option<f64>>,
    detection_areas: Vec<Option<f64>>,
}

impl<S: Shape> Input<'_, S> {
    fn evaluate(&self, categories: &[u64]) -> Result<Evaluation, EvaluationError> {
        let settings = self.settings;
        settings.check()?;
        let mut ids = categories.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let rank = |what, index, category_id| {
            let unknown = EvaluationError::UnknownCategory { what, index, category_id };
            ids.binary_search(&category_id).map_err(|_| unknown)
        };
        // Truths and detections of each category that is evaluated, in the order of the input.
        let lists = if settings.use_categories { ids.len() } else { 1 };
        let mut members: Vec<(Vec<Member>, Vec<Member>)> = vec![Default::default(); lists];
        for (index, truth) in self.truths.iter().enumerate() {
            let category = rank("truth", index, truth.category_id)?;
            let member = Member { image: truth.image_id, score: 0.0, category, index };
            members[if settings.use_categories { category } else { 0 }].0.push(member);
        }
        for (index, detection) in self.detections.iter().enumerate() {
            let category = rank("detection", index, detection.category_id)?;
            // -0 and 0 are equal scores.
            let member = Member { image: detection.image_id, score: detection.score + 0.0, category, index };
            members[if settings.use_categories { category } else { 0 }].1.push(member);
        }
        let curves: Vec<Curves> = members
            .into_par_iter()
            .map(|(truth_members, detection_members)| {
                Category { input: self, truth_members, detection_members }.curves()
            })
            .collect::<Result<_, _>>()?;
        Ok(Evaluation::new(settings.clone(), ids, curves))
    }
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
    input: &'a Input<'a, S>,
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
            .map(|(truths, detections)| Ok(self.scene(truths, detections)?.outcomes(self.input.settings)))
            .collect::<Result<_, EvaluationError>>()?;

        let kept = || images.iter().flat_map(|(_, detections)| detections.clone());
        let count = kept().count();
        let cells = self.input.settings.areas.len() * self.input.settings.iou_thresholds.len();
        let mut all = Detections {
            scores: kept().map(|i| self.detection_members[i].score).collect(),
            ranks: images.iter().flat_map(|(_, detections)| 0..detections.len()).collect(),
            outcomes: vec![0; cells * count],
            positives: vec![0; self.input.settings.areas.len()],
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
        Ok(all.curves(self.input.settings))
    }

    /// The members of each image, detections cut to the largest number that counts.
    fn images(&self) -> Vec<(Range<usize>, Range<usize>)> {
        let limit = self.input.settings.max_detections.last().copied().unwrap_or_default();
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
        let input = self.input;
        let truth_members = &self.truth_members[truths.clone()];
        let detection_members = &self.detection_members[detections.clone()];
        let truths: Vec<&Truth<S>> = truth_members.iter().map(|member| &input.truths[member.index]).collect();
        let detections: Vec<&Detection<S>> =
            detection_members.iter().map(|member| &input.detections[member.index]).collect();
        let ious = ious(&truths, &detections, true)?;
        let truth = |member: &Member| (input.truth_areas[member.index], input.truths[member.index].crowd);
        Ok(Scene {
            truths: truth_members.iter().map(truth).collect(),
            detections: detection_members.iter().map(|member| input.detection_areas[member.index]).collect(),
            ious,
        })
    }
}
