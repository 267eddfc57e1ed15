//! Batches, and the samples of each.

use ndarray::Array4;
use pelk_random::shuffled;

use crate::{DataError, Mix};

/// Samples that are processed together.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The normalized images, `[N, H, W, C]`, contiguous in this order.
    pub images: Array4<f32>,
    /// The labels of the N images one after the other, for each a row-major map of
    /// [`Labeling::size`](crate::Labeling::size); [`IGNORED`](crate::IGNORED) is neither learned nor
    /// measured.
    pub labels: Vec<u32>,
    /// The group of each label, if the dataset has groups.
    pub groups: Vec<u8>,
    /// The N indices of the samples in their dataset.
    pub indices: Vec<usize>,
    /// The second labels of the images, if they are mixed.
    pub mix: Option<Mix>,
}

/// The number of batches in an epoch.
///
/// # Errors
/// [`DataError::Config`] if `batch_size` is 0, or if it exceeds `len` and `drop_last` leaves no batch.
pub fn steps_per_epoch(len: usize, batch_size: usize, drop_last: bool) -> Result<usize, DataError> {
    if batch_size == 0 {
        return Err(DataError::config("batch_size", batch_size, "at least 1"));
    }
    if drop_last && batch_size > len {
        let expected = format!("at most {len}, the number of samples, or drop_last = false");
        return Err(DataError::config("batch_size", batch_size, expected));
    }
    Ok(if drop_last { len / batch_size } else { len.div_ceil(batch_size) })
}

/// The samples of each batch of an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    order: Vec<usize>,
    batch_size: usize,
    steps: usize,
}

impl Plan {
    /// All of `len` samples in the random order of this `epoch` of the run with this `seed`.
    ///
    /// The last batch may be smaller, unless `drop_last` leaves it out.
    ///
    /// # Errors
    /// Same as [`steps_per_epoch`].
    pub fn shuffled(
        len: usize,
        batch_size: usize,
        seed: u64,
        epoch: u64,
        drop_last: bool,
    ) -> Result<Self, DataError> {
        let steps = steps_per_epoch(len, batch_size, drop_last)?;
        Ok(Self { order: shuffled(seed, epoch, len), batch_size, steps })
    }

    /// All of `len` samples in their own order; the last batch may be smaller.
    ///
    /// # Errors
    /// Same as [`steps_per_epoch`].
    pub fn sequential(len: usize, batch_size: usize) -> Result<Self, DataError> {
        let steps = steps_per_epoch(len, batch_size, false)?;
        Ok(Self { order: (0..len).collect(), batch_size, steps })
    }

    /// The number of batches.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The indices of the samples in batch `step`, counted from 0.
    ///
    /// # Panics
    /// If `step` is not below [`Plan::steps`].
    pub fn indices(&self, step: usize) -> &[usize] {
        assert!(step < self.steps, "batch {step} of {}", self.steps);
        let rest = &self.order[step * self.batch_size..];
        &rest[..self.batch_size.min(rest.len())]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn impossible_batches_are_rejected() {
        let text = |result: Result<usize, DataError>| result.unwrap_err().to_string();
        assert_eq!(text(steps_per_epoch(10, 0, false)), "batch_size is 0, but must be at least 1");
        assert!(text(steps_per_epoch(10, 11, true)).contains("at most 10"));
        assert_eq!(steps_per_epoch(10, usize::MAX, false).unwrap(), 1);
    }

    proptest! {
        #[test]
        fn a_plan_has_every_sample_once(len in 1..300_usize, batch_size in 1..40_usize, seed: u64) {
            let all = |plan: &Plan| -> Vec<_> {
                (0..plan.steps()).flat_map(|step| plan.indices(step).to_vec()).collect()
            };
            let ordered: Vec<_> = (0..len).collect();
            prop_assert_eq!(&all(&Plan::sequential(len, batch_size).unwrap()), &ordered);

            let kept = Plan::shuffled(len, batch_size, seed, 1, false).unwrap();
            let mut order = all(&kept);
            order.sort_unstable();
            prop_assert_eq!(&order, &ordered);

            if batch_size <= len {
                let dropped = Plan::shuffled(len, batch_size, seed, 1, true).unwrap();
                prop_assert_eq!(dropped.steps(), len / batch_size);
                for step in 0..dropped.steps() {
                    prop_assert_eq!(dropped.indices(step).len(), batch_size);
                    prop_assert_eq!(dropped.indices(step), kept.indices(step));
                }
            }
        }
    }
}
