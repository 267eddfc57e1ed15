//! The loops over the rows of a task.

use super::CrossEntropy;
use crate::rowwise::mask;
use pelk_simd::{Kernel, Simd};

/// The logarithm of the sum of exponentials of each row.
pub(super) struct LogSumExp<'a> {
    pub(super) classes: usize,
    pub(super) logits: &'a [f32],
    pub(super) log_sum_exp: &'a mut [f32],
}

impl Kernel for LogSumExp<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (row, out) in self.logits.chunks_exact(self.classes).zip(self.log_sum_exp) {
            // The largest logit is subtracted first, so that no exponential overflows.
            let whole = row.len() - row.len() % S::LANES;
            let mut largest = simd.splat(f32::NEG_INFINITY);
            for x in row[..whole].chunks_exact(S::LANES) {
                largest = simd.max(largest, simd.load(x));
            }
            let largest = row[whole..].iter().copied().fold(simd.reduce_max(largest), f32::max);
            let mut sum = simd.zero();
            for x in row.chunks(S::LANES) {
                let e = simd.exp(simd.sub(simd.load_partial(x), simd.splat(largest)));
                sum = simd.mul_add(e, mask(simd, x), sum);
            }
            *out = largest + simd.reduce_sum(sum).ln();
        }
    }
}

/// Rows with labels; running it gives the sum of their losses.
pub(super) struct Hard<'a> {
    pub(super) classes: usize,
    pub(super) logits: &'a [f32],
    pub(super) labels: &'a [i64],
    pub(super) op: &'a CrossEntropy,
    pub(super) log_sum_exp: &'a [f32],
}

impl Hard<'_> {
    /// The label of a row that counts. Labels have been checked.
    #[inline(always)]
    fn label(&self, row: usize) -> Option<usize> {
        self.op.class(self.labels[row])
    }
}

impl Kernel for Hard<'_> {
    type Output = f64;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f64 {
        let smoothing = f64::from(self.op.label_smoothing);
        let mut loss = 0.0;
        for (row, logits) in self.logits.chunks_exact(self.classes).enumerate() {
            let Some(label) = self.label(row) else { continue };
            let log_sum_exp = f64::from(self.log_sum_exp[row]);
            let weight = f64::from(self.op.weight(label));
            loss += weight * (1.0 - smoothing) * (log_sum_exp - f64::from(logits[label]));
            if smoothing > 0.0 {
                let mut sum = simd.zero();
                for x in logits.chunks(S::LANES) {
                    sum = simd.add(sum, simd.load_partial(x));
                }
                let mean = f64::from(simd.reduce_sum(sum)) / self.classes as f64;
                loss += weight * smoothing * (log_sum_exp - mean);
            }
        }
        loss
    }
}

pub(super) struct HardBackward<'a> {
    pub(super) rows: Hard<'a>,
    pub(super) factor: f32,
    pub(super) glogits: &'a mut [f32],
}

impl Kernel for HardBackward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let classes = self.rows.classes;
        let smoothing = self.rows.op.label_smoothing;
        let spread = simd.splat(smoothing / classes as f32);
        let rows = self.rows.logits.chunks_exact(classes).zip(self.glogits.chunks_exact_mut(classes));
        for (row, (logits, glogits)) in rows.enumerate() {
            let Some(label) = self.rows.label(row) else {
                glogits.fill(0.0);
                continue;
            };
            let log_sum_exp = simd.splat(self.rows.log_sum_exp[row]);
            let row_factor = self.factor * self.rows.op.weight(label);
            let factor = simd.splat(row_factor);
            for (x, g) in logits.chunks(S::LANES).zip(glogits.chunks_mut(S::LANES)) {
                let softmax = simd.exp(simd.sub(simd.load_partial(x), log_sum_exp));
                simd.store_partial(simd.mul(factor, simd.sub(softmax, spread)), g);
            }
            glogits[label] -= row_factor * (1.0 - smoothing);
        }
    }
}

/// Rows with probabilities; running it gives the sum of their losses.
pub(super) struct Soft<'a> {
    pub(super) classes: usize,
    pub(super) logits: &'a [f32],
    pub(super) target: &'a [f32],
    pub(super) log_sum_exp: &'a [f32],
}

impl Kernel for Soft<'_> {
    type Output = f64;
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f64 {
        let rows = self.logits.chunks_exact(self.classes).zip(self.target.chunks_exact(self.classes));
        let mut loss = 0.0;
        for ((logits, target), log_sum_exp) in rows.zip(self.log_sum_exp) {
            let log_sum_exp = simd.splat(*log_sum_exp);
            let mut sum = simd.zero();
            for (x, t) in logits.chunks(S::LANES).zip(target.chunks(S::LANES)) {
                // Past the end of a row the target is loaded as zero.
                sum = simd.mul_add(simd.load_partial(t), simd.sub(log_sum_exp, simd.load_partial(x)), sum);
            }
            loss += f64::from(simd.reduce_sum(sum));
        }
        loss
    }
}

pub(super) struct SoftBackward<'a> {
    pub(super) rows: Soft<'a>,
    pub(super) factor: f32,
    pub(super) glogits: &'a mut [f32],
}

impl Kernel for SoftBackward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Soft { classes, logits, target, log_sum_exp } = self.rows;
        let rows = logits.chunks_exact(classes).zip(target.chunks_exact(classes));
        for (row, (logits, target)) in rows.enumerate() {
            let log_sum_exp = simd.splat(log_sum_exp[row]);
            let mut total = simd.zero();
            for t in target.chunks(S::LANES) {
                total = simd.add(total, simd.load_partial(t));
            }
            let total = simd.splat(simd.reduce_sum(total));
            let glogits = self.glogits[row * classes..][..classes].chunks_mut(S::LANES);
            for ((x, t), g) in logits.chunks(S::LANES).zip(target.chunks(S::LANES)).zip(glogits) {
                let softmax = simd.exp(simd.sub(simd.load_partial(x), log_sum_exp));
                let difference = simd.sub(simd.mul(softmax, total), simd.load_partial(t));
                simd.store_partial(simd.mul(simd.splat(self.factor), difference), g);
            }
        }
    }
}
