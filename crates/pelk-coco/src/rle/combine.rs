//! Union and intersection of masks, directly on their runs.

use super::{Rle, Runs};
use crate::MaskError;

impl Rle {
    /// The mask of the pixels inside at least one of the masks.
    ///
    /// # Errors
    /// [`MaskError::Empty`] without masks, [`MaskError::SizesDiffer`].
    pub fn union<'a>(masks: impl IntoIterator<Item = &'a Rle>) -> Result<Rle, MaskError> {
        merge(masks, |a, b| a || b)
    }

    /// The mask of the pixels inside all masks.
    ///
    /// # Errors
    /// [`MaskError::Empty`] without masks, [`MaskError::SizesDiffer`].
    pub fn intersection<'a>(masks: impl IntoIterator<Item = &'a Rle>) -> Result<Rle, MaskError> {
        merge(masks, |a, b| a && b)
    }

    /// The number of pixels inside both masks, which are of the same size.
    pub(crate) fn intersection_area(&self, other: &Rle) -> u32 {
        let (mut a, mut b) = (self.intervals(), other.intervals());
        let (mut first, mut second) = (a.next(), b.next());
        let mut area = 0;
        while let (Some((start, end)), Some((other_start, other_end))) = (first, second) {
            area += end.min(other_end).saturating_sub(start.max(other_start));
            if end <= other_end {
                first = a.next();
            } else {
                second = b.next();
            }
        }
        area
    }

    pub(crate) fn check_same_size(&self, other: &Rle) -> Result<(), MaskError> {
        if self.size == other.size {
            return Ok(());
        }
        Err(MaskError::SizesDiffer { first: self.size(), second: other.size() })
    }
}

fn merge<'a>(
    masks: impl IntoIterator<Item = &'a Rle>,
    rule: fn(bool, bool) -> bool,
) -> Result<Rle, MaskError> {
    let mut masks = masks.into_iter();
    let mut merged = masks.next().ok_or(MaskError::Empty)?.clone();
    for mask in masks {
        merged.check_same_size(mask)?;
        merged = pair(&merged, mask, rule);
    }
    Ok(merged)
}

fn pair(a: &Rle, b: &Rle, rule: fn(bool, bool) -> bool) -> Rle {
    let mut runs = Runs::default();
    let (mut i, mut j) = (0, 0);
    let (mut left, mut right) = (a.counts[0], b.counts[0]);
    loop {
        let length = left.min(right);
        runs.push(rule(i % 2 == 1, j % 2 == 1), length);
        (left, right) = (left - length, right - length);
        if left == 0 {
            i += 1;
            // Both cover the same pixels and so end together.
            let Some(&next) = a.counts.get(i) else { break };
            left = next;
        }
        if right == 0 {
            j += 1;
            let Some(&next) = b.counts.get(j) else { break };
            right = next;
        }
    }
    Rle { size: a.size, counts: runs.0.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_of_different_sizes_and_no_masks_are_errors() {
        let tall = Rle::from_counts(&[6], [3, 2]).unwrap();
        let wide = Rle::from_counts(&[6], [2, 3]).unwrap();
        let error = MaskError::SizesDiffer { first: [3, 2], second: [2, 3] };
        assert_eq!(Rle::union([&tall, &wide]).unwrap_err(), error);
        assert_eq!(Rle::intersection(std::iter::empty()).unwrap_err(), MaskError::Empty);
    }

    #[test]
    fn full_masks_keep_their_leading_zero() {
        let full = Rle::from_counts(&[0, 6], [2, 3]).unwrap();
        let part = Rle::from_counts(&[1, 2, 3], [2, 3]).unwrap();
        assert_eq!(Rle::union([&part, &full]).unwrap(), full);
        assert_eq!(Rle::intersection([&full, &part, &full]).unwrap(), part);
        assert_eq!(full.intersection_area(&part), 2);
    }
}
