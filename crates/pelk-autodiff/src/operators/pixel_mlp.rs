//! The pixel MLP of a block with its normalization, scale and residual, as one operator.
//!
//! A composite: every backend gets it from simpler operators ([`compose`](crate::backend::compose),
//! [`compose_backward`](crate::backend::compose_backward)), and may override it. Its gradient needs `x` only:
//! the rest is recomputed, or the backend kept it.

use super::checks::{expect_shape, misfit, needs, output_gradient, with_optional};
use super::operator::{Context, Cost, Forward, InputGradients, Operator};
use crate::{Backend, Result, Shape};
use pelk_ops::{PixelMlp, PixelMlpParameters};

/// Index of the first parameter among the inputs.
const PARAMETERS: usize = 2;

/// x and the shortcut, and the parameters after them.
fn parts<'a, T>(
    op: &'a PixelMlp,
    inputs: &[&'a T],
) -> Result<([&'a T; PARAMETERS], PixelMlpParameters<'a, T>)> {
    let Some((&[x, shortcut], rest)) = inputs.split_first_chunk() else {
        return Err(misfit(op.name(), format!("takes 8 or 9 inputs, was given {}", inputs.len())));
    };
    Ok(([x, shortcut], parameters(op, rest)?))
}

/// The parameters, from the inputs after x and the shortcut.
fn parameters<'a, T>(op: &'a PixelMlp, inputs: &[&'a T]) -> Result<PixelMlpParameters<'a, T>> {
    let ([a, b, c, d, e, f], gamma) = with_optional(op.name(), inputs)?;
    let factors = op.factors.as_deref();
    Ok(PixelMlpParameters { norm: [a, b], expand: [c, d], project: [e, f], gamma, factors })
}

impl Operator for PixelMlp {
    fn name(&self) -> &'static str {
        "pixel_mlp"
    }

    fn output_shapes(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let ([x, shortcut], parameters) = parts(self, inputs)?;
        let PixelMlpParameters { norm, expand, project, gamma, .. } = parameters;
        let c = if x.is_empty() { 0 } else { x.channels() };
        let &[h, _] = &expand[0][..] else {
            let reason = format!("the first weight has shape {}, wanted [H, {c}]", expand[0]);
            return Err(misfit(self.name(), reason));
        };
        expect_shape(self.name(), "the shortcut", shortcut, x)?;
        let vectors = [("the norm's weight", norm[0]), ("the norm's bias", norm[1])];
        for (what, shape) in vectors.into_iter().chain(gamma.map(|gamma| ("gamma", gamma))) {
            expect_shape(self.name(), what, shape, &[c])?;
        }
        expect_shape(self.name(), "the first weight", expand[0], &[h, c])?;
        expect_shape(self.name(), "the first bias", expand[1], &[h])?;
        expect_shape(self.name(), "the second weight", project[0], &[c, h])?;
        expect_shape(self.name(), "the second bias", project[1], &[c])?;
        match &self.factors {
            Some(factors) if x.first() != Some(&factors.len()) => {
                Err(misfit(self.name(), format!("{} factors do not fit x {x}", factors.len())))
            }
            _ => Ok(vec![x.clone()]),
        }
    }

    fn cost(&self, inputs: &[&Shape]) -> Cost {
        Cost::plain(2 * inputs[0].rows() * inputs[PARAMETERS + 2].elements())
    }

    fn weights(&self) -> &'static [usize] {
        &[PARAMETERS + 2, PARAMETERS + 4]
    }

    fn forward<B: Backend>(&self, backend: &B, inputs: &[&B::Tensor]) -> Result<Forward<B::Tensor>> {
        let ([x, shortcut], parameters) = parts(self, inputs)?;
        let (y, kept) = backend.pixel_mlp(self, x, shortcut, &parameters)?;
        let saved = [x].into_iter().chain(inputs[PARAMETERS..].iter().copied()).cloned();
        Ok(Forward::one(y, saved.chain(kept).collect()))
    }

    fn backward<B: Backend>(
        &self,
        backend: &B,
        context: &Context<'_, B::Tensor>,
        gradients: &[Option<B::Tensor>],
    ) -> Result<InputGradients<B::Tensor>> {
        let gy = output_gradient(self.name(), gradients)?;
        // The shortcut was not saved, since no gradient needs it.
        let Some((inputs, kept)) = context.saved.split_at_checked(context.shapes.len() - 1) else {
            return Err(misfit(self.name(), "its inputs were not saved"));
        };
        let inputs: Vec<&B::Tensor> = inputs.iter().collect();
        let (x, parameters) = (inputs[0], parameters(self, &inputs[1..])?);
        let [x_wanted, shortcut_wanted, a, b, c, d, e, f, g]: [bool; 9] = needs(context);
        let wanted = [x_wanted, a, b, c, d, e, f, g];
        let mut gradients: Vec<_> =
            backend.pixel_mlp_backward(self, x, &parameters, kept, gy, wanted)?.into();
        gradients.insert(1, shortcut_wanted.then(|| gy.clone()));
        gradients.truncate(context.shapes.len());
        Ok(gradients)
    }
}
