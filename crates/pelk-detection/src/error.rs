//! What can be wrong with the arguments.

/// Arguments that no detector gives.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DetectionError {
    /// A network's output at an anchor is not a finite number.
    #[error("level {level}, anchor {anchor}: the {what} is {value}, and must be finite")]
    Anchor {
        /// The level of the pyramid, 0 for the finest.
        level: usize,
        /// The anchor in its level.
        anchor: usize,
        /// What the number is.
        what: &'static str,
        /// The number.
        value: f32,
    },
    /// A number in a row of a list is not finite.
    #[error("row {row}: the {what} is {value}, and must be finite")]
    Row {
        /// The row.
        row: usize,
        /// What the number is.
        what: &'static str,
        /// The number.
        value: f32,
    },
    /// A list has the wrong length.
    #[error("there are {actual} {what}, expected {expected}")]
    Length {
        /// What the list holds.
        what: &'static str,
        /// The length that fits the other arguments.
        expected: usize,
        /// Its length.
        actual: usize,
    },
    /// A label does not name a class.
    #[error("row {row} has class {class}, and classes are 0..{classes}")]
    Class {
        /// The row.
        row: usize,
        /// Its class.
        class: usize,
        /// The number of classes.
        classes: usize,
    },
    /// A setting is out of its range.
    #[error("{name} {reason}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What it is, and what it must be.
        reason: String,
    },
    /// A mask that has no runs.
    #[error(transparent)]
    Mask(#[from] pelk_coco::MaskError),
    /// A region cannot be read.
    #[error(transparent)]
    Region(#[from] pelk_ops::ShapeError),
}

/// The result of a decision.
pub type Result<T> = std::result::Result<T, DetectionError>;

pub(crate) fn check_len(what: &'static str, actual: usize, expected: usize) -> Result<()> {
    if actual == expected { Ok(()) } else { Err(DetectionError::Length { what, expected, actual }) }
}

/// Checks that all values are finite, `columns` of them in a row.
pub(crate) fn check_finite(what: &'static str, values: &[f32], columns: usize) -> Result<()> {
    match first_not_finite(values) {
        Some(i) => Err(DetectionError::Row { row: i / columns, what, value: values[i] }),
        None => Ok(()),
    }
}

pub(crate) fn check_boxes(boxes: &[[f32; 4]]) -> Result<()> {
    check_finite("box's corner", boxes.as_flattened(), 4)
}

pub(crate) fn first_not_finite(values: &[f32]) -> Option<usize> {
    // Blocks without a branch inside become vector code, and almost all blocks are finite.
    let mut start = 0;
    for block in values.chunks(256) {
        if !block.iter().fold(true, |good, value| good & value.is_finite()) {
            return block.iter().position(|value| !value.is_finite()).map(|i| start + i);
        }
        start += block.len();
    }
    None
}

/// Checks that a setting is in 0..=1.
pub(crate) fn check_fraction(name: &'static str, value: f32) -> Result<()> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(DetectionError::Setting { name, reason: format!("is {value}, and must be in 0..=1") })
}

/// Checks that a setting is at least 1.
pub(crate) fn check_positive(name: &'static str, value: usize) -> Result<()> {
    if value > 0 {
        return Ok(());
    }
    Err(DetectionError::Setting { name, reason: "is 0, and must be at least 1".to_owned() })
}
