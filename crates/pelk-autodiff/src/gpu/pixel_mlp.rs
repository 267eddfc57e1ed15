//! The pixel MLP as one operator.

use super::tensors::{gradients, like, vector};
use super::{GpuBackend, GpuTensor};
use crate::backend::{Gradients, PixelMlpOps};
use crate::{Result, Shape, kernels};
use pelk_ops::{PixelMlp, PixelMlpParameters};
use pelk_wgpu::Kept;

impl PixelMlpOps for GpuBackend {
    fn pixel_mlp(
        &self,
        op: &PixelMlp,
        x: &GpuTensor,
        shortcut: &GpuTensor,
        parameters: &PixelMlpParameters<'_, GpuTensor>,
    ) -> Result<(GpuTensor, Vec<GpuTensor>)> {
        let shape = kernels::pixel_mlp(op, &x.shape, &parameters.expand[1].shape);
        let parameters = parameters.map(|tensor: &GpuTensor| &*tensor.values);
        let (y, kept) = self.gpu.pixel_mlp(&shape, &x.values, &shortcut.values, &parameters, op.keep)?;
        let kept = kept.map(|Kept { expanded, mean, inv_std }| {
            let rows = vector(shape.rows);
            vec![
                GpuTensor::new(&Shape::from([shape.rows, shape.hidden]), expanded),
                GpuTensor::new(&rows, mean),
                GpuTensor::new(&rows, inv_std),
            ]
        });
        Ok((like(x, y), kept.unwrap_or_default()))
    }

    fn pixel_mlp_backward(
        &self,
        op: &PixelMlp,
        x: &GpuTensor,
        parameters: &PixelMlpParameters<'_, GpuTensor>,
        kept: &[GpuTensor],
        gy: &GpuTensor,
        needs: [bool; 8],
    ) -> Result<Gradients<GpuTensor, 8>> {
        let PixelMlpParameters { norm, expand, project, gamma, .. } = parameters;
        let shapes = [
            &x.shape,
            &norm[0].shape,
            &norm[1].shape,
            &expand[0].shape,
            &expand[1].shape,
            &project[0].shape,
            &project[1].shape,
            &gamma.unwrap_or(norm[0]).shape,
        ];
        let shape = kernels::pixel_mlp(op, &x.shape, &parameters.expand[1].shape);
        let parameters = parameters.map(|tensor: &GpuTensor| &*tensor.values);
        let kept = match kept {
            [expanded, mean, inv_std] => {
                let [expanded, mean, inv_std] = [expanded, mean, inv_std].map(|tensor| &*tensor.values);
                Some(Kept { expanded, mean, inv_std })
            }
            _ => None,
        };
        Ok(gradients(
            self.gpu.pixel_mlp_backward(&shape, &x.values, &parameters, kept, &gy.values, needs)?,
            shapes,
        ))
    }
}
