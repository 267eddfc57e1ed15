//! Losses on logits, `[rows, classes]`.

use crate::check::expect_len;
use crate::kernel::{Each, Whole};
use crate::memory::{Buffer, Element};
use crate::rows::{ROWS, run};
use crate::{Gpu, Result};
use pelk_ops::CrossEntropy;

/// Labels and the weights of their rows, on the device.
struct Targets {
    labels: Buffer,
    /// Each row's share of the mean.
    shares: Buffer,
}

impl Gpu {
    /// The loss `[1]` and the log-sum-exp of each row; see [`CrossEntropy`].
    ///
    /// # Errors
    /// When labels or lengths do not fit, or the device is out of memory or has failed.
    pub fn cross_entropy(&self, logits: &Buffer, op: &CrossEntropy) -> Result<[Buffer; 2]> {
        let (rows, classes) = rows("cross_entropy", logits, op.labels.len())?;
        let targets = self.targets(classes, op)?;
        let [losses, sums] = [self.empty(rows, Element::F32)?, self.empty(rows, Element::F32)?];
        let call = self
            .rows("cross_entropy", rows, include_str!("cross_entropy.wgsl"))
            .read("logits", logits, Each(ROWS * classes))
            .read("labels", &targets.labels, Each(ROWS))
            .read("shares", &targets.shares, Each(ROWS))
            .write("losses", &losses, Each(ROWS))
            .write("sums", &sums, Each(ROWS))
            .scalar("classes", classes)
            .scalar("smoothing", op.label_smoothing);
        run(call, rows, classes)?;
        Ok([self.column_sum(&losses, 1)?, sums])
    }

    /// The gradient of the logits for [`Gpu::cross_entropy`], times `gy`, `[1]`.
    ///
    /// # Errors
    /// When labels or lengths do not fit, or the device is out of memory or has failed.
    pub fn cross_entropy_backward(
        &self,
        logits: &Buffer,
        op: &CrossEntropy,
        log_sum_exp: &Buffer,
        gy: &Buffer,
    ) -> Result<Buffer> {
        let (rows, classes) = rows("cross_entropy_backward", logits, op.labels.len())?;
        expect_len("cross_entropy_backward", "log_sum_exp", log_sum_exp.len(), rows)?;
        expect_len("cross_entropy_backward", "gy", gy.len(), 1)?;
        let targets = self.targets(classes, op)?;
        let glogits = self.activation(logits.len())?;
        self.items("cross_entropy_backward", include_str!("cross_entropy_backward.wgsl"))
            .read("logits", logits, Each(classes))
            .read("labels", &targets.labels, Each(1))
            .read("shares", &targets.shares, Each(1))
            .read("sums", log_sum_exp, Each(1))
            .read("gy", gy, Whole)
            .write("glogits", &glogits, Each(classes))
            .scalar("classes", classes)
            .scalar("smoothing", op.label_smoothing)
            .run(rows, classes, classes)?;
        Ok(glogits)
    }

    /// The loss `[1]` and the log-sum-exp of each row; see
    /// [`SoftCrossEntropy`](pelk_ops::SoftCrossEntropy).
    ///
    /// # Errors
    /// When lengths do not fit, or the device is out of memory or has failed.
    pub fn soft_cross_entropy(
        &self,
        logits: &Buffer,
        targets: &[f32],
        classes: usize,
    ) -> Result<[Buffer; 2]> {
        expect_len("soft_cross_entropy", "the targets", targets.len(), logits.len())?;
        let (rows, classes) = rows("soft_cross_entropy", logits, logits.len() / classes.max(1))?;
        let targets = self.upload(targets)?;
        let [losses, sums] = [self.empty(rows, Element::F32)?, self.empty(rows, Element::F32)?];
        let call = self
            .rows("soft_cross_entropy", rows, include_str!("soft_cross_entropy.wgsl"))
            .read("logits", logits, Each(ROWS * classes))
            .read("targets", &targets, Each(ROWS * classes))
            .write("losses", &losses, Each(ROWS))
            .write("sums", &sums, Each(ROWS))
            .scalar("classes", classes)
            .scalar("share", 1.0 / rows as f32);
        run(call, rows, classes)?;
        Ok([self.column_sum(&losses, 1)?, sums])
    }

    /// The gradient of the logits for [`Gpu::soft_cross_entropy`], times `gy`, `[1]`.
    ///
    /// # Errors
    /// When lengths do not fit, or the device is out of memory or has failed.
    pub fn soft_cross_entropy_backward(
        &self,
        logits: &Buffer,
        targets: &[f32],
        log_sum_exp: &Buffer,
        gy: &Buffer,
    ) -> Result<Buffer> {
        expect_len("soft_cross_entropy_backward", "the targets", targets.len(), logits.len())?;
        expect_len("soft_cross_entropy_backward", "gy", gy.len(), 1)?;
        let (rows, classes) = rows("soft_cross_entropy_backward", logits, log_sum_exp.len())?;
        let targets = self.upload(targets)?;
        let glogits = self.activation(logits.len())?;
        let call = self
            .rows("soft_cross_entropy_backward", rows, include_str!("soft_cross_entropy_backward.wgsl"))
            .read("logits", logits, Each(ROWS * classes))
            .read("targets", &targets, Each(ROWS * classes))
            .read("sums", log_sum_exp, Each(ROWS))
            .read("gy", gy, Whole)
            .write("glogits", &glogits, Each(ROWS * classes))
            .scalar("classes", classes)
            .scalar("share", 1.0 / rows as f32);
        run(call, rows, classes)?;
        Ok(glogits)
    }

    fn targets(&self, classes: usize, op: &CrossEntropy) -> Result<Targets> {
        let total = op.total_weight(classes)?;
        let share =
            |label: i64| op.class(label).map_or(0.0, |class| (f64::from(op.weight(class)) / total) as f32);
        let shares: Vec<f32> = op.labels.iter().map(|&label| share(label)).collect();
        // An ignored label may be any number: its row has weight 0 and reads the first class.
        let class =
            |label: i64| i32::try_from(label).ok().filter(|&class| (class as usize) < classes).unwrap_or(0);
        let labels: Vec<i32> = op.labels.iter().map(|&label| class(label)).collect();
        Ok(Targets { labels: self.upload_integers(&labels)?, shares: self.upload(&shares)? })
    }
}

/// Rows and classes.
fn rows(operator: &'static str, logits: &Buffer, rows: usize) -> Result<(usize, usize)> {
    let classes = logits.len() / rows.max(1);
    expect_len(operator, "logits", logits.len(), rows * classes)?;
    Ok((rows, classes))
}
