//! LayerNorm and BatchNorm.

use super::checks::{exactly, expect_shape, misfit, needs, output_gradient};
use super::operator::{Context, Forward, InputGradients, Operator};
use crate::{Backend, Result, Shape};
use pelk_ops::BatchNormalized;

/// Normalizes each row over the last axis. Inputs: x `[.., C]`, weight `[C]`, bias `[C]`. Output: `[.., C]`.
#[derive(Debug, Clone, Copy)]
pub struct LayerNorm {
    /// Added to the variance.
    pub eps: f32,
}

/// Normalizes each channel over all rows. Inputs: x `[.., C]`, weight, bias, running mean, running variance,
/// each `[C]`. Outputs: y `[.., C]`; in training also the updated running mean and variance (PyTorch's rule:
/// unbiased variance).
#[derive(Debug, Clone, Copy)]
pub struct BatchNorm {
    /// Added to the variance.
    pub eps: f32,
    /// Weight of this batch in the running statistics.
    pub momentum: f32,
    /// Use the batch's statistics rather than the running ones.
    pub training: bool,
}

impl Operator for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let [x, weight, bias] = exactly(self.name(), inputs)?;
        expect_shape(self.name(), "weight", weight, &[x.channels()])?;
        expect_shape(self.name(), "bias", bias, &[x.channels()])?;
        Ok(vec![x.clone()])
    }

    fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
        let [x, weight, bias] = exactly(self.name(), inputs)?;
        let normalized = backend.layer_norm(x, weight, bias, self.eps)?;
        Ok(Forward::one(normalized.y, vec![x.clone(), weight.clone(), normalized.mean, normalized.inv_std]))
    }

    fn backward<B: Backend>(
        &self,
        backend: &B,
        context: &Context<'_, B::Tensor>,
        gradients: &[Option<B::Tensor>],
    ) -> Result<InputGradients<B::Tensor>> {
        let gy = output_gradient(self.name(), gradients)?;
        let [x, weight, mean, inv_std] = context.saved else {
            return Err(misfit(self.name(), "nothing was saved"));
        };
        Ok(backend.layer_norm_backward(x, weight, mean, inv_std, gy, needs(context))?.into())
    }
}

impl Operator for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let [x, rest @ ..]: [&Shape; 5] = exactly(self.name(), inputs)?;
        for (what, shape) in
            ["weight", "bias", "the running mean", "the running variance"].into_iter().zip(rest)
        {
            expect_shape(self.name(), what, shape, &[x.channels()])?;
        }
        if self.training && x.rows() == 1 {
            let reason = format!("x {x} has one value per channel, which has no variance to normalize by");
            return Err(misfit(self.name(), reason));
        }
        let mut shapes = vec![x.clone()];
        if self.training {
            shapes.extend([rest[2].clone(), rest[3].clone()]);
        }
        Ok(shapes)
    }

    fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
        let [x, weight, bias, mean, variance] = exactly(self.name(), inputs)?;
        if !self.training {
            let y = backend.batch_norm_eval(x, weight, bias, mean, variance, self.eps)?;
            return Ok(Forward::one(y, vec![x.clone(), weight.clone(), mean.clone(), variance.clone()]));
        }
        let BatchNormalized { normalized, running: [mean, variance] } =
            backend.batch_norm_train(x, weight, bias, [mean, variance], self.eps, self.momentum)?;
        Ok(Forward {
            outputs: vec![normalized.y, mean, variance],
            saved: vec![x.clone(), weight.clone(), normalized.mean, normalized.inv_std],
        })
    }

    fn backward<B: Backend>(
        &self,
        backend: &B,
        context: &Context<'_, B::Tensor>,
        gradients: &[Option<B::Tensor>],
    ) -> Result<InputGradients<B::Tensor>> {
        let gy = output_gradient(self.name(), gradients)?;
        let [x, weight, mean, spread] = context.saved else {
            return Err(misfit(self.name(), "nothing was saved"));
        };
        let needs = needs(context);
        let [gx, gweight, gbias] = if self.training {
            backend.batch_norm_train_backward(x, weight, mean, spread, gy, needs)?
        } else {
            backend.batch_norm_eval_backward(x, weight, mean, spread, self.eps, gy, needs)?
        };
        Ok(vec![gx, gweight, gbias, None, None])
    }
}
