//! [`Backend`] on pelk-cpu's kernels: shapes in, slices out.

use super::{CpuBackend, CpuTensor, Room};
use crate::backend::{Backend, BatchNormalized, Gradients, Normalized};
use crate::operators::{
    Conv2d, CrossEntropy, DepthwiseConv, Forward, PixelMlp, PixelMlpParameters, PositionBias, PositionForm,
    SoftCrossEntropy, joined,
};
use crate::{Error, Operator, Result, Shape, kernels};
use pelk_cpu::depthwise::{Bias, BoxConv};
use pelk_cpu::optimizer::{AdamW, Sgd, adamw_step, sgd_step};
use pelk_cpu::shape::ImageShape;
use pelk_cpu::{
    activation, batch_norm, channels, conv2d, elementwise, layer_norm, linear, loss, pixel_mlp, pool,
    position, resize, subsample,
};

fn box_conv(op: &DepthwiseConv) -> BoxConv {
    BoxConv::new(op.rows.clone(), op.columns.clone())
}

/// The kernel's view of an operator and its parameters.
fn pixel_mlp<'a>(
    op: &'a PixelMlp,
    x: &CpuTensor,
    parameters: &PixelMlpParameters<'a, CpuTensor>,
) -> (pixel_mlp::PixelMlp, pixel_mlp::Parameters<'a>) {
    let hidden = parameters.expand[1].shape.channels();
    let sizes =
        pixel_mlp::PixelMlp { rows: x.shape.rows(), channels: x.shape.channels(), hidden, eps: op.eps };
    let values = |pair: [&'a CpuTensor; 2]| pair.map(|tensor| &tensor.values[..]);
    let parameters = pixel_mlp::Parameters {
        norm: values(parameters.norm),
        expand: values(parameters.expand),
        project: values(parameters.project),
        gamma: parameters.gamma.map(|gamma| &gamma.values[..]),
        factors: op.factors.as_deref(),
    };
    (sizes, parameters)
}

impl Backend for CpuBackend {
    type Tensor = CpuTensor;

    fn name(&self) -> String {
        format!("cpu ({})", self.level)
    }

    fn storing_float16(self) -> Result<CpuBackend> {
        Err(Error::NoFloat16 { backend: self.name() })
    }

    fn shape<'t>(&self, tensor: &'t CpuTensor) -> &'t Shape {
        &tensor.shape
    }

    fn upload(&self, shape: &Shape, values: &[f32]) -> Result<CpuTensor> {
        if shape.elements() != values.len() {
            return Err(Error::Length { shape: shape.clone(), actual: values.len() });
        }
        Ok(self.copy_of(shape.clone(), values))
    }

    fn download(&self, tensor: &CpuTensor) -> Result<Vec<f32>> {
        Ok(tensor.values.to_vec())
    }

    fn zeros(&self, shape: &Shape) -> Result<CpuTensor> {
        let mut values = self.pool.take(shape.elements());
        values.fill(0.0);
        Ok(CpuTensor::new(shape, values))
    }

    fn linear(&self, x: &CpuTensor, weight: &CpuTensor, bias: Option<&CpuTensor>) -> Result<CpuTensor> {
        let (outputs, inputs) = (weight.shape.rows(), weight.shape.channels());
        let bias = bias.map(|bias| &bias.values[..]);
        self.make(x.shape.with_channels(outputs), |y| {
            linear::forward(self.level, x.shape.rows(), inputs, outputs, &x.values, &weight.values, bias, y)
        })
    }

    fn linear_backward(
        &self,
        x: &CpuTensor,
        weight: &CpuTensor,
        gy: &CpuTensor,
        needs: [bool; 3],
    ) -> Result<Gradients<CpuTensor, 3>> {
        let (outputs, inputs) = (weight.shape.rows(), weight.shape.channels());
        let (mut gx, mut gw) = (self.room(needs[0], x), self.room(needs[1], weight));
        let mut gb = self.vector_room(needs[2], outputs);
        linear::backward(
            self.level,
            x.shape.rows(),
            inputs,
            outputs,
            &x.values,
            &weight.values,
            &gy.values,
            gx.slice(),
            gw.slice(),
            gb.slice(),
        )?;
        Ok([gx.done(), gw.done(), gb.done()])
    }

    fn conv2d(
        &self,
        op: Conv2d,
        x: &CpuTensor,
        weight: &CpuTensor,
        bias: Option<&CpuTensor>,
    ) -> Result<CpuTensor> {
        let shape = kernels::conv2d(op, &x.shape, &weight.shape)?;
        let output = shape.output()?;
        let output = Shape::from([output.n, output.h, output.w, output.c]);
        let bias = bias.map(|bias| &bias.values[..]);
        self.make(output, |y| conv2d::forward(self.level, &shape, &x.values, &weight.values, bias, y))
    }

    fn conv2d_backward(
        &self,
        op: Conv2d,
        x: &CpuTensor,
        weight: &CpuTensor,
        gy: &CpuTensor,
        needs: [bool; 3],
    ) -> Result<Gradients<CpuTensor, 3>> {
        let shape = kernels::conv2d(op, &x.shape, &weight.shape)?;
        let (mut gx, mut gw) = (self.room(needs[0], x), self.room(needs[1], weight));
        let mut gb = self.vector_room(needs[2], shape.out_channels);
        let (x, w, gy) = (&x.values, &weight.values, &gy.values);
        conv2d::backward(self.level, &shape, x, w, gy, gx.slice(), gw.slice(), gb.slice())?;
        Ok([gx.done(), gw.done(), gb.done()])
    }

    fn depthwise_conv(
        &self,
        op: &DepthwiseConv,
        x: &CpuTensor,
        theta: &CpuTensor,
        bias: Option<&CpuTensor>,
    ) -> Result<CpuTensor> {
        let shape = kernels::image(op.name(), &x.shape)?;
        let bias = match bias {
            None => Bias::None,
            Some(bias) if bias.shape.len() == 1 => Bias::Channel(&bias.values),
            Some(bias) => Bias::Map(&bias.values),
        };
        self.make(x.shape.clone(), |y| {
            box_conv(op).forward(self.level, shape, &x.values, &theta.values, bias, y)
        })
    }

    fn depthwise_conv_backward(
        &self,
        op: &DepthwiseConv,
        x: &CpuTensor,
        theta: &CpuTensor,
        gy: &CpuTensor,
        needs: [bool; 2],
    ) -> Result<Gradients<CpuTensor, 2>> {
        let shape = kernels::image(op.name(), &x.shape)?;
        let (mut gx, mut gtheta) = (self.room(needs[0], x), self.room(needs[1], theta));
        let (x, theta, gy) = (&x.values, &theta.values, &gy.values);
        box_conv(op).backward(self.level, shape, x, theta, gy, gx.slice(), gtheta.slice())?;
        Ok([gx.done(), gtheta.done()])
    }

    fn position_bias(
        &self,
        op: &PositionBias,
        theta: &CpuTensor,
        position: &CpuTensor,
        bias: Option<&CpuTensor>,
    ) -> Result<CpuTensor> {
        let (grid, [h, w], c) = (&op.grid, op.size, theta.shape[0]);
        let (theta, position) = (&theta.values, &position.values);
        let mut y = match op.form {
            PositionForm::InBounds => self.make(Shape::from([h, w, c]), |y| {
                position::in_bounds_forward(grid, h, w, c, theta, position, y)
            }),
            PositionForm::Literal => {
                self.make(Shape::from([c]), |y| position::literal_forward(grid, c, theta, position, y))
            }
        }?;
        if let Some(bias) = bias {
            for row in y.values_mut().chunks_exact_mut(c) {
                elementwise::add_assign(self.level, row, &bias.values)?;
            }
        }
        Ok(y)
    }

    fn position_bias_backward(
        &self,
        op: &PositionBias,
        theta: &CpuTensor,
        position: &CpuTensor,
        gy: &CpuTensor,
        needs: [bool; 2],
    ) -> Result<Gradients<CpuTensor, 2>> {
        let (grid, [h, w], c) = (&op.grid, op.size, theta.shape[0]);
        // Both gradients come out of one walk over the same tables.
        let mut gtheta = self.pool.take(theta.values.len());
        let mut gposition = self.pool.take(position.values.len());
        let (t, p, g) = (&theta.values, &position.values, &gy.values);
        match op.form {
            PositionForm::InBounds => {
                position::in_bounds_backward(grid, h, w, c, t, p, g, &mut gtheta, &mut gposition)?;
            }
            PositionForm::Literal => {
                position::literal_backward(grid, c, t, p, g, &mut gtheta, &mut gposition)?;
            }
        }
        let tensor =
            |needed: bool, like: &CpuTensor, values| needed.then(|| CpuTensor::new(&like.shape, values));
        Ok([tensor(needs[0], theta, gtheta), tensor(needs[1], position, gposition)])
    }

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
        let mut gx = self.room(needs[0], x);
        let (mut gw, mut gb) = (self.room(needs[1], weight), self.room(needs[2], weight));
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
        let mut gx = self.room(needs[0], x);
        let (mut gw, mut gb) = (self.room(needs[1], weight), self.room(needs[2], weight));
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
        let mut gx = self.room(needs[0], x);
        let (mut gw, mut gb) = (self.room(needs[1], weight), self.room(needs[2], weight));
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

    fn gelu(&self, x: &CpuTensor) -> Result<CpuTensor> {
        self.make(x.shape.clone(), |y| activation::gelu(self.level, &x.values, y))
    }

    fn gelu_backward(&self, x: &CpuTensor, gy: &CpuTensor) -> Result<CpuTensor> {
        self.make(x.shape.clone(), |gx| activation::gelu_backward(self.level, &x.values, &gy.values, gx))
    }

    fn relu(&self, x: &CpuTensor) -> Result<CpuTensor> {
        self.make(x.shape.clone(), |y| activation::relu(self.level, &x.values, y))
    }

    fn relu_backward(&self, y: &CpuTensor, gy: &CpuTensor) -> Result<CpuTensor> {
        self.make(y.shape.clone(), |gx| activation::relu_backward(self.level, &y.values, &gy.values, gx))
    }

    fn pixel_mlp(
        &self,
        op: &PixelMlp,
        x: &CpuTensor,
        shortcut: &CpuTensor,
        parameters: &PixelMlpParameters<'_, CpuTensor>,
    ) -> Result<Forward<CpuTensor>> {
        let (sizes, parameters) = pixel_mlp(op, x, parameters);
        let middle = Shape::from([sizes.rows, sizes.hidden]);
        let [mut active, mut slope] =
            [(); 2].map(|()| op.keep.then(|| self.pool.take(sizes.rows * sizes.hidden)));
        let keep = match (&mut active, &mut slope) {
            (Some(active), Some(slope)) => Some(pixel_mlp::Middle { active: &mut active[..], slope }),
            _ => None,
        };
        let y = self.make(x.shape.clone(), |y| {
            sizes.forward(self.level, &x.values, &shortcut.values, &parameters, y, keep)
        })?;
        let kept = [active, slope].into_iter().flatten().map(|values| CpuTensor::new(&middle, values));
        Ok(Forward::one(y, kept.collect()))
    }

    fn pixel_mlp_backward(
        &self,
        op: &PixelMlp,
        x: &CpuTensor,
        parameters: &PixelMlpParameters<'_, CpuTensor>,
        kept: &[CpuTensor],
        gy: &CpuTensor,
        needs: [bool; 8],
    ) -> Result<Gradients<CpuTensor, 8>> {
        let PixelMlpParameters { norm, expand, project, gamma } = parameters;
        // One walk gives all of them, so it is all or none.
        let any = needs[1..].contains(&true);
        let mut gx = self.pool.take(x.values.len());
        let [mut a, mut b] = norm.map(|tensor| self.room(any, tensor));
        let [mut c, mut d] = expand.map(|tensor| self.room(any, tensor));
        let [mut e, mut f] = project.map(|tensor| self.room(any, tensor));
        let mut g = self.room(any && gamma.is_some(), gamma.unwrap_or(norm[0]));
        let (sizes, parameters) = pixel_mlp(op, x, parameters);
        {
            let gradients = match (a.slice(), b.slice(), c.slice(), d.slice(), e.slice(), f.slice()) {
                (Some(a), Some(b), Some(c), Some(d), Some(e), Some(f)) => Some(pixel_mlp::Gradients {
                    norm: [a, b],
                    expand: [c, d],
                    project: [e, f],
                    gamma: g.slice(),
                }),
                _ => None,
            };
            let kept = match kept {
                [active, slope] => {
                    Some(pixel_mlp::Middle { active: &active.values[..], slope: &slope.values })
                }
                _ => None,
            };
            sizes.backward(self.level, &x.values, &parameters, kept, &gy.values, &mut gx, gradients)?;
        }
        let gx = Some(CpuTensor::new(&x.shape, gx));
        let [a, b, c, d, e, f, g] = [a, b, c, d, e, f, g].map(Room::done);
        let mut wanted = needs.into_iter();
        Ok([gx, a, b, c, d, e, f, g].map(|gradient| gradient.filter(|_| wanted.next() == Some(true))))
    }

    fn add(&self, a: &CpuTensor, b: &CpuTensor) -> Result<CpuTensor> {
        self.make(a.shape.clone(), |y| elementwise::add(self.level, &a.values, &b.values, y))
    }

    fn scale_channels(&self, x: &CpuTensor, gamma: &CpuTensor) -> Result<CpuTensor> {
        let (rows, c) = (x.shape.rows(), x.shape.channels());
        self.make(x.shape.clone(), |y| {
            elementwise::scale_channels(self.level, rows, c, &x.values, &gamma.values, y)
        })
    }

    fn scale_channels_backward(
        &self,
        x: &CpuTensor,
        gamma: &CpuTensor,
        gy: &CpuTensor,
        needs: [bool; 2],
    ) -> Result<Gradients<CpuTensor, 2>> {
        let (rows, c) = (x.shape.rows(), x.shape.channels());
        let (mut gx, mut ggamma) = (self.room(needs[0], x), self.room(needs[1], gamma));
        let (x, gamma, gy) = (&x.values, &gamma.values, &gy.values);
        elementwise::scale_channels_backward(self.level, rows, c, x, gamma, gy, gx.slice(), ggamma.slice())?;
        Ok([gx.done(), ggamma.done()])
    }

    fn scale_samples(&self, x: &CpuTensor, factors: &[f32]) -> Result<CpuTensor> {
        let samples = x.shape.first().copied().unwrap_or(1);
        self.make(x.shape.clone(), |y| elementwise::scale_samples(self.level, samples, &x.values, factors, y))
    }

    fn split_channels(&self, x: &CpuTensor, widths: &[usize]) -> Result<Vec<CpuTensor>> {
        let rows = x.shape.rows();
        let mut parts: Vec<_> = widths.iter().map(|width| self.pool.take(rows * width)).collect();
        channels::split(
            rows,
            &x.values,
            &mut parts.iter_mut().map(|part| &mut part[..]).collect::<Vec<_>>(),
        )?;
        let parts = widths.iter().zip(parts);
        Ok(parts.map(|(&width, values)| CpuTensor::new(&x.shape.with_channels(width), values)).collect())
    }

    fn concat_channels(&self, parts: &[&CpuTensor]) -> Result<CpuTensor> {
        let shape = joined(&parts.iter().map(|part| &part.shape).collect::<Vec<_>>())?;
        let values: Vec<&[f32]> = parts.iter().map(|part| &part.values[..]).collect();
        self.make(shape.clone(), |y| channels::concat(shape.rows(), &values, y))
    }

    fn sum_leading(&self, x: &CpuTensor, shape: &Shape) -> Result<CpuTensor> {
        let columns = shape.elements().max(1);
        self.make(shape.clone(), |sums| {
            elementwise::column_sum(self.level, x.values.len() / columns, columns, &x.values, sums)
        })
    }

    fn adaptive_avg_pool(&self, x: &CpuTensor, size: [usize; 2]) -> Result<CpuTensor> {
        let shape = kernels::image("adaptive_avg_pool", &x.shape)?;
        self.make(Shape::from([shape.n, size[0], size[1], shape.c]), |y| {
            pool::adaptive_average(self.level, shape, size, &x.values, y)
        })
    }

    fn adaptive_avg_pool_backward(&self, gy: &CpuTensor, input: [usize; 2]) -> Result<CpuTensor> {
        let output = kernels::image("adaptive_avg_pool", &gy.shape)?;
        let shape = ImageShape { h: input[0], w: input[1], ..output };
        self.make(Shape::from([shape.n, shape.h, shape.w, shape.c]), |gx| {
            pool::adaptive_average_backward(self.level, shape, [output.h, output.w], &gy.values, gx)
        })
    }

    fn bilinear_resize(&self, x: &CpuTensor, size: [usize; 2]) -> Result<CpuTensor> {
        let shape = kernels::image("bilinear_resize", &x.shape)?;
        self.make(Shape::from([shape.n, size[0], size[1], shape.c]), |y| {
            resize::bilinear(self.level, shape, size, &x.values, y)
        })
    }

    fn bilinear_resize_backward(&self, gy: &CpuTensor, input: [usize; 2]) -> Result<CpuTensor> {
        let output = kernels::image("bilinear_resize", &gy.shape)?;
        let shape = ImageShape { h: input[0], w: input[1], ..output };
        self.make(Shape::from([shape.n, shape.h, shape.w, shape.c]), |gx| {
            resize::bilinear_backward(self.level, shape, [output.h, output.w], &gy.values, gx)
        })
    }

    fn subsample(&self, x: &CpuTensor, step: usize) -> Result<CpuTensor> {
        let shape = kernels::image("subsample", &x.shape)?;
        let [h, w] = subsample::size(shape, step)?;
        self.make(Shape::from([shape.n, h, w, shape.c]), |y| {
            subsample::forward(self.level, shape, step, &x.values, y)
        })
    }

    fn subsample_backward(&self, gy: &CpuTensor, step: usize, input: [usize; 2]) -> Result<CpuTensor> {
        let shape = ImageShape { h: input[0], w: input[1], ..kernels::image("subsample", &gy.shape)? };
        self.make(Shape::from([shape.n, shape.h, shape.w, shape.c]), |gx| {
            subsample::backward(self.level, shape, step, &gy.values, gx)
        })
    }

    fn cross_entropy(&self, op: &CrossEntropy, logits: &CpuTensor) -> Result<(CpuTensor, CpuTensor)> {
        let (rows, classes) = (logits.shape.rows(), logits.shape.channels());
        let mut sums = self.pool.take(rows);
        let loss = loss::cross_entropy(
            self.level,
            rows,
            classes,
            &logits.values,
            &op.labels,
            &kernels::cross_entropy(op),
            &mut sums,
        )?;
        Ok((self.copy_of(Shape::from([1]), &[loss]), CpuTensor::new(&Shape::from([rows]), sums)))
    }

    fn cross_entropy_backward(
        &self,
        op: &CrossEntropy,
        logits: &CpuTensor,
        log_sum_exp: &CpuTensor,
        gy: &CpuTensor,
    ) -> Result<CpuTensor> {
        let (rows, classes) = (logits.shape.rows(), logits.shape.channels());
        let (sums, gy) = (&log_sum_exp.values, gy.values[0]);
        self.make(logits.shape.clone(), |g| {
            let (values, labels) = (&logits.values, &op.labels);
            loss::cross_entropy_backward(
                self.level,
                rows,
                classes,
                values,
                labels,
                &kernels::cross_entropy(op),
                sums,
                gy,
                g,
            )
        })
    }

    fn soft_cross_entropy(
        &self,
        op: &SoftCrossEntropy,
        logits: &CpuTensor,
    ) -> Result<(CpuTensor, CpuTensor)> {
        let (rows, classes) = (logits.shape.rows(), logits.shape.channels());
        let mut sums = self.pool.take(rows);
        let loss =
            loss::soft_cross_entropy(self.level, rows, classes, &logits.values, &op.targets, &mut sums)?;
        Ok((self.copy_of(Shape::from([1]), &[loss]), CpuTensor::new(&Shape::from([rows]), sums)))
    }

    fn soft_cross_entropy_backward(
        &self,
        op: &SoftCrossEntropy,
        logits: &CpuTensor,
        log_sum_exp: &CpuTensor,
        gy: &CpuTensor,
    ) -> Result<CpuTensor> {
        let (rows, classes) = (logits.shape.rows(), logits.shape.channels());
        let (values, sums, gy) = (&logits.values, &log_sum_exp.values, gy.values[0]);
        self.make(logits.shape.clone(), |g| {
            loss::soft_cross_entropy_backward(self.level, rows, classes, values, &op.targets, sums, gy, g)
        })
    }

    fn add_assign(&self, a: &mut CpuTensor, b: &CpuTensor) -> Result<()> {
        Ok(elementwise::add_assign(self.level, a.values_mut(), &b.values)?)
    }

    fn scale_assign(&self, x: &mut CpuTensor, factor: f32) -> Result<()> {
        *x = self.make(x.shape.clone(), |y| elementwise::scale(self.level, &x.values, factor, y))?;
        Ok(())
    }

    fn lerp_assign(&self, average: &mut CpuTensor, x: &CpuTensor, weight: f32) -> Result<()> {
        Ok(elementwise::lerp_assign(self.level, average.values_mut(), &x.values, weight)?)
    }

    fn sparse_lerp_assign(&self, average: &mut CpuTensor, x: &CpuTensor, weight: f32) -> Result<()> {
        Ok(elementwise::sparse_lerp_assign(self.level, average.values_mut(), &x.values, weight)?)
    }

    fn mul_assign(&self, x: &mut CpuTensor, factors: &CpuTensor) -> Result<()> {
        Ok(elementwise::mul_assign(self.level, x.values_mut(), &factors.values)?)
    }

    fn sum_of_squares(&self, tensors: &[&CpuTensor]) -> Result<f64> {
        Ok(tensors.iter().map(|tensor| elementwise::sum_of_squares(self.level, &tensor.values)).sum())
    }

    fn adamw(
        &self,
        hyper: &AdamW,
        parameter: &mut CpuTensor,
        gradient: &CpuTensor,
        [first, second]: [&mut CpuTensor; 2],
    ) -> Result<()> {
        let (first, second) = (first.values_mut(), second.values_mut());
        Ok(adamw_step(self.level, hyper, parameter.values_mut(), &gradient.values, first, second)?)
    }

    fn sgd(
        &self,
        hyper: &Sgd,
        parameter: &mut CpuTensor,
        gradient: &CpuTensor,
        velocity: &mut CpuTensor,
    ) -> Result<()> {
        let velocity = velocity.values_mut();
        Ok(sgd_step(self.level, hyper, parameter.values_mut(), &gradient.values, velocity)?)
    }
}
