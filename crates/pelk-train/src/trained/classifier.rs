//! A trained network that classifies pictures.

use super::Trained;
use crate::error::{Result, TrainError};
use crate::evaluate::ranked;
use crate::inference::check_logits;
use crate::preprocessing::evaluated;
use image::DynamicImage;
use pelk_autodiff::{Backend, Session, Shape};
use pelk_models::Head;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// A trained classifier. The network is recorded for the first pictures and replayed for all others, since
/// all have the same size after preprocessing.
pub struct Classifier<'a, B: Backend> {
    backend: &'a B,
    trained: &'a Trained<B>,
    /// For each number of pictures.
    sessions: BTreeMap<usize, Session<B>>,
}

/// A picture as the network takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    values: Vec<f32>,
    /// Height and width.
    size: [usize; 2],
}

impl<B: Backend> Trained<B> {
    /// A picture preprocessed as in the network's evaluations. Needs no device, so a program can prepare some
    /// pictures while others are computed.
    ///
    /// # Errors
    /// When the network takes neither gray nor color images.
    pub fn prepare(&self, image: &DynamicImage) -> Result<Prepared> {
        let data = &self.description.data;
        let shape = self.description.image;
        let (values, size) =
            evaluated(image, data.evaluation.as_ref(), shape, &self.description.normalization)?;
        Ok(Prepared { values, size })
    }

    /// The network as a classifier of pictures.
    ///
    /// # Errors
    /// When the network classifies pixels or squares rather than whole images.
    pub fn classifier<'a>(&'a self, backend: &'a B) -> Result<Classifier<'a, B>> {
        match self.network.config().head {
            Head::Pooled => Ok(Classifier { backend, trained: self, sessions: BTreeMap::new() }),
            _ => Err(TrainError::NotAClassifier),
        }
    }
}

impl<B: Backend> Classifier<'_, B> {
    /// The logits of a picture, one per class; the picture is preprocessed as in the network's evaluations.
    ///
    /// # Errors
    /// When the network takes neither gray nor color images, it gives NaN or infinity, or the device fails.
    pub fn logits(&mut self, image: &DynamicImage) -> Result<Vec<f32>> {
        Ok(self.logits_of(&[self.trained.prepare(image)?])?.swap_remove(0))
    }

    /// The logits of several pictures, computed together: several times as fast as one after the other where
    /// the network is small or the device large.
    ///
    /// # Errors
    /// When the network gives NaN or infinity, or the device fails.
    pub fn logits_of(&mut self, pictures: &[Prepared]) -> Result<Vec<Vec<f32>>> {
        let Some(Prepared { size: [height, width], .. }) = pictures.first() else { return Ok(Vec::new()) };
        let Trained { description, network, parameters } = self.trained;
        let shape = Shape::from([pictures.len(), *height, *width, description.image[2]]);
        let session = match self.sessions.entry(pictures.len()) {
            Entry::Occupied(session) => session.into_mut(),
            Entry::Vacant(none) => none.insert(network.session(self.backend, parameters, &shape)?),
        };
        let values: Vec<f32> = pictures.iter().flat_map(|picture| &picture.values).copied().collect();
        let logits = session.run(self.backend.upload(&shape, &values)?)?;
        let logits = self.backend.download(&logits)?;
        check_logits(&logits, pictures.len())?;
        Ok(logits.chunks(logits.len() / pictures.len()).map(<[f32]>::to_vec).collect())
    }

    /// The `count` most likely classes of a picture and their probabilities, most likely first.
    ///
    /// # Errors
    /// Same as [`Classifier::logits`].
    pub fn top(&mut self, image: &DynamicImage, count: usize) -> Result<Vec<(usize, f32)>> {
        Ok(likeliest(&self.logits(image)?, count))
    }

    /// [`top`](Classifier::top) of several pictures.
    ///
    /// # Errors
    /// Same as [`Classifier::logits_of`].
    pub fn top_of(&mut self, pictures: &[Prepared], count: usize) -> Result<Vec<Vec<(usize, f32)>>> {
        Ok(self.logits_of(pictures)?.iter().map(|logits| likeliest(logits, count)).collect())
    }
}

/// The classes with the largest logits, and their softmax probabilities.
fn likeliest(logits: &[f32], count: usize) -> Vec<(usize, f32)> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = logits.iter().map(|logit| (logit - highest).exp()).collect();
    let sum: f32 = weights.iter().sum();
    ranked(logits).into_iter().take(count).map(|class| (class, weights[class] / sum)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_sorted_and_sum_to_one() {
        let top = likeliest(&[0.0, 2f32.ln(), f32::NEG_INFINITY], 5);
        assert_eq!(top.iter().map(|&(class, _)| class).collect::<Vec<_>>(), [1, 0, 2]);
        for ((_, probability), expected) in top.iter().zip([2.0 / 3.0, 1.0 / 3.0, 0.0]) {
            assert!((probability - expected).abs() < 1e-6, "{top:?}");
        }
        assert_eq!(likeliest(&[1.0, 3.0, 2.0], 2).len(), 2);
    }
}
