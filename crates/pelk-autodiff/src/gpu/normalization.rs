//! Normalizations.

use super::tensors::{gradients, like, vector};
use super::{GpuBackend, GpuTensor};
use crate::Result;
use crate::backend::{Gradients, NormalizationOps};
use pelk_ops::{BatchNormalized, Normalized};

impl NormalizationOps for GpuBackend {
    fn layer_norm(
        &self,
        x: &GpuTensor,
        weight: &GpuTensor,
        bias: &GpuTensor,
        eps: f32,
    ) -> Result<Normalized<GpuTensor>> {
        let normalized = self.gpu.layer_norm(&x.values, &weight.values, &bias.values, eps)?;
        let rows = vector(x.shape.rows());
        Ok(Normalized {
            y: like(x, normalized.y),
            mean: GpuTensor::new(&rows, normalized.mean),
            inv_std: GpuTensor::new(&rows, normalized.inv_std),
        })
    }

    fn layer_norm_backward(
        &self,
        x: &GpuTensor,
        weight: &GpuTensor,
        mean: &GpuTensor,
        inv_std: &GpuTensor,
        gy: &GpuTensor,
        needs: [bool; 3],
    ) -> Result<Gradients<GpuTensor, 3>> {
        let (mean, inv_std) = (&mean.values, &inv_std.values);
        let all =
            self.gpu.layer_norm_backward(&x.values, &weight.values, mean, inv_std, &gy.values, needs)?;
        Ok(gradients(all, [&x.shape, &weight.shape, &weight.shape]))
    }

    fn batch_norm_train(
        &self,
        x: &GpuTensor,
        weight: &GpuTensor,
        bias: &GpuTensor,
        running: [&GpuTensor; 2],
        eps: f32,
        momentum: f32,
    ) -> Result<BatchNormalized<GpuTensor>> {
        let running = running.map(|tensor| &*tensor.values);
        let (x_values, w, b) = (&x.values, &weight.values, &bias.values);
        let BatchNormalized { normalized, running } =
            self.gpu.batch_norm_train(x_values, w, b, running, eps, momentum)?;
        let normalized = Normalized {
            y: like(x, normalized.y),
            mean: like(weight, normalized.mean),
            inv_std: like(weight, normalized.inv_std),
        };
        Ok(BatchNormalized { normalized, running: running.map(|values| like(weight, values)) })
    }

    fn batch_norm_train_backward(
        &self,
        x: &GpuTensor,
        weight: &GpuTensor,
        mean: &GpuTensor,
        inv_std: &GpuTensor,
        gy: &GpuTensor,
        needs: [bool; 3],
    ) -> Result<Gradients<GpuTensor, 3>> {
        let (mean, inv_std) = (&mean.values, &inv_std.values);
        let (x_values, w, gy) = (&x.values, &weight.values, &gy.values);
        let all = self.gpu.batch_norm_train_backward(x_values, w, mean, inv_std, gy, needs)?;
        Ok(gradients(all, [&x.shape, &weight.shape, &weight.shape]))
    }

    fn batch_norm_eval(
        &self,
        x: &GpuTensor,
        weight: &GpuTensor,
        bias: &GpuTensor,
        mean: &GpuTensor,
        variance: &GpuTensor,
        eps: f32,
    ) -> Result<GpuTensor> {
        let [w, b, mean, variance] = [weight, bias, mean, variance].map(|tensor| &*tensor.values);
        Ok(like(x, self.gpu.batch_norm_eval(&x.values, w, b, mean, variance, eps)?))
    }

    fn batch_norm_eval_backward(
        &self,
        x: &GpuTensor,
        weight: &GpuTensor,
        mean: &GpuTensor,
        variance: &GpuTensor,
        eps: f32,
        gy: &GpuTensor,
        needs: [bool; 3],
    ) -> Result<Gradients<GpuTensor, 3>> {
        let [w, mean, variance, gy] = [weight, mean, variance, gy].map(|tensor| &*tensor.values);
        let all = self.gpu.batch_norm_eval_backward(&x.values, w, mean, variance, eps, gy, needs)?;
        Ok(gradients(all, [&x.shape, &weight.shape, &weight.shape]))
    }
}
