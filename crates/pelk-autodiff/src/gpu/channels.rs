//! Splitting and joining channels.

use super::{GpuBackend, GpuTensor};
use crate::Result;
use crate::backend::ChannelOps;
use crate::operators::{expect_widths, joined};

impl ChannelOps for GpuBackend {
    fn split_channels(&self, x: &GpuTensor, widths: &[usize]) -> Result<Vec<GpuTensor>> {
        expect_widths(&x.shape, widths)?;
        let columns = x.shape.channels();
        let mut begin = 0;
        let part = |&width: &usize| {
            let part = self.gpu.take_columns(&x.values, columns, begin, width)?;
            begin += width;
            Ok(GpuTensor::new(&x.shape.with_channels(width), part))
        };
        widths.iter().map(part).collect()
    }

    fn concat_channels(&self, parts: &[&GpuTensor]) -> Result<GpuTensor> {
        let shape = joined(&parts.iter().map(|part| &part.shape).collect::<Vec<_>>())?;
        let parts: Vec<_> = parts.iter().map(|part| (&*part.values, part.shape.channels())).collect();
        Ok(GpuTensor::new(&shape, self.gpu.join_columns(&parts)?))
    }
}
