//! Depthwise convolution with shared (peripheral) or dense kernels, by sums over boxes.
//!
//! See [`DepthwiseConv`] for the operator. Here it works on one axis after the other:
//!
//! - if each row of the kernel is its own cell (dense kernels, stripes), an invocation walks the rows of the
//!   kernel, sums each image row over the column intervals and multiplies ([`text::dense_rows`]);
//! - otherwise the sums over the column intervals are multiplied for all cell rows at once, into a plane for
//!   each ([`text::row_planes`]), so that each loaded sum feeds k' multiply-adds; then the planes are summed
//!   over the row intervals ([`text::sum_planes`]). An output costs k' l' multiply-adds and k + l additions.
//!
//! The gradient of the input is the same operation with theta rotated by 180 degrees. The gradient of theta
//! is, for cell (a, b), the product of the input's sums over column interval b and the output gradient's over
//! row interval a ([`text::theta_gradient`]).
//!
//! Intervals that never meet an image are left out: on 14 x 14 pixels, 27 x 27 taps of a 47 x 47 kernel
//! remain. Planes are made for a few images at a time, so that they need little memory and stay in a cache,
//! and for some of the kernel's rows at a time if those of one image are more than an adapter can bind.

mod text;

use crate::check::{expect_len, wanted};
use crate::kernel::{Call, Each, Operand, View, Whole};
use crate::memory::{Buffer, Element};
use crate::reduce::Partials;
use crate::{Gpu, Result};
use pelk_grid::Intervals;
use pelk_ops::{Bias, DepthwiseConv, ImageShape};
use std::ops::Range;
use text::{LANES, key};

/// Most plane values at a time: 64 MiB, about the second-level cache of a large GPU.
const PLANES: usize = 1 << 24;
/// Kernel rows for which an invocation keeps totals, four each: more would not fit in registers.
const ROW_CELLS: usize = 17;
/// Kernel rows and columns for which an invocation of theta's gradient keeps totals.
const GRADIENT_CELLS: [usize; 2] = [4, 13];
/// Target number of invocations of theta's gradient: enough for the largest GPUs.
const GRADIENT_ITEMS: usize = 1 << 16;

/// The bias as an operand.
fn operand(bias: Bias<&Buffer>) -> Option<Operand<'_>> {
    match bias {
        Bias::None => None,
        Bias::Channel(bias) | Bias::Map(bias) => Some(Operand::Tensor("bias", bias, Whole)),
    }
}

/// The shader of `finish`, which writes an output.
fn finish(bias: Bias<&Buffer>) -> &'static str {
    match bias {
        Bias::None => include_str!("store.wgsl"),
        Bias::Channel(_) => include_str!("store_with_bias.wgsl"),
        Bias::Map(_) => include_str!("store_with_bias_map.wgsl"),
    }
}

impl Gpu {
    /// The convolution of `x`, `[N, H, W, C]`, with `theta`, `[C, k', l']`, plus `bias`.
    ///
    /// # Errors
    /// When lengths do not fit, or the device is out of memory or has failed.
    pub fn depthwise_conv(
        &self,
        conv: &DepthwiseConv,
        shape: ImageShape,
        x: &Buffer,
        theta: &Buffer,
        bias: Bias<&Buffer>,
    ) -> Result<Buffer> {
        check("depthwise", conv, shape, x, theta)?;
        match bias {
            Bias::None => {}
            Bias::Channel(bias) => expect_len("depthwise", "bias", bias.len(), shape.c)?,
            Bias::Map(bias) => expect_len("depthwise", "bias", bias.len(), shape.h * shape.w * shape.c)?,
        }
        let theta = theta_by_cell(self, conv, shape.c, theta, false)?;
        on(self, conv, shape).convolve(x, &theta, bias)
    }

    /// The gradients of x and theta for [`Gpu::depthwise_conv`], where `needs` is true.
    ///
    /// # Errors
    /// When lengths do not fit, or the device is out of memory or has failed.
    pub fn depthwise_conv_backward(
        &self,
        conv: &DepthwiseConv,
        shape: ImageShape,
        x: &Buffer,
        theta: &Buffer,
        gy: &Buffer,
        needs: [bool; 2],
    ) -> Result<[Option<Buffer>; 2]> {
        check("depthwise backward", conv, shape, x, theta)?;
        expect_len("depthwise backward", "gy", gy.len(), shape.len())?;
        let gx = || {
            let theta = theta_by_cell(self, conv, shape.c, theta, true)?;
            on(self, conv, shape).convolve(gy, &theta, Bias::None)
        };
        Ok([wanted(needs[0], gx)?, wanted(needs[1], || on(self, conv, shape).theta_gradient(x, gy))?])
    }
}

fn check(
    operator: &'static str,
    conv: &DepthwiseConv,
    shape: ImageShape,
    x: &Buffer,
    theta: &Buffer,
) -> Result<()> {
    conv.check_every_pixel(operator)?;
    ImageShape::checked(operator, shape.n, shape.h, shape.w, shape.c)?;
    expect_len(operator, "x", x.len(), shape.len())?;
    expect_len(operator, "theta", theta.len(), shape.c * conv.cells())
}

/// Theta with channels innermost, `[k', l', C]`, optionally rotated by 180 degrees.
fn theta_by_cell(gpu: &Gpu, conv: &DepthwiseConv, c: usize, theta: &Buffer, turned: bool) -> Result<Buffer> {
    let by_cell = gpu.empty(theta.len(), Element::F32)?;
    gpu.items("theta_by_cell", include_str!("theta_by_cell.wgsl"))
        .read("theta", theta, Whole)
        .write("by_cell", &by_cell, Whole)
        .scalar("c", c)
        .scalar("cells", conv.cells())
        .scalar("turned", usize::from(turned))
        .run(theta.len(), 1, 1)?;
    Ok(by_cell)
}

fn on<'a>(gpu: &'a Gpu, conv: &'a DepthwiseConv, shape: ImageShape) -> OnImages<'a> {
    let rows = conv.rows.meeting(shape.h);
    let columns = conv.columns.meeting(shape.w);
    OnImages { conv, gpu, shape, rows, columns }
}

/// A convolution of images of one shape.
struct OnImages<'a> {
    conv: &'a DepthwiseConv,
    gpu: &'a Gpu,
    shape: ImageShape,
    /// The intervals that meet an image.
    rows: Intervals,
    columns: Intervals,
}

impl OnImages<'_> {
    /// A call with the numbers that all kernels use.
    fn call<'a>(&'a self, name: &'static str, variant: String, text: impl Fn() -> String + 'a) -> Call<'a> {
        let numbers = [
            ("h", self.shape.h),
            ("w", self.shape.w),
            ("c", self.shape.c),
            ("row_count", self.rows.count()),
            ("row_first", self.rows.first),
            ("row_begin", self.rows.begin),
            ("row_radius", self.conv.rows.radius()),
            ("column_cells", self.conv.columns.cells()),
            ("column_count", self.columns.count()),
            ("column_first", self.columns.first),
            ("column_begin", self.columns.begin),
            ("column_radius", self.conv.columns.radius()),
        ];
        let call = self.gpu.generated(name, variant, text);
        numbers.into_iter().fold(call, |call, (name, value)| call.scalar(name, value))
    }

    /// Values of an image.
    fn image(&self) -> usize {
        self.shape.h * self.shape.w * self.shape.c
    }

    /// Values of an image's planes.
    fn planes(&self) -> usize {
        self.image() * self.rows.count()
    }

    /// The images, cut into parts whose planes, if any, have a bounded size.
    fn parts(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let n = self.shape.n;
        let part = if self.conv.rows.is_dense() { n } else { (PLANES / self.planes()).max(1) };
        (0..n).step_by(part).map(move |first| first..(first + part).min(n))
    }

    /// The same for groups of kernel rows, small enough to bind an image's planes together. Their results are
    /// summed.
    fn by_rows(&self) -> Vec<OnImages<'_>> {
        let limits = self.gpu.limits();
        let plane = self.image() as u64 * Element::F32.bytes();
        let room =
            limits.max_storage_buffer_binding_size - u64::from(limits.min_storage_buffer_offset_alignment);
        let parts = self.rows.parts(((room / plane) as usize).max(1)).into_iter();
        let OnImages { conv, gpu, shape, columns, .. } = self;
        parts.map(|rows| OnImages { conv, gpu, shape: *shape, rows, columns: columns.clone() }).collect()
    }

    /// The convolution; `theta` is `[k', l', C]`.
    fn convolve(&self, x: &Buffer, theta: &Buffer, bias: Bias<&Buffer>) -> Result<Buffer> {
        let y = self.gpu.activation(self.shape.len())?;
        if self.conv.rows.is_dense() {
            self.dense_rows(x, theta, bias, &y)?;
            return Ok(y);
        }
        let by_rows = self.by_rows();
        for (i, rows) in by_rows.iter().enumerate() {
            let bias = if i + 1 == by_rows.len() { bias } else { Bias::None };
            for images in rows.parts() {
                let planes = rows.row_planes(x, theta, images.clone())?;
                rows.sum_planes(&planes, bias, &y, images, i > 0)?;
            }
        }
        Ok(y)
    }

    fn dense_rows(&self, x: &Buffer, theta: &Buffer, bias: Bias<&Buffer>, y: &Buffer) -> Result<()> {
        let ImageShape { n, h, w, c } = self.shape;
        let (image, blocks) = (self.image(), w.div_ceil(LANES));
        let variant = format!("{}, {}", key(&self.columns), finish(bias));
        let text = || format!("{}{}", finish(bias), text::dense_rows(&self.columns));
        self.call("depthwise_dense_rows", variant, text)
            .read("x", x, Each(image))
            .read("theta", theta, Whole)
            .write("y", y, Each(image))
            .scalar("blocks", blocks)
            .operands(operand(bias).as_slice())
            .run(n, h * blocks * c, image * self.rows.count() * self.columns.count())
    }

    /// For each cell row of the kernel, the sums over column intervals times theta: `[images, k', H, W, C]`.
    fn row_planes(&self, x: &Buffer, theta: &Buffer, images: Range<usize>) -> Result<Buffer> {
        let ImageShape { h, w, c, .. } = self.shape;
        let (image, blocks) = (self.image(), w.div_ceil(LANES));
        let planes = self.gpu.empty(images.len() * self.planes(), Element::F32)?;
        for part in self.rows.parts(ROW_CELLS) {
            let cells = part.count();
            let text = || text::row_planes(&self.columns, cells);
            self.call("depthwise_row_planes", format!("{cells}, {}", key(&self.columns)), text)
                .read("x", View { buffer: x, begin: images.start * image }, Each(image))
                .read("theta", theta, Whole)
                .write("planes", &planes, Each(self.planes()))
                .scalar("blocks", blocks)
                .scalar("part_begin", part.first - self.rows.first)
                .run(images.len(), h * blocks * c, image * cells * self.columns.count())?;
        }
        Ok(planes)
    }

    /// Sums planes into y, or adds to it if `more`.
    fn sum_planes(
        &self,
        planes: &Buffer,
        bias: Bias<&Buffer>,
        y: &Buffer,
        images: Range<usize>,
        more: bool,
    ) -> Result<()> {
        let ImageShape { h, w, c, .. } = self.shape;
        let (image, blocks) = (self.image(), h.div_ceil(LANES));
        let variant = format!("{}, {}, {more}", key(&self.rows), finish(bias));
        let text = || format!("{}{}", finish(bias), text::sum_planes(&self.rows, more));
        self.call("depthwise_sum_planes", variant, text)
            .read("x", planes, Each(self.planes()))
            .write("y", View { buffer: y, begin: images.start * image }, Each(image))
            .scalar("blocks", blocks)
            .operands(operand(bias).as_slice())
            .run(images.len(), blocks * w * c, image * self.rows.taps())
    }

    fn theta_gradient(&self, x: &Buffer, gy: &Buffer) -> Result<Buffer> {
        let ImageShape { n, h, c, .. } = self.shape;
        let part_rows = h.div_ceil((GRADIENT_ITEMS / (n * c * self.row_groups())).clamp(1, h));
        let gtheta = self.gpu.zeros(c * self.conv.cells())?;
        if self.conv.rows.is_dense() {
            self.theta_gradient_to(&gtheta, x, gy, part_rows)?;
        } else {
            for rows in self.by_rows() {
                rows.theta_gradient_to(&gtheta, x, gy, part_rows)?;
            }
        }
        Ok(gtheta)
    }

    /// Invocations that share the rows of the kernel in theta's gradient.
    fn row_groups(&self) -> usize {
        self.rows.count().div_ceil(GRADIENT_CELLS[0])
    }

    /// Writes the gradients of these rows' cells; the first sums are over `part_rows` rows of an image.
    fn theta_gradient_to(&self, gtheta: &Buffer, x: &Buffer, gy: &Buffer, part_rows: usize) -> Result<()> {
        let ImageShape { n, h, c, .. } = self.shape;
        let (image, dense) = (self.image(), self.conv.rows.is_dense());
        let cells = self.rows.count() * self.columns.count();
        let (row_groups, image_parts) = (self.row_groups(), h.div_ceil(part_rows));
        let partials = self.gpu.empty(n * image_parts * cells * c, Element::F32)?;
        for images in self.parts() {
            let planes;
            let (g, g_image, gradient_row) = if dense {
                (View::from(gy), image, include_str!("gradient_row_dense.wgsl"))
            } else {
                planes = self.column_planes(gy, images.clone())?;
                (View::from(&planes), self.planes(), include_str!("gradient_row_planes.wgsl"))
            };
            for part in self.columns.parts(GRADIENT_CELLS[1]) {
                let text = || format!("{gradient_row}{}", text::theta_gradient(&part, GRADIENT_CELLS[0]));
                let view = View { buffer: &partials, begin: images.start * image_parts * cells * c };
                let work = image * self.rows.count() * part.count();
                self.call("depthwise_theta_gradient", format!("{}, {gradient_row}", key(&part)), text)
                    .read("x", View { buffer: x, begin: images.start * image }, Each(image))
                    .read("g", g, Each(g_image))
                    .write("partials", view, Each(image_parts * cells * c))
                    .scalar("row_groups", row_groups)
                    .scalar("image_parts", image_parts)
                    .scalar("part_rows", part_rows)
                    .scalar("part_begin", part.first - self.columns.first)
                    .scalar("part_tap", part.begin)
                    .run(images.len(), image_parts * row_groups * c, work)?;
            }
        }
        let by_cell = Partials { count: n * image_parts, width: cells * c }.sum(self.gpu, partials)?;
        let by_channel = || include_str!("theta_by_channel.wgsl").to_owned();
        self.call("theta_by_channel", String::new(), by_channel)
            .read("by_cell", &by_cell, Whole)
            .write("theta", gtheta, Whole)
            .scalar("cells", self.conv.cells())
            .run(gtheta.len(), 1, 1)
    }

    /// The sums of `gy` over the rotated row intervals: `[images, k', H, W, C]`.
    fn column_planes(&self, gy: &Buffer, images: Range<usize>) -> Result<Buffer> {
        let ImageShape { h, w, c, .. } = self.shape;
        let (image, blocks) = (self.image(), h.div_ceil(LANES));
        let planes = self.gpu.empty(images.len() * self.planes(), Element::F32)?;
        let turned = self.rows.turned(self.conv.rows.kernel());
        self.call("depthwise_column_planes", key(&turned), || text::column_planes(&turned))
            .read("x", View { buffer: gy, begin: images.start * image }, Each(image))
            .write("planes", &planes, Each(self.planes()))
            .scalar("blocks", blocks)
            .scalar("turned_begin", turned.begin)
            .run(images.len(), blocks * w * c, image * self.rows.taps())?;
        Ok(planes)
    }
}
