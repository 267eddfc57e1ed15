//! Compares two forms of a detector on the same images.
//!
//! What a detector finds may change where its outputs hardly do: rounding can swap two proposals, or move the
//! overlap of two boxes across a threshold. So the forms are compared by all outputs before such decisions,
//! with the heads on the same boxes; what each form finds is only counted.

use super::compare::Comparison;
use super::samples::Samples;
use anyhow::Result;
use ndarray::ArrayD;
use pelk_autodiff::{Backend, Eager, from_host, to_host};
use pelk_data::Batch;
use pelk_models::detection::{Anchored, Detector, cascade_of, regions};
use pelk_models::heads::cascade::{HeadForm, Trunk, box_head, mask_head};
use pelk_ops::Roi;
use pelk_train::{Trained, objects_of};
use std::sync::Arc;
use std::time::Instant;

/// Number of boxes of an image whose masks are compared: as many as a detector finds at most by default.
const MASKS: usize = 100;

/// Runs both forms on each image; `on_image` gets the number of images done.
///
/// # Errors
/// When an image cannot be read or does not fit the network.
pub fn compare<B: Backend>(
    backend: &B,
    forms: [&Trained<B>; 2],
    images: &Samples<'_>,
    mut on_image: impl FnMut(usize),
) -> Result<Comparison> {
    let [before, after] = forms.map(|form| Detector::new(backend, &form.network, &form.parameters));
    let mut detectors = [before?, after?];
    let mut compared = Comparison::default();
    for batch in images.batches()? {
        let batch = batch?;
        for (i, detector) in detectors.iter_mut().enumerate() {
            // The first run records the trunk for the image's size, which is not part of its speed.
            compared.found[i] += objects_of(detector, &batch)?.len();
            let start = Instant::now();
            objects_of(detector, &batch)?;
            compared.seconds[i] += start.elapsed().as_secs_f64();
        }
        compare_outputs(backend, forms, &batch, &mut compared)?;
        on_image(compared.images);
    }
    Ok(compared)
}

/// Compares the outputs of the trunks, and those of the heads on the proposals of the first form.
fn compare_outputs<B: Backend>(
    backend: &B,
    forms: [&Trained<B>; 2],
    batch: &Batch,
    compared: &mut Comparison,
) -> Result<()> {
    let image = from_host(backend, &batch.images)?;
    let [before, after] = forms.map(|form| form.network.trunk(&mut executor(backend, form), &image));
    let trunks = [before?, after?];
    let proposals = trunks.each_ref().map(|Trunk { proposals, .. }| {
        let outputs = [&proposals.objectness[..], &proposals.deltas].concat();
        outputs.iter().map(|output| Ok(to_host(backend, output)?)).collect::<Result<Vec<_>>>()
    });
    let [before, after] = proposals;
    for (before, after) in before?.iter().zip(&after?) {
        compared.values(before, after);
    }

    let network = forms[0].network.config();
    let cascade = cascade_of(network)?;
    let anchored = Anchored::of(backend, network, cascade, &trunks[0].proposals)?;
    let proposals = anchored.proposals(&cascade.proposals.in_evaluation(), [batch.sizes[0]])?.concat();
    // The last map serves the proposals alone.
    let maps = trunks.each_ref().map(|trunk| &trunk.maps[..trunk.maps.len() - 1]);
    let corners = proposals.iter().map(|proposal| proposal.corners).collect();
    let boxes = regions(cascade, maps[0].len(), &[corners]);
    let masked: Arc<[Roi]> = boxes.iter().take(MASKS).copied().collect();
    let outputs = |i: usize, stage: usize| -> Result<[ArrayD<f32>; 3]> {
        let (mut e, form) = (executor(backend, forms[i]), HeadForm::from(forms[i].network.config()));
        let found = box_head(&mut e, cascade, form, stage, maps[i], Arc::clone(&boxes))?;
        let masks = mask_head(&mut e, cascade, form, stage, maps[i], Arc::clone(&masked))?;
        let [logits, deltas, masks] = [found.logits, found.deltas, masks].map(|x| to_host(backend, &x));
        Ok([logits?, deltas?, masks?])
    };
    // An image without proposals still counts.
    let mut logits = [ArrayD::zeros(vec![0, 1]), ArrayD::zeros(vec![0, 1])];
    let stages = if boxes.is_empty() { 0 } else { cascade.stages.len() };
    for stage in 0..stages {
        let ([first, before @ ..], [second, after @ ..]) = (outputs(0, stage)?, outputs(1, stage)?);
        for (before, after) in before.iter().zip(&after) {
            compared.values(before, after);
        }
        compared.values(&first, &second);
        logits = [first, second];
    }
    let [before, after] = &logits;
    compared.add(before, after);
    Ok(())
}

fn executor<'a, B: Backend>(backend: &'a B, form: &'a Trained<B>) -> Eager<'a, B> {
    Eager::new(backend, &form.parameters)
}
