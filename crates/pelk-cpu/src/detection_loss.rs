//! Losses of detectors: binary cross-entropy of logits and masks, smooth L1, generalized IoU.
//!
//! Each is a sum of terms, one for each logit, row or pixel that counts. A term reads one value of the input,
//! or four; the gradient is zero everywhere else. Nothing is saved for the gradient, which computes the terms
//! again: they are few, and cheap beside the layers that made the input. So there are no vectors here, and
//! bits do not depend on the level.

use crate::rows::{Rows, RowsMut, expect_shape};
use crate::rowwise::CHUNK;
use crate::shape::ShapeError;
use pelk_ops::boxes::giou;
pub use pelk_ops::{BinaryCrossEntropy, BoxGiou, DetectionLoss, MaskCrossEntropy, SmoothL1};
use rayon::prelude::*;

/// Terms of a task: some 20 microseconds.
const TASK: usize = 1 << 10;

/// What one value, row or pixel adds to the sum, before the normalizer.
struct Term {
    /// Its first value in the input.
    at: usize,
    value: f32,
    /// The derivatives by its values.
    slope: [f32; 4],
}

/// The loss of `x`, whose columns are the channels.
///
/// ```
/// use pelk_cpu::Rows;
/// use pelk_cpu::detection_loss::{SmoothL1, forward};
/// // Of two boxes the second counts: two deltas are off by 0.5 and by 3.
/// let x = [9.0, 9.0, 9.0, 9.0, 1.5, 4.0, 1.0, 1.0];
/// let (rows, targets) = ([1].into(), [[1.0; 4]].into());
/// let loss = SmoothL1 { rows, targets, beta: 1.0, normalizer: 2.0 };
/// assert_eq!(forward(Rows::new(&x, 4)?, (&loss).into())?, (0.125 + 2.5) / 2.0);
/// # Ok::<(), pelk_cpu::shape::ShapeError>(())
/// ```
///
/// # Errors
/// When the loss's data do not fit `x`, see [`DetectionLoss::check`].
pub fn forward(x: Rows<'_>, loss: DetectionLoss<'_>) -> Result<f32, ShapeError> {
    loss.check(x.shape())?;
    let count = terms(loss);
    let sums: Vec<f64> = (0..count.div_ceil(TASK))
        .into_par_iter()
        .map(|task| {
            let terms = task * TASK..count.min((task + 1) * TASK);
            terms.filter_map(|i| term(loss, x, i)).map(|term| f64::from(term.value)).sum()
        })
        .collect();
    Ok((sums.iter().sum::<f64>() / f64::from(loss.normalizer())) as f32)
}

/// The gradient of [`forward`] by `x`, times `gy`, the derivative by the loss itself.
///
/// # Errors
/// When the loss's data do not fit `x`, see [`DetectionLoss::check`], or the gradient has another shape.
pub fn backward(x: Rows<'_>, loss: DetectionLoss<'_>, gy: f32, gx: RowsMut<'_>) -> Result<(), ShapeError> {
    loss.check(x.shape())?;
    expect_shape(loss.name(), "gx", gx.shape(), x.shape())?;
    let terms: Vec<Term> =
        (0..terms(loss)).into_par_iter().with_min_len(TASK).filter_map(|i| term(loss, x, i)).collect();
    let gx = gx.into_values();
    gx.par_chunks_mut(CHUNK).for_each(|gx| gx.fill(0.0));
    let factor = gy / loss.normalizer();
    // No two terms have a value in common.
    for Term { at, slope, .. } in terms {
        for (g, slope) in gx[at..].iter_mut().zip(&slope[..width(loss)]) {
            *g = factor * slope;
        }
    }
    Ok(())
}

/// The number of terms.
fn terms(loss: DetectionLoss<'_>) -> usize {
    match loss {
        DetectionLoss::BinaryCrossEntropy(op) => op.targets.len(),
        DetectionLoss::SmoothL1(op) => op.rows.len(),
        DetectionLoss::BoxGiou(op) => op.rows.len(),
        DetectionLoss::MaskCrossEntropy(op) => op.targets.len(),
    }
}

/// The number of values that a term reads.
fn width(loss: DetectionLoss<'_>) -> usize {
    match loss {
        DetectionLoss::BinaryCrossEntropy(_) | DetectionLoss::MaskCrossEntropy(_) => 1,
        DetectionLoss::SmoothL1(_) | DetectionLoss::BoxGiou(_) => 4,
    }
}

/// Term `i`; `None` where it weighs nothing.
#[inline]
fn term(loss: DetectionLoss<'_>, x: Rows<'_>, i: usize) -> Option<Term> {
    match loss {
        DetectionLoss::BinaryCrossEntropy(op) => binary(x, i, op.targets[i], op.weight(i)),
        DetectionLoss::SmoothL1(op) => Some(smooth_l1(op, x, i)),
        DetectionLoss::BoxGiou(op) => Some(box_giou(op, x, i)),
        DetectionLoss::MaskCrossEntropy(op) => {
            let region = i / op.pixels();
            let at = i * x.columns() + op.classes[region] as usize;
            binary(x, at, if op.targets[i] { 1.0 } else { 0.0 }, op.weights[region])
        }
    }
}

/// Binary cross-entropy of the logit at `at`. No exponential overflows.
#[inline]
fn binary(x: Rows<'_>, at: usize, target: f32, weight: f32) -> Option<Term> {
    if weight == 0.0 {
        return None;
    }
    let z = x.values()[at];
    let e = (-z.abs()).exp();
    let value = z.max(0.0) - z * target + e.ln_1p();
    let sigmoid = if z >= 0.0 { 1.0 } else { e } / (1.0 + e);
    Some(Term { at, value: weight * value, slope: [weight * (sigmoid - target), 0.0, 0.0, 0.0] })
}

fn smooth_l1(op: &SmoothL1, x: Rows<'_>, i: usize) -> Term {
    let at = 4 * op.rows[i] as usize;
    let d: [f32; 4] = std::array::from_fn(|k| x.values()[at + k] - op.targets[i][k]);
    let value = d.map(|d| match d.abs() {
        a if a < op.beta => 0.5 * d * d / op.beta,
        a => a - 0.5 * op.beta,
    });
    Term { at, value: value.iter().sum(), slope: d.map(|d| (d / op.beta).clamp(-1.0, 1.0)) }
}

/// In `f64`: far from the origin, the sides of a small box have few digits.
fn box_giou(op: &BoxGiou, x: Rows<'_>, i: usize) -> Term {
    let at = op.rows[i] as usize * x.columns() + 4 * op.classes[i] as usize;
    let deltas = std::array::from_fn(|k| f64::from(x.values()[at + k]));
    let [from, target] = [op.boxes[i], op.targets[i]].map(|b| b.map(f64::from));
    let (overlap, by_box) = giou(&op.coder.decode(&from, &deltas, None), &target);
    let slope = op.coder.decode_gradient(&from, &deltas, None, &by_box);
    let weight = f64::from(op.weight);
    Term { at, value: (weight * (1.0 - overlap)) as f32, slope: slope.map(|slope| (-weight * slope) as f32) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::detection_loss as reference;
    use crate::testing::{assert_close, assert_thread_count_free, rows, rows_mut, stale, values, widen};
    use pelk_ops::boxes::BoxCoder;

    /// Every third weight is 0.
    fn weights(n: usize) -> Vec<f32> {
        values(3, n).iter().enumerate().map(|(i, w)| if i % 3 == 1 { 0.0 } else { w + 1.5 }).collect()
    }

    /// Runs `test` with a name, the number of columns, an input and a loss of it.
    fn each_loss(mut test: impl FnMut(&str, usize, &[f32], DetectionLoss<'_>)) {
        for (r, k) in [(1, 1), (3, 17), (701, 5)] {
            let x: Vec<f32> = values(1, r * k).iter().map(|x| 20.0 * x).collect();
            let targets: Vec<f32> = values(2, r * k).iter().map(|t| (t + 1.0) / 2.0).collect();
            for weights in [vec![], weights(r * k)] {
                let (targets, weights) = (targets[..].into(), weights.into());
                let op = BinaryCrossEntropy { targets, weights, normalizer: 7.0 };
                test(&format!("{r} x {k}"), k, &x, (&op).into());
            }
        }
        for (r, h, k) in [(1, 1, 1), (5, 7, 3), (13, 14, 20)] {
            let x: Vec<f32> = values(1, r * h * h * k).iter().map(|x| 20.0 * x).collect();
            let op = MaskCrossEntropy {
                classes: (0..r).map(|i| (i * i % k) as u32).collect(),
                targets: values(2, r * h * h).iter().map(|t| *t > 0.2).collect(),
                weights: weights(r).into(),
                normalizer: 9.0,
            };
            test(&format!("{r} masks of {h} x {h} and {k} classes"), k, &x, (&op).into());
        }
        for (r, k) in [(1, 1), (9, 3), (1200, 8)] {
            for listed in [0, 1, r / 2 + 1] {
                let x: Vec<f32> = values(1, 4 * r * k).iter().map(|x| 2.0 * x).collect();
                let rows: Vec<u32> = (0..listed).map(|i| ((7 * i + 5) % r) as u32).collect();
                let random = values(2, 8 * listed);
                let targets = (0..listed).map(|i| [random[i], random[i + 1], random[i + 2], random[i + 3]]);
                let op = SmoothL1 {
                    rows: rows[..].into(),
                    targets: targets.collect(),
                    beta: 0.3,
                    normalizer: 3.0,
                };
                test(&format!("{listed} of {r} rows of {k}"), 4 * k, &x, (&op).into());
                let boxes = |shift: usize| {
                    let side = |i: usize| 20.0 + 10.0 * random[i];
                    let at = |i: usize| [800.0 + 15.0 * random[i], 500.0 + 15.0 * random[i + 1]];
                    let made = (0..listed).map(|i| {
                        let [x, y] = at(4 * i + shift);
                        [x, y, x + side(4 * i + shift), y + side(4 * i + 2)]
                    });
                    made.collect()
                };
                let op = BoxGiou {
                    classes: rows.iter().map(|row| (*row as usize * 3 % k) as u32).collect(),
                    rows: rows.into(),
                    boxes: boxes(0),
                    targets: boxes(1),
                    coder: BoxCoder::with_stds([0.1, 0.1, 0.2, 0.2]),
                    weight: 10.0,
                    normalizer: 3.0,
                };
                test(&format!("{listed} of {r} rows of {k}"), 4 * k, &x, (&op).into());
            }
        }
    }

    #[test]
    fn losses_meet_the_reference() {
        each_loss(|what, k, x, loss| {
            let what = format!("{}: {what}", loss.name());
            let mut g = stale(x.len());
            let value = forward(rows(x, k), loss).unwrap();
            backward(rows(x, k), loss, -0.7, rows_mut(&mut g, k)).unwrap();
            let x = widen(x);
            assert_close(&what, &[value], &[reference::forward(k, &x, loss)], 1e-6);
            let want = reference::backward(k, &x, loss, f64::from(-0.7f32));
            assert_close(format!("{what}, gradient"), &g, &want, 1e-5);
        });
    }

    #[test]
    fn bits_do_not_depend_on_the_thread_count() {
        each_loss(|what, k, x, loss| {
            assert_thread_count_free(format!("{}: {what}", loss.name()), || {
                let mut g = stale(x.len());
                backward(rows(x, k), loss, 1.0, rows_mut(&mut g, k)).unwrap();
                g.push(forward(rows(x, k), loss).unwrap());
                g
            });
        });
    }

    #[test]
    fn large_logits_do_not_overflow_and_not_a_number_is_seen() {
        let run = |z: f32, target: f32, weight: f32| {
            let op =
                BinaryCrossEntropy { targets: [target].into(), weights: [weight].into(), normalizer: 1.0 };
            let mut g = [f32::NAN];
            backward(rows(&[z], 1), (&op).into(), 1.0, rows_mut(&mut g, 1)).unwrap();
            (forward(rows(&[z], 1), (&op).into()).unwrap(), g[0])
        };
        assert_eq!(run(1e4, 0.0, 1.0), (1e4, 1.0));
        assert_eq!(run(-1e4, 1.0, 1.0), (1e4, -1.0));
        assert_eq!([run(1e4, 1.0, 1.0), run(-1e4, 0.0, 1.0)], [(0.0, 0.0); 2]);
        let (value, slope) = run(f32::NAN, 1.0, 1.0);
        assert!(value.is_nan() && slope.is_nan());
        assert_eq!(run(f32::NAN, 1.0, 0.0), (0.0, 0.0), "a value that does not count");
    }

    #[test]
    fn millions_of_terms_are_summed_exactly_enough() {
        let n = 3_000_000;
        let (targets, weights) = (vec![0.0; n].into(), [].into());
        let op = BinaryCrossEntropy { targets, weights, normalizer: n as f32 };
        let value = forward(rows(&vec![0.0; n], 3), (&op).into()).unwrap();
        assert!((f64::from(value) - 2f64.ln()).abs() < 1e-7, "{value}");
    }

    #[test]
    fn data_that_do_not_fit_are_errors() {
        let op = BinaryCrossEntropy { targets: [0.0; 6].into(), weights: [].into(), normalizer: 1.0 };
        let (x, mut g) = ([0.0; 8], [0.0; 6]);
        assert!(forward(rows(&x, 2), (&op).into()).is_err());
        assert!(backward(rows(&x, 2), (&op).into(), 1.0, rows_mut(&mut g, 2)).is_err());
        assert!(backward(rows(&x[..6], 2), (&op).into(), 1.0, rows_mut(&mut g, 3)).is_err());
        assert!(backward(rows(&x[..6], 2), (&op).into(), 1.0, rows_mut(&mut g, 2)).is_ok());
    }
}
