//! COCO's masks, files and evaluation: what pycocotools does, with the same numbers.
//!
//! - [`Rle`]: masks as run lengths, from and to bitmaps, numbers, packed text and polygons; area, box, union,
//!   intersection;
//! - [`box_iou`], [`mask_iou`]: overlaps, with COCO's rule for crowds;
//! - [`Instances`], [`read_results`]: annotation files and files of results, with every wrong entry named;
//! - [`evaluate`], [`evaluate_files`]: average precision and recall, the twelve numbers, curves and classes.
//!
//! It knows neither images nor tensors. Results do not depend on the number of threads.
//!
//! ```no_run
//! use pelk_coco::{IouType, Settings, evaluate_files};
//!
//! # fn main() -> Result<(), pelk_coco::FileError> {
//! let settings = Settings::default();
//! let evaluation = evaluate_files("instances_val2017.json", "results.json", IouType::Segm, &settings)?;
//! println!("{}", evaluation.summary()); // the twelve lines
//! let at_half = evaluation.precision(0, 17, 0, 2); // the curve of the 18th category at IoU 0.5
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod error;
mod evaluation;
mod files;
mod iou;
mod polygon;
mod rle;

pub use error::MaskError;
pub use evaluation::{
    AreaRange, Detection, Evaluation, EvaluationError, Selection, Settings, Summary, SummaryLine, Truth,
    evaluate, evaluate_groups,
};
pub use files::{
    Annotation, Category, FileError, Image, Instances, IouType, Masks, Problem, ProblemKind, ReadOptions,
    Repaired, ResultEntry, Segmentation, evaluate_files, read_results, read_results_checked, write_results,
};
pub use iou::{BBox, Shape, box_iou, mask_iou};
pub use rle::Rle;
