//! LayerNorm: normalization of each row.

use crate::check::{expect_len, rows_of, wanted};
use crate::kernel::{Each, Operand, Whole};
use crate::memory::{Buffer, Element};
use crate::reduce::{BLOCK, Columns};
use crate::rows::{ROWS, run};
use crate::{Gpu, Result};
use pelk_ops::Normalized;

impl Gpu {
    /// Normalizes the rows of `x`, `[rows, C]`, and applies `weight` and `bias`, `[C]`.
    ///
    /// # Errors
    /// When lengths do not fit, or the device is out of memory or has failed.
    pub fn layer_norm(
        &self,
        x: &Buffer,
        weight: &Buffer,
        bias: &Buffer,
        eps: f32,
    ) -> Result<Normalized<Buffer>> {
        let (rows, c) = check("layer_norm", x, weight)?;
        expect_len("layer_norm", "bias", bias.len(), c)?;
        let y = self.activation(x.len())?;
        let [mean, inv_std] = [self.empty(rows, Element::F32)?, self.empty(rows, Element::F32)?];
        let call = self
            .rows("layer_norm", rows, include_str!("forward.wgsl"))
            .read("x", x, Each(ROWS * c))
            .read("weight", weight, Whole)
            .read("bias", bias, Whole)
            .write("y", &y, Each(ROWS * c))
            .write("mean", &mean, Each(ROWS))
            .write("inv_std", &inv_std, Each(ROWS))
            .scalar("c", c)
            .scalar("eps", eps);
        run(call, rows, c)?;
        Ok(Normalized { y, mean, inv_std })
    }

    /// The gradients of x, weight and bias for [`Gpu::layer_norm`], where `needs` is true.
    ///
    /// # Errors
    /// When lengths do not fit, or the device is out of memory or has failed.
    pub fn layer_norm_backward(
        &self,
        x: &Buffer,
        weight: &Buffer,
        mean: &Buffer,
        inv_std: &Buffer,
        gy: &Buffer,
        needs: [bool; 3],
    ) -> Result<[Option<Buffer>; 3]> {
        let (rows, c) = check("layer_norm_backward", x, weight)?;
        for (name, buffer, len) in [("mean", mean, rows), ("inv_std", inv_std, rows), ("gy", gy, x.len())] {
            expect_len("layer_norm_backward", name, buffer.len(), len)?;
        }
        let gx = || {
            let gx = self.activation(x.len())?;
            let call = self
                .rows("layer_norm_backward", rows, include_str!("backward.wgsl"))
                .read("x", x, Each(ROWS * c))
                .read("weight", weight, Whole)
                .read("mean", mean, Each(ROWS))
                .read("inv_std", inv_std, Each(ROWS))
                .read("gy", gy, Each(ROWS * c))
                .write("gx", &gx, Each(ROWS * c))
                .scalar("c", c);
            run(call, rows, c)?;
            Ok(gx)
        };
        let columns = Columns { rows, columns: c };
        let gweight = || {
            let operands = [
                Operand::Tensor("mean", mean, Each(BLOCK)),
                Operand::Tensor("inv_std", inv_std, Each(BLOCK)),
            ];
            columns.sum(self, include_str!("weight_gradient.wgsl"), &[x, gy], &operands)
        };
        Ok([wanted(needs[0], gx)?, wanted(needs[1], gweight)?, wanted(needs[2], || self.column_sum(gy, c))?])
    }
}

/// Rows and columns.
fn check(operator: &'static str, x: &Buffer, weight: &Buffer) -> Result<(usize, usize)> {
    let c = weight.len();
    Ok((rows_of(operator, x.len(), c)?, c))
}
