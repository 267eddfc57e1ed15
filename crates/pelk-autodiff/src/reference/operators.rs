//! [`Backend`] on the float64 loops of pelk-cpu.

use super::checks::{expect_gradient, expect_shape, output};
use super::{ReferenceBackend, ReferenceTensor};
use crate::backend::{Backend, BatchNormalized, Gradients, Normalized};
use crate::operators::{
    AdaptiveAvgPool, Add, BatchNorm, BilinearResize, Conv2d, CrossEntropy, DepthwiseConv, LayerNorm, Linear,
    PositionBias, ScaleChannels, ScaleSamples, SoftCrossEntropy, expect_widths, joined,
};
use crate::{Error, Operator, Result, Shape, kernels};
use pelk_cpu::optimizer::{AdamW, Sgd};
use pelk_cpu::reference::{
    activation, batch_norm, conv2d, depthwise, elementwise, layer_norm, linear, loss, optimizer, pool,
    resize, subsample,
};
use pelk_cpu::shape::ImageShape;

type Tensor = ReferenceTensor;

/// The gradients that are wanted.
fn wanted<const N: usize>(needs: [bool; N], gradients: [Tensor; N]) -> Gradients<Tensor, N> {
    let mut needs = needs.into_iter();
    gradients.map(|gradient| needs.next()?.then_some(gradient))
}

/// The gradients of a layer with a weight and a bias, which has a value a row of the weight.
fn layer(g: linear::Gradients, x: &Tensor, weight: &Tensor, needs: [bool; 3]) -> Gradients<Tensor, 3> {
    let bias = Tensor::new(&Shape::from([g.bias.len()]), g.bias);
    wanted(needs, [x.with(g.x), weight.with(g.weight), bias])
}

/// What the gradient of a normalization needs.
fn saved(y: Tensor, statistics: Shape, mean: Vec<f64>, inv_std: Vec<f64>) -> Normalized<Tensor> {
    Normalized { y, mean: Tensor::new(&statistics, mean), inv_std: Tensor::new(&statistics, inv_std) }
}

fn map(x: &Tensor, f: impl Fn(f64) -> f64) -> Tensor {
    x.with(x.values.iter().copied().map(f).collect())
}

fn widen(x: &[f32]) -> Vec<f64> {
    x.iter().copied().map(f64::from).collect()
}

/// `gy` times the slope of an activation.
fn through(x: &Tensor, gy: &Tensor, slope: impl Fn(f64) -> f64) -> Result<Tensor> {
    expect_shape("an activation", gy, &x.shape)?;
    Ok(x.with(x.values.iter().zip(gy.values.iter()).map(|(x, gy)| gy * slope(*x)).collect()))
}

/// The size (H, W, C) of a position bias.
fn position_size(op: &PositionBias, theta: &Tensor) -> (usize, usize, usize) {
    (op.size[0], op.size[1], theta.shape[0])
}

/// Height and width of the image `gy`, and the shape of an image of height and width `input` otherwise like it.
fn resampled(operator: &'static str, gy: &Tensor, [h, w]: [usize; 2]) -> Result<([usize; 2], ImageShape)> {
    let output = kernels::image(operator, &gy.shape)?;
    Ok(([output.h, output.w], ImageShape::checked(operator, output.n, h, w, output.c)?))
}

fn image_tensor(shape: ImageShape, values: Vec<f64>) -> Tensor {
    Tensor::new(&Shape::from([shape.n, shape.h, shape.w, shape.c]), values)
}

/// A loss, and the log-sum-exp of each row of logits.
fn loss_of(value: f64, logits: &Tensor) -> (Tensor, Tensor) {
    let sums: Vec<f64> = logits.values.chunks_exact(logits.shape.channels()).map(loss::log_sum_exp).collect();
    (Tensor::new(&Shape::from([1]), vec![value]), Tensor::new(&Shape::from([sums.len()]), sums))
}

impl Backend for ReferenceBackend {
    type Tensor = ReferenceTensor;

    fn name(&self) -> String {
        "reference (float64)".to_owned()
    }

    fn storing_float16(self) -> Result<ReferenceBackend> {
        Err(Error::NoFloat16 { backend: self.name() })
    }

    fn shape<'t>(&self, tensor: &'t Tensor) -> &'t Shape {
        &tensor.shape
    }

    fn upload(&self, shape: &Shape, values: &[f32]) -> Result<Tensor> {
        Tensor::from_f64(shape, &widen(values))
    }

    fn download(&self, tensor: &Tensor) -> Result<Vec<f32>> {
        Ok(tensor.values.iter().map(|&value| value as f32).collect())
    }

    fn zeros(&self, shape: &Shape) -> Result<Tensor> {
        Ok(Tensor::new(shape, vec![0.0; shape.elements()]))
    }

    fn linear(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let shape = output(Linear, [x, weight].into_iter().chain(bias))?;
        let (rows, inputs, outputs) = (x.shape.rows(), x.shape.channels(), shape.channels());
        let bias = bias.map(|bias| &bias.values[..]);
        Ok(Tensor::new(&shape, linear::forward(rows, inputs, outputs, &x.values, &weight.values, bias)))
    }

    fn linear_backward(
        &self,
        x: &Tensor,
        weight: &Tensor,
        gy: &Tensor,
        needs: [bool; 3],
    ) -> Result<Gradients<Tensor, 3>> {
        expect_gradient(Linear, [x, weight], gy)?;
        let (rows, inputs, outputs) = (x.shape.rows(), x.shape.channels(), gy.shape.channels());
        let g = linear::backward(rows, inputs, outputs, &x.values, &weight.values, &gy.values);
        Ok(layer(g, x, weight, needs))
    }

    fn conv2d(&self, op: Conv2d, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let output = output(op, [x, weight].into_iter().chain(bias))?;
        let shape = kernels::conv2d(op, &x.shape, &weight.shape)?;
        let bias = bias.map(|bias| &bias.values[..]);
        Ok(Tensor::new(&output, conv2d::forward(&shape, &x.values, &weight.values, bias)))
    }

    fn conv2d_backward(
        &self,
        op: Conv2d,
        x: &Tensor,
        weight: &Tensor,
        gy: &Tensor,
        needs: [bool; 3],
    ) -> Result<Gradients<Tensor, 3>> {
        expect_gradient(op, [x, weight], gy)?;
        let shape = kernels::conv2d(op, &x.shape, &weight.shape)?;
        Ok(layer(conv2d::backward(&shape, &x.values, &weight.values, &gy.values), x, weight, needs))
    }

    fn depthwise_conv(
        &self,
        op: &DepthwiseConv,
        x: &Tensor,
        theta: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<Tensor> {
        output(op.clone(), [x, theta].into_iter().chain(bias))?;
        let shape = kernels::image(op.name(), &x.shape)?;
        let y = depthwise::peripheral_forward(shape, &op.rows, &op.columns, &x.values, &theta.values);
        Ok(x.with(match bias {
            Some(bias) => elementwise::add_to_rows(&y, &bias.values),
            None => y,
        }))
    }

    fn depthwise_conv_backward(
        &self,
        op: &DepthwiseConv,
        x: &Tensor,
        theta: &Tensor,
        gy: &Tensor,
        needs: [bool; 2],
    ) -> Result<Gradients<Tensor, 2>> {
        expect_gradient(op.clone(), [x, theta], gy)?;
        let shape = kernels::image(op.name(), &x.shape)?;
        let (gx, gtheta) = depthwise::peripheral_backward(
            shape,
            &op.rows,
            &op.columns,
            &x.values,
            &theta.values,
            &gy.values,
        );
        Ok(wanted(needs, [x.with(gx), theta.with(gtheta)]))
    }

    fn position_bias(
        &self,
        op: &PositionBias,
        theta: &Tensor,
        h: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<Tensor> {
        let shape = output(op.clone(), [theta, h].into_iter().chain(bias))?;
        let size = position_size(op, theta);
        let y = depthwise::position_forward(op.form, &op.grid, size, &theta.values, &h.values);
        Ok(Tensor::new(
            &shape,
            match bias {
                Some(bias) => elementwise::add_to_rows(&y, &bias.values),
                None => y,
            },
        ))
    }

    fn position_bias_backward(
        &self,
        op: &PositionBias,
        theta: &Tensor,
        h: &Tensor,
        gy: &Tensor,
        needs: [bool; 2],
    ) -> Result<Gradients<Tensor, 2>> {
        expect_gradient(op.clone(), [theta, h], gy)?;
        let size = position_size(op, theta);
        let (gtheta, gh) =
            depthwise::position_backward(op.form, &op.grid, size, &theta.values, &h.values, &gy.values);
        Ok(wanted(needs, [theta.with(gtheta), h.with(gh)]))
    }

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

    fn gelu(&self, x: &Tensor) -> Result<Tensor> {
        Ok(map(x, activation::gelu))
    }

    fn gelu_backward(&self, x: &Tensor, gy: &Tensor) -> Result<Tensor> {
        through(x, gy, activation::gelu_slope)
    }

    fn relu(&self, x: &Tensor) -> Result<Tensor> {
        Ok(map(x, activation::relu))
    }

    fn relu_backward(&self, y: &Tensor, gy: &Tensor) -> Result<Tensor> {
        through(y, gy, activation::relu_slope)
    }

    fn add(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        output(Add, [a, b])?;
        Ok(a.with(elementwise::add_to_rows(&a.values, &b.values)))
    }

    fn scale_channels(&self, x: &Tensor, gamma: &Tensor) -> Result<Tensor> {
        output(ScaleChannels, [x, gamma])?;
        Ok(x.with(elementwise::scale_channels(&x.values, &gamma.values)))
    }

    fn scale_channels_backward(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        gy: &Tensor,
        needs: [bool; 2],
    ) -> Result<Gradients<Tensor, 2>> {
        expect_gradient(ScaleChannels, [x, gamma], gy)?;
        let (gx, ggamma) = elementwise::scale_channels_backward(&x.values, &gamma.values, &gy.values);
        Ok(wanted(needs, [x.with(gx), gamma.with(ggamma)]))
    }

    fn scale_samples(&self, x: &Tensor, factors: &[f32]) -> Result<Tensor> {
        output(ScaleSamples { factors: factors.into() }, [x])?;
        Ok(x.with(elementwise::scale_samples(x.shape[0], &x.values, &widen(factors))))
    }

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

    fn sum_leading(&self, x: &Tensor, shape: &Shape) -> Result<Tensor> {
        if shape.elements() == 0 || !x.shape.ends_with(shape) {
            let reason = format!("a tensor of shape {} cannot be summed to {shape}", x.shape);
            return Err(Error::Shape { operator: "sum_leading", reason });
        }
        Ok(Tensor::new(shape, elementwise::column_sum(shape.elements(), &x.values)))
    }

    fn adaptive_avg_pool(&self, x: &Tensor, size: [usize; 2]) -> Result<Tensor> {
        let shape = output(AdaptiveAvgPool { size }, [x])?;
        let image = kernels::image("adaptive_avg_pool", &x.shape)?;
        Ok(Tensor::new(&shape, pool::adaptive_average(image, size, &x.values)))
    }

    fn adaptive_avg_pool_backward(&self, gy: &Tensor, input: [usize; 2]) -> Result<Tensor> {
        let (size, shape) = resampled("adaptive_avg_pool", gy, input)?;
        Ok(image_tensor(shape, pool::adaptive_average_backward(shape, size, &gy.values)))
    }

    fn bilinear_resize(&self, x: &Tensor, size: [usize; 2]) -> Result<Tensor> {
        let shape = output(BilinearResize { size }, [x])?;
        let image = kernels::image("bilinear_resize", &x.shape)?;
        Ok(Tensor::new(&shape, resize::bilinear(image, size, &x.values)))
    }

    fn bilinear_resize_backward(&self, gy: &Tensor, input: [usize; 2]) -> Result<Tensor> {
        let (size, shape) = resampled("bilinear_resize", gy, input)?;
        Ok(image_tensor(shape, resize::bilinear_backward(shape, size, &gy.values)))
    }

    fn subsample(&self, x: &Tensor, step: usize) -> Result<Tensor> {
        let shape = kernels::image("subsample", &x.shape)?;
        let [h, w] = pelk_cpu::subsample::size(shape, step)?;
        Ok(image_tensor(ImageShape { h, w, ..shape }, subsample::forward(shape, step, &x.values)))
    }

    fn subsample_backward(&self, gy: &Tensor, step: usize, input: [usize; 2]) -> Result<Tensor> {
        let (size, shape) = resampled("subsample", gy, input)?;
        if pelk_cpu::subsample::size(shape, step)? != size {
            let reason = format!("every {step} pixels of {input:?} are not those of {}", gy.shape);
            return Err(Error::Shape { operator: "subsample", reason });
        }
        Ok(image_tensor(shape, subsample::backward(shape, step, &gy.values)))
    }

    fn cross_entropy(&self, op: &CrossEntropy, logits: &Tensor) -> Result<(Tensor, Tensor)> {
        output(op.clone(), [logits])?;
        let (classes, settings) = (logits.shape.channels(), kernels::cross_entropy(op));
        settings.total_weight(classes, &op.labels)?;
        Ok(loss_of(loss::cross_entropy(classes, &logits.values, &op.labels, &settings), logits))
    }

    fn cross_entropy_backward(
        &self,
        op: &CrossEntropy,
        logits: &Tensor,
        _log_sum_exp: &Tensor,
        gy: &Tensor,
    ) -> Result<Tensor> {
        expect_gradient(op.clone(), [logits], gy)?;
        let (classes, settings) = (logits.shape.channels(), kernels::cross_entropy(op));
        settings.total_weight(classes, &op.labels)?;
        let g = loss::cross_entropy_backward(classes, &logits.values, &op.labels, &settings, gy.values[0]);
        Ok(logits.with(g))
    }

    fn soft_cross_entropy(&self, op: &SoftCrossEntropy, logits: &Tensor) -> Result<(Tensor, Tensor)> {
        output(op.clone(), [logits])?;
        let classes = logits.shape.channels();
        Ok(loss_of(loss::soft_cross_entropy(classes, &logits.values, &widen(&op.targets)), logits))
    }

    fn soft_cross_entropy_backward(
        &self,
        op: &SoftCrossEntropy,
        logits: &Tensor,
        _log_sum_exp: &Tensor,
        gy: &Tensor,
    ) -> Result<Tensor> {
        expect_gradient(op.clone(), [logits], gy)?;
        let (classes, targets) = (logits.shape.channels(), widen(&op.targets));
        let g = loss::soft_cross_entropy_backward(classes, &logits.values, &targets, gy.values[0]);
        Ok(logits.with(g))
    }

    fn add_assign(&self, a: &mut Tensor, b: &Tensor) -> Result<()> {
        *a = self.add(a, b)?;
        Ok(())
    }

    fn scale_assign(&self, x: &mut Tensor, factor: f32) -> Result<()> {
        *x = map(x, |x| f64::from(factor) * x);
        Ok(())
    }

    fn lerp_assign(&self, average: &mut Tensor, x: &Tensor, weight: f32) -> Result<()> {
        expect_shape("lerp_assign", x, &average.shape)?;
        for (average, x) in average.values_mut().iter_mut().zip(x.values.iter()) {
            *average += f64::from(weight) * (x - *average);
        }
        Ok(())
    }

    fn sparse_lerp_assign(&self, average: &mut Tensor, x: &Tensor, weight: f32) -> Result<()> {
        expect_shape("sparse_lerp_assign", x, &average.shape)?;
        for (average, &x) in average.values_mut().iter_mut().zip(x.values.iter()) {
            let lerp = *average + f64::from(weight) * (x - *average);
            *average = if *average == 0.0 || x == 0.0 { x } else { lerp };
        }
        Ok(())
    }

    fn mul_assign(&self, x: &mut Tensor, factors: &Tensor) -> Result<()> {
        expect_shape("mul_assign", factors, &x.shape)?;
        x.values_mut().iter_mut().zip(factors.values.iter()).for_each(|(x, factor)| *x *= factor);
        Ok(())
    }

    fn sum_of_squares(&self, tensors: &[&Tensor]) -> Result<f64> {
        Ok(tensors.iter().flat_map(|tensor| tensor.values.iter()).map(|x| x * x).sum())
    }

    fn adamw(
        &self,
        hyper: &AdamW,
        parameter: &mut Tensor,
        gradient: &Tensor,
        [first, second]: [&mut Tensor; 2],
    ) -> Result<()> {
        hyper.check()?;
        for tensor in [gradient, &*first, &*second] {
            expect_shape("adamw", tensor, &parameter.shape)?;
        }
        let (first, second) = (first.values_mut(), second.values_mut());
        optimizer::adamw_step(hyper, parameter.values_mut(), &gradient.values, first, second);
        Ok(())
    }

    fn sgd(
        &self,
        hyper: &Sgd,
        parameter: &mut Tensor,
        gradient: &Tensor,
        velocity: &mut Tensor,
    ) -> Result<()> {
        hyper.check()?;
        for tensor in [gradient, &*velocity] {
            expect_shape("sgd", tensor, &parameter.shape)?;
        }
        optimizer::sgd_step(hyper, parameter.values_mut(), &gradient.values, velocity.values_mut());
        Ok(())
    }
}
