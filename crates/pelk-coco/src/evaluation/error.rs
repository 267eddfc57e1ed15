//! What can be wrong with the input of an evaluation.

use crate::MaskError;
use thiserror::Error;

/// Why an evaluation is impossible.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// A field of [`Settings`](crate::Settings) is invalid.
    #[error("`{field}` of the evaluation must have {expected}")]
    Settings {
        /// The field.
        field: &'static str,
        /// What is valid.
        expected: &'static str,
    },
    /// A truth or a detection has a category that is not among those to evaluate.
    #[error("{what} {index} is of category {category_id}, which is not among the categories")]
    UnknownCategory {
        /// `truth` or `detection`.
        what: &'static str,
        /// Its place in the list, counted from 0.
        index: usize,
        /// Its category.
        category_id: u64,
    },
    /// A truth is in a group that is not among those to evaluate.
    #[error("truth {index} is in group {group}, but there are {groups} groups, counted from 0")]
    UnknownGroup {
        /// Its place in the list, counted from 0.
        index: usize,
        /// Its group.
        group: usize,
        /// The number of groups.
        groups: usize,
    },
    /// An area or a score is NaN, or a coordinate of a box is not finite.
    #[error("{what} {index} has a {field} that is not a number")]
    NotANumber {
        /// `truth` or `detection`.
        what: &'static str,
        /// Its place in the list, counted from 0.
        index: usize,
        /// The field.
        field: &'static str,
    },
    /// Shapes of an image cannot be compared.
    #[error("image {image_id}, category {category_id}: the shapes cannot be compared")]
    Shapes {
        /// The image.
        image_id: u64,
        /// The category of the first of them.
        category_id: u64,
        /// Why.
        source: MaskError,
    },
    /// A [`Shape`](crate::Shape) returned too few or too many overlaps, or NaN.
    #[error("image {image_id}, category {category_id}: an overlap is missing or not a number")]
    Overlap {
        /// The image.
        image_id: u64,
        /// The category of the first of them.
        category_id: u64,
    },
}
