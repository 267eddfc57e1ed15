//! Normalizations.

use super::{CpuBackend, CpuTensor};
use crate::backend::{Gradients, NormalizationOps};
use crate::{Result, Shape};
use pelk_cpu::{Affine, Moments, RowsMut, Running, batch_norm, layer_norm};
use pelk_ops::{BatchNormalized, Normalized};

impl NormalizationOps for CpuBackend {
    fn layer_norm(
        &self,
        x: &CpuTensor,
        weight: &CpuTensor,
        bias: &CpuTensor,
        eps: f32,
    ) -> Result<Normalized<CpuTensor>> {
        let (rows, c) = (x.shape.rows(), x.shape.channels());
        let mut y = self.pool.take(x.values.len());
        let (mut mean, mut inv_std) = (self.pool.take(rows), self.pool.take(rows));
        let affine = Affine { weight: &weight.values[..], bias: &bias.values[..] };
        let moments = Moments { mean: &mut mean[..], inv_std: &mut inv_std[..] };
        layer_norm::forward(self.level, x.rows()?, affine, eps, RowsMut::new(&mut y, c)?, moments)?;
        let row = Shape::from([rows]);
        Ok(Normalized {
            y: CpuTensor::new(&x.shape, y),
            mean: CpuTensor::new(&row, mean),
            inv_std: CpuTensor::new(&row, inv_std),
        })
    }

    fn layer_norm_backward(
        &self,
        x: &CpuTensor,
        weight: &CpuTensor,
        mean: &CpuTensor,
        inv_std: &CpuTensor,
        gy: &CpuTensor,
        needs: [bool; 3],
    ) -> Result<Gradients<CpuTensor, 3>> {
        let mut gx = self.slot(needs[0], x);
        let (mut gw, mut gb) = (self.slot(needs[1], weight), self.slot(needs[2], weight));
        let moments = Moments { mean: &mean.values[..], inv_std: &inv_std.values[..] };
        let gx_rows = RowsMut::optional(gx.slice(), x.shape.channels())?;
        let gradients = Affine { weight: gw.slice(), bias: gb.slice() };
        let (x, gy) = (x.rows()?, gy.rows()?);
        layer_norm::backward(self.level, x, &weight.values, moments, gy, gx_rows, gradients)?;
        Ok([gx.done(), gw.done(), gb.done()])
    }

    fn batch_norm_train(
        &self,
        x: &CpuTensor,
        weight: &CpuTensor,
        bias: &CpuTensor,
        running: [&CpuTensor; 2],
        eps: f32,
        momentum: f32,
    ) -> Result<BatchNormalized<CpuTensor>> {
        let c = x.shape.channels();
        let mut y = self.pool.take(x.values.len());
        let (mut mean, mut inv_std) = (self.pool.take(c), self.pool.take(c));
        let [mut running_mean, mut running_variance] = running.map(CpuTensor::clone);
        let affine = Affine { weight: &weight.values[..], bias: &bias.values[..] };
        let statistics =
            Running { mean: running_mean.values_mut(), variance: running_variance.values_mut(), eps };
        let moments = Moments { mean: &mut mean[..], inv_std: &mut inv_std[..] };
        let (x_rows, y_rows) = (x.rows()?, RowsMut::new(&mut y, c)?);
        batch_norm::forward_train(self.level, x_rows, affine, statistics, momentum, y_rows, moments)?;
        let normalized = Normalized {
            y: CpuTensor::new(&x.shape, y),
            mean: CpuTensor::new(&weight.shape, mean),
            inv_std: CpuTensor::new(&weight.shape, inv_std),
        };
        Ok(BatchNormalized { normalized, running: [running_mean, running_variance] })
    }

    fn batch_norm_train_backward(
        &self,
        x: &CpuTensor,
        weight: &CpuTensor,
        mean: &CpuTensor,
        inv_std: &CpuTensor,
        gy: &CpuTensor,
        needs: [bool; 3],
    ) -> Result<Gradients<CpuTensor, 3>> {
        let mut gx = self.slot(needs[0], x);
        let (mut gw, mut gb) = (self.slot(needs[1], weight), self.slot(needs[2], weight));
        let moments = Moments { mean: &mean.values[..], inv_std: &inv_std.values[..] };
        let gx_rows = RowsMut::optional(gx.slice(), x.shape.channels())?;
        let gradients = Affine { weight: gw.slice(), bias: gb.slice() };
        let (x, gy) = (x.rows()?, gy.rows()?);
        batch_norm::backward_train(self.level, x, &weight.values, moments, gy, gx_rows, gradients)?;
        Ok([gx.done(), gw.done(), gb.done()])
    }

    fn batch_norm_eval(
        &self,
        x: &CpuTensor,
        weight: &CpuTensor,
        bias: &CpuTensor,
        mean: &CpuTensor,
        variance: &CpuTensor,
        eps: f32,
    ) -> Result<CpuTensor> {
        let affine = Affine { weight: &weight.values[..], bias: &bias.values[..] };
        let running = Running { mean: &mean.values[..], variance: &variance.values[..], eps };
        let rows = x.rows()?;
        self.make(x.shape.clone(), |y| {
            batch_norm::forward_eval(self.level, rows, affine, running, RowsMut::new(y, rows.columns())?)
        })
    }

    fn batch_norm_eval_backward(
        &self,
        x: &CpuTensor,
        weight: &CpuTensor,
        mean: &CpuTensor,
        variance: &CpuTensor,
        eps: f32,
        gy: &CpuTensor,
        needs: [bool; 3],
    ) -> Result<Gradients<CpuTensor, 3>> {
        let mut gx = self.slot(needs[0], x);
        let (mut gw, mut gb) = (self.slot(needs[1], weight), self.slot(needs[2], weight));
        let running = Running { mean: &mean.values[..], variance: &variance.values[..], eps };
        let gx_rows = RowsMut::optional(gx.slice(), x.shape.channels())?;
        let gradients = Affine { weight: gw.slice(), bias: gb.slice() };
        let (x, gy) = (x.rows()?, gy.rows()?);
        batch_norm::backward_eval(self.level, x, &weight.values, running, gy, gx_rows, gradients)?;
        Ok([gx.done(), gw.done(), gb.done()])
    }
}
