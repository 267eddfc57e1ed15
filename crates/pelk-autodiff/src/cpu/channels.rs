//! Splitting and joining channels.

use super::{CpuBackend, CpuTensor};
use crate::Result;
use crate::backend::ChannelOps;
use crate::operators::joined;
use pelk_cpu::{RowsMut, channels};

impl ChannelOps for CpuBackend {
    fn split_channels(&self, x: &CpuTensor, widths: &[usize]) -> Result<Vec<CpuTensor>> {
        let rows = x.shape.rows();
        let mut parts: Vec<_> = widths.iter().map(|width| self.pool.take(rows * width)).collect();
        let outputs = parts.iter_mut().zip(widths).map(|(part, &width)| RowsMut::new(part, width));
        channels::split(x.rows()?, &mut outputs.collect::<std::result::Result<Vec<_>, _>>()?)?;
        let parts = widths.iter().zip(parts);
        Ok(parts.map(|(&width, values)| CpuTensor::new(&x.shape.with_channels(width), values)).collect())
    }

    fn concat_channels(&self, parts: &[&CpuTensor]) -> Result<CpuTensor> {
        let shape = joined(&parts.iter().map(|part| &part.shape).collect::<Vec<_>>())?;
        let parts = parts.iter().map(|part| part.rows()).collect::<std::result::Result<Vec<_>, _>>()?;
        self.make(shape.clone(), |y| channels::concat(&parts, RowsMut::new(y, shape.channels())?))
    }
}
