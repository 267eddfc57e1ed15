//! What an evaluation compares.

use crate::Shape;

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
    /// The group for [`evaluate_groups`](crate::evaluate_groups), counted from 0, if it belongs to one.
    pub group: Option<usize>,
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
