//! Features of regions.

use super::checks::expect_shape;
use super::{ReferenceBackend, Tensor};
use crate::backend::RoiOps;
use crate::kernels;
use crate::{Result, Shape};
use pelk_cpu::reference::roi_align;
use pelk_ops::RoiAlign;

impl RoiOps for ReferenceBackend {
    fn roi_align(&self, op: &RoiAlign, maps: &[&Tensor]) -> Result<Tensor> {
        let shapes = kernels::images("roi_align", maps.iter().map(|map| &map.shape))?;
        let output = op.output(&shapes)?;
        let values: Vec<&[f64]> = maps.iter().map(|map| &map.values[..]).collect();
        Ok(Tensor::new(&kernels::image_shape(output), roi_align::forward(op, &shapes, &values)))
    }

    fn roi_align_backward(
        &self,
        op: &RoiAlign,
        maps: &[Shape],
        gy: &Tensor,
        needs: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let shapes = kernels::images("roi_align", maps)?;
        expect_shape("roi_align", gy, &kernels::image_shape(op.output(&shapes)?))?;
        let gradients = roi_align::backward(op, &shapes, &gy.values);
        let gradients = gradients.into_iter().zip(maps).zip(needs);
        Ok(gradients.map(|((values, map), need)| need.then(|| Tensor::new(map, values))).collect())
    }
}
