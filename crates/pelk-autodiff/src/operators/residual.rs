//! Joining a residual branch to its trunk: sum, layer scale, drop path.

use super::checks::{exactly, expect_shape, misfit, needs, output_gradient};
use super::operator::{Context, Forward, InputGradients, Operator};
use crate::{Backend, Result, Shape};
use std::sync::Arc;

/// `a + b`. Inputs and output: the same shape.
#[derive(Debug, Clone, Copy)]
pub struct Add;

/// Multiplies each channel by a learned factor (layer scale). Inputs: x `[.., C]`, gamma `[C]`. Output:
/// `[.., C]`.
#[derive(Debug, Clone, Copy)]
pub struct ScaleChannels;

/// Multiplies each sample by a constant (drop path), each channel of each sample (Dropout2d), or each value.
/// Input and output: `[N, .., C]`.
#[derive(Debug, Clone)]
pub struct ScaleSamples {
    /// One factor per sample, `[N]`, one for each of its channels, `[N, C]`, or one for each value.
    pub factors: Arc<[f32]>,
}

impl Operator for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let [a, b] = exactly(self.name(), inputs)?;
        expect_shape(self.name(), "the second term", b, a)?;
        Ok(vec![a.clone()])
    }

    fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
        let [a, b] = exactly(self.name(), inputs)?;
        Ok(Forward::one(backend.add(a, b)?, vec![]))
    }

    fn backward<B: Backend>(
        &self,
        _backend: &B,
        _context: &Context<'_, B::Tensor>,
        gradients: &[Option<B::Tensor>],
    ) -> Result<InputGradients<B::Tensor>> {
        let gy = output_gradient(self.name(), gradients)?;
        Ok(vec![Some(gy.clone()), Some(gy.clone())])
    }
}

impl Operator for ScaleChannels {
    fn name(&self) -> &'static str {
        "scale_channels"
    }

    fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let [x, gamma] = exactly(self.name(), inputs)?;
        expect_shape(self.name(), "gamma", gamma, &[x.channels()])?;
        Ok(vec![x.clone()])
    }

    fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
        let [x, gamma] = exactly(self.name(), inputs)?;
        Ok(Forward::one(backend.scale_channels(x, gamma)?, vec![x.clone(), gamma.clone()]))
    }

    fn backward<B: Backend>(
        &self,
        backend: &B,
        context: &Context<'_, B::Tensor>,
        gradients: &[Option<B::Tensor>],
    ) -> Result<InputGradients<B::Tensor>> {
        let gy = output_gradient(self.name(), gradients)?;
        let [x, gamma] = context.saved else { return Err(misfit(self.name(), "nothing was saved")) };
        Ok(backend.scale_channels_backward(x, gamma, gy, needs(context))?.into())
    }
}

impl Operator for ScaleSamples {
    fn name(&self) -> &'static str {
        "scale_samples"
    }

    fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let [x] = exactly(self.name(), inputs)?;
        let (samples, factors) = (x.first().copied().unwrap_or(0), self.factors.len());
        if x.is_empty() || ![samples, samples * x.channels(), x.elements()].contains(&factors) {
            return Err(misfit(self.name(), format!("{factors} factors do not fit x {x}")));
        }
        Ok(vec![x.clone()])
    }

    fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
        let [x] = exactly(self.name(), inputs)?;
        Ok(Forward::one(backend.scale_samples(x, &self.factors)?, vec![]))
    }

    fn backward<B: Backend>(
        &self,
        backend: &B,
        _context: &Context<'_, B::Tensor>,
        gradients: &[Option<B::Tensor>],
    ) -> Result<InputGradients<B::Tensor>> {
        let gy = output_gradient(self.name(), gradients)?;
        Ok(vec![Some(backend.scale_samples(gy, &self.factors)?)])
    }
}
