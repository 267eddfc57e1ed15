//! COCO's masks, files and evaluation.
#![forbid(unsafe_code)]

mod error;
mod evaluation;
mod iou;
mod polygon;
mod rle;

pub use error::MaskError;
pub use evaluation::{
    AreaRange, Detection, Evaluation, EvaluationError, Selection, Settings, Summary, SummaryLine, Truth,
    evaluate,
};
pub use iou::{BBox, Shape, box_iou, mask_iou};
pub use rle::Rle;
