//! Splitting and joining channels.

use super::{CpuBackend, CpuTensor};
use crate::Result;
use crate::backend::ChannelOps;
use crate::operators::joined;
use pelk_cpu::channels;

impl ChannelOps for CpuBackend {
    fn split_channels(&self, x: &CpuTensor, widths: &[usize]) -> Result<Vec<CpuTensor>> {
        let rows = x.shape.rows();
        let mut parts: Vec<_> = widths.iter().map(|width| self.pool.take(rows * width)).collect();
        channels::split(
            rows,
            &x.values,
            &mut parts.iter_mut().map(|part| &mut part[..]).collect::<Vec<_>>(),
        )?;
        let parts = widths.iter().zip(parts);
        Ok(parts.map(|(&width, values)| CpuTensor::new(&x.shape.with_channels(width), values)).collect())
    }

    fn concat_channels(&self, parts: &[&CpuTensor]) -> Result<CpuTensor> {
        let shape = joined(&parts.iter().map(|part| &part.shape).collect::<Vec<_>>())?;
        let values: Vec<&[f32]> = parts.iter().map(|part| &part.values[..]).collect();
        self.make(shape.clone(), |y| channels::concat(shape.rows(), &values, y))
    }
}
