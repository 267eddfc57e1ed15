//! Batches, and the samples of each.

use ndarray::Array4;
use pelk_random::shuffled;

use crate::{DataError, Mix, Object};

/// Samples that are processed together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// The normalized images, `[N, H, W, C]`, contiguous in this order. Images with objects may differ in
    /// size: the smaller ones are padded with zeros, the mean color, below and on the right.
    pub images: Array4<f32>,
    /// The labels of the N images one after the other, for each a row-major map of
    /// [`Labeling::size`](crate::Labeling::size); [`IGNORED`](crate::IGNORED) is neither learned nor
    /// measured.
    pub labels: Vec<u32>,
    /// The group of each label, if the dataset has groups.
    pub groups: Vec<u8>,
    /// The objects of each of the N images, in pixels of the image before padding.
    pub objects: Vec<Vec<Object>>,
    /// Height and width of each of the N images before padding.
    pub sizes: Vec<[usize; 2]>,
    /// Height and width of each of the N images in the dataset.
    pub original_sizes: Vec<[usize; 2]>,
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
        let expected = format!("at most {len}, the number of samples: no batch is full otherwise");
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

    /// All samples in the random order of this `epoch` of the run with this `seed`, in batches of one group
    /// each: sample `i` is in group `groups[i]`.
    ///
    /// All batches are full. With `drop_last`, a group's last samples, which do not fill a batch, are left
    /// out; else samples of the group are repeated to fill it, as by MMDetection's `GroupSampler`.
    ///
    /// # Errors
    /// [`DataError::Config`] if `batch_size` is 0, or if it exceeds both groups and `drop_last` leaves no
    /// batch.
    pub fn grouped(
        groups: &[bool],
        batch_size: usize,
        seed: u64,
        epoch: u64,
        drop_last: bool,
    ) -> Result<Self, DataError> {
        let largest = [false, true].map(|group| groups.iter().filter(|&&other| other == group).count());
        steps_per_epoch(largest[0].max(largest[1]), batch_size, drop_last)?;
        let epoch = shuffled(seed, epoch, groups.len());
        let (mut order, mut begun) = (Vec::with_capacity(groups.len()), [vec![], vec![]]);
        for &index in &epoch {
            let batch = &mut begun[usize::from(groups[index])];
            batch.push(index);
            if batch.len() == batch_size {
                order.append(batch);
            }
        }
        for mut batch in begun.into_iter().filter(|batch| !drop_last && !batch.is_empty()) {
            let same = epoch.iter().filter(|&&index| groups[index] == groups[batch[0]]);
            let missing = batch_size - batch.len();
            let repeated: Vec<usize> = same.copied().cycle().take(missing).collect();
            order.append(&mut batch);
            order.extend(repeated);
        }
        Ok(Self { batch_size, steps: order.len() / batch_size, order })
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
        assert!(Plan::grouped(&[true; 3], 0, 0, 0, false).is_err());
    }

    #[test]
    fn a_single_group_is_shuffled_like_ungrouped_samples() {
        for (seed, epoch) in [(0, 0), (1, 0), (0, 1)] {
            let plain = Plan::shuffled(20, 4, seed, epoch, false).unwrap();
            assert_eq!(Plan::grouped(&[true; 20], 4, seed, epoch, false).unwrap(), plain);
        }
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

        #[test]
        fn batches_of_groups_are_full_and_miss_no_sample(
            groups in prop::collection::vec(prop::bool::weighted(0.2), 1..300), batch_size in 1..40_usize,
            seed: u64,
        ) {
            let of = |group: bool| groups.iter().filter(|&&other| other == group).count();
            let counts = [of(false), of(true)];
            let kept = Plan::grouped(&groups, batch_size, seed, 3, false).unwrap();
            let steps: usize = counts.iter().map(|count| count.div_ceil(batch_size)).sum();
            prop_assert_eq!(kept.steps(), steps);
            let mut seen = vec![0; groups.len()];
            for step in 0..kept.steps() {
                let batch = kept.indices(step);
                prop_assert_eq!(batch.len(), batch_size);
                prop_assert!(batch.iter().all(|&index| groups[index] == groups[batch[0]]));
                batch.iter().for_each(|&index| seen[index] += 1);
            }
            prop_assert!(seen.iter().all(|&count| count >= 1));
            // What is repeated only fills the last batch of a group.
            let repeats: usize = seen.iter().map(|count| count - 1).sum();
            let missing = counts.map(|count| count.next_multiple_of(batch_size) - count);
            prop_assert_eq!(repeats, missing[0] + missing[1]);

            match Plan::grouped(&groups, batch_size, seed, 3, true) {
                Ok(dropped) => {
                    prop_assert_eq!(dropped.steps(), counts[0] / batch_size + counts[1] / batch_size);
                    for step in 0..dropped.steps() {
                        prop_assert_eq!(dropped.indices(step), kept.indices(step));
                    }
                }
                Err(error) => {
                    prop_assert!(counts.iter().all(|&count| count < batch_size));
                    prop_assert!(error.to_string().starts_with("batch_size is"));
                }
            }
        }
    }
}
