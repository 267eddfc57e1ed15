//! COCO's files of annotations and results.

mod convert;
mod entries;
mod entry;
mod json;
mod model;
mod names;
mod options;
mod parse;
mod problem;
mod read;
mod reading;
mod results;

pub use model::{Annotation, Category, Image, Instances, Segmentation};
pub use options::{Masks, ReadOptions};
pub use problem::{FileError, Problem, ProblemKind};
pub use read::Repaired;
pub use results::{IouType, ResultEntry, evaluate_files, read_results, read_results_checked, write_results};
