//! Classification losses on logits, averaged over the rows.
//!
//! Rows are samples, or pixels of N, H, W, C logits. Both losses save the logarithm of the sum of
//! exponentials of each row, from which the gradient gets the softmax without a second reduction.

mod kernels;

use crate::rows::{Rows, RowsMut, expect_shape};
use crate::rowwise::CHUNK;
use crate::shape::{ShapeError, expect_len};
use kernels::{Hard, HardBackward, LogSumExp, Soft, SoftBackward};
pub use pelk_ops::loss::{CrossEntropy, LossError};
use pelk_simd::{Level, dispatch};
use rayon::prelude::*;

/// The mean of `-log softmax(logits[r])[labels[r]]` over the rows that are not ignored.
///
/// `logits` is `[rows, classes]`. `log_sum_exp`, `[rows]`, is an output that [`cross_entropy_backward`]
/// needs. With smoothing `s` the target is `(1 - s)` at the label plus `s / classes` everywhere, as in
/// PyTorch. With class weights the mean is weighted by them.
///
/// ```
/// use pelk_cpu::Rows;
/// use pelk_cpu::loss::{CrossEntropy, cross_entropy};
/// use pelk_simd::Level;
/// let mut saved = [0.0; 2];
/// let op = CrossEntropy { labels: [0, 255].into(), ignore_index: Some(255), ..CrossEntropy::default() };
/// let logits = Rows::new(&[1.0, 1.0, 9.0, 0.0], 2)?;
/// let loss = cross_entropy(Level::best(), logits, &op, &mut saved)?;
/// assert!((loss - 2.0f32.ln()).abs() < 1e-6); // two equal logits: the second row does not count
/// # Ok::<(), pelk_cpu::loss::LossError>(())
/// ```
///
/// # Errors
/// When a dimension is zero, a slice has the wrong length, the smoothing is not in 0..=1, a label is neither
/// a class nor ignored, weights do not fit, or all rows are ignored.
pub fn cross_entropy(
    level: Level,
    logits: Rows<'_>,
    op: &CrossEntropy,
    log_sum_exp: &mut [f32],
) -> Result<f32, LossError> {
    const NAME: &str = "cross_entropy";
    let total = check(NAME, logits, op, log_sum_exp.len())?;
    let classes = logits.columns();
    let task = task_rows(classes);
    let sums: Vec<f64> = logits
        .values()
        .par_chunks(task * classes)
        .zip(op.labels.par_chunks(task).zip(log_sum_exp.par_chunks_mut(task)))
        .map(|(logits, (labels, log_sum_exp))| {
            dispatch(level, LogSumExp { classes, logits, log_sum_exp });
            dispatch(level, Hard { classes, logits, labels, op, log_sum_exp })
        })
        .collect();
    Ok((sums.iter().sum::<f64>() / total) as f32)
}

/// The gradient of [`cross_entropy`] by the logits, times `gy`, the derivative by the loss itself: `gy weight
/// / total weight (softmax - target)` in rows that count, zero in ignored rows.
///
/// # Errors
/// Same as [`cross_entropy`].
pub fn cross_entropy_backward(
    level: Level,
    logits: Rows<'_>,
    op: &CrossEntropy,
    log_sum_exp: &[f32],
    gy: f32,
    glogits: RowsMut<'_>,
) -> Result<(), LossError> {
    const NAME: &str = "cross_entropy backward";
    let total = check(NAME, logits, op, log_sum_exp.len())?;
    expect_shape(NAME, "glogits", glogits.shape(), logits.shape())?;
    let factor = gy / total as f32;
    let classes = logits.columns();
    let task = task_rows(classes);
    glogits
        .into_values()
        .par_chunks_mut(task * classes)
        .zip(logits.values().par_chunks(task * classes))
        .zip(op.labels.par_chunks(task).zip(log_sum_exp.par_chunks(task)))
        .for_each(|((glogits, logits), (labels, log_sum_exp))| {
            let rows = Hard { classes, logits, labels, op, log_sum_exp };
            dispatch(level, HardBackward { rows, factor, glogits });
        });
    Ok(())
}

/// The mean over the rows of `-sum over k of target[r, k] log softmax(logits[r])[k]`.
///
/// `logits` and `target`, the probabilities, are `[rows, classes]` (labels mixed by MixUp, a teacher's
/// output). `log_sum_exp`, `[rows]`, is an output that [`soft_cross_entropy_backward`] needs.
///
/// # Errors
/// When a dimension is zero or a slice has the wrong length.
pub fn soft_cross_entropy(
    level: Level,
    logits: Rows<'_>,
    target: Rows<'_>,
    log_sum_exp: &mut [f32],
) -> Result<f32, ShapeError> {
    const NAME: &str = "soft_cross_entropy";
    check_soft(NAME, logits, target, log_sum_exp.len())?;
    let classes = logits.columns();
    let task = task_rows(classes);
    let sums: Vec<f64> = logits
        .values()
        .par_chunks(task * classes)
        .zip(target.values().par_chunks(task * classes).zip(log_sum_exp.par_chunks_mut(task)))
        .map(|(logits, (target, log_sum_exp))| {
            dispatch(level, LogSumExp { classes, logits, log_sum_exp });
            dispatch(level, Soft { classes, logits, target, log_sum_exp })
        })
        .collect();
    Ok((sums.iter().sum::<f64>() / logits.rows() as f64) as f32)
}

/// The gradient of [`soft_cross_entropy`] by the logits, times `gy`, the derivative by the loss itself:
/// `gy / rows (softmax sum(target) - target)`.
///
/// # Errors
/// When a dimension is zero or a slice has the wrong length.
pub fn soft_cross_entropy_backward(
    level: Level,
    logits: Rows<'_>,
    target: Rows<'_>,
    log_sum_exp: &[f32],
    gy: f32,
    glogits: RowsMut<'_>,
) -> Result<(), ShapeError> {
    const NAME: &str = "soft_cross_entropy backward";
    check_soft(NAME, logits, target, log_sum_exp.len())?;
    expect_shape(NAME, "glogits", glogits.shape(), logits.shape())?;
    let factor = gy / logits.rows() as f32;
    let classes = logits.columns();
    let task = task_rows(classes);
    glogits
        .into_values()
        .par_chunks_mut(task * classes)
        .zip(logits.values().par_chunks(task * classes))
        .zip(target.values().par_chunks(task * classes).zip(log_sum_exp.par_chunks(task)))
        .for_each(|((glogits, logits), (target, log_sum_exp))| {
            let rows = Soft { classes, logits, target, log_sum_exp };
            dispatch(level, SoftBackward { rows, factor, glogits });
        });
    Ok(())
}

/// The total weight of the rows that count.
fn check(
    operator: &'static str,
    logits: Rows<'_>,
    op: &CrossEntropy,
    log_sum_exp: usize,
) -> Result<f64, LossError> {
    expect_len(operator, "labels", op.labels.len(), logits.rows())?;
    expect_len(operator, "log_sum_exp", log_sum_exp, logits.rows())?;
    op.total_weight(logits.columns())
}

fn check_soft(
    operator: &'static str,
    logits: Rows<'_>,
    target: Rows<'_>,
    log_sum_exp: usize,
) -> Result<(), ShapeError> {
    expect_shape(operator, "target", target.shape(), logits.shape())?;
    expect_len(operator, "log_sum_exp", log_sum_exp, logits.rows())
}

fn task_rows(classes: usize) -> usize {
    (CHUNK / classes).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;
    use crate::testing::{assert_close, assert_thread_count_free, rows, rows_mut, stale, values, widen};

    const SHAPES: [(usize, usize); 6] = [(1, 1), (7, 10), (40, 6), (3, 17), (301, 150), (2, 40_000)];

    fn labels(rows: usize, classes: usize) -> Vec<i64> {
        values(9, rows).iter().map(|x| ((x + 1.0) / 2.0 * classes as f32) as i64).collect()
    }

    #[test]
    fn labels_meet_the_reference() {
        for level in Level::available() {
            for (r, k) in SHAPES {
                let weights: Vec<f32> = values(4, k).iter().map(|x| x + 1.5).collect();
                for (ignore_index, label_smoothing, weighted) in
                    [(None, 0.0, false), (Some(-100), 0.1, false), (Some(3), 1.0, true), (None, 0.0, true)]
                {
                    let class_weights = if weighted { weights[..].into() } else { [].into() };
                    let what = format!(
                        "{level}: {r} x {k}, {ignore_index:?}, {label_smoothing}, weighted {weighted}"
                    );
                    let logits: Vec<f32> = values(1, r * k).iter().map(|x| 20.0 * x).collect();
                    let mut target = labels(r, k);
                    if let (Some(ignored), true) = (ignore_index, r > 2) {
                        target[1] = ignored;
                    }
                    let op =
                        CrossEntropy { labels: target.into(), ignore_index, label_smoothing, class_weights };
                    let (mut saved, mut g) = (stale(r), stale(r * k));
                    let (x, out) = (rows(&logits, k), rows_mut(&mut g, k));
                    let loss = cross_entropy(level, x, &op, &mut saved).unwrap();
                    cross_entropy_backward(level, x, &op, &saved, -0.7, out).unwrap();
                    let logits = widen(&logits);
                    let want = reference::loss::cross_entropy(k, &logits, &op);
                    assert_close(&what, &[loss], &[want], 1e-6);
                    let want = reference::loss::cross_entropy_backward(k, &logits, &op, f64::from(-0.7f32));
                    assert_close(format!("{what}, gradient"), &g, &want, 1e-5);
                }
            }
        }
    }

    #[test]
    fn probabilities_meet_the_reference() {
        for level in Level::available() {
            for (r, k) in SHAPES {
                let what = format!("{level}: {r} x {k}");
                let logits: Vec<f32> = values(1, r * k).iter().map(|x| 20.0 * x).collect();
                let target: Vec<f32> = values(2, r * k).iter().map(|x| (x + 1.0) / k as f32).collect();
                let (mut saved, mut g) = (stale(r), stale(r * k));
                let (x, t, out) = (rows(&logits, k), rows(&target, k), rows_mut(&mut g, k));
                let loss = soft_cross_entropy(level, x, t, &mut saved).unwrap();
                soft_cross_entropy_backward(level, x, t, &saved, 3.0, out).unwrap();
                let (logits, target) = (widen(&logits), widen(&target));
                assert_close(
                    &what,
                    &[loss],
                    &[reference::loss::soft_cross_entropy(k, &logits, &target)],
                    1e-6,
                );
                let want = reference::loss::soft_cross_entropy_backward(k, &logits, &target, 3.0);
                assert_close(format!("{what}, gradient"), &g, &want, 1e-5);
            }
        }
    }

    #[test]
    fn large_logits_do_not_overflow_and_not_a_number_is_seen() {
        for level in Level::available() {
            let op = CrossEntropy { labels: [0].into(), ..CrossEntropy::default() };
            let mut saved = [0.0];
            let mut loss =
                |logits: &[f32]| cross_entropy(level, rows(logits, logits.len()), &op, &mut saved).unwrap();
            assert_eq!(loss(&[-1e4, 1e4]), 2e4, "{level}");
            assert_eq!(loss(&[1e4, -1e4]), 0.0, "{level}");
            for at in [0, 3, 20] {
                let mut logits = [0.0; 21];
                logits[at] = f32::NAN;
                assert!(loss(&logits).is_nan(), "{level}: {at}");
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_the_thread_count() {
        let (r, k) = (5000, 21);
        let (logits, target) = (values(1, r * k), labels(r, k));
        assert_thread_count_free("cross_entropy", || {
            let labels = target.clone().into();
            let op = CrossEntropy { labels, label_smoothing: 0.1, ..CrossEntropy::default() };
            let (mut saved, mut g) = (stale(r), stale(r * k));
            let (level, x, out) = (Level::best(), rows(&logits, k), rows_mut(&mut g, k));
            let loss = cross_entropy(level, x, &op, &mut saved).unwrap();
            cross_entropy_backward(level, x, &op, &saved, 1.0, out).unwrap();
            [vec![loss], saved, g].concat()
        });
    }

    #[test]
    fn bad_arguments_are_errors() {
        let (level, mut saved) = (Level::PORTABLE, [0.0; 2]);
        let mut run = |target: &[i64], ignore_index, label_smoothing, classes| {
            let class_weights = [].into();
            let op = CrossEntropy { labels: target.into(), ignore_index, label_smoothing, class_weights };
            cross_entropy(level, Rows::new(&[0.0; 6], classes)?, &op, &mut saved)
        };
        assert!(run(&[0, 2], None, 0.0, 3).is_ok());
        let error = run(&[0, 3], None, 0.0, 3).unwrap_err();
        assert_eq!(error, LossError::Label { row: 1, label: 3, classes: 3 });
        assert!(error.to_string().contains("row 1 has label 3"), "{error}");
        assert!(run(&[-1, 0], None, 0.0, 3).is_err());
        assert!(run(&[-1, 0], Some(-1), 0.0, 3).is_ok());
        assert_eq!(run(&[5, 5], Some(5), 0.0, 3).unwrap_err(), LossError::NothingCounted { rows: 2 });
        assert!(run(&[0], None, 0.0, 3).is_err());
        assert!(run(&[0, 0], None, 0.0, 0).is_err());
        assert!(run(&[0, 0], None, 1.5, 3).is_err());
        assert!(run(&[0, 0], None, f32::NAN, 3).is_err());
        let six = rows(&[0.0; 6], 3);
        for (class_weights, text) in [
            (&[1.0, 1.0][..], "2 class weights for 3 classes"),
            (&[1.0, -1.0, 1.0], "a class weight is -1"),
            (&[1.0, f32::NAN, 1.0], "a class weight is NaN"),
            (&[0.0, 0.0, 1.0], "nothing to average"),
        ] {
            let (labels, class_weights) = ([0, 1].into(), class_weights.into());
            let op = CrossEntropy { labels, class_weights, ..CrossEntropy::default() };
            let error = cross_entropy(level, six, &op, &mut saved).unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
        assert!(soft_cross_entropy(level, six, rows(&[0.0; 6], 2), &mut saved).is_err());
        assert!(soft_cross_entropy(level, six, rows(&[0.0; 3], 3), &mut saved).is_err());
        let mut short = [0.0; 3];
        let short = rows_mut(&mut short, 3);
        assert!(soft_cross_entropy_backward(level, six, six, &saved, 1.0, short).is_err());
    }
}
