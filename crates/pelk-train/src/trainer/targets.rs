//! The targets of a batch: its loss, and the count of correct logits.

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
        None => CrossEntropy {
            labels: batch.labels.iter().map(|&label| i64::from(label)).collect(),
            ignore_index: Some(i64::from(IGNORED)),
            label_smoothing,
            class_weights: class_weights.clone(),
        }
        .into(),
    }
}

/// The target distribution of each image with two labels, one row per image; smoothed like timm's
/// `mixup_target`.
fn mixed(labels: &[u32], mix: &Mix, classes: usize, label_smoothing: f32) -> Vec<f32> {
    let everywhere = label_smoothing / classes as f32;
    let mut targets = vec![everywhere; labels.len() * classes];
    let rows = targets.chunks_exact_mut(classes);
    for (row, (&first, &second)) in rows.zip(labels.iter().zip(&mix.labels)) {
        row[first as usize] += (1.0 - label_smoothing) * (1.0 - mix.share);
        row[second as usize] += (1.0 - label_smoothing) * mix.share;
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
