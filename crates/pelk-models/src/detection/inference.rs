//! What a detector finds in images.

use super::proposals::Anchored;
use super::{cascade_of, regions};
use crate::config::{CascadeConfig, NetworkConfig};
use crate::error::Result;
use crate::heads::cascade::{BoxOutputs, HeadForm, Proposals, box_head, mask_head};
use crate::network::Network;
use pelk_autodiff::{Backend, Eager, Parameters, Session, Shape};
use pelk_detection::{BoxMask, CascadeOutput, Detection, HeadOutput, MaskCrop, Resized, detections, refine};
use std::collections::VecDeque;
use std::sync::Arc;

/// A thing that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Detected {
    /// Its box, in the original image.
    pub corners: [f32; 4],
    /// Its class.
    pub class: usize,
    /// The probability of the class.
    pub score: f32,
    /// Its mask, in the original image.
    pub mask: MaskCrop,
}

/// A pixel belongs to a mask whose probability is at least this.
const MASK_THRESHOLD: f32 = 0.5;

/// Recorded trunks that are kept: images come in two orientations, padded to a few sizes.
const SESSIONS: usize = 8;

/// Runs a detector on images of any size. The trunk is recorded once for each size.
pub struct Detector<'a, B: Backend> {
    backend: &'a B,
    network: &'a Network,
    config: &'a CascadeConfig,
    parameters: &'a Parameters<B>,
    /// The most recently used last.
    sessions: VecDeque<(Shape, Session<B>)>,
}

impl<'a, B: Backend> Detector<'a, B> {
    /// A detector with these parameters.
    ///
    /// # Errors
    /// When the network is not a detector.
    pub fn new(backend: &'a B, network: &'a Network, parameters: &'a Parameters<B>) -> Result<Self> {
        let config = cascade_of(network.config())?;
        Ok(Detector { backend, network, config, parameters, sessions: VecDeque::new() })
    }

    /// The device.
    pub fn backend(&self) -> &'a B {
        self.backend
    }

    /// The things in one image, `[1, H, W, C]`, padded right and below; those with the highest scores first.
    ///
    /// # Errors
    /// When the image does not fit the network, an output is not finite, or the backend returns an error.
    pub fn detect(&mut self, image: B::Tensor, size: &Resized) -> Result<Vec<Detected>> {
        let mut outputs = self.session(self.backend.shape(&image).clone())?.run_all(image)?;
        let levels = outputs.len() / 3;
        let deltas = outputs.split_off(2 * levels);
        let objectness = outputs.split_off(levels);
        let proposals = Proposals { objectness, deltas };
        let network = self.network.config();
        let anchored = Anchored::of(self.backend, network, self.config, &proposals)?;
        let mut found = anchored.proposals(&self.config.proposals.in_evaluation(), [size.resized])?;
        outputs.pop();
        let heads =
            Heads { backend: self.backend, network, config: self.config, parameters: self.parameters };
        let boxes = found.pop().unwrap_or_default().iter().map(|proposal| proposal.corners).collect();
        heads.detect(&outputs, boxes, size)
    }

    /// The trunk for images of this shape.
    fn session(&mut self, shape: Shape) -> Result<&mut Session<B>> {
        let known = self.sessions.iter().position(|(known, _)| *known == shape);
        let session = match known.and_then(|i| self.sessions.remove(i)) {
            Some((_, session)) => session,
            None => Session::record_all(self.backend, self.parameters, &shape, |e, images| {
                let trunk = self.network.trunk(e, images)?;
                Ok([trunk.maps, trunk.proposals.objectness, trunk.proposals.deltas].concat())
            })?,
        };
        if self.sessions.len() == SESSIONS {
            self.sessions.pop_front();
        }
        self.sessions.push_back((shape, session));
        let last = self.sessions.len() - 1;
        Ok(&mut self.sessions[last].1)
    }
}

/// The heads in evaluation.
pub struct Heads<'a, B: Backend> {
    /// The device.
    pub backend: &'a B,
    /// The network.
    pub network: &'a NetworkConfig,
    /// Its cascade.
    pub config: &'a CascadeConfig,
    /// The network's parameters.
    pub parameters: &'a Parameters<B>,
}

impl<B: Backend> Heads<'_, B> {
    /// The things in one image, from the pyramid's maps without the last and the proposals.
    ///
    /// # Errors
    /// When an output is not finite, or the backend returns an error.
    pub fn detect(&self, maps: &[B::Tensor], boxes: Vec<[f32; 4]>, size: &Resized) -> Result<Vec<Detected>> {
        if boxes.is_empty() {
            return Ok(Vec::new());
        }
        let Refined { boxes, logits, deltas } = self.refine(maps, boxes, size)?;
        let Some(last) = self.config.stages.last() else { return Ok(Vec::new()) };
        let output = CascadeOutput {
            boxes: &boxes,
            logits: &logits.iter().map(Vec::as_slice).collect::<Vec<_>>(),
            deltas: &deltas,
            classes: self.network.classes,
            coder: last.coder(),
        };
        let found = detections(&output, size, &self.config.detections)?;
        self.masks(maps, &found, size)
    }

    /// Runs the box heads, each on the boxes that the one before it refined.
    ///
    /// # Errors
    /// Same as [`Heads::detect`].
    pub fn refine(&self, maps: &[B::Tensor], mut boxes: Vec<[f32; 4]>, size: &Resized) -> Result<Refined> {
        let form = HeadForm::from(self.network);
        let classes = self.network.classes;
        let mut all = Vec::new();
        let mut last = Vec::new();
        for (stage, settings) in self.config.stages.iter().enumerate() {
            let rois = regions(self.config, maps.len(), std::slice::from_ref(&boxes));
            let mut e = Eager::new(self.backend, self.parameters);
            let BoxOutputs { logits, deltas } = box_head(&mut e, self.config, form, stage, maps, rois)?;
            let logits = self.backend.download(&logits)?;
            last = self.backend.download(&deltas)?;
            if stage + 1 < self.config.stages.len() {
                let output = HeadOutput { logits: &logits, deltas: &last, classes };
                boxes = refine(&boxes, &[], &output, &settings.coder(), size.resized)?;
            }
            all.push(logits);
        }
        Ok(Refined { boxes, logits: all, deltas: last })
    }

    /// Adds the masks: the mean of all mask heads' probabilities, in the pixels of the original image.
    fn masks(&self, maps: &[B::Tensor], found: &[Detection], size: &Resized) -> Result<Vec<Detected>> {
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let boxes: Vec<[f32; 4]> = found.iter().map(|found| size.to_resized(&found.corners)).collect();
        let rois = regions(self.config, maps.len(), &[boxes]);
        let (classes, side) = (self.network.classes, self.config.mask_size);
        let stages = self.config.stages.len();
        let mut means = vec![0.0_f32; found.len() * side * side];
        for stage in 0..stages {
            let mut e = Eager::new(self.backend, self.parameters);
            let form = HeadForm::from(self.network);
            let logits = mask_head(&mut e, self.config, form, stage, maps, Arc::clone(&rois))?;
            let logits = self.backend.download(&logits)?;
            for (i, mean) in means.iter_mut().enumerate() {
                let logit = logits[i * classes + found[i / (side * side)].class];
                *mean += 1.0 / (1.0 + (-logit).exp()) / stages as f32;
            }
        }
        let detected = found.iter().zip(means.chunks_exact(side * side)).map(|(found, probabilities)| {
            let mask = BoxMask { probabilities, side, corners: found.corners };
            Ok(Detected {
                corners: found.corners,
                class: found.class,
                score: found.score,
                mask: mask.paste(size.original, MASK_THRESHOLD)?,
            })
        });
        detected.collect()
    }
}

/// The boxes that the last stage read, and what the stages gave for them.
pub struct Refined {
    /// The boxes.
    pub boxes: Vec<[f32; 4]>,
    /// The logits of each stage, `[R, classes + 1]`.
    pub logits: Vec<Vec<f32>>,
    /// The deltas of the last stage, `[R, 4 classes]`.
    pub deltas: Vec<f32>,
}
