//! Features of regions.

use super::{GpuBackend, GpuTensor};
use crate::backend::RoiOps;
use crate::kernels;
use crate::{Result, Shape};
use pelk_ops::RoiAlign;

impl RoiOps for GpuBackend {
    fn roi_align(&self, op: &RoiAlign, maps: &[&GpuTensor]) -> Result<GpuTensor> {
        let shapes = kernels::images("roi_align", maps.iter().map(|map| &map.shape))?;
        let output = op.output(&shapes)?;
        let maps: Vec<_> = shapes.into_iter().zip(maps.iter().map(|map| &*map.values)).collect();
        Ok(GpuTensor::new(&kernels::image_shape(output), self.gpu.roi_align(op, &maps)?))
    }

    fn roi_align_backward(
        &self,
        op: &RoiAlign,
        maps: &[Shape],
        gy: &GpuTensor,
        needs: &[bool],
    ) -> Result<Vec<Option<GpuTensor>>> {
        let shapes = kernels::images("roi_align", maps)?;
        let gradients = self.gpu.roi_align_backward(op, &shapes, &gy.values, needs)?;
        let tensor = |(values, map): (Option<_>, &Shape)| Some(GpuTensor::new(map, values?));
        Ok(gradients.into_iter().zip(maps).map(tensor).collect())
    }
}
