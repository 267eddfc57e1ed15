//! Normalizations.

use super::{CpuBackend, CpuTensor};
use crate::backend::{Gradients, NormalizationOps};
use crate::{Result, Shape};
use pelk_cpu::{batch_norm, layer_norm};
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
        let (w, b) = (&weight.values, &bias.values);
        layer_norm::forward(self.level, rows, c, &x.values, w, b, eps, &mut y, &mut mean, &mut inv_std)?;
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
        let (rows, c) = (x.shape.rows(), x.shape.channels());
        let mut gx = self.slot(needs[0], x);
        let (mut gw, mut gb) = (self.slot(needs[1], weight), self.slot(needs[2], weight));
        let (x, w, mean, inv_std) = (&x.values, &weight.values, &mean.values, &inv_std.values);
        let gy = &gy.values;
        layer_norm::backward(
            self.level,
            rows,
            c,
            x,
            w,
            mean,
            inv_std,
            gy,
            gx.slice(),
            gw.slice(),
            gb.slice(),
        )?;
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
        let (rows, c) = (x.shape.rows(), x.shape.channels());
        let mut y = self.pool.take(x.values.len());
        let (mut mean, mut inv_std) = (self.pool.take(c), self.pool.take(c));
        let [mut running_mean, mut running_variance] = running.map(CpuTensor::clone);
        batch_norm::forward_train(
            self.level,
            rows,
            c,
            &x.values,
            &weight.values,
            &bias.values,
            eps,
            momentum,
            running_mean.values_mut(),
            running_variance.values_mut(),
            &mut y,
            &mut mean,
            &mut inv_std,
        )?;
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
        let (rows, c) = (x.shape.rows(), x.shape.channels());
        let mut gx = self.slot(needs[0], x);
        let (mut gw, mut gb) = (self.slot(needs[1], weight), self.slot(needs[2], weight));
        let (x, w, mean, inv_std) = (&x.values, &weight.values, &mean.values, &inv_std.values);
        let gy = &gy.values;
        batch_norm::backward_train(
            self.level,
            rows,
            c,
            x,
            w,
            mean,
            inv_std,
            gy,
            gx.slice(),
            gw.slice(),
            gb.slice(),
        )?;
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
        let (rows, c) = (x.shape.rows(), x.shape.channels());
        let (w, b, mean, variance) = (&weight.values, &bias.values, &mean.values, &variance.values);
        self.make(x.shape.clone(), |y| {
            batch_norm::forward_eval(self.level, rows, c, &x.values, w, b, mean, variance, eps, y)
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
        let (rows, c) = (x.shape.rows(), x.shape.channels());
        let mut gx = self.slot(needs[0], x);
        let (mut gw, mut gb) = (self.slot(needs[1], weight), self.slot(needs[2], weight));
        batch_norm::backward_eval(
            self.level,
            rows,
            c,
            &x.values,
            &weight.values,
            &mean.values,
            &variance.values,
            eps,
            &gy.values,
            gx.slice(),
            gw.slice(),
            gb.slice(),
        )?;
        Ok([gx.done(), gw.done(), gb.done()])
    }
}
