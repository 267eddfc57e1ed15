//! Normalizations.

use super::checks::{expect_gradient, expect_shape, output};
use super::tensors::layer;
use super::{ReferenceBackend, Tensor};
use crate::backend::{Gradients, NormalizationOps};
use crate::operators::{BatchNorm, LayerNorm};
use crate::{Result, Shape};
use pelk_cpu::reference::{batch_norm, layer_norm};
use pelk_ops::{BatchNormalized, Normalized};

/// What the gradient of a normalization needs.
fn saved(y: Tensor, statistics: Shape, mean: Vec<f64>, inv_std: Vec<f64>) -> Normalized<Tensor> {
    Normalized { y, mean: Tensor::new(&statistics, mean), inv_std: Tensor::new(&statistics, inv_std) }
}

impl NormalizationOps for ReferenceBackend {
    fn layer_norm(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f32) -> Result<Normalized<Tensor>> {
        output(LayerNorm { eps }, [x, weight, bias])?;
        let c = x.shape.channels();
        let n = layer_norm::forward(c, &x.values, &weight.values, &bias.values, f64::from(eps));
        Ok(saved(x.with(n.y), Shape::from([n.mean.len()]), n.mean, n.inv_std))
    }

    fn layer_norm_backward(
        &self,
        x: &Tensor,
        weight: &Tensor,
        mean: &Tensor,
        inv_std: &Tensor,
        gy: &Tensor,
        needs: [bool; 3],
    ) -> Result<Gradients<Tensor, 3>> {
        expect_gradient(LayerNorm { eps: 0.0 }, [x, weight, weight], gy)?;
        let rows = Shape::from([x.shape.rows()]);
        [mean, inv_std].into_iter().try_for_each(|saved| expect_shape("layer_norm", saved, &rows))?;
        let (x64, w) = (&x.values, &weight.values);
        let g = layer_norm::backward(x.shape.channels(), x64, w, &mean.values, &inv_std.values, &gy.values);
        Ok(layer(g, x, weight, needs))
    }

    fn batch_norm_train(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        [mean, variance]: [&Tensor; 2],
        eps: f32,
        momentum: f32,
    ) -> Result<BatchNormalized<Tensor>> {
        output(BatchNorm { eps, momentum, training: true }, [x, weight, bias, mean, variance])?;
        let (eps, momentum) = (f64::from(eps), f64::from(momentum));
        let n = batch_norm::forward_train(
            &x.values,
            &weight.values,
            &bias.values,
            eps,
            momentum,
            &mean.values,
            &variance.values,
        );
        Ok(BatchNormalized {
            normalized: saved(x.with(n.y), weight.shape.clone(), n.mean, n.inv_std),
            running: [mean.with(n.running_mean), variance.with(n.running_var)],
        })
    }

    fn batch_norm_train_backward(
        &self,
        x: &Tensor,
        weight: &Tensor,
        mean: &Tensor,
        inv_std: &Tensor,
        gy: &Tensor,
        needs: [bool; 3],
    ) -> Result<Gradients<Tensor, 3>> {
        let op = BatchNorm { eps: 0.0, momentum: 0.0, training: true };
        expect_gradient(op, [x, weight, weight, mean, inv_std], gy)?;
        let (mean, inv_std) = (&mean.values, &inv_std.values);
        let g = batch_norm::backward_train(&x.values, &weight.values, mean, inv_std, &gy.values);
        Ok(layer(g, x, weight, needs))
    }

    fn batch_norm_eval(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        mean: &Tensor,
        variance: &Tensor,
        eps: f32,
    ) -> Result<Tensor> {
        output(BatchNorm { eps, momentum: 0.0, training: false }, [x, weight, bias, mean, variance])?;
        let (w, b, mean, variance) = (&weight.values, &bias.values, &mean.values, &variance.values);
        Ok(x.with(batch_norm::forward_eval(&x.values, w, b, mean, variance, f64::from(eps))))
    }

    fn batch_norm_eval_backward(
        &self,
        x: &Tensor,
        weight: &Tensor,
        mean: &Tensor,
        variance: &Tensor,
        eps: f32,
        gy: &Tensor,
        needs: [bool; 3],
    ) -> Result<Gradients<Tensor, 3>> {
        let op = BatchNorm { eps, momentum: 0.0, training: false };
        expect_gradient(op, [x, weight, weight, mean, variance], gy)?;
        let (mean, variance) = (&mean.values, &variance.values);
        let eps = f64::from(eps);
        let g = batch_norm::backward_eval(&x.values, &weight.values, mean, variance, eps, &gy.values);
        Ok(layer(g, x, weight, needs))
    }
}
