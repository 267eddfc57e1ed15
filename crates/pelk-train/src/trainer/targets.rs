//! The targets of a batch: its loss, its weight in a step, and the count of correct logits.

use crate::error::Result;
use pelk_autodiff::LossError;
use pelk_autodiff::operators::{CrossEntropy, Op, SoftCrossEntropy};
use pelk_data::{Batch, IGNORED, Mix};
use std::sync::Arc;

/// The loss of a batch's logits as an operator.
pub(super) fn loss(batch: &Batch, classes: usize, label_smoothing: f32, class_weights: &Arc<[f32]>) -> Op {
    match &batch.mix {
        Some(mix) => {
            let targets = mixed(&batch.labels, mix, classes, label_smoothing);
            SoftCrossEntropy { targets: targets.into() }.into()
        }
        None => CrossEntropy { label_smoothing, ..of_labels(batch, class_weights) }.into(),
    }
}

/// The loss of a batch that is not mixed, without smoothing.
fn of_labels(batch: &Batch, class_weights: &Arc<[f32]>) -> CrossEntropy {
    CrossEntropy {
        labels: batch.labels.iter().map(|&label| i64::from(label)).collect(),
        ignore_index: Some(i64::from(IGNORED)),
        label_smoothing: 0.0,
        class_weights: class_weights.clone(),
    }
}

/// The weight of a batch's loss in the mean over a step's labels: the number of labels that count, by their
/// class weights; the number of images if they are mixed, since each has a target. 0 if nothing counts.
pub(super) fn weight(batch: &Batch, classes: usize, class_weights: &Arc<[f32]>) -> Result<f64> {
    if batch.mix.is_some() {
        return Ok(batch.labels.len() as f64);
    }
    match of_labels(batch, class_weights).total_weight(classes) {
        Err(LossError::NothingCounted { .. }) => Ok(0.0),
        weight => Ok(weight.map_err(pelk_autodiff::Error::from)?),
    }
}

/// The shares of passes with these weights, as divisors of their losses and gradients; `None` for a pass in
/// which nothing counts.
pub(super) fn divisors(weights: &[f64]) -> Vec<Option<f64>> {
    let counted: Vec<f64> = weights.iter().copied().filter(|&weight| weight > 0.0).collect();
    // Equal weights have equal shares to the bit, whatever their sum is rounded to.
    let equal = counted.windows(2).all(|pair| pair[0] == pair[1]);
    let total: f64 = counted.iter().sum();
    let divisor = |weight: f64| if equal { counted.len() as f64 } else { total / weight };
    weights.iter().map(|&weight| (weight > 0.0).then(|| divisor(weight))).collect()
}

/// The target distribution of each image with two labels, one row per image; smoothed like timm's
/// `mixup_target`.
fn mixed(labels: &[u32], mix: &Mix, classes: usize, label_smoothing: f32) -> Vec<f32> {
    let everywhere = label_smoothing / classes as f32;
    let mut targets = vec![everywhere; labels.len() * classes];
    let rows = targets.chunks_exact_mut(classes);
    for (row, (&first, &second)) in rows.zip(labels.iter().zip(&mix.labels)) {
        for (label, share) in [(first, 1.0 - mix.share), (second, mix.share)] {
            // An ignored label has no place among the targets.
            if let Some(target) = row.get_mut(label as usize) {
                *target += (1.0 - label_smoothing) * share;
            }
        }
    }
    targets
}

/// The number of labels that have the highest logit, and of all labels that count: those that are neither
/// ignored nor the background, which is never predicted. Of two mixed labels, the one with the larger share
/// counts.
pub(super) fn count_correct(logits: &[f32], batch: &Batch, background: Option<u32>) -> (usize, usize) {
    let labels = match &batch.mix {
        Some(mix) if mix.share > 0.5 => &mix.labels,
        _ => &batch.labels,
    };
    let rows = logits.chunks_exact(logits.len() / labels.len().max(1));
    let (mut correct, mut measured) = (0, 0);
    for (row, &label) in
        rows.zip(labels).filter(|(_, label)| **label != IGNORED && Some(**label) != background)
    {
        let highest = row
            .iter()
            .enumerate()
            .all(|(class, &logit)| logit <= row[label as usize] || Some(class as u32) == background);
        correct += usize::from(highest);
        measured += 1;
    }
    (correct, measured)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array4;

    fn batch(labels: &[u32], mix: Option<Mix>) -> Batch {
        let images = Array4::zeros((labels.len(), 1, 1, 1));
        Batch { images, labels: labels.to_vec(), mix, ..Batch::default() }
    }

    #[test]
    fn targets_are_shares_of_both_labels_and_a_rest_everywhere() {
        let mix = Mix { labels: vec![2, 1], share: 0.25 };
        let targets = mixed(&[0, 1], &mix, 4, 0.2);
        let expected = [0.65, 0.05, 0.25, 0.05, 0.05, 0.85, 0.05, 0.05];
        for (target, expected) in targets.iter().zip(expected) {
            assert!((target - expected).abs() < 1e-6, "{targets:?}");
        }
        assert_eq!(mixed(&[0], &Mix { labels: vec![1], share: 1.0 }, 2, 0.0), [0.0, 1.0]);
    }

    #[test]
    fn equal_passes_share_alike_to_the_bit_and_others_by_what_counts_in_them() {
        let third = 0.1 + 0.1 + 0.1;
        assert_ne!(third / 0.1, 3.0, "the sum is rounded");
        assert_eq!(divisors(&[0.1; 3]), [Some(3.0); 3]);
        assert_eq!(divisors(&[0.0, 0.7, 0.7, 0.0]), [None, Some(2.0), Some(2.0), None]);
        assert_eq!(divisors(&[6.0, 0.0, 2.0]), [Some(8.0 / 6.0), None, Some(4.0)]);
        assert_eq!(divisors(&[0.0; 2]), [None; 2]);
    }

    #[test]
    fn ignored_labels_have_no_weight_and_the_background_has_its_own() {
        let (plain, weighted): (Arc<[f32]>, Arc<[f32]>) = ([].into(), [0.125, 1.0].into());
        let of = |labels: &[u32], weights| weight(&batch(labels, None), 2, weights).unwrap();
        assert_eq!(of(&[0, 1, IGNORED, 1], &plain), 3.0);
        assert_eq!(of(&[0, 1, IGNORED, 1], &weighted), 2.125);
        assert_eq!(of(&[IGNORED; 3], &plain), 0.0);
        assert_eq!(of(&[0, 0], &[0.0, 1.0].into()), 0.0);
        let mixed = batch(&[0, 1], Some(Mix { labels: vec![1, 0], share: 0.5 }));
        assert_eq!(weight(&mixed, 2, &plain).unwrap(), 2.0);
        let message = weight(&batch(&[0, 2], None), 2, &plain).unwrap_err().to_string();
        assert!(message.contains("label 2"), "{message}");
    }

    #[test]
    fn the_larger_share_is_the_answer() {
        let logits = [1.0, 0.0, 0.0, 1.0];
        let correct =
            |share| count_correct(&logits, &batch(&[0, 0], Some(Mix { labels: vec![1, 1], share })), None);
        assert_eq!((correct(0.4), correct(0.6)), ((1, 2), (1, 2)));
        assert_eq!(count_correct(&logits, &batch(&[0, 1], None), None), (2, 2));
        assert_eq!(count_correct(&logits, &batch(&[0, IGNORED], None), None), (1, 1));
        assert_eq!(count_correct(&logits, &batch(&[0, 1], None), Some(0)), (1, 1));
        let mixed = batch(&[0, 0], Some(Mix { labels: vec![0, 1], share: 0.6 }));
        assert_eq!(count_correct(&logits, &mixed, None), (2, 2));
    }
}
