//! Loss and accuracy on a dataset.

use crate::error::Result;
use pelk_autodiff::operators::CrossEntropy;
use pelk_autodiff::{Backend, Eager, Executor, Parameters, Session, from_host};
use pelk_data::{Batch, Dataset, Loader, LoaderConfig, Mode, Normalisation};
use pelk_models::Network;
use std::sync::Arc;

/// How well a network does on a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Mean cross-entropy, without label smoothing.
    pub loss: f64,
    /// Share of images whose highest logit is the label's.
    pub accuracy: f64,
    /// Share of images whose label is among the five highest logits.
    pub top5_accuracy: f64,
    /// Images of each true class (row) given each predicted class (column).
    pub confusion: Vec<Vec<u64>>,
}

/// Runs a network in evaluation mode over a dataset, in its order; `on_batch` hears the number of images done.
///
/// # Errors
/// When the data or the network refuses.
pub fn evaluate<B: Backend>(
    backend: &B,
    network: &Network,
    parameters: &Parameters<B>,
    dataset: Arc<dyn Dataset>,
    normalisation: &Normalisation,
    batch_size: usize,
    mut on_batch: impl FnMut(usize),
) -> Result<Evaluation> {
    let classes = network.config().classes;
    let mut confusion = vec![vec![0; classes]; classes];
    let (mut done, mut loss, mut top5) = (0, 0.0, 0);
    let mut session: Option<Session<B>> = None;
    for batch in Loader::new(dataset, LoaderConfig::new(batch_size, Mode::Evaluation, normalisation.clone()))?
    {
        let batch = batch?;
        let images = from_host(backend, &batch.images)?;
        // The last batch may be smaller than the others.
        let recorded = match session.take().filter(|session| session.input() == backend.shape(&images)) {
            Some(session) => session,
            None => network.session(backend, parameters, backend.shape(&images))?,
        };
        let logits = session.insert(recorded).run(images)?;
        let batch_loss = Eager::new(backend, parameters).apply_one(cross_entropy(&batch, 0.0), &[&logits])?;
        loss += f64::from(backend.download(&batch_loss)?[0]) * batch.labels.len() as f64;
        for (row, &label) in backend.download(&logits)?.chunks_exact(classes).zip(&batch.labels) {
            // Ties go to the lower class, as in PyTorch's argmax.
            let ranked = ranked(row);
            confusion[label as usize][ranked[0]] += 1;
            top5 += u64::from(ranked.iter().take(5).any(|&class| class == label as usize));
        }
        done += batch.labels.len();
        on_batch(done);
    }
    let right: u64 = (0..classes).map(|class| confusion[class][class]).sum();
    let share = |count: u64| count as f64 / done.max(1) as f64;
    Ok(Evaluation {
        loss: loss / done.max(1) as f64,
        accuracy: share(right),
        top5_accuracy: share(top5),
        confusion,
    })
}

/// The classes from the highest logit down.
pub fn ranked(logits: &[f32]) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..logits.len()).collect();
    classes.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    classes
}

/// The loss of a batch.
pub(crate) fn cross_entropy(batch: &Batch, label_smoothing: f32) -> CrossEntropy {
    let labels = batch.labels.iter().map(|&label| i64::from(label)).collect();
    CrossEntropy { labels, ignore_index: None, label_smoothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_from_the_highest_and_keeps_ties_in_order() {
        assert_eq!(ranked(&[1.0, 3.0, 3.0, -1.0]), [1, 2, 0, 3]);
    }
}
