//! Loss and accuracy on a dataset.

use crate::error::Result;
use pelk_autodiff::operators::CrossEntropy;
use pelk_autodiff::{Backend, Eager, Executor, Parameters, Session, from_host};
use pelk_data::{Batch, Dataset, Loader, LoaderConfig, Mode, Normalisation};
use pelk_models::Network;
use std::sync::Arc;

/// How well a network does on a dataset. What counts is every label but the background's.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Mean cross-entropy over all labels, without label smoothing and weights.
    pub loss: f64,
    /// Share of labels that have the highest logit; the background is no choice.
    pub accuracy: f64,
    /// Share of labels among the five highest logits.
    pub top5_accuracy: f64,
    /// Labels of each true class (row) given each predicted class (column).
    pub confusion: Vec<Vec<u64>>,
    /// The dataset's groups of labels, each by itself.
    pub groups: Vec<GroupAccuracy>,
}

/// A group of labels that is measured by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupAccuracy {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: u64,
    /// Those that have the highest logit.
    pub right: u64,
}

impl GroupAccuracy {
    /// The share that is right; not a number where there is no label.
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.labels as f64
    }
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
    let (classes, background) = (network.config().classes, dataset.background());
    let mut confusion = vec![vec![0; classes]; classes];
    let named = dataset.groups().iter();
    let mut groups: Vec<_> =
        named.map(|name| GroupAccuracy { name: name.clone(), labels: 0, right: 0 }).collect();
    let (mut images, mut labels, mut loss, mut top5) = (0, 0, 0.0, 0);
    let mut session: Option<Session<B>> = None;
    for batch in Loader::new(dataset, LoaderConfig::new(batch_size, Mode::Evaluation, normalisation.clone()))?
    {
        let batch = batch?;
        let input = from_host(backend, &batch.images)?;
        // The last batch may be smaller than the others.
        let recorded = match session.take().filter(|session| session.input() == backend.shape(&input)) {
            Some(session) => session,
            None => network.session(backend, parameters, backend.shape(&input))?,
        };
        let logits = session.insert(recorded).run(input)?;
        let plain = CrossEntropy { labels: targets(&batch), ..CrossEntropy::default() };
        let batch_loss = Eager::new(backend, parameters).apply_one(plain, &[&logits])?;
        loss += f64::from(backend.download(&batch_loss)?[0]) * batch.labels.len() as f64;
        labels += batch.labels.len();
        for (i, row) in backend.download(&logits)?.chunks_exact(classes).enumerate() {
            let label = batch.labels[i];
            if Some(label) == background {
                continue;
            }
            // Ties go to the lower class, as in PyTorch's argmax.
            let ranked: Vec<usize> =
                ranked(row).into_iter().filter(|&class| Some(class as u32) != background).collect();
            confusion[label as usize][ranked[0]] += 1;
            top5 += u64::from(ranked.iter().take(5).any(|&class| class == label as usize));
            if let Some(group) = batch.groups.get(i).and_then(|&group| groups.get_mut(usize::from(group))) {
                group.labels += 1;
                group.right += u64::from(ranked[0] == label as usize);
            }
        }
        images += batch.indices.len();
        on_batch(images);
    }
    let right: u64 = (0..classes).map(|class| confusion[class][class]).sum();
    let measured = confusion.iter().flatten().sum::<u64>().max(1) as f64;
    Ok(Evaluation {
        loss: loss / labels.max(1) as f64,
        accuracy: right as f64 / measured,
        top5_accuracy: top5 as f64 / measured,
        confusion,
        groups,
    })
}

/// The classes from the highest logit down.
pub fn ranked(logits: &[f32]) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..logits.len()).collect();
    classes.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    classes
}

/// A batch's labels, as losses take them.
pub(crate) fn targets(batch: &Batch) -> Arc<[i64]> {
    batch.labels.iter().map(|&label| i64::from(label)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_from_the_highest_and_keeps_ties_in_order() {
        assert_eq!(ranked(&[1.0, 3.0, 3.0, -1.0]), [1, 2, 0, 3]);
    }
}
