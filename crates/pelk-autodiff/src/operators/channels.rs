//! Splitting and joining channels, for convolutions on a part of them (Eq. 4-6 of the paper).

use super::checks::{exactly, expect_shape, misfit, output_gradient};
use super::operator::{Context, Forward, InputGradients, Operator};
use crate::{Backend, Result, Shape};

/// Cuts the last axis in two. Input: `[.., C]`. Outputs: `[.., first]` and `[.., C - first]`.
#[derive(Debug, Clone, Copy)]
pub struct SplitChannels {
    /// Channels of the first part; each part has at least one.
    pub first: usize,
}

/// Joins tensors along the last axis, at least one. Inputs: `[.., A]`, `[.., B]`, and so on. Output:
/// `[.., A + B + ..]`.
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
        let widths = [self.first, backend.shape(x).channels() - self.first];
        Ok(Forward { outputs: backend.split_channels(x, &widths)?, saved: vec![] })
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
        Ok(vec![Some(backend.concat_channels(&[&part(0)?, &part(1)?])?)])
    }
}

impl Operator for ConcatChannels {
    fn name(&self) -> &'static str {
        "concat_channels"
    }

    fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![joined(inputs)?])
    }

    fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
        Ok(Forward::one(backend.concat_channels(inputs)?, vec![]))
    }

    fn backward<B: Backend>(
        &self,
        backend: &B,
        context: &Context<'_, B::Tensor>,
        gradients: &[Option<B::Tensor>],
    ) -> Result<InputGradients<B::Tensor>> {
        let gy = output_gradient(self.name(), gradients)?;
        let widths: Vec<usize> = context.shapes.iter().map(Shape::channels).collect();
        Ok(backend.split_channels(gy, &widths)?.into_iter().map(Some).collect())
    }
}

/// The shape of parts joined along the last axis.
pub(crate) fn joined(parts: &[&Shape]) -> Result<Shape> {
    const NAME: &str = "concat_channels";
    let Some((first, others)) = parts.split_first() else {
        return Err(misfit(NAME, "there is nothing to join"));
    };
    if first.is_empty() {
        return Err(misfit(NAME, "tensors without axes have no channels to join"));
    }
    let mut channels = first.channels();
    for part in others {
        expect_shape(NAME, "a part", part, &first.with_channels(part.channels()))?;
        channels += part.channels();
    }
    Ok(first.with_channels(channels))
}

/// Checks that parts of these widths add up to the channels of `x`.
pub(crate) fn expect_widths(x: &Shape, widths: &[usize]) -> Result<()> {
    match !x.is_empty() && !widths.contains(&0) && widths.iter().sum::<usize>() == x.channels() {
        true => Ok(()),
        false => {
            Err(misfit("split_channels", format!("cannot split x {x} into parts of {widths:?} channels")))
        }
    }
}
