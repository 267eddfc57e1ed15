//! Features of regions.

use super::{CpuBackend, CpuTensor, GradientSlot};
use crate::backend::RoiOps;
use crate::kernels;
use crate::{Result, Shape};
use pelk_cpu::roi_align;
use pelk_ops::RoiAlign;

impl RoiOps for CpuBackend {
    fn roi_align(&self, op: &RoiAlign, maps: &[&CpuTensor]) -> Result<CpuTensor> {
        let shapes = kernels::images("roi_align", maps.iter().map(|map| &map.shape))?;
        let output = op.output(&shapes)?;
        let values = maps.iter().map(|map| &map.values[..]);
        let maps: Vec<_> = shapes.iter().copied().zip(values).collect();
        self.make(kernels::image_shape(output), |y| roi_align::forward(self.level, op, &maps, y))
    }

    fn roi_align_backward(
        &self,
        op: &RoiAlign,
        maps: &[Shape],
        gy: &CpuTensor,
        needs: &[bool],
    ) -> Result<Vec<Option<CpuTensor>>> {
        let shapes = kernels::images("roi_align", maps)?;
        let slot = |(map, &need): (&Shape, &bool)| GradientSlot {
            shape: map.clone(),
            values: need.then(|| self.pool.take(map.elements())),
        };
        let mut slots: Vec<GradientSlot> = maps.iter().zip(needs).map(slot).collect();
        let mut gradients: Vec<_> = slots.iter_mut().map(GradientSlot::slice).collect();
        roi_align::backward(self.level, op, &shapes, &gy.values, &mut gradients)?;
        Ok(slots.into_iter().map(GradientSlot::done).collect())
    }
}
