//! Splitting and joining channels, for convolutions on a part of them (Eq. 4-6 of the paper).

use super::{Context, Forward, InputGradients, Operator, exactly, expect_shape, misfit};
use crate::{Backend, Result, Shape};

/// Cuts the last axis in two. Input: `[.., C]`. Outputs: `[.., first]` and `[.., C - first]`.
#[derive(Debug, Clone, Copy)]
pub struct SplitChannels {
    /// Channels of the first part; at least one, and at least one is left.
    pub first: usize,
}

/// Joins two tensors along the last axis. Inputs: `[.., A]`, `[.., B]`. Output: `[.., A + B]`.
#[derive(Debug, Clone, Copy)]
pub struct ConcatChannels;

impl Operator for SplitChannels {
    fn name(&self) -> &'static str {
        "split_channels"
    }

    fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let [x] = exactly(self.name(), inputs)?;
        let channels = x.channels();
        if self.first == 0 || self.first >= channels {
            return Err(misfit(
                self.name(),
                format!("cannot split {channels} channels after {}", self.first),
            ));
        }
        Ok(vec![x.with_channels(self.first), x.with_channels(channels - self.first)])
    }

    fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
        let [x] = exactly(self.name(), inputs)?;
        let (a, b) = backend.split_channels(x, self.first)?;
        Ok(Forward { outputs: vec![a, b], saved: vec![] })
    }

    fn backward<B: Backend>(
        &self,
        backend: &B,
        context: &Context<'_, B::Tensor>,
        gradients: &[Option<B::Tensor>],
    ) -> Result<InputGradients<B::Tensor>> {
        let part = |index: usize| match gradients.get(index).and_then(Option::as_ref) {
            Some(gradient) => Ok(gradient.clone()),
            None => backend.zeros(&self.output_shapes(&[&context.shapes[0]])?[index]),
        };
        Ok(vec![Some(backend.concat_channels(&part(0)?, &part(1)?)?)])
    }
}

impl Operator for ConcatChannels {
    fn name(&self) -> &'static str {
        "concat_channels"
    }

    fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let [a, b] = exactly(self.name(), inputs)?;
        if a.is_empty() {
            return Err(misfit(self.name(), "numbers without axes have no channels to join"));
        }
        expect_shape(self.name(), "the second part", b, &a.with_channels(b.channels()))?;
        Ok(vec![a.with_channels(a.channels() + b.channels())])
    }

    fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
        let [a, b] = exactly(self.name(), inputs)?;
        Ok(Forward::one(backend.concat_channels(a, b)?, vec![]))
    }

    fn backward<B: Backend>(
        &self,
        backend: &B,
        context: &Context<'_, B::Tensor>,
        gradients: &[Option<B::Tensor>],
    ) -> Result<InputGradients<B::Tensor>> {
        let gy = super::output_gradient(self.name(), gradients)?;
        let (a, b) = backend.split_channels(gy, context.shapes[0].channels())?;
        Ok(vec![Some(a), Some(b)])
    }
}
