//! Files of results, and their evaluation.

use super::convert::{Raw, runs, wrong};
use super::entry::Entry;
use super::json::Outline;
use super::model::{Instances, Segmentation};
use super::options::{Masks, ReadOptions};
use super::parse::{Chunks, parse};
use super::problem::{FileError, Problem, ProblemKind};
use super::read::{first_problem, write};
use crate::{BBox, Detection, Evaluation, Rle, Settings, Shape, evaluate};
use rayon::prelude::*;
use serde::Serialize;
use serde::de::DeserializeSeed;
use std::collections::HashSet;
use std::path::Path;

/// An entry of a file of results: something that was detected.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResultEntry {
    /// The image.
    pub image_id: u64,
    /// The category.
    pub category_id: u64,
    /// x, y, width, height in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bbox: Option<BBox>,
    /// The score.
    pub score: f64,
    /// The mask, written as packed text.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_segmentation")]
    pub segmentation: Option<Rle>,
}

fn as_segmentation<S: serde::Serializer>(rle: &Option<Rle>, serializer: S) -> Result<S::Ok, S::Error> {
    rle.clone().map(Segmentation::Packed).serialize(serializer)
}

/// What is compared: boxes or masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IouType {
    /// Boxes.
    Bbox,
    /// Masks.
    Segm,
}

const EXPECTED: &str = "a list of results in COCO's format";

/// Reads a file of results. All of its entries must be usable.
///
/// # Errors
/// [`FileError`], with the first wrong entry.
pub fn read_results(path: impl AsRef<Path>) -> Result<Vec<ResultEntry>, FileError> {
    let (results, problems) = read_results_checked(&path)?;
    first_problem(path.as_ref(), problems).map(|()| results)
}

/// Reads a file of results, and leaves out the entries that are not usable: those with missing or wrong
/// fields, with neither box nor mask, or with an invalid mask. They are reported in the file's order.
///
/// # Errors
/// [`FileError`] if the file as a whole is not usable.
pub fn read_results_checked(path: impl AsRef<Path>) -> Result<(Vec<ResultEntry>, Vec<Problem>), FileError> {
    read(path.as_ref(), |raw| {
        let segmentation = raw.mask()?;
        let bbox = raw.bbox()?;
        if bbox.is_none() && segmentation.is_none() {
            return Err(wrong("bbox", &"missing", "given, or a segmentation"));
        }
        let ((image_id, category_id), score) = (raw.image_and_category()?, raw.score()?);
        Ok(ResultEntry { image_id, category_id, bbox, score, segmentation })
    })
}

/// Writes a file of results, which [`read_results`] and pycocotools read.
///
/// # Errors
/// [`FileError::Write`].
pub fn write_results(path: impl AsRef<Path>, results: &[ResultEntry]) -> Result<(), FileError> {
    write(path.as_ref(), &results)
}

/// Evaluates a file of results against a file of annotations.
///
/// Truths with an empty box count, as in pycocotools. The area of a mask is its number of pixels: results
/// should have no `bbox` when pycocotools evaluates their masks, because it then uses the area of the box to
/// tell small from large. Results without a box get that of their mask.
///
/// # Errors
/// [`FileError`], with the first wrong entry of either file. A result of an unknown image or category is
/// wrong.
pub fn evaluate_files(
    annotations: impl AsRef<Path>,
    results: impl AsRef<Path>,
    kind: IouType,
    settings: &Settings,
) -> Result<Evaluation, FileError> {
    let (path, results_path) = (annotations.as_ref(), results.as_ref());
    let masks = if kind == IouType::Segm { Masks::Runs } else { Masks::Skip };
    let truth = Instances::read(path, ReadOptions { masks, allow_empty_boxes: true })?;
    let results = read_results(results_path)?;
    let categories = truth.category_ids();
    let in_file = |path: &Path, problem| FileError::Entry { path: path.to_owned(), problem };
    Ok(match kind {
        IouType::Bbox => {
            let detections =
                truth.box_detections(results).map_err(|problem| in_file(results_path, problem))?;
            evaluate(settings, &categories, &truth.box_truths(), &detections)?
        }
        IouType::Segm => {
            let detections =
                truth.mask_detections(results).map_err(|problem| in_file(results_path, problem))?;
            let truths = truth.mask_truths().map_err(|problem| in_file(path, problem))?;
            evaluate(settings, &categories, &truths, &detections)?
        }
    })
}

impl Instances {
    /// Results as boxes to [`evaluate`] against these annotations. Those without a box get that of their
    /// mask.
    ///
    /// # Errors
    /// The first result of an unknown image or category.
    pub fn box_detections(&self, results: Vec<ResultEntry>) -> Result<Vec<Detection<BBox>>, Problem> {
        self.detections(results, |result, _| {
            let bbox = result.bbox.or_else(|| result.segmentation.as_ref().map(Rle::bbox));
            bbox.ok_or_else(|| wrong("bbox", &"missing", "x, y, width and height"))
        })
    }

    /// Results as masks to [`evaluate`] against these annotations.
    ///
    /// # Errors
    /// The first result of an unknown image or category, without a mask, or with one of another size than its
    /// image.
    pub fn mask_detections(&self, results: Vec<ResultEntry>) -> Result<Vec<Detection<Rle>>, Problem> {
        self.detections(results, |result, expected| {
            let missing = || wrong("segmentation", &"missing", "an object with `size` and `counts`");
            let rle = result.segmentation.take().ok_or_else(missing)?;
            if rle.size() != expected {
                return Err(ProblemKind::SegmentationSize { found: rle.size(), expected });
            }
            Ok(rle)
        })
    }

    fn detections<S: Shape>(
        &self,
        results: Vec<ResultEntry>,
        shape: impl Fn(&mut ResultEntry, [usize; 2]) -> Result<S, ProblemKind>,
    ) -> Result<Vec<Detection<S>>, Problem> {
        let (sizes, categories): (_, HashSet<u64>) =
            (self.sizes(), self.category_ids().into_iter().collect());
        let convert = |(index, mut result): (usize, ResultEntry)| {
            let ResultEntry { image_id, category_id, score, .. } = result;
            let problem = |kind| Problem { what: "result", index, id: None, kind };
            let size = sizes.get(&image_id).ok_or_else(|| problem(ProblemKind::UnknownImage { image_id }))?;
            if !categories.contains(&category_id) {
                return Err(problem(ProblemKind::UnknownCategory { category_id }));
            }
            Ok(Detection::new(image_id, category_id, shape(&mut result, *size).map_err(problem)?, score))
        };
        results.into_iter().enumerate().map(convert).collect()
    }
}

/// Converts the entries of a file of results in parallel, in chunks.
fn read<T: Send>(
    path: &Path,
    convert: impl Fn(Raw<'_>) -> Result<T, ProblemKind> + Sync,
) -> Result<(Vec<T>, Vec<Problem>), FileError> {
    let entries = parse(path, EXPECTED, |json| {
        let mut entries: Vec<Result<T, ProblemKind>> = Vec::new();
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let chunks = Chunks::new(|chunk: Vec<Entry<Raw<'_>>>| {
            entries.par_extend(chunk.into_par_iter().map(|entry| entry.object().and_then(&convert)));
        });
        chunks.deserialize(&mut deserializer)?;
        deserializer.end().map(|()| entries)
    })?;
    let (mut good, mut problems) = (Vec::with_capacity(entries.len()), Vec::new());
    for (index, entry) in entries.into_iter().enumerate() {
        match entry {
            Ok(entry) => good.push(entry),
            Err(kind) => problems.push(Problem { what: "result", index, id: None, kind }),
        }
    }
    Ok((good, problems))
}

impl Raw<'_> {
    fn score(&self) -> Result<f64, ProblemKind> {
        self.score.number().ok_or_else(|| wrong("score", &self.score, "a number"))
    }

    /// The mask of a result: runs, since polygons have no size.
    fn mask(&self) -> Result<Option<Rle>, ProblemKind> {
        let expected = "an object with `size` and `counts`";
        match &self.segmentation {
            Outline::Absent => Ok(None),
            Outline::Runs { size, counts } => runs(size, counts).map(Some),
            Outline::Polygons(lists) if lists.is_empty() => Ok(None),
            Outline::Polygons(_) => Err(wrong("segmentation", &"a list of polygons", expected)),
            Outline::Other(found) => Err(wrong("segmentation", found, expected)),
        }
    }
}
