//! The region proposal network of a batch: its outputs on the host, its targets and losses.

use super::ImageTruths;
use crate::config::{CascadeConfig, NetworkConfig};
use crate::error::Result;
use crate::heads::cascade::Proposals;
use pelk_autodiff::operators::{Add, BinaryCrossEntropy, SmoothL1};
use pelk_autodiff::{Backend, Error, Executor, Pass, Tape, Var};
use pelk_detection::{
    AnchorSettings, Anchors, DetectionError, LevelOutput, Proposal, ProposalSettings, RpnTargets, SampleKey,
    proposals, rpn_targets,
};
use rayon::prelude::*;

/// Where Smooth L1 turns into a line (MMDetection's `beta` of the proposals).
const BETA: f32 = 1.0 / 9.0;

/// A level's outputs for the whole batch.
struct Level {
    /// `[N, H, W, A]`.
    logits: Vec<f32>,
    /// `[N, H, W, 4 A]`.
    deltas: Vec<f32>,
}

/// The outputs of the region proposal network on the host, with their anchors.
pub struct Anchored<'a> {
    config: &'a CascadeConfig,
    anchors: Anchors,
    levels: Vec<Level>,
}

impl<'a> Anchored<'a> {
    /// Downloads the outputs.
    ///
    /// # Errors
    /// When the settings of the anchors are not valid, or the backend returns an error.
    pub fn of<B: Backend>(
        backend: &B,
        network: &NetworkConfig,
        config: &'a CascadeConfig,
        outputs: &Proposals<B::Tensor>,
    ) -> Result<Anchored<'a>> {
        let mut levels = Vec::new();
        let mut maps = Vec::new();
        for (logits, deltas) in outputs.objectness.iter().zip(&outputs.deltas) {
            let shape = backend.shape(logits);
            maps.push([shape[1], shape[2]]);
            let [logits, deltas] = [logits, deltas].map(|output| backend.download(output));
            levels.push(Level { logits: logits?, deltas: deltas? });
        }
        let settings = AnchorSettings {
            strides: (0..maps.len()).map(|level| network.stem_stride << level).collect(),
            scales: config.anchor_scales.clone(),
            ratios: config.anchor_ratios.clone(),
        };
        Ok(Anchored { config, anchors: settings.anchors(&maps)?, levels })
    }

    /// The targets of each image.
    ///
    /// # Errors
    /// When a setting is out of its range, or a truth is not finite.
    pub fn targets(&self, truths: &[ImageTruths], pass: Pass) -> Result<Vec<RpnTargets>> {
        let of_image = |(image, truths): (usize, &ImageTruths)| {
            let key = SampleKey { seed: pass.seed, pass: pass.index, image: image as u32, stage: 0 };
            rpn_targets(&self.anchors, truths.size, &truths.boxes, &self.config.rpn, key)
        };
        Ok(in_order(truths.par_iter().enumerate().map(of_image))?)
    }

    /// The proposals of each image, the best first.
    ///
    /// # Errors
    /// When a setting is out of its range, or an output is not finite.
    pub fn proposals(
        &self,
        settings: &ProposalSettings,
        sizes: impl IntoIterator<Item = [usize; 2]>,
    ) -> Result<Vec<Vec<Proposal>>> {
        let sizes: Vec<_> = sizes.into_iter().collect();
        let of_image = |(image, size): (usize, &[usize; 2])| {
            let outputs: Vec<LevelOutput<'_>> = self
                .levels
                .iter()
                .zip(self.anchors.levels())
                .map(|(level, anchors)| LevelOutput {
                    logits: &level.logits[image * anchors.len()..][..anchors.len()],
                    deltas: &level.deltas[4 * image * anchors.len()..][..4 * anchors.len()],
                })
                .collect();
            proposals(&self.anchors, &outputs, *size, settings)
        };
        Ok(in_order(sizes.par_iter().enumerate().map(of_image))?)
    }

    /// The anchors of all levels.
    pub fn anchors(&self) -> &Anchors {
        &self.anchors
    }
}

/// All results, or of several errors the first one, whatever the threads.
fn in_order<T: Send>(
    results: impl IndexedParallelIterator<Item = std::result::Result<T, DetectionError>>,
) -> std::result::Result<Vec<T>, DetectionError> {
    results.collect::<Vec<_>>().into_iter().collect()
}

/// The classification and the box loss of the proposals: the sums over all levels and images, both divided by
/// the number of samples, of which an image counts at least one of each kind. `targets` are those of each
/// image.
///
/// # Errors
/// When the targets do not fit the anchors, or the backend returns an error.
pub fn proposal_losses<B: Backend>(
    tape: &mut Tape<'_, B>,
    outputs: &Proposals<Var<B::Tensor>>,
    anchors: &Anchors,
    targets: &[RpnTargets],
) -> Result<[Var<B::Tensor>; 2]> {
    let counted = |targets: &RpnTargets| targets.positives.len().max(1) + targets.negatives.len().max(1);
    let normalizer = targets.iter().map(counted).sum::<usize>() as f32;
    let mut sums = [None, None];
    for (level, samples) in LevelSamples::of(anchors, targets).into_iter().enumerate() {
        let LevelSamples { targets, weights, rows, deltas } = samples;
        let class = BinaryCrossEntropy { targets: targets.into(), weights: weights.into(), normalizer };
        let boxes = SmoothL1 { rows: rows.into(), targets: deltas.into(), beta: BETA, normalizer };
        let losses = [
            tape.apply_one(class, &[&outputs.objectness[level]])?,
            tape.apply_one(boxes, &[&outputs.deltas[level]])?,
        ];
        for (sum, loss) in sums.iter_mut().zip(losses) {
            *sum = Some(match sum.take() {
                Some(sum) => tape.apply_one(Add, &[&sum, &loss])?,
                None => loss,
            });
        }
    }
    match sums {
        [Some(class), Some(boxes)] => Ok([class, boxes]),
        _ => Err(Error::NoGradient.into()),
    }
}

/// The samples of a level, over all images.
struct LevelSamples {
    /// Of each anchor, 1 for a thing.
    targets: Vec<f32>,
    /// Of each anchor, 1 if it was sampled.
    weights: Vec<f32>,
    /// The anchors that have to find a box.
    rows: Vec<u32>,
    /// Their deltas.
    deltas: Vec<[f32; 4]>,
}

impl LevelSamples {
    fn of(anchors: &Anchors, targets: &[RpnTargets]) -> Vec<LevelSamples> {
        let empty = |anchors: &Vec<[f32; 4]>| {
            let all = anchors.len() * targets.len();
            LevelSamples { targets: vec![0.0; all], weights: vec![0.0; all], rows: vec![], deltas: vec![] }
        };
        let mut levels: Vec<_> = anchors.levels().iter().map(empty).collect();
        for (image, targets) in targets.iter().enumerate() {
            let row = |anchor: usize| {
                let (level, place) = anchors.locate(anchor)?;
                Some((level, image * anchors.levels()[level].len() + place))
            };
            for (level, row) in targets.negatives.iter().filter_map(|&anchor| row(anchor)) {
                levels[level].weights[row] = 1.0;
            }
            for (&anchor, deltas) in targets.positives.iter().zip(&targets.deltas) {
                let Some((level, row)) = row(anchor) else { continue };
                levels[level].weights[row] = 1.0;
                levels[level].targets[row] = 1.0;
                levels[level].rows.push(row as u32);
                levels[level].deltas.push(*deltas);
            }
        }
        levels
    }
}
