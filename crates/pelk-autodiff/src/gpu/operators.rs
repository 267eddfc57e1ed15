//! [`Backend`] on pelk-wgpu's kernels: shapes in, buffers out.

use super::{GpuBackend, GpuTensor, expect_shape};
use crate::backend::{Backend, BatchNormalized, Gradients, Normalized};
use crate::operators::{
    Conv2d, CrossEntropy, DepthwiseConv, Forward, PixelMlp, PixelMlpParameters, PositionBias, PositionForm,
    SoftCrossEntropy, expect_widths, joined,
};
use crate::{Error, Operator, Result, Shape, kernels};
use pelk_cpu::optimizer::{AdamW, Sgd};
use pelk_cpu::shape::ImageShape;
use pelk_wgpu::Buffer;
use pelk_wgpu::depthwise::{Bias, BoxConv};
use pelk_wgpu::pixel_mlp::{self, Kept};

fn box_conv(op: &DepthwiseConv) -> BoxConv {
    BoxConv::new(op.rows.clone(), op.columns.clone())
}

/// The kernel's view of an operator and its parameters.
fn pixel_mlp<'a>(
    op: &'a PixelMlp,
    x: &GpuTensor,
    parameters: &PixelMlpParameters<'a, GpuTensor>,
) -> (pixel_mlp::PixelMlp, pixel_mlp::Parameters<'a>) {
    let hidden = parameters.expand[1].shape.channels();
    let sizes =
        pixel_mlp::PixelMlp { rows: x.shape.rows(), channels: x.shape.channels(), hidden, eps: op.eps };
    let values = |pair: [&'a GpuTensor; 2]| pair.map(|tensor| &*tensor.values);
    let parameters = pixel_mlp::Parameters {
        norm: values(parameters.norm),
        expand: values(parameters.expand),
        project: values(parameters.project),
        gamma: parameters.gamma.map(|gamma| &*gamma.values),
        factors: op.factors.as_deref(),
    };
    (sizes, parameters)
}

/// Rows, inputs and outputs of a linear layer.
fn linear(x: &GpuTensor, weight: &GpuTensor) -> [usize; 3] {
    [x.shape.rows(), weight.shape.channels(), weight.shape.rows()]
}

/// Gradients with the shapes of what they belong to.
fn gradients<const N: usize>(buffers: [Option<Buffer>; N], shapes: [&Shape; N]) -> Gradients<GpuTensor, N> {
    let mut shapes = shapes.into_iter();
    buffers.map(|buffer| {
        let shape = shapes.next();
        buffer.zip(shape).map(|(buffer, shape)| GpuTensor::new(shape, buffer))
    })
}

fn like(tensor: &GpuTensor, values: Buffer) -> GpuTensor {
    GpuTensor::new(&tensor.shape, values)
}

fn vector(len: usize) -> Shape {
    Shape::from([len])
}

/// A loss and the log-sum-exps of its rows.
fn loss([loss, sums]: [Buffer; 2]) -> (GpuTensor, GpuTensor) {
    let rows = vector(sums.len());
    (GpuTensor::new(&vector(1), loss), GpuTensor::new(&rows, sums))
}

/// The image that `tensor` is, and `input` by `input` pixels of it.
fn resampled(operator: &'static str, gy: &GpuTensor, input: [usize; 2]) -> Result<(ImageShape, [usize; 2])> {
    let output = kernels::image(operator, &gy.shape)?;
    Ok((ImageShape { h: input[0], w: input[1], ..output }, [output.h, output.w]))
}

fn image_tensor(shape: ImageShape, size: [usize; 2], values: Buffer) -> GpuTensor {
    GpuTensor::new(&Shape::from([shape.n, size[0], size[1], shape.c]), values)
}

impl Backend for GpuBackend {
    type Tensor = GpuTensor;

    fn name(&self) -> String {
        format!("gpu ({})", self.gpu.name())
    }

    fn storing_float16(self) -> Result<GpuBackend> {
        Ok(GpuBackend { gpu: self.gpu.storing_float16()? })
    }

    fn shape<'t>(&self, tensor: &'t GpuTensor) -> &'t Shape {
        &tensor.shape
    }

    fn upload(&self, shape: &Shape, values: &[f32]) -> Result<GpuTensor> {
        if shape.elements() != values.len() {
            return Err(Error::Length { shape: shape.clone(), actual: values.len() });
        }
        Ok(GpuTensor::new(shape, self.gpu.upload(values)?))
    }

    fn download(&self, tensor: &GpuTensor) -> Result<Vec<f32>> {
        Ok(self.gpu.download(&tensor.values)?)
    }

    fn zeros(&self, shape: &Shape) -> Result<GpuTensor> {
        Ok(GpuTensor::new(shape, self.gpu.zeros(shape.elements())?))
    }

    fn linear(&self, x: &GpuTensor, weight: &GpuTensor, bias: Option<&GpuTensor>) -> Result<GpuTensor> {
        let sizes = linear(x, weight);
        let bias = bias.map(|bias| &*bias.values);
        let y = self.gpu.linear(sizes, &x.values, &weight.values, bias)?;
        Ok(GpuTensor::new(&x.shape.with_channels(sizes[2]), y))
    }

    fn linear_backward(
        &self,
        x: &GpuTensor,
        weight: &GpuTensor,
        gy: &GpuTensor,
        needs: [bool; 3],
    ) -> Result<Gradients<GpuTensor, 3>> {
        let sizes = linear(x, weight);
        let all = self.gpu.linear_backward(sizes, &x.values, &weight.values, &gy.values, needs)?;
        Ok(gradients(all, [&x.shape, &weight.shape, &vector(sizes[2])]))
    }

    fn conv2d(
        &self,
        op: Conv2d,
        x: &GpuTensor,
        weight: &GpuTensor,
        bias: Option<&GpuTensor>,
    ) -> Result<GpuTensor> {
        let shape = kernels::conv2d(op, &x.shape, &weight.shape)?;
        let output = shape.output()?;
        let y = self.gpu.conv2d(&shape, &x.values, &weight.values, bias.map(|bias| &*bias.values))?;
        Ok(image_tensor(output, [output.h, output.w], y))
    }

    fn conv2d_backward(
        &self,
        op: Conv2d,
        x: &GpuTensor,
        weight: &GpuTensor,
        gy: &GpuTensor,
        needs: [bool; 3],
    ) -> Result<Gradients<GpuTensor, 3>> {
        let shape = kernels::conv2d(op, &x.shape, &weight.shape)?;
        let all = self.gpu.conv2d_backward(&shape, &x.values, &weight.values, &gy.values, needs)?;
        Ok(gradients(all, [&x.shape, &weight.shape, &vector(shape.out_channels)]))
    }

    fn depthwise_conv(
        &self,
        op: &DepthwiseConv,
        x: &GpuTensor,
        theta: &GpuTensor,
        bias: Option<&GpuTensor>,
    ) -> Result<GpuTensor> {
        let shape = kernels::image(op.name(), &x.shape)?;
        let bias = match bias {
            None => Bias::None,
            Some(bias) if bias.shape.len() == 1 => Bias::Channel(&bias.values),
            Some(bias) => Bias::Map(&bias.values),
        };
        Ok(like(x, box_conv(op).forward(&self.gpu, shape, &x.values, &theta.values, bias)?))
    }

    fn depthwise_conv_backward(
        &self,
        op: &DepthwiseConv,
        x: &GpuTensor,
        theta: &GpuTensor,
        gy: &GpuTensor,
        needs: [bool; 2],
    ) -> Result<Gradients<GpuTensor, 2>> {
        let shape = kernels::image(op.name(), &x.shape)?;
        let all = box_conv(op).backward(&self.gpu, shape, &x.values, &theta.values, &gy.values, needs)?;
        Ok(gradients(all, [&x.shape, &theta.shape]))
    }

    fn position_bias(
        &self,
        op: &PositionBias,
        theta: &GpuTensor,
        position: &GpuTensor,
        bias: Option<&GpuTensor>,
    ) -> Result<GpuTensor> {
        let bias = bias.map(|bias| &*bias.values);
        let y = self.gpu.position_bias(&op.grid, op.form, op.size, &theta.values, &position.values, bias)?;
        let c = theta.shape[0];
        Ok(match op.form {
            PositionForm::InBounds => GpuTensor::new(&Shape::from([op.size[0], op.size[1], c]), y),
            PositionForm::Literal => GpuTensor::new(&vector(c), y),
        })
    }

    fn position_bias_backward(
        &self,
        op: &PositionBias,
        theta: &GpuTensor,
        position: &GpuTensor,
        gy: &GpuTensor,
        needs: [bool; 2],
    ) -> Result<Gradients<GpuTensor, 2>> {
        let (t, p, g) = (&theta.values, &position.values, &gy.values);
        let all = self.gpu.position_bias_backward(&op.grid, op.form, op.size, t, p, g, needs)?;
        Ok(gradients(all, [&theta.shape, &position.shape]))
    }

    fn layer_norm(
        &self,
        x: &GpuTensor,
        weight: &GpuTensor,
        bias: &GpuTensor,
        eps: f32,
    ) -> Result<Normalized<GpuTensor>> {
        let normalized = self.gpu.layer_norm(&x.values, &weight.values, &bias.values, eps)?;
        let rows = vector(x.shape.rows());
        Ok(Normalized {
            y: like(x, normalized.y),
            mean: GpuTensor::new(&rows, normalized.mean),
            inv_std: GpuTensor::new(&rows, normalized.inv_std),
        })
    }

    fn layer_norm_backward(
        &self,
        x: &GpuTensor,
        weight: &GpuTensor,
        mean: &GpuTensor,
        inv_std: &GpuTensor,
        gy: &GpuTensor,
        needs: [bool; 3],
    ) -> Result<Gradients<GpuTensor, 3>> {
        let (mean, inv_std) = (&mean.values, &inv_std.values);
        let all =
            self.gpu.layer_norm_backward(&x.values, &weight.values, mean, inv_std, &gy.values, needs)?;
        Ok(gradients(all, [&x.shape, &weight.shape, &weight.shape]))
    }

    fn batch_norm_train(
        &self,
        x: &GpuTensor,
        weight: &GpuTensor,
        bias: &GpuTensor,
        running: [&GpuTensor; 2],
        eps: f32,
        momentum: f32,
    ) -> Result<BatchNormalized<GpuTensor>> {
        let running = running.map(|tensor| &*tensor.values);
        let (x_values, w, b) = (&x.values, &weight.values, &bias.values);
        let (normalized, renewed) = self.gpu.batch_norm_train(x_values, w, b, running, eps, momentum)?;
        let normalized = Normalized {
            y: like(x, normalized.y),
            mean: like(weight, normalized.mean),
            inv_std: like(weight, normalized.inv_std),
        };
        Ok(BatchNormalized { normalized, running: renewed.map(|values| like(weight, values)) })
    }

    fn batch_norm_train_backward(
        &self,
        x: &GpuTensor,
        weight: &GpuTensor,
        mean: &GpuTensor,
        inv_std: &GpuTensor,
        gy: &GpuTensor,
        needs: [bool; 3],
    ) -> Result<Gradients<GpuTensor, 3>> {
        let (mean, inv_std) = (&mean.values, &inv_std.values);
        let (x_values, w, gy) = (&x.values, &weight.values, &gy.values);
        let all = self.gpu.batch_norm_train_backward(x_values, w, mean, inv_std, gy, needs)?;
        Ok(gradients(all, [&x.shape, &weight.shape, &weight.shape]))
    }

    fn batch_norm_eval(
        &self,
        x: &GpuTensor,
        weight: &GpuTensor,
        bias: &GpuTensor,
        mean: &GpuTensor,
        variance: &GpuTensor,
        eps: f32,
    ) -> Result<GpuTensor> {
        let [w, b, mean, variance] = [weight, bias, mean, variance].map(|tensor| &*tensor.values);
        Ok(like(x, self.gpu.batch_norm_eval(&x.values, w, b, mean, variance, eps)?))
    }

    fn batch_norm_eval_backward(
        &self,
        x: &GpuTensor,
        weight: &GpuTensor,
        mean: &GpuTensor,
        variance: &GpuTensor,
        eps: f32,
        gy: &GpuTensor,
        needs: [bool; 3],
    ) -> Result<Gradients<GpuTensor, 3>> {
        let [w, mean, variance, gy] = [weight, mean, variance, gy].map(|tensor| &*tensor.values);
        let all = self.gpu.batch_norm_eval_backward(&x.values, w, mean, variance, eps, gy, needs)?;
        Ok(gradients(all, [&x.shape, &weight.shape, &weight.shape]))
    }

    fn gelu(&self, x: &GpuTensor) -> Result<GpuTensor> {
        Ok(like(x, self.gpu.gelu(&x.values)?))
    }

    fn gelu_backward(&self, x: &GpuTensor, gy: &GpuTensor) -> Result<GpuTensor> {
        Ok(like(x, self.gpu.gelu_backward(&x.values, &gy.values)?))
    }

    fn relu(&self, x: &GpuTensor) -> Result<GpuTensor> {
        Ok(like(x, self.gpu.relu(&x.values)?))
    }

    fn relu_backward(&self, y: &GpuTensor, gy: &GpuTensor) -> Result<GpuTensor> {
        Ok(like(y, self.gpu.relu_backward(&y.values, &gy.values)?))
    }

    fn pixel_mlp(
        &self,
        op: &PixelMlp,
        x: &GpuTensor,
        shortcut: &GpuTensor,
        parameters: &PixelMlpParameters<'_, GpuTensor>,
    ) -> Result<Forward<GpuTensor>> {
        let (sizes, parameters) = pixel_mlp(op, x, parameters);
        let (y, kept) = sizes.forward(&self.gpu, &x.values, &shortcut.values, &parameters, op.keep)?;
        let kept = kept.map(|Kept { expanded, mean, inv_std }| {
            let rows = vector(sizes.rows);
            vec![
                GpuTensor::new(&Shape::from([sizes.rows, sizes.hidden]), expanded),
                GpuTensor::new(&rows, mean),
                GpuTensor::new(&rows, inv_std),
            ]
        });
        Ok(Forward::one(like(x, y), kept.unwrap_or_default()))
    }

    fn pixel_mlp_backward(
        &self,
        op: &PixelMlp,
        x: &GpuTensor,
        parameters: &PixelMlpParameters<'_, GpuTensor>,
        kept: &[GpuTensor],
        gy: &GpuTensor,
        needs: [bool; 8],
    ) -> Result<Gradients<GpuTensor, 8>> {
        let PixelMlpParameters { norm, expand, project, gamma } = parameters;
        let shapes = [
            &x.shape,
            &norm[0].shape,
            &norm[1].shape,
            &expand[0].shape,
            &expand[1].shape,
            &project[0].shape,
            &project[1].shape,
            &gamma.unwrap_or(norm[0]).shape,
        ];
        let (sizes, parameters) = pixel_mlp(op, x, parameters);
        let kept = match kept {
            [expanded, mean, inv_std] => {
                let [expanded, mean, inv_std] = [expanded, mean, inv_std].map(|tensor| &*tensor.values);
                Some(Kept { expanded, mean, inv_std })
            }
            _ => None,
        };
        Ok(gradients(sizes.backward(&self.gpu, &x.values, &parameters, kept, &gy.values, needs)?, shapes))
    }

    fn add(&self, a: &GpuTensor, b: &GpuTensor) -> Result<GpuTensor> {
        Ok(like(a, self.gpu.add(&a.values, &b.values)?))
    }

    fn scale_channels(&self, x: &GpuTensor, gamma: &GpuTensor) -> Result<GpuTensor> {
        Ok(like(x, self.gpu.scale_channels(&x.values, &gamma.values)?))
    }

    fn scale_channels_backward(
        &self,
        x: &GpuTensor,
        gamma: &GpuTensor,
        gy: &GpuTensor,
        needs: [bool; 2],
    ) -> Result<Gradients<GpuTensor, 2>> {
        let (x_values, g, gy) = (&x.values, &gamma.values, &gy.values);
        let gx = needs[0].then(|| self.gpu.scale_channels(gy, g)).transpose()?;
        let ggamma =
            needs[1].then(|| self.gpu.scale_channels_backward_gamma(x_values, gy, g.len())).transpose()?;
        Ok(gradients([gx, ggamma], [&x.shape, &gamma.shape]))
    }

    fn scale_samples(&self, x: &GpuTensor, factors: &[f32]) -> Result<GpuTensor> {
        let samples = x.shape.first().copied().unwrap_or(1);
        Ok(like(x, self.gpu.scale_samples(samples, &x.values, factors)?))
    }

    fn split_channels(&self, x: &GpuTensor, widths: &[usize]) -> Result<Vec<GpuTensor>> {
        expect_widths(&x.shape, widths)?;
        let columns = x.shape.channels();
        let mut begin = 0;
        let part = |&width: &usize| {
            let part = self.gpu.take_columns(&x.values, columns, begin, width)?;
            begin += width;
            Ok(GpuTensor::new(&x.shape.with_channels(width), part))
        };
        widths.iter().map(part).collect()
    }

    fn concat_channels(&self, parts: &[&GpuTensor]) -> Result<GpuTensor> {
        let shape = joined(&parts.iter().map(|part| &part.shape).collect::<Vec<_>>())?;
        let parts: Vec<_> = parts.iter().map(|part| (&*part.values, part.shape.channels())).collect();
        Ok(GpuTensor::new(&shape, self.gpu.join_columns(&parts)?))
    }

    fn sum_leading(&self, x: &GpuTensor, shape: &Shape) -> Result<GpuTensor> {
        Ok(GpuTensor::new(shape, self.gpu.column_sum(&x.values, shape.elements())?))
    }

    fn adaptive_avg_pool(&self, x: &GpuTensor, size: [usize; 2]) -> Result<GpuTensor> {
        let shape = kernels::image("adaptive_avg_pool", &x.shape)?;
        Ok(image_tensor(shape, size, self.gpu.adaptive_average(shape, size, &x.values)?))
    }

    fn adaptive_avg_pool_backward(&self, gy: &GpuTensor, input: [usize; 2]) -> Result<GpuTensor> {
        let (shape, size) = resampled("adaptive_avg_pool", gy, input)?;
        Ok(image_tensor(shape, input, self.gpu.adaptive_average_backward(shape, size, &gy.values)?))
    }

    fn bilinear_resize(&self, x: &GpuTensor, size: [usize; 2]) -> Result<GpuTensor> {
        let shape = kernels::image("bilinear_resize", &x.shape)?;
        Ok(image_tensor(shape, size, self.gpu.bilinear(shape, size, &x.values)?))
    }

    fn bilinear_resize_backward(&self, gy: &GpuTensor, input: [usize; 2]) -> Result<GpuTensor> {
        let (shape, size) = resampled("bilinear_resize", gy, input)?;
        Ok(image_tensor(shape, input, self.gpu.bilinear_backward(shape, size, &gy.values)?))
    }

    fn subsample(&self, x: &GpuTensor, step: usize) -> Result<GpuTensor> {
        let shape = kernels::image("subsample", &x.shape)?;
        let size = pelk_cpu::subsample::size(shape, step)?;
        Ok(image_tensor(shape, size, self.gpu.subsample(shape, step, &x.values)?))
    }

    fn subsample_backward(&self, gy: &GpuTensor, step: usize, input: [usize; 2]) -> Result<GpuTensor> {
        let (shape, _) = resampled("subsample", gy, input)?;
        Ok(image_tensor(shape, input, self.gpu.subsample_backward(shape, step, &gy.values)?))
    }

    fn cross_entropy(&self, op: &CrossEntropy, logits: &GpuTensor) -> Result<(GpuTensor, GpuTensor)> {
        Ok(loss(self.gpu.cross_entropy(&logits.values, &op.labels, &kernels::cross_entropy(op))?))
    }

    fn cross_entropy_backward(
        &self,
        op: &CrossEntropy,
        logits: &GpuTensor,
        log_sum_exp: &GpuTensor,
        gy: &GpuTensor,
    ) -> Result<GpuTensor> {
        let (values, sums, gy) = (&logits.values, &log_sum_exp.values, &gy.values);
        let settings = kernels::cross_entropy(op);
        Ok(like(logits, self.gpu.cross_entropy_backward(values, &op.labels, &settings, sums, gy)?))
    }

    fn soft_cross_entropy(
        &self,
        op: &SoftCrossEntropy,
        logits: &GpuTensor,
    ) -> Result<(GpuTensor, GpuTensor)> {
        Ok(loss(self.gpu.soft_cross_entropy(&logits.values, &op.targets, logits.shape.channels())?))
    }

    fn soft_cross_entropy_backward(
        &self,
        op: &SoftCrossEntropy,
        logits: &GpuTensor,
        log_sum_exp: &GpuTensor,
        gy: &GpuTensor,
    ) -> Result<GpuTensor> {
        let (values, sums, gy) = (&logits.values, &log_sum_exp.values, &gy.values);
        Ok(like(logits, self.gpu.soft_cross_entropy_backward(values, &op.targets, sums, gy)?))
    }

    fn add_assign(&self, a: &mut GpuTensor, b: &GpuTensor) -> Result<()> {
        expect_shape("add_assign", b, &a.shape)?;
        Ok(self.gpu.add_assign(self.own(a)?, &b.values)?)
    }

    fn scale_assign(&self, x: &mut GpuTensor, factor: f32) -> Result<()> {
        Ok(self.gpu.scale_assign(self.own(x)?, factor)?)
    }

    fn lerp_assign(&self, average: &mut GpuTensor, x: &GpuTensor, weight: f32) -> Result<()> {
        expect_shape("lerp_assign", x, &average.shape)?;
        Ok(self.gpu.lerp_assign(self.own(average)?, &x.values, weight)?)
    }

    fn sparse_lerp_assign(&self, average: &mut GpuTensor, x: &GpuTensor, weight: f32) -> Result<()> {
        expect_shape("sparse_lerp_assign", x, &average.shape)?;
        Ok(self.gpu.sparse_lerp_assign(self.own(average)?, &x.values, weight)?)
    }

    fn mul_assign(&self, x: &mut GpuTensor, factors: &GpuTensor) -> Result<()> {
        expect_shape("mul_assign", factors, &x.shape)?;
        Ok(self.gpu.mul_assign(self.own(x)?, &factors.values)?)
    }

    fn sum_of_squares(&self, tensors: &[&GpuTensor]) -> Result<f64> {
        let buffers: Vec<&Buffer> = tensors.iter().map(|tensor| &*tensor.values).collect();
        Ok(self.gpu.sum_of_squares(&buffers)?)
    }

    fn adamw(
        &self,
        hyper: &AdamW,
        parameter: &mut GpuTensor,
        gradient: &GpuTensor,
        [first, second]: [&mut GpuTensor; 2],
    ) -> Result<()> {
        for tensor in [gradient, &*first, &*second] {
            expect_shape("adamw", tensor, &parameter.shape)?;
        }
        let moments = [self.own(first)?, self.own(second)?];
        Ok(self.gpu.adamw(hyper, self.own(parameter)?, &gradient.values, moments)?)
    }

    fn sgd(
        &self,
        hyper: &Sgd,
        parameter: &mut GpuTensor,
        gradient: &GpuTensor,
        velocity: &mut GpuTensor,
    ) -> Result<()> {
        for tensor in [gradient, &*velocity] {
            expect_shape("sgd", tensor, &parameter.shape)?;
        }
        let velocity = self.own(velocity)?;
        Ok(self.gpu.sgd(hyper, self.own(parameter)?, &gradient.values, velocity)?)
    }
}
