//! What can be wrong with a file, and with single entries of it.

use crate::{EvaluationError, MaskError};
use std::fmt;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why a file cannot be read, written or evaluated.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system could not read the file.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The operating system could not write the file.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The file is not JSON, or not of COCO's format.
    #[error("{} is damaged or not {expected}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
        /// The parser's error, with line and column.
        source: serde_json::Error,
    },
    /// A part of the file is missing.
    #[error("{} has no `{field}`", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The part.
        field: &'static str,
    },
    /// The file is something else than JSON in UTF-8.
    #[error("{} is {what}: {remedy}", path.display())]
    NotJson {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// Two categories with different names have the same id.
    #[error("{}: category {id} occurs twice with different names; ids must be unique", path.display())]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// The id.
        id: u64,
    },
    /// An entry is wrong.
    #[error("{}: {problem}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The entry, and what is wrong with it.
        problem: Problem,
    },
    /// The files were read, but cannot be evaluated.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
}

/// An entry of a file that cannot be used, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// What it is: `annotation`, `image`, `category` or `result`.
    pub what: &'static str,
    /// Its place in its list, counted from 0.
    pub index: usize,
    /// Its id, if it could be read; results have none.
    pub id: Option<u64>,
    /// What is wrong with it.
    pub kind: ProblemKind,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { what, index, id, kind } = self;
        match id {
            Some(id) => write!(f, "{what} {id}: {kind}"),
            None => write!(f, "{what} entry {index} (counted from 0): {kind}"),
        }
    }
}

impl std::error::Error for Problem {}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ProblemKind {
    /// A field is missing or holds something else.
    #[error("`{field}` is {found}, but must be {expected}")]
    Field {
        /// The field.
        field: &'static str,
        /// What it holds.
        found: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// The entry is a number, a text or the like.
    #[error("the entry is {found}, but must be an object")]
    NotAnObject {
        /// What it is.
        found: String,
    },
    /// The id is 0, which pycocotools takes for no match at all.
    #[error("`id` is 0: number annotations from 1")]
    ZeroId,
    /// Another entry of the list has the same id.
    #[error("`id` occurs twice: ids must be unique")]
    DuplicateId,
    /// The image is not in the file of annotations.
    #[error("`image_id` is {image_id}, but there is no such image")]
    UnknownImage {
        /// The image's id.
        image_id: u64,
    },
    /// The category is not in the file of annotations.
    #[error("`category_id` is {category_id}, but there is no such category")]
    UnknownCategory {
        /// The category's id.
        category_id: u64,
    },
    /// The box has no area.
    #[error("`bbox` is {bbox:?}, but width and height must be above 0")]
    EmptyBox {
        /// The box, x, y, width, height.
        bbox: [f64; 4],
    },
    /// The runs are for another size than that of the image.
    #[error("`segmentation` is for {} x {} pixels, but the image has {} x {}",
        found[0], found[1], expected[0], expected[1])]
    SegmentationSize {
        /// Height and width of the segmentation.
        found: [usize; 2],
        /// Height and width of the image.
        expected: [usize; 2],
    },
    /// The polygons or runs are invalid.
    #[error("`segmentation`: {0}")]
    Segmentation(MaskError),
}
