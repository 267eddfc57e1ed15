//! Classification losses on logits. Targets belong to the operator: they are data, and no gradient flows to
//! them.

use crate::ShapeError;
use std::sync::Arc;

/// Arguments that a loss cannot work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LossError {
    /// Dimensions, lengths or settings do not fit.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A label that is not a class.
    #[error("cross_entropy: row {row} has label {label}, but labels are 0..{classes} or the ignored label")]
    Label {
        /// The row.
        row: usize,
        /// Its label.
        label: i64,
        /// The number of classes.
        classes: usize,
    },
    /// Every row is ignored or has weight zero, so there is nothing to average.
    #[error("cross_entropy: all {rows} rows have an ignored label, so there is nothing to average")]
    NothingCounted {
        /// The number of rows.
        rows: usize,
    },
}

/// Softmax cross-entropy with class labels, the mean over the rows that count. Input: logits `[.., K]`, one
/// label per row. Output: `[1]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CrossEntropy {
    /// One class per row, `0..K`.
    pub labels: Arc<[i64]>,
    /// Rows with this label are left out of the average. It may be a class or any other number.
    pub ignore_index: Option<i64>,
    /// Probability that is taken from the label and spread evenly over all classes, 0..=1.
    pub label_smoothing: f32,
    /// The weight of a row in the average, by its label: one weight per class, or none if all rows count
    /// equally. (PyTorch's weights are the same without smoothing; with it, PyTorch weighs each class's share
    /// of the smoothing by the weight of that class.)
    pub class_weights: Arc<[f32]>,
}

/// Softmax cross-entropy with a distribution per row, the mean over all rows. Input: logits `[.., K]`.
/// Output: `[1]`.
#[derive(Debug, Clone)]
pub struct SoftCrossEntropy {
    /// Target probabilities, one for each logit.
    pub targets: Arc<[f32]>,
}

impl CrossEntropy {
    /// The weight of a row with this label.
    #[inline]
    pub fn weight(&self, label: usize) -> f32 {
        self.class_weights.get(label).copied().unwrap_or(1.0)
    }

    /// The class of a row that counts; `None` where the row is ignored.
    #[inline]
    pub fn class(&self, label: i64) -> Option<usize> {
        if Some(label) == self.ignore_index { None } else { usize::try_from(label).ok() }
    }

    /// The sum of the weights of the rows that count: their number if no weights are given.
    ///
    /// # Errors
    /// When the smoothing is not in 0..=1, the weights are not one per class, finite and not negative, a
    /// label is neither one of `classes` nor ignored, or no row counts.
    pub fn total_weight(&self, classes: usize) -> Result<f64, LossError> {
        if !(0.0..=1.0).contains(&self.label_smoothing) {
            let reason = format!("label_smoothing is {}, and must be in 0..=1", self.label_smoothing);
            return Err(ShapeError::Invalid { operator: "cross_entropy", reason }.into());
        }
        let weights = &self.class_weights;
        if !weights.is_empty() && weights.len() != classes {
            let reason = format!("there are {} class weights for {classes} classes", weights.len());
            return Err(ShapeError::Invalid { operator: "cross_entropy", reason }.into());
        }
        if let Some(weight) = weights.iter().find(|weight| !(weight.is_finite() && **weight >= 0.0)) {
            let reason = format!("a class weight is {weight}, and must be finite and not negative");
            return Err(ShapeError::Invalid { operator: "cross_entropy", reason }.into());
        }
        let mut total = 0.0;
        for (row, &label) in self.labels.iter().enumerate() {
            if Some(label) == self.ignore_index {
                continue;
            }
            match usize::try_from(label) {
                Ok(label) if label < classes => total += f64::from(self.weight(label)),
                _ => return Err(LossError::Label { row, label, classes }),
            }
        }
        if total > 0.0 { Ok(total) } else { Err(LossError::NothingCounted { rows: self.labels.len() }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_rows_and_class_weights_make_the_total() {
        let op =
            CrossEntropy { labels: [0, 2, 7, 2].into(), ignore_index: Some(7), ..CrossEntropy::default() };
        assert_eq!(op.total_weight(3), Ok(3.0));
        let weighted = CrossEntropy { class_weights: [1.0, 0.0, 0.5].into(), ..op.clone() };
        assert_eq!(weighted.total_weight(3), Ok(2.0));
        assert_eq!((weighted.class(7), weighted.class(2), weighted.class(-1)), (None, Some(2), None));
        assert_eq!(op.total_weight(2), Err(LossError::Label { row: 1, label: 2, classes: 2 }));
    }
}
