//! BatchNorm: normalization of each channel over the rows.

use crate::check::{expect_len, rows_of, shape_error, wanted};
use crate::kernel::{Each, Operand, Whole};
use crate::memory::{Buffer, Element};
use crate::reduce::Columns;
use crate::{Gpu, Result};
use pelk_ops::{BatchNormalized, Normalized};

impl Gpu {
    /// Normalizes `x`, `[rows, C]`, by the batch's statistics and applies `weight` and `bias`; also returns
    /// the updated running mean and variance (PyTorch's rule: unbiased variance).
    ///
    /// # Errors
    /// When lengths do not fit, there is only one row, or the device is out of memory or has failed.
    pub fn batch_norm_train(
        &self,
        x: &Buffer,
        weight: &Buffer,
        bias: &Buffer,
        running: [&Buffer; 2],
        eps: f32,
        momentum: f32,
    ) -> Result<BatchNormalized<Buffer>> {
        let columns = check("batch_norm", x, &[weight, bias, running[0], running[1]])?;
        let Columns { rows, columns: c } = columns;
        if rows < 2 {
            return Err(shape_error("batch_norm", "one value per channel has no variance".to_owned()));
        }
        let sum = self.column_sum(x, c)?;
        let new = || self.empty(c, Element::F32);
        let [mean, running_mean, inv_std, running_variance] = [new()?, new()?, new()?, new()?];
        self.items("batch_norm_mean", include_str!("mean.wgsl"))
            .read("sum", &sum, Whole)
            .read("running", running[0], Whole)
            .write("mean", &mean, Whole)
            .write("renewed", &running_mean, Whole)
            .scalar("rows", rows as f32)
            .scalar("momentum", momentum)
            .run(c, 1, 1)?;
        let operands = [Operand::Tensor("mean", &mean, Whole)];
        let squares = columns.sum(self, include_str!("squared_difference.wgsl"), &[x], &operands)?;
        self.items("batch_norm_variance", include_str!("variance.wgsl"))
            .read("squares", &squares, Whole)
            .read("running", running[1], Whole)
            .write("inv_std", &inv_std, Whole)
            .write("renewed", &running_variance, Whole)
            .scalar("rows", rows as f32)
            .scalar("momentum", momentum)
            .scalar("eps", eps)
            .run(c, 1, 1)?;
        let y = self.normalize(x, weight, bias, &mean, &inv_std)?;
        Ok(BatchNormalized {
            normalized: Normalized { y, mean, inv_std },
            running: [running_mean, running_variance],
        })
    }

    /// Normalizes `x` by the running statistics.
    ///
    /// # Errors
    /// When lengths do not fit, or the device is out of memory or has failed.
    pub fn batch_norm_eval(
        &self,
        x: &Buffer,
        weight: &Buffer,
        bias: &Buffer,
        mean: &Buffer,
        variance: &Buffer,
        eps: f32,
    ) -> Result<Buffer> {
        check("batch_norm", x, &[weight, bias, mean, variance])?;
        let inv_std = self.inverse_deviation(variance, eps)?;
        self.normalize(x, weight, bias, mean, &inv_std)
    }

    /// The gradients of x, weight and bias, where `needs` is true, if the batch's statistics were used.
    ///
    /// # Errors
    /// When lengths do not fit, or the device is out of memory or has failed.
    pub fn batch_norm_train_backward(
        &self,
        x: &Buffer,
        weight: &Buffer,
        mean: &Buffer,
        inv_std: &Buffer,
        gy: &Buffer,
        needs: [bool; 3],
    ) -> Result<[Option<Buffer>; 3]> {
        let columns = check("batch_norm_backward", x, &[weight, mean, inv_std])?;
        expect_len("batch_norm_backward", "gy", gy.len(), x.len())?;
        let operands = [Operand::Tensor("mean", mean, Whole), Operand::Tensor("inv_std", inv_std, Whole)];
        let [gweight, gbias] = columns.sum_two(self, include_str!("gradients.wgsl"), &[x, gy], &operands)?;
        let gx = || {
            let c = columns.columns;
            let gx = self.activation(x.len())?;
            self.items("batch_norm_backward", include_str!("backward.wgsl"))
                .read("x", x, Each(c))
                .read("gy", gy, Each(c))
                .read("weight", weight, Whole)
                .read("mean", mean, Whole)
                .read("inv_std", inv_std, Whole)
                .read("gweight", &gweight, Whole)
                .read("gbias", &gbias, Whole)
                .write("gx", &gx, Each(c))
                .scalar("c", c)
                .scalar("rows", columns.rows as f32)
                .run(columns.rows, c, c)?;
            Ok(gx)
        };
        let gx = wanted(needs[0], gx)?;
        Ok([gx, Some(gweight).filter(|_| needs[1]), Some(gbias).filter(|_| needs[2])])
    }

    /// The gradients of x, weight and bias, where `needs` is true, if the running statistics were used.
    ///
    /// # Errors
    /// When lengths do not fit, or the device is out of memory or has failed.
    pub fn batch_norm_eval_backward(
        &self,
        x: &Buffer,
        weight: &Buffer,
        mean: &Buffer,
        variance: &Buffer,
        eps: f32,
        gy: &Buffer,
        needs: [bool; 3],
    ) -> Result<[Option<Buffer>; 3]> {
        let columns = check("batch_norm_backward", x, &[weight, mean, variance])?;
        expect_len("batch_norm_backward", "gy", gy.len(), x.len())?;
        let inv_std = self.inverse_deviation(variance, eps)?;
        let gx = || {
            let c = columns.columns;
            let gx = self.activation(x.len())?;
            self.items("batch_norm_eval_backward", include_str!("eval_backward.wgsl"))
                .read("gy", gy, Each(c))
                .read("weight", weight, Whole)
                .read("inv_std", &inv_std, Whole)
                .write("gx", &gx, Each(c))
                .scalar("c", c)
                .run(columns.rows, c, c)?;
            Ok(gx)
        };
        let gweight = || {
            let operands =
                [Operand::Tensor("mean", mean, Whole), Operand::Tensor("inv_std", &inv_std, Whole)];
            columns.sum(self, include_str!("weight_gradient.wgsl"), &[x, gy], &operands)
        };
        Ok([
            wanted(needs[0], gx)?,
            wanted(needs[1], gweight)?,
            wanted(needs[2], || self.column_sum(gy, columns.columns))?,
        ])
    }

    fn inverse_deviation(&self, variance: &Buffer, eps: f32) -> Result<Buffer> {
        let inv_std = self.empty(variance.len(), Element::F32)?;
        self.items("inverse_deviation", include_str!("inverse_deviation.wgsl"))
            .read("variance", variance, Whole)
            .write("inv_std", &inv_std, Whole)
            .scalar("eps", eps)
            .run(variance.len(), 1, 1)?;
        Ok(inv_std)
    }

    fn normalize(
        &self,
        x: &Buffer,
        weight: &Buffer,
        bias: &Buffer,
        mean: &Buffer,
        inv_std: &Buffer,
    ) -> Result<Buffer> {
        let c = weight.len();
        let y = self.activation(x.len())?;
        self.items("batch_norm", include_str!("normalize.wgsl"))
            .read("x", x, Each(c))
            .read("weight", weight, Whole)
            .read("bias", bias, Whole)
            .read("mean", mean, Whole)
            .read("inv_std", inv_std, Whole)
            .write("y", &y, Each(c))
            .scalar("c", c)
            .run(x.len() / c, c, c)?;
        Ok(y)
    }
}

fn check(operator: &'static str, x: &Buffer, vectors: &[&Buffer]) -> Result<Columns> {
    let c = vectors[0].len();
    for vector in vectors {
        expect_len(operator, "a vector of channels", vector.len(), c)?;
    }
    Ok(Columns { rows: rows_of(operator, x.len(), c)?, columns: c })
}
