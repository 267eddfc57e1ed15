//! Splitting and joining channels.

use super::{ReferenceBackend, Tensor};
use crate::Result;
use crate::backend::ChannelOps;
use crate::operators::{expect_widths, joined};
use pelk_cpu::reference::elementwise;

impl ChannelOps for ReferenceBackend {
    fn split_channels(&self, x: &Tensor, widths: &[usize]) -> Result<Vec<Tensor>> {
        expect_widths(&x.shape, widths)?;
        let parts = elementwise::split_channels(x.shape.rows(), widths, &x.values);
        let parts = widths.iter().zip(parts);
        Ok(parts.map(|(&width, values)| Tensor::new(&x.shape.with_channels(width), values)).collect())
    }

    fn concat_channels(&self, parts: &[&Tensor]) -> Result<Tensor> {
        let shape = joined(&parts.iter().map(|part| &part.shape).collect::<Vec<_>>())?;
        let values: Vec<&[f64]> = parts.iter().map(|part| &part.values[..]).collect();
        Ok(Tensor::new(&shape, elementwise::concat_channels(shape.rows(), &values)))
    }
}
