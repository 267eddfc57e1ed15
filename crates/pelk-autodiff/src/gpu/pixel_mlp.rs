//! The pixel MLP as one operator.

use super::tensors::{gradients, like, vector};
use super::{GpuBackend, GpuTensor};
use crate::backend::{Gradients, PixelMlpOps};
use crate::operators::{Forward, PixelMlp, PixelMlpParameters};
use crate::{Result, Shape};
use pelk_wgpu::pixel_mlp;
use pelk_wgpu::pixel_mlp::Kept;

/// The kernel's view of an operator and its parameters.
fn pixel_mlp<'a>(
    op: &'a PixelMlp,
    x: &GpuTensor,
    parameters: &PixelMlpParameters<'a, GpuTensor>,
) -> (pixel_mlp::PixelMlp, pixel_mlp::Parameters<'a>) {
    let hidden = parameters.expand[1].shape.channels();
    let sizes =
        pixel_mlp::PixelMlp { rows: x.shape.rows(), channels: x.shape.channels(), hidden, eps: op.eps };
    let values = |pair: [&'a GpuTensor; 2]| pair.map(|tensor| &*tensor.values);
    let parameters = pixel_mlp::Parameters {
        norm: values(parameters.norm),
        expand: values(parameters.expand),
        project: values(parameters.project),
        gamma: parameters.gamma.map(|gamma| &*gamma.values),
        factors: op.factors.as_deref(),
    };
    (sizes, parameters)
}

impl PixelMlpOps for GpuBackend {
    fn pixel_mlp(
        &self,
        op: &PixelMlp,
        x: &GpuTensor,
        shortcut: &GpuTensor,
        parameters: &PixelMlpParameters<'_, GpuTensor>,
    ) -> Result<Forward<GpuTensor>> {
        let (sizes, parameters) = pixel_mlp(op, x, parameters);
        let (y, kept) = sizes.forward(&self.gpu, &x.values, &shortcut.values, &parameters, op.keep)?;
        let kept = kept.map(|Kept { expanded, mean, inv_std }| {
            let rows = vector(sizes.rows);
            vec![
                GpuTensor::new(&Shape::from([sizes.rows, sizes.hidden]), expanded),
                GpuTensor::new(&rows, mean),
                GpuTensor::new(&rows, inv_std),
            ]
        });
        Ok(Forward::one(like(x, y), kept.unwrap_or_default()))
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
        let PixelMlpParameters { norm, expand, project, gamma } = parameters;
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
        let (sizes, parameters) = pixel_mlp(op, x, parameters);
        let kept = match kept {
            [expanded, mean, inv_std] => {
                let [expanded, mean, inv_std] = [expanded, mean, inv_std].map(|tensor| &*tensor.values);
                Some(Kept { expanded, mean, inv_std })
            }
            _ => None,
        };
        Ok(gradients(sizes.backward(&self.gpu, &x.values, &parameters, kept, &gy.values, needs)?, shapes))
    }
}
