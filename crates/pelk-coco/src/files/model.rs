//! Annotation files as plain structs.

use super::problem::{Problem, ProblemKind};
use crate::{BBox, MaskError, Rle, Truth};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use std::collections::HashMap;

/// A file of instance annotations (`instances_val2017.json`). `info`, `licenses` and unknown fields are not
/// kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Instances {
    /// The images, in the file's order.
    pub images: Vec<Image>,
    /// The annotated things, in the file's order.
    pub annotations: Vec<Annotation>,
    /// The categories, in the file's order.
    pub categories: Vec<Category>,
}

/// An image of an annotation file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    /// Its id.
    pub id: u64,
    /// Its height in pixels.
    pub height: usize,
    /// Its width in pixels.
    pub width: usize,
    /// The name of its file; empty if the annotations do not tell.
    pub file_name: String,
}

/// A category of an annotation file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Category {
    /// Its id. COCO's ids have gaps.
    pub id: u64,
    /// Its name.
    pub name: String,
}

/// A thing in an image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Annotation {
    /// Its id, at least 1.
    pub id: u64,
    /// The image.
    pub image_id: u64,
    /// The category.
    pub category_id: u64,
    /// x, y, width, height in pixels.
    pub bbox: BBox,
    /// The area in square pixels, which decides whether it is small, medium or large.
    pub area: f64,
    /// Whether it stands for a crowd.
    #[serde(rename = "iscrowd", serialize_with = "as_number")]
    pub crowd: bool,
    /// The field `ignore` of some datasets. pycocotools overwrites it, so it has no effect on an evaluation.
    #[serde(skip_serializing_if = "is_false", serialize_with = "as_number")]
    pub ignore: bool,
    /// Its pixels, if the file has them and they were wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segmentation: Option<Segmentation>,
}

fn as_number<S: Serializer>(flag: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(u8::from(*flag))
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// The pixels of a thing, in the three forms that files have.
#[derive(Debug, Clone, PartialEq)]
pub enum Segmentation {
    /// Polygons, each as x, y, x, y.. of its corners in pixels.
    Polygons(Vec<Vec<f64>>),
    /// Runs, in the file as a list of numbers: COCO's crowds.
    Counts(Rle),
    /// Runs, in the file as packed text.
    Packed(Rle),
}

impl Segmentation {
    /// The mask for an image of `[height, width]` pixels, by COCO's rule for polygons.
    ///
    /// # Errors
    /// [`MaskError`], also if the runs have another size.
    pub fn to_rle(&self, size: [usize; 2]) -> Result<Rle, MaskError> {
        match self {
            Segmentation::Polygons(polygons) => Rle::from_polygons(polygons, size),
            Segmentation::Counts(rle) | Segmentation::Packed(rle) if rle.size() == size => Ok(rle.clone()),
            Segmentation::Counts(rle) | Segmentation::Packed(rle) => {
                Err(MaskError::SizesDiffer { first: rle.size(), second: size })
            }
        }
    }
}

impl Serialize for Segmentation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (rle, packed) = match self {
            Segmentation::Polygons(polygons) => return polygons.serialize(serializer),
            Segmentation::Counts(rle) => (rle, None),
            Segmentation::Packed(rle) => (rle, Some(rle.to_packed())),
        };
        let mut object = serializer.serialize_struct("Segmentation", 2)?;
        object.serialize_field("size", &rle.size())?;
        match packed {
            Some(text) => object.serialize_field("counts", &text)?,
            None => object.serialize_field("counts", rle.counts())?,
        }
        object.end()
    }
}

impl Instances {
    /// Height and width of each image, by its id.
    pub fn sizes(&self) -> HashMap<u64, [usize; 2]> {
        self.images.iter().map(|image| (image.id, [image.height, image.width])).collect()
    }

    /// The ids of the categories.
    pub fn category_ids(&self) -> Vec<u64> {
        self.categories.iter().map(|category| category.id).collect()
    }

    /// The boxes, for [`evaluate`](crate::evaluate).
    pub fn box_truths(&self) -> Vec<Truth<BBox>> {
        self.annotations.iter().map(|annotation| annotation.truth(annotation.bbox)).collect()
    }

    /// The masks, for [`evaluate`](crate::evaluate).
    ///
    /// # Errors
    /// The first annotation without segmentation, without image, or with an invalid segmentation.
    pub fn mask_truths(&self) -> Result<Vec<Truth<Rle>>, Problem> {
        let sizes = self.sizes();
        let mask = |(index, annotation): (usize, &Annotation)| {
            let problem = |kind| Problem { what: "annotation", index, id: Some(annotation.id), kind };
            let image_id = annotation.image_id;
            let size = sizes.get(&image_id).ok_or_else(|| problem(ProblemKind::UnknownImage { image_id }))?;
            let segmentation = annotation.segmentation.as_ref().ok_or_else(|| {
                let expected = "polygons or runs";
                problem(ProblemKind::Field { field: "segmentation", found: "missing".into(), expected })
            })?;
            let rle = segmentation.to_rle(*size);
            Ok(annotation.truth(rle.map_err(|error| problem(ProblemKind::Segmentation(error)))?))
        };
        self.annotations.iter().enumerate().map(mask).collect()
    }
}

impl Annotation {
    fn truth<S>(&self, shape: S) -> Truth<S> {
        let Annotation { image_id, category_id, area, crowd, .. } = *self;
        Truth { image_id, category_id, shape, area, crowd, group: None }
    }
}
