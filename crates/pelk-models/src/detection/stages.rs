//! The stages of the cascade in training.

use super::{ImageTruths, regions};
use crate::config::{CascadeConfig, NetworkConfig};
use crate::error::Result;
use crate::heads::cascade::{BoxOutputs, HeadForm, box_head, mask_head};
use pelk_autodiff::operators::{Add, BoxGiou, CrossEntropy, MaskCrossEntropy};
use pelk_autodiff::{Backend, Executor, Parameters, Pass, Shape, Tape, Var};
use pelk_detection::{HeadOutput, SampleKey, StageSamples, StageSettings, Truths, mask_target};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The losses of a stage, each multiplied by the stage's weight.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StageLosses {
    /// Cross-entropy of the classes.
    pub class: f64,
    /// Generalized IoU of the boxes.
    pub boxes: f64,
    /// Binary cross-entropy of the masks.
    pub mask: f64,
}

/// What the stages of a pass computed.
pub struct Stages<B: Backend> {
    /// The losses of each stage.
    pub losses: Vec<StageLosses>,
    /// The samples of each stage, for each image.
    pub samples: Vec<Vec<StageSamples>>,
    /// The gradients of the heads' parameters.
    pub gradients: BTreeMap<String, B::Tensor>,
    /// The heads' new running statistics.
    pub buffers: BTreeMap<String, B::Tensor>,
    /// The gradient of each map.
    pub maps: Vec<Option<B::Tensor>>,
}

/// A training pass over the stages of the cascade.
pub struct Cascade<'a, B: Backend> {
    /// The device.
    pub backend: &'a B,
    /// The network's parameters.
    pub parameters: &'a Parameters<B>,
    /// The network.
    pub network: &'a NetworkConfig,
    /// Its cascade.
    pub config: &'a CascadeConfig,
    /// Height and width of the batch's images, padding included.
    pub padded: [usize; 2],
    /// Identifies the pass.
    pub pass: Pass,
    /// A factor on all gradients.
    pub scale: f32,
}

impl<B: Backend> Cascade<'_, B> {
    /// Runs all stages, forward and backward, on the pyramid's maps without the last, from each image's
    /// proposals.
    ///
    /// # Errors
    /// When a truth lies outside its image, an output is not finite, or the backend returns an error.
    pub fn run(
        &self,
        maps: &[B::Tensor],
        mut proposals: Vec<Vec<[f32; 4]>>,
        truths: &[ImageTruths],
    ) -> Result<Stages<B>> {
        let mut result = Stages {
            losses: Vec::new(),
            samples: Vec::new(),
            gradients: BTreeMap::new(),
            buffers: BTreeMap::new(),
            maps: vec![None; maps.len()],
        };
        for (stage, settings) in self.config.stages.iter().enumerate() {
            let samples = self.draw(stage, settings, &proposals, truths)?;
            let last = stage + 1 == self.config.stages.len();
            proposals = self.stage(stage, maps, &samples, truths, last, &mut result)?;
            result.samples.push(samples);
        }
        Ok(result)
    }

    fn draw(
        &self,
        stage: usize,
        settings: &StageSettings,
        proposals: &[Vec<[f32; 4]>],
        truths: &[ImageTruths],
    ) -> Result<Vec<StageSamples>> {
        let of_image = |(image, (proposals, truths)): (usize, (&Vec<[f32; 4]>, &ImageTruths))| {
            let key = SampleKey {
                seed: self.pass.seed,
                pass: self.pass.index,
                image: image as u32,
                stage: stage as u32 + 1,
            };
            let truths = Truths { boxes: &truths.boxes, classes: &truths.classes };
            StageSamples::draw(proposals, truths, self.network.classes, settings, key)
        };
        let drawn: Vec<_> = proposals.par_iter().zip(truths).enumerate().map(of_image).collect();
        // Of several errors the first image's, whatever the threads.
        Ok(drawn.into_iter().collect::<std::result::Result<_, _>>()?)
    }

    /// One stage; returns the boxes that its successor starts from, none for the last.
    fn stage(
        &self,
        stage: usize,
        maps: &[B::Tensor],
        samples: &[StageSamples],
        truths: &[ImageTruths],
        last: bool,
        result: &mut Stages<B>,
    ) -> Result<Vec<Vec<[f32; 4]>>> {
        let (backend, settings) = (self.backend, &self.config.stages[stage]);
        let boxes: Vec<_> = samples.iter().map(|samples| samples.boxes.clone()).collect();
        let rows: usize = boxes.iter().map(Vec::len).sum();
        if rows == 0 {
            // Without a single proposal or truth there is nothing to learn here.
            result.losses.push(StageLosses::default());
            return Ok(vec![Vec::new(); samples.len()]);
        }
        let mut tape = Tape::new(backend, self.parameters, self.pass);
        let leaves: Vec<_> =
            maps.iter().enumerate().map(|(i, map)| tape.leaf(&leaf(i), map.clone())).collect();
        let form = HeadForm::from(self.network);
        let rois = regions(self.config, maps.len(), &boxes);
        let outputs = box_head(&mut tape, self.config, form, stage, &leaves, rois)?;
        let class = tape.apply_one(self.class_loss(samples), &[&outputs.logits])?;
        let positives = positives(samples, truths);
        let giou = tape.apply_one(self.box_loss(settings, &positives, rows), &[&outputs.deltas])?;
        let mask = self.mask_loss(&mut tape, stage, &leaves, samples, &positives)?;

        let mut total = tape.apply_one(Add, &[&class, &giou])?;
        if let Some(mask) = &mask {
            total = tape.apply_one(Add, &[&total, mask])?;
        }
        let weighted = |loss: &Var<B::Tensor>| -> Result<f64> {
            let value = backend.download(loss.tensor())?[0];
            Ok(f64::from(value) * f64::from(settings.loss_weight))
        };
        result.losses.push(StageLosses {
            class: weighted(&class)?,
            boxes: weighted(&giou)?,
            mask: mask.as_ref().map(weighted).transpose()?.unwrap_or_default(),
        });
        let refined = if last { Vec::new() } else { self.refine(settings, samples, truths, &outputs)? };
        let seed = backend.upload(&Shape::from([1]), &[self.scale * settings.loss_weight])?;
        let mut backward = tape.backward(&total, seed)?;
        for (i, sum) in result.maps.iter_mut().enumerate() {
            match (sum, backward.gradients.remove(&leaf(i))) {
                (Some(sum), Some(gradient)) => backend.add_assign(sum, &gradient)?,
                (sum @ None, gradient) => *sum = gradient,
                (Some(_), None) => {}
            }
        }
        result.gradients.append(&mut backward.gradients);
        result.buffers.append(&mut backward.buffers);
        Ok(refined)
    }

    /// The mean cross-entropy over all samples.
    fn class_loss(&self, samples: &[StageSamples]) -> CrossEntropy {
        let labels = samples.iter().flat_map(|samples| &samples.labels).map(|&label| label as i64).collect();
        CrossEntropy { labels, ..CrossEntropy::default() }
    }

    /// The loss of the positives' boxes, divided by the number of all samples.
    fn box_loss(&self, settings: &StageSettings, positives: &[Positive<'_>], rows: usize) -> BoxGiou {
        BoxGiou {
            rows: positives.iter().map(|positive| positive.row as u32).collect(),
            classes: positives.iter().map(|positive| positive.class as u32).collect(),
            boxes: positives.iter().map(|positive| positive.from).collect(),
            targets: positives.iter().map(|positive| positive.truths.boxes[positive.truth]).collect(),
            coder: settings.coder(),
            weight: self.config.box_loss_weight,
            normalizer: rows as f32,
        }
    }

    /// The mean loss over the positives' masks; `None` where there is no positive.
    fn mask_loss(
        &self,
        tape: &mut Tape<'_, B>,
        stage: usize,
        maps: &[Var<B::Tensor>],
        samples: &[StageSamples],
        positives: &[Positive<'_>],
    ) -> Result<Option<Var<B::Tensor>>> {
        if positives.is_empty() {
            return Ok(None);
        }
        let side = self.config.mask_size;
        let boxes: Vec<Vec<[f32; 4]>> =
            samples.iter().map(|samples| samples.boxes[..samples.truths.len()].to_vec()).collect();
        let rois = regions(self.config, maps.len(), &boxes);
        let logits = mask_head(tape, self.config, self.network.into(), stage, maps, rois)?;
        let target = |positive: &Positive| {
            let mask = &positive.truths.masks[positive.truth];
            // The bitmap is padded as the image is: what lies beyond the image's border counts at its edge.
            mask_target(mask, self.padded, &positive.from, side)
        };
        let targets: Vec<_> = positives.par_iter().map(target).collect();
        let targets = targets.into_iter().collect::<std::result::Result<Vec<_>, _>>()?;
        let loss = MaskCrossEntropy {
            classes: positives.iter().map(|positive| positive.class as u32).collect(),
            targets: targets.into_iter().flatten().collect(),
            weights: vec![1.0; positives.len()].into(),
            normalizer: (positives.len() * side * side) as f32,
        };
        Ok(Some(tape.apply_one(loss, &[&logits])?))
    }

    /// The next stage's proposals of each image.
    fn refine(
        &self,
        settings: &StageSettings,
        samples: &[StageSamples],
        truths: &[ImageTruths],
        outputs: &BoxOutputs<Var<B::Tensor>>,
    ) -> Result<Vec<Vec<[f32; 4]>>> {
        let classes = self.network.classes;
        let logits = self.backend.download(outputs.logits.tensor())?;
        let deltas = self.backend.download(outputs.deltas.tensor())?;
        let (mut logits, mut deltas) = (&logits[..], &deltas[..]);
        let mut refined = Vec::new();
        for (samples, truths) in samples.iter().zip(truths) {
            let rows = samples.boxes.len();
            let (of_image, rest) = logits.split_at(rows * (classes + 1));
            let (deltas_of_image, deltas_rest) = deltas.split_at(rows * 4 * classes);
            let output = HeadOutput { logits: of_image, deltas: deltas_of_image, classes };
            refined.push(samples.refine(&output, &settings.coder(), truths.size)?);
            (logits, deltas) = (rest, deltas_rest);
        }
        Ok(refined)
    }
}

/// The name of a map among the leaves of a stage's tape.
fn leaf(map: usize) -> String {
    format!("maps.{map}")
}

/// A sample that has to find a truth.
struct Positive<'a> {
    /// Its row among the samples of all images.
    row: usize,
    /// The box that the head reads.
    from: [f32; 4],
    class: usize,
    truths: &'a ImageTruths,
    /// The truth, of those of its image.
    truth: usize,
}

/// The positives of all images, in the order of their rows.
fn positives<'a>(samples: &[StageSamples], truths: &'a [ImageTruths]) -> Vec<Positive<'a>> {
    let mut first = 0;
    let of_image = |(samples, truths): (&StageSamples, &'a ImageTruths)| {
        let start = first;
        first += samples.boxes.len();
        let positive = |(i, &truth): (usize, &usize)| Positive {
            row: start + i,
            from: samples.boxes[i],
            class: samples.labels[i],
            truths,
            truth,
        };
        samples.truths.iter().enumerate().map(positive).collect::<Vec<_>>()
    };
    samples.iter().zip(truths).flat_map(of_image).collect()
}
