//! A training pass of a detector, forward and backward.

use super::proposals::{Anchored, proposal_losses};
use super::stages::{Cascade, StageLosses, Stages};
use super::{ImageTruths, cascade_of};
use crate::error::Result;
use crate::network::Network;
use pelk_autodiff::{Backend, Parameters, Pass, Shape, Tape, Var};
use std::collections::BTreeMap;

/// The losses of a pass.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DetectionLosses {
    /// Binary cross-entropy of the proposals.
    pub proposal_class: f64,
    /// Smooth L1 of the proposals' boxes.
    pub proposal_boxes: f64,
    /// Those of each stage.
    pub stages: Vec<StageLosses>,
}

impl DetectionLosses {
    /// Their sum, whose gradients a pass computes.
    pub fn total(&self) -> f64 {
        let stage = |losses: &StageLosses| losses.class + losses.boxes + losses.mask;
        self.proposal_class + self.proposal_boxes + self.stages.iter().map(stage).sum::<f64>()
    }
}

/// What a pass computed.
pub struct PassOutcome<B: Backend> {
    /// Its losses.
    pub losses: DetectionLosses,
    /// The gradients of the parameters by name.
    pub gradients: BTreeMap<String, B::Tensor>,
    /// New values of buffers by name.
    pub buffers: BTreeMap<String, B::Tensor>,
}

/// A training pass over a batch.
#[derive(Debug, Clone, Copy)]
pub struct DetectionPass<'a, B: Backend> {
    /// The device.
    pub backend: &'a B,
    /// The detector.
    pub network: &'a Network,
    /// Its parameters.
    pub parameters: &'a Parameters<B>,
    /// Identifies the pass, so that its random numbers can be drawn again.
    pub pass: Pass,
    /// Whether to recompute activations in the backward pass.
    pub recompute: bool,
    /// A factor on all gradients: the share of this pass in a step, and the scale of 16-bit losses.
    pub scale: f32,
}

impl<B: Backend> DetectionPass<'_, B> {
    /// Runs the detector on `images`, `[N, H, W, C]`, which show `truths`, forward and backward.
    ///
    /// # Errors
    /// When the network is not a detector, the images do not fit, a truth lies outside its image, an output
    /// is not finite, or the backend returns an error.
    pub fn run(&self, images: B::Tensor, truths: &[ImageTruths]) -> Result<PassOutcome<B>> {
        let DetectionPass { backend, network, parameters, pass, .. } = *self;
        let config = cascade_of(network.config())?;
        let shape = backend.shape(&images);
        let padded = [shape[1], shape[2]];
        let mut tape = Tape::new(backend, parameters, pass).recomputing(self.recompute);
        let trunk = network.trunk(&mut tape, &Var::constant(images))?;
        let outputs = trunk.proposals.map(|output| output.tensor().clone());
        let anchored = Anchored::of(backend, network.config(), config, &outputs)?;
        let targets = anchored.targets(truths, pass)?;
        let [class, boxes] = proposal_losses(&mut tape, &trunk.proposals, anchored.anchors(), &targets)?;
        let sizes = truths.iter().map(|truths| truths.size);
        let found = anchored.proposals(&config.proposals.in_training(), sizes)?;
        let found =
            found.iter().map(|found| found.iter().map(|proposal| proposal.corners).collect()).collect();

        let maps = &trunk.maps[..trunk.maps.len() - 1];
        let tensors: Vec<B::Tensor> = maps.iter().map(|map| map.tensor().clone()).collect();
        let cascade = Cascade {
            backend,
            parameters,
            network: network.config(),
            config,
            padded,
            pass,
            scale: self.scale,
        };
        let Stages { losses: stages, mut gradients, mut buffers, maps: by_maps, .. } =
            cascade.run(&tensors, found, truths)?;
        drop(tensors);

        let value =
            |loss: &Var<B::Tensor>| -> Result<f64> { Ok(f64::from(backend.download(loss.tensor())?[0])) };
        let losses =
            DetectionLosses { proposal_class: value(&class)?, proposal_boxes: value(&boxes)?, stages };
        let mut seeds = Vec::new();
        for loss in [&class, &boxes] {
            seeds.push((loss, backend.upload(&Shape::from([1]), &[self.scale])?));
        }
        seeds.extend(maps.iter().zip(by_maps).filter_map(|(map, gradient)| Some((map, gradient?))));
        let mut backward = tape.backward_from(seeds)?;
        gradients.append(&mut backward.gradients);
        buffers.append(&mut backward.buffers);
        Ok(PassOutcome { losses, gradients, buffers })
    }
}
