//! From the fields of an entry, whatever they hold, to an annotation or a result, or to what is wrong.

use super::entry::Entry;
use super::json::{Counts, Found, List, Outline};
use super::model::{Annotation, Segmentation};
use super::options::{Masks, ReadOptions};
use super::problem::{Problem, ProblemKind};
use crate::{BBox, MaskError, Rle};
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt::Display;

/// An annotation or a result as the file has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Raw<'a> {
    pub id: Found,
    pub image_id: Found,
    pub category_id: Found,
    pub bbox: List,
    pub area: Found,
    pub iscrowd: Found,
    pub ignore: Found,
    pub score: Found,
    #[serde(borrow)]
    pub segmentation: Outline<'a>,
}

pub(super) const ID: &str = "an integer of at least 0";
const BOX: &str = "x, y, width and height";
const NUMBER: &str = "a number";
const FLAG: &str = "0 or 1";

pub(super) fn wrong(field: &'static str, found: &impl Display, expected: &'static str) -> ProblemKind {
    ProblemKind::Field { field, found: found.to_string(), expected }
}

/// An annotation, and what of it was taken from its mask.
#[derive(Debug)]
pub(super) struct Converted {
    pub annotation: Annotation,
    pub box_of_mask: bool,
    pub area_of_mask: bool,
}

/// With `repair`, a missing or wrong box or area is taken from the mask, and a missing id is 0.
pub(super) fn annotation(
    raw: Entry<Raw<'_>>,
    index: usize,
    sizes: &HashMap<u64, [usize; 2]>,
    options: ReadOptions,
    repair: bool,
) -> Result<Converted, Problem> {
    let problem = |id, kind| Problem { what: "annotation", index, id, kind };
    let raw = raw.object().map_err(|kind| problem(None, kind))?;
    let id = raw.id.integer();
    fields(raw, sizes, options, repair).map_err(|kind| problem(id, kind))
}

fn fields(
    raw: Raw<'_>,
    sizes: &HashMap<u64, [usize; 2]>,
    options: ReadOptions,
    repair: bool,
) -> Result<Converted, ProblemKind> {
    let id = match raw.id.integer() {
        Some(id) if id > 0 => id,
        _ if repair => 0,
        Some(_) => return Err(ProblemKind::ZeroId),
        None => return Err(wrong("id", &raw.id, "an integer of at least 1")),
    };
    let (image_id, category_id) = raw.image_and_category()?;
    let size = *sizes.get(&image_id).ok_or(ProblemKind::UnknownImage { image_id })?;
    let bbox = raw.bbox().and_then(|bbox| bbox.ok_or_else(|| wrong("bbox", &raw.bbox, BOX)));
    let area = raw.area.number().ok_or_else(|| wrong("area", &raw.area, NUMBER));
    let crowd = raw.iscrowd.flag().ok_or_else(|| wrong("iscrowd", &raw.iscrowd, FLAG))?;
    let ignore = raw.ignore.flag().ok_or_else(|| wrong("ignore", &raw.ignore, FLAG))?;
    let segmentation = match raw.segmentation {
        _ if options.masks == Masks::Skip => None,
        outline => segmentation(outline, size, options.masks == Masks::Runs)?,
    };
    let mask = match &segmentation {
        Some(segmentation) if repair && (bbox.is_err() || area.is_err()) => segmentation.to_rle(size).ok(),
        _ => None,
    };
    let (box_of_mask, area_of_mask) = (mask.is_some() && bbox.is_err(), mask.is_some() && area.is_err());
    let bbox = bbox.or_else(|kind| mask.as_ref().map(Rle::bbox).ok_or(kind))?;
    if !options.allow_empty_boxes && (bbox[2] <= 0.0 || bbox[3] <= 0.0) {
        return Err(ProblemKind::EmptyBox { bbox });
    }
    let area = area.or_else(|kind| mask.as_ref().map(|mask| f64::from(mask.area())).ok_or(kind))?;
    let annotation = Annotation { id, image_id, category_id, bbox, area, crowd, ignore, segmentation };
    Ok(Converted { annotation, box_of_mask, area_of_mask })
}

impl Raw<'_> {
    pub fn image_and_category(&self) -> Result<(u64, u64), ProblemKind> {
        let image_id = self.image_id.integer().ok_or_else(|| wrong("image_id", &self.image_id, ID))?;
        let category = self.category_id.integer();
        Ok((image_id, category.ok_or_else(|| wrong("category_id", &self.category_id, ID))?))
    }

    pub fn bbox(&self) -> Result<Option<BBox>, ProblemKind> {
        match &self.bbox {
            List::Absent => Ok(None),
            List::Numbers(numbers) if numbers.is_empty() => Ok(None),
            List::Numbers(numbers) if numbers.len() == 4 => {
                Ok(Some([numbers[0], numbers[1], numbers[2], numbers[3]]))
            }
            other => Err(wrong("bbox", other, BOX)),
        }
    }
}

/// The segmentation, if there is any. Its polygons become runs if this is wanted, and are checked if not.
pub(super) fn segmentation(
    outline: Outline<'_>,
    image: [usize; 2],
    to_runs: bool,
) -> Result<Option<Segmentation>, ProblemKind> {
    const EXPECTED: &str = "a list of polygons, or an object with `size` and `counts`";
    match outline {
        Outline::Absent | Outline::Other(Found::Other("null")) => Ok(None),
        Outline::Other(found) => Err(wrong("segmentation", &found, EXPECTED)),
        Outline::Polygons(lists) => {
            let numbers = |list| match list {
                List::Numbers(numbers) => Ok(numbers),
                other => Err(wrong("segmentation", &format!("a list with {other}"), EXPECTED)),
            };
            let polygons = lists.into_iter().map(numbers).collect::<Result<Vec<_>, _>>()?;
            // Not boxes: pycocotools reads no mask from them either.
            if polygons.iter().any(|corners| corners.len() == 4) {
                return Err(ProblemKind::Segmentation(MaskError::Corners { found: 4 }));
            }
            let rle = Rle::from_polygons(&polygons, image).map_err(ProblemKind::Segmentation)?;
            Ok(Some(if to_runs { Segmentation::Packed(rle) } else { Segmentation::Polygons(polygons) }))
        }
        Outline::Runs { size, counts } => {
            let is_packed = matches!(counts, Counts::Packed(_));
            let rle = runs(&size, &counts)?;
            if rle.size() != image {
                return Err(ProblemKind::SegmentationSize { found: rle.size(), expected: image });
            }
            Ok(Some(if is_packed { Segmentation::Packed(rle) } else { Segmentation::Counts(rle) }))
        }
    }
}

/// Runs, which need not fit an image.
pub(super) fn runs(size: &List, counts: &Counts<'_>) -> Result<Rle, ProblemKind> {
    let whole = |&side: &f64| (0.0..=f64::from(u32::MAX)).contains(&side) && side.fract() == 0.0;
    let size = match size {
        List::Numbers(sides) if sides.len() == 2 && sides.iter().all(whole) => {
            [sides[0] as usize, sides[1] as usize]
        }
        other => return Err(wrong("segmentation.size", other, "height and width")),
    };
    let expected = "a text or a list of integers";
    let rle: Result<Rle, MaskError> = match counts {
        Counts::Packed(text) => Rle::from_packed(text, size),
        Counts::Numbers(counts) => Rle::from_counts(counts, size),
        Counts::Absent => return Err(wrong("segmentation.counts", &"missing", expected)),
        Counts::Other(found) => return Err(wrong("segmentation.counts", found, expected)),
    };
    rle.map_err(ProblemKind::Segmentation)
}
