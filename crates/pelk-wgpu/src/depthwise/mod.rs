//! Depthwise convolution with shared (peripheral) or dense kernels, by sums over boxes.
//!
//! See [`pelk_cpu::depthwise`] for the operator. Here it is done one axis after the other:
//!
//! - where each row of the kernel is a cell of its own (dense kernels, stripes), an invocation walks the rows of the kernel, sums
//!   each image row over the column intervals and multiplies ([`text::dense_rows`]);
//! - elsewhere the sums over the column intervals are multiplied for all cell rows at once, into a plane for each
//!   ([`text::row_planes`]), since a sum that is loaded is worth k' multiply-adds; then the planes are summed over the row
//!   intervals ([`text::sum_planes`]). An output costs k' l' multiply-adds and k + l additions.
//!
//! The gradient of the input is the same with theta turned. That of theta is, for cell (a, b), the product of the sums of the input
//! over column interval b and of the output gradient over row interval a ([`text::theta_gradient`]).
//!
//! Planes exist for some images at a time, so that they need little memory and stay in a cache.

mod text;

use crate::check::{expect_len, wanted};
use crate::kernel::{Call, Each, View, Whole};
use crate::memory::{Buffer, Element};
use crate::reduce::Partials;
use crate::{Gpu, Result};
use pelk_cpu::shape::ImageShape;
use pelk_grid::SharingGrid;
use std::ops::Range;
use text::{Intervals, LANES};

/// Values of planes that exist at once: 64 MiB, about the second-level cache of a large GPU.
const PLANES: usize = 1 << 24;
/// Rows of the kernel for which an invocation has totals, four each: more would not fit the registers.
const ROW_CELLS: usize = 17;
/// Rows and columns of the kernel for which an invocation of theta's gradient has totals.
const GRADIENT_CELLS: [usize; 2] = [4, 13];
/// Invocations that theta's gradient is to have, enough for the largest GPUs.
const GRADIENT_ITEMS: usize = 1 << 16;

/// Depthwise convolution whose kernel is shared on `rows` x `columns`: stride 1, zero padding to the same size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxConv {
    rows: SharingGrid,
    columns: SharingGrid,
}

/// What a convolution adds.
#[derive(Debug, Clone, Copy)]
pub enum Bias<'a> {
    /// Nothing.
    None,
    /// One value for each channel, `[C]`.
    Channel(&'a Buffer),
    /// One value for each position and channel, `[H, W, C]`.
    Map(&'a Buffer),
}

impl Bias<'_> {
    /// The function that writes an output.
    fn finish(self) -> &'static str {
        match self {
            Bias::None => "fn finish(y: u32, x: u32, c: u32, at: u32, value: f32) { store_y(at, value); }",
            Bias::Channel(_) => {
                "fn finish(y: u32, x: u32, c: u32, at: u32, value: f32) { store_y(at, value + load_bias(c)); }"
            }
            Bias::Map(_) => {
                "fn finish(y: u32, x: u32, c: u32, at: u32, value: f32) {\n    \
                 store_y(at, value + load_bias((y * p.w + x) * p.c + c));\n}"
            }
        }
    }
}

impl BoxConv {
    /// The convolution with `rows.kernel()` x `columns.kernel()` taps.
    pub fn new(rows: SharingGrid, columns: SharingGrid) -> BoxConv {
        BoxConv { rows, columns }
    }

    /// The same grid on both axes.
    pub fn square(grid: SharingGrid) -> BoxConv {
        BoxConv { rows: grid.clone(), columns: grid }
    }

    fn cells(&self) -> usize {
        self.rows.cells() * self.columns.cells()
    }

    /// The convolution of `x`, `[N, H, W, C]`, with `theta`, `[C, k', l']`, plus `bias`.
    ///
    /// # Errors
    /// When lengths do not fit, or the device has no room or has failed.
    pub fn forward(
        &self,
        gpu: &Gpu,
        shape: ImageShape,
        x: &Buffer,
        theta: &Buffer,
        bias: Bias<'_>,
    ) -> Result<Buffer> {
        self.check("depthwise", shape, x, theta)?;
        match bias {
            Bias::None => {}
            Bias::Channel(bias) => expect_len("depthwise", "bias", bias.len(), shape.c)?,
            Bias::Map(bias) => expect_len("depthwise", "bias", bias.len(), shape.h * shape.w * shape.c)?,
        }
        let theta = self.theta_by_cell(gpu, shape.c, theta, false)?;
        self.convolve(gpu, shape, x, &theta, bias)
    }

    /// The gradients of [`BoxConv::forward`] by x and theta that `needs` asks for.
    ///
    /// # Errors
    /// When lengths do not fit, or the device has no room or has failed.
    pub fn backward(
        &self,
        gpu: &Gpu,
        shape: ImageShape,
        x: &Buffer,
        theta: &Buffer,
        gy: &Buffer,
        needs: [bool; 2],
    ) -> Result<[Option<Buffer>; 2]> {
        self.check("depthwise backward", shape, x, theta)?;
        expect_len("depthwise backward", "gy", gy.len(), shape.len())?;
        let gx = || {
            let theta = self.theta_by_cell(gpu, shape.c, theta, true)?;
            self.convolve(gpu, shape, gy, &theta, Bias::None)
        };
        Ok([wanted(needs[0], gx)?, wanted(needs[1], || self.theta_gradient(gpu, shape, x, gy))?])
    }

    fn check(&self, operator: &'static str, shape: ImageShape, x: &Buffer, theta: &Buffer) -> Result<()> {
        ImageShape::checked(operator, shape.n, shape.h, shape.w, shape.c)?;
        expect_len(operator, "x", x.len(), shape.len())?;
        expect_len(operator, "theta", theta.len(), shape.c * self.cells())
    }

    /// Theta with channels innermost, `[k', l', C]`, perhaps turned by 180 degrees.
    fn theta_by_cell(&self, gpu: &Gpu, c: usize, theta: &Buffer, turned: bool) -> Result<Buffer> {
        let by_cell = gpu.empty(theta.len(), Element::F32)?;
        gpu.items("theta_by_cell", include_str!("theta_by_cell.wgsl"))
            .read("theta", theta, Whole)
            .write("by_cell", &by_cell, Whole)
            .scalar("c", c)
            .scalar("cells", self.cells())
            .scalar("turned", usize::from(turned))
            .run(theta.len(), 1, 1)?;
        Ok(by_cell)
    }

    /// A call with the numbers that all kernels know.
    fn call<'a>(
        &self,
        gpu: &'a Gpu,
        shape: ImageShape,
        name: &'static str,
        variant: String,
        text: impl Fn() -> String + 'a,
    ) -> Call<'a> {
        let numbers = [
            ("h", shape.h),
            ("w", shape.w),
            ("c", shape.c),
            ("row_cells", self.rows.cells()),
            ("row_radius", self.rows.radius()),
            ("column_cells", self.columns.cells()),
            ("column_radius", self.columns.radius()),
        ];
        let call = gpu.generated(name, variant, text);
        numbers.into_iter().fold(call, |call, (name, value)| call.scalar(name, value))
    }

    /// `theta` is by cell.
    fn convolve(
        &self,
        gpu: &Gpu,
        shape: ImageShape,
        x: &Buffer,
        theta: &Buffer,
        bias: Bias<'_>,
    ) -> Result<Buffer> {
        let y = gpu.activation(shape.len())?;
        let ImageShape { n, h, w, c } = shape;
        let image = h * w * c;
        let columns = Intervals::all(&self.columns);
        if self.rows.is_dense() {
            let blocks = w.div_ceil(LANES);
            let variant = format!("{}, {}", columns.key(), bias.finish());
            let text = || format!("{}\n{}", bias.finish(), text::dense_rows(&columns));
            let mut call = self
                .call(gpu, shape, "depthwise_dense_rows", variant, text)
                .read("x", x, Each(image))
                .read("theta", theta, Whole)
                .write("y", &y, Each(image))
                .scalar("blocks", blocks);
            if let Bias::Channel(bias) | Bias::Map(bias) = bias {
                call = call.read("bias", bias, Whole);
            }
            call.run(n, h * blocks * c, image * self.cells())?;
            return Ok(y);
        }
        for images in parts(n, image_planes(n, image * self.rows.cells())) {
            let planes = self.row_planes(gpu, shape, x, theta, images.clone())?;
            let blocks = h.div_ceil(LANES);
            let variant = format!("{}, {}", Intervals::all(&self.rows).key(), bias.finish());
            let text = || format!("{}\n{}", bias.finish(), text::sum_planes(&self.rows));
            let mut call = self
                .call(gpu, shape, "depthwise_sum_planes", variant, text)
                .read("x", &planes, Each(image * self.rows.cells()))
                .write("y", View { buffer: &y, begin: images.start * image }, Each(image))
                .scalar("blocks", blocks);
            if let Bias::Channel(bias) | Bias::Map(bias) = bias {
                call = call.read("bias", bias, Whole);
            }
            call.run(images.len(), blocks * w * c, image * self.rows.kernel())?;
        }
        Ok(y)
    }

    /// For each cell row of the kernel, the sums over column intervals times theta: `[images, k', H, W, C]`.
    fn row_planes(
        &self,
        gpu: &Gpu,
        shape: ImageShape,
        x: &Buffer,
        theta: &Buffer,
        images: Range<usize>,
    ) -> Result<Buffer> {
        let ImageShape { h, w, c, .. } = shape;
        let (image, columns) = (h * w * c, Intervals::all(&self.columns));
        let planes = gpu.empty(images.len() * image * self.rows.cells(), Element::F32)?;
        let blocks = w.div_ceil(LANES);
        for rows in Intervals::parts(&self.rows, ROW_CELLS) {
            let cells = rows.lengths.len();
            let text = || text::row_planes(&columns, cells);
            self.call(gpu, shape, "depthwise_row_planes", format!("{cells}, {}", columns.key()), text)
                .read("x", View { buffer: x, begin: images.start * image }, Each(image))
                .read("theta", theta, Whole)
                .write("planes", &planes, Each(image * self.rows.cells()))
                .scalar("blocks", blocks)
                .scalar("row_begin", rows.first)
                .run(images.len(), h * blocks * c, image * cells * self.columns.cells())?;
        }
        Ok(planes)
    }

    fn theta_gradient(&self, gpu: &Gpu, shape: ImageShape, x: &Buffer, gy: &Buffer) -> Result<Buffer> {
        let ImageShape { n, h, w, c } = shape;
        let (image, cells) = (h * w * c, self.cells());
        let row_groups = self.rows.cells().div_ceil(GRADIENT_CELLS[0]);
        let part_rows = h.div_ceil((GRADIENT_ITEMS / (n * c * row_groups)).clamp(1, h));
        let image_parts = h.div_ceil(part_rows);
        let partials = gpu.empty(n * image_parts * cells * c, Element::F32)?;
        let at_once = if self.rows.is_dense() { n } else { image_planes(n, image * self.rows.cells()) };
        for images in parts(n, at_once) {
            let planes;
            let (g, g_image, gradient_row) = if self.rows.is_dense() {
                (View::from(gy), image, DENSE_GRADIENT_ROW)
            } else {
                planes = self.column_planes(gpu, shape, gy, images.clone())?;
                (View::from(&planes), image * self.rows.cells(), PLANE_GRADIENT_ROW)
            };
            for columns in Intervals::parts(&self.columns, GRADIENT_CELLS[1]) {
                let text =
                    || format!("{gradient_row}\n{}", text::theta_gradient(&columns, GRADIENT_CELLS[0]));
                let variant = format!("{}, {gradient_row}", columns.key());
                let view = View { buffer: &partials, begin: images.start * image_parts * cells * c };
                self.call(gpu, shape, "depthwise_theta_gradient", variant, text)
                    .read("x", View { buffer: x, begin: images.start * image }, Each(image))
                    .read("g", g, Each(g_image))
                    .write("partials", view, Each(image_parts * cells * c))
                    .scalar("row_groups", row_groups)
                    .scalar("image_parts", image_parts)
                    .scalar("part_rows", part_rows)
                    .scalar("column_first", columns.first)
                    .scalar("column_begin", columns.begin)
                    .run(
                        images.len(),
                        image_parts * row_groups * c,
                        image * self.rows.cells() * columns.lengths.len(),
                    )?;
            }
        }
        let by_cell = Partials { count: n * image_parts, width: cells * c }.sum(gpu, partials)?;
        let gtheta = gpu.empty(by_cell.len(), Element::F32)?;
        gpu.items(
            "theta_by_channel",
            "fn item(i: u32) { store_y(i, load_x(i % p.cells * p.c + i / p.cells)); }",
        )
        .read("x", &by_cell, Whole)
        .write("y", &gtheta, Whole)
        .scalar("c", c)
        .scalar("cells", cells)
        .run(gtheta.len(), 1, 1)?;
        Ok(gtheta)
    }

    /// The sums of `gy` over row intervals, mirrored: `[images, k', H, W, C]`.
    fn column_planes(
        &self,
        gpu: &Gpu,
        shape: ImageShape,
        gy: &Buffer,
        images: Range<usize>,
    ) -> Result<Buffer> {
        let ImageShape { h, w, c, .. } = shape;
        let image = h * w * c;
        let planes = gpu.empty(images.len() * image * self.rows.cells(), Element::F32)?;
        let blocks = h.div_ceil(LANES);
        let text = || text::column_planes(&self.rows);
        self.call(gpu, shape, "depthwise_column_planes", Intervals::all(&self.rows).key(), text)
            .read("x", View { buffer: gy, begin: images.start * image }, Each(image))
            .write("planes", &planes, Each(image * self.rows.cells()))
            .scalar("blocks", blocks)
            .run(images.len(), blocks * w * c, image * self.rows.kernel())?;
        Ok(planes)
    }
}

/// The row of the output gradient that meets cell row `a` of a dense kernel at row `y` of the input.
const DENSE_GRADIENT_ROW: &str = "\
fn gradient_row(image: u32, a: u32, y: u32) -> u32 {
    let row = y + p.row_radius - a;
    return select(NONE, image * p.h + row, row < p.h);
}";
/// The row of the planes.
const PLANE_GRADIENT_ROW: &str = "\
fn gradient_row(image: u32, a: u32, y: u32) -> u32 {
    return (image * p.row_cells + a) * p.h + y;
}";

/// Images whose planes, of so many values each, may exist at once.
fn image_planes(n: usize, planes: usize) -> usize {
    (PLANES / planes).clamp(1, n)
}

fn parts(n: usize, part: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).step_by(part).map(move |first| first..(first + part).min(n))
}
