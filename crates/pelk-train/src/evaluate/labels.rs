//! Loss and accuracy on images or pixels with one class each.

use super::EvaluationTask;
use super::groups::{GroupResult, GroupScores};
use crate::confusion::Confusion;
use crate::error::{Result, TrainError};
use crate::inference::{InferenceConfig, Predictor};
use ndarray::{Array4, ArrayView1, ArrayView2, Axis, Slice};
use pelk_autodiff::Backend;
use pelk_data::{Batch, IGNORED, Loader};
use rayon::prelude::*;

/// The results of a network on a dataset of labels. All labels count except ignored ones and those of the
/// background class.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelEvaluation {
    /// Mean cross-entropy over all labels that are not ignored, including the background, without label
    /// smoothing or weights; `None` without labels.
    pub loss: Option<f64>,
    /// Share of labels that are among the five highest logits; the background is never predicted. `None`
    /// without labels.
    pub top5_accuracy: Option<f64>,
    /// Labels by their class and by the class with the highest logit; the background is never predicted.
    pub confusion: Confusion,
    /// The results of each of the dataset's groups of labels.
    pub groups: Vec<GroupResult>,
}

/// Runs a network that classifies over a dataset, see [`evaluate`](super::evaluate).
pub(super) fn evaluate<B: Backend>(
    task: EvaluationTask<'_, B>,
    inference: &InferenceConfig,
    mut on_batch: impl FnMut(usize) -> bool,
) -> Result<LabelEvaluation> {
    let EvaluationTask { backend, network, parameters, dataset, loading } = task;
    let judge = Judge { background: dataset.background(), groups: dataset.groups().len() };
    let names = dataset.groups().to_vec();
    let mut sum = Tally::new(network.config().classes, names.len());
    let mut predictor = Predictor::new(backend, network, parameters, inference.clone())?;
    let mut images = 0;
    for batch in Loader::new(dataset, loading)? {
        let batch = batch?;
        let logits = predictor.logits(&batch.images).map_err(|error| match error {
            TrainError::Logits { image, value } => TrainError::Logits { image: batch.indices[image], value },
            error => error,
        })?;
        sum.merge(&judge.batch(&batch, &logits));
        images += batch.indices.len();
        super::go_on(on_batch(images))?;
    }
    let groups = names.into_iter().zip(&sum.groups).map(|(name, &[count, correct])| GroupResult {
        name,
        count,
        scores: GroupScores::Labels { correct },
    });
    Ok(LabelEvaluation {
        loss: mean(sum.loss, sum.labels),
        top5_accuracy: mean(sum.top5 as f64, sum.confusion.total()),
        confusion: sum.confusion,
        groups: groups.collect(),
    })
}

fn mean(sum: f64, count: u64) -> Option<f64> {
    (count > 0).then(|| sum / count as f64)
}

/// The counts of some labels.
struct Tally {
    /// Sum over all labels.
    loss: f64,
    labels: u64,
    top5: u64,
    confusion: Confusion,
    /// All labels and the correct ones, by group.
    groups: Vec<[u64; 2]>,
}

impl Tally {
    fn new(classes: usize, groups: usize) -> Tally {
        Tally {
            loss: 0.0,
            labels: 0,
            top5: 0,
            confusion: Confusion::new(classes),
            groups: vec![[0; 2]; groups],
        }
    }

    fn merge(&mut self, other: &Tally) {
        self.loss += other.loss;
        self.labels += other.labels;
        self.top5 += other.top5;
        self.confusion.merge(&other.confusion);
        for (sum, group) in self.groups.iter_mut().zip(&other.groups) {
            *sum = [sum[0] + group[0], sum[1] + group[1]];
        }
    }
}

/// Compares logits with labels.
struct Judge {
    background: Option<u32>,
    groups: usize,
}

/// Number of labels that one task compares, so that the sums do not depend on the number of threads.
const PIECE: usize = 1 << 14;

impl Judge {
    fn batch(&self, batch: &Batch, logits: &Array4<f32>) -> Tally {
        let classes = logits.dim().3;
        let rows = logits.to_shape((batch.labels.len(), classes)).expect("a row a label");
        let pieces: Vec<usize> = (0..batch.labels.len()).step_by(PIECE).collect();
        let piece = |&begin: &usize| {
            let end = (begin + PIECE).min(batch.labels.len());
            let groups = batch.groups.get(begin..end).unwrap_or_default();
            self.piece(&batch.labels[begin..end], groups, rows.slice_axis(Axis(0), Slice::from(begin..end)))
        };
        let tallies: Vec<Tally> = pieces.par_iter().map(piece).collect();
        let mut sum = Tally::new(classes, self.groups);
        tallies.iter().for_each(|tally| sum.merge(tally));
        sum
    }

    fn piece(&self, labels: &[u32], groups: &[u8], logits: ArrayView2<'_, f32>) -> Tally {
        let mut tally = Tally::new(logits.ncols(), self.groups);
        for (i, (&label, row)) in labels.iter().zip(logits.rows()).enumerate() {
            if label == IGNORED {
                continue;
            }
            tally.labels += 1;
            tally.loss += cross_entropy(row, label as usize);
            if Some(label) == self.background {
                continue;
            }
            let (predicted, rank) = self.ranks(row, label as usize);
            tally.confusion.add(label as usize, predicted);
            tally.top5 += u64::from(rank < 5);
            if let Some(group) = groups.get(i).and_then(|&group| tally.groups.get_mut(usize::from(group))) {
                *group = [group[0] + 1, group[1] + u64::from(predicted == label as usize)];
            }
        }
        tally
    }

    /// The class with the highest logit, and the number of classes that come before `label`. Ties go to the
    /// lower class, as in PyTorch's argmax.
    fn ranks(&self, row: ArrayView1<'_, f32>, label: usize) -> (usize, usize) {
        let (mut best, mut before) = (None, 0);
        for (class, &logit) in row.iter().enumerate() {
            if Some(class as u32) == self.background {
                continue;
            }
            if best.is_none_or(|best: usize| logit > row[best]) {
                best = Some(class);
            }
            before += usize::from(logit > row[label] || (logit == row[label] && class < label));
        }
        (best.unwrap_or(label), before)
    }
}

/// `-ln softmax(row)[label]`.
fn cross_entropy(row: ArrayView1<'_, f32>, label: usize) -> f64 {
    let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|&logit| f64::from(logit - highest).exp()).sum();
    sum.ln() - f64::from(row[label] - highest)
}

/// The classes, from the highest logit to the lowest.
pub fn ranked(logits: &[f32]) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..logits.len()).collect();
    classes.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    classes
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr1;

    #[test]
    fn ranks_from_the_highest_and_keeps_ties_in_order() {
        assert_eq!(ranked(&[1.0, 3.0, 3.0, -1.0]), [1, 2, 0, 3]);
        let judge = Judge { background: None, groups: 0 };
        let row = arr1(&[1.0, 3.0, 3.0, -1.0]);
        let ranks = |judge: &Judge| [0, 1, 2, 3].map(|label| judge.ranks(row.view(), label));
        assert_eq!(ranks(&judge), [(1, 2), (1, 0), (1, 1), (1, 3)]);
        let without = Judge { background: Some(1), groups: 0 };
        assert_eq!(ranks(&without)[2..], [(2, 0), (2, 2)]);
    }

    #[test]
    fn ignored_labels_and_the_background_are_not_measured() {
        let logits =
            Array4::from_shape_vec((1, 2, 2, 2), vec![1.0, 0.0, 0.0, 2.0, 3.0, 0.0, 0.0, 0.0]).unwrap();
        let labels = vec![0, 1, IGNORED, 1];
        let images = Array4::zeros((1, 2, 2, 1));
        let batch = Batch { images, labels, ..Batch::default() };
        let tally = Judge { background: None, groups: 0 }.batch(&batch, &logits);
        assert_eq!((tally.labels, tally.confusion.total(), tally.confusion.count(1, 0)), (3, 3, 1));
        let expected = (1.0 + (-1_f64).exp()).ln() + (1.0 + (-2_f64).exp()).ln() + 2_f64.ln();
        assert!((tally.loss - expected).abs() < 1e-7);
        let tally = Judge { background: Some(0), groups: 0 }.batch(&batch, &logits);
        assert_eq!((tally.labels, tally.confusion.total(), tally.confusion.count(1, 1)), (3, 2, 2));
    }
}
