//! A pass of a detector.

use super::Trainer;
use super::step::{Measured, PassResult};
use crate::error::Result;
use crate::observer::LossParts;
use pelk_autodiff::{Backend, Parameters, Pass, from_host};
use pelk_data::{Batch, Object};
use pelk_detection::MaskCrop;
use pelk_models::detection::{DetectionLosses, DetectionPass, ImageTruths};
use rayon::prelude::*;

impl<B: Backend> Trainer<B> {
    /// Forward and backward of a batch of objects, with this seed of the gradients.
    pub(super) fn object_pass(
        &self,
        batch: &Batch,
        pass: Pass,
        parameters: &Parameters<B>,
        seed: f32,
    ) -> Result<PassResult<B>> {
        let mut parameters = parameters.clone();
        let images = from_host(&self.backend, &batch.images)?;
        let job = DetectionPass {
            backend: &self.backend,
            network: &self.network,
            parameters: &parameters,
            pass,
            recompute: self.config.batch.recompute,
            scale: seed,
        };
        let outcome = job.run(images, &truths(batch))?;
        parameters.replace(outcome.buffers);
        Ok(PassResult {
            loss: Some(outcome.losses.total()),
            measured: Measured::Objects(parts(&outcome.losses)),
            gradients: outcome.gradients,
            parameters,
        })
    }
}

/// What each image shows, without crowds.
fn truths(batch: &Batch) -> Vec<ImageTruths> {
    let of_image = |(objects, size): (&Vec<Object>, &[usize; 2])| {
        let learned: Vec<&Object> = objects.iter().filter(|object| !object.crowd).collect();
        ImageTruths {
            size: *size,
            boxes: learned.iter().map(|object| object.bbox).collect(),
            classes: learned.iter().map(|object| object.class as usize).collect(),
            masks: learned.iter().map(|object| MaskCrop::from_rle(&object.mask)).collect(),
        }
    };
    batch.objects.par_iter().zip(&batch.sizes).map(of_image).collect()
}

fn parts(losses: &DetectionLosses) -> LossParts {
    LossParts {
        proposals: losses.proposal_class,
        proposal_boxes: losses.proposal_boxes,
        classes: losses.stages.iter().map(|stage| stage.class).sum(),
        boxes: losses.stages.iter().map(|stage| stage.boxes).sum(),
        masks: losses.stages.iter().map(|stage| stage.mask).sum(),
    }
}
