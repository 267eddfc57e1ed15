//! Depthwise convolution with shared (peripheral) or dense kernels, by sums over boxes.
//!
//! A kernel that is constant on the regions of a sharing grid (Eq. 1) is a sum of boxes, so with `Box(h, w)`
//! the sum of the input over the h x w rectangle whose first pixel is given,
//!
//! ```text
//! y[n, y, x, c] = bias + sum over a, b of theta[c, a, b] * Box(h_a, w_b)[n, y + o_a - r, x + o_b - s, c]
//! ```
//!
//! where interval `a` of the row grid has length `h_a` and first tap `o_a`, likewise `b` of the column grid,
//! and `r`, `s` are the radii. That is exact, and costs k' x l' multiply-adds per output instead of k x l:
//! 169 instead of 2601 for the paper's 51 x 51 kernel. On two dense grids every box is a pixel, and this is
//! the ordinary depthwise convolution.
//!
//! Both gradients are walks over the boxes of the output gradient: the input's is the same operator with the
//! kernel turned by 180 degrees (grids are symmetric), and a parameter's is the sum, over all pixels, of the
//! input times the box that the turned parameter would multiply. One pass yields both.
//!
//! There are three ways to sum boxes, and `variant` chooses one:
//!
//! - `boxes` builds runs along both axes and multiplies each into all outputs that need it: for kernels of
//!   few cells;
//! - `spectral` builds runs along one axis only: along the other, a kernel of any width is one product for
//!   each point of the Fourier spectrum of a line, so that an output costs about `2 k'` multiply-adds and two
//!   transforms instead of `k'^2`;
//! - `narrow` keeps a whole row of outputs in registers: for images a few pixels wide.
//!
//! All cut the batch into the same tasks (`pass`): some images, a block of channels. Vectors run over
//! channels (`pack`). `axis` finds the intervals of a grid that ever meet the image, and `runs` lays out the
//! sums over neighboring lines.

mod axis;
mod boxes;
mod narrow;
mod pack;
mod pass;
mod runs;
mod spectral;
mod variant;

use pelk_ops::{Bias, DepthwiseConv};

use crate::shape::{ImageShape, ShapeError, checked_len, expect_len};
use crate::shared::Shared;
use axis::Axis;
use pack::ThetaLayout;
use pass::{Convolve, Done, Pass};
use pelk_simd::Level;
use variant::Method;

pub use variant::{DISPATCH_SHAPES, DispatchShape, Side, Variant, choose, variants};

/// The convolution of `x` with the kernel `theta`, plus `bias`: stride 1, zero padding of half a kernel, so
/// that the output has the size of the input.
///
/// `x` and `y` are `[N, H, W, C]`, `theta` is `[C, k', l']`; `y` is overwritten.
///
/// ```
/// use pelk_cpu::depthwise;
/// use pelk_simd::Level;
/// use pelk_grid::SharingGrid;
/// use pelk_ops::{Bias, DepthwiseConv, ImageShape};
///
/// let conv = DepthwiseConv::square(SharingGrid::exponential(13, 5, 2)?); // 9 x 9 parameters per channel
/// let shape = ImageShape::checked("example", 1, 7, 7, 3)?;
/// let theta = vec![0.01; 3 * conv.cells()];
/// let x = vec![1.0; shape.len()];
/// let mut y = vec![0.0; shape.len()];
/// depthwise::forward(Level::best(), &conv, shape, &x, &theta, Bias::None, &mut y)?;
/// assert!((y[0] - 0.49).abs() < 1e-6); // the 7 x 7 image lies entirely under the kernel
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the stride is not 1, a dimension is zero, or the length of a slice does not match its shape.
pub fn forward(
    level: Level,
    conv: &DepthwiseConv,
    shape: ImageShape,
    x: &[f32],
    theta: &[f32],
    bias: Bias<&[f32]>,
    y: &mut [f32],
) -> Result<(), ShapeError> {
    forward_with(choose(level, conv, shape), conv, shape, x, theta, bias, y)
}

/// [`forward`] by the given variant.
///
/// # Errors
/// Same as [`forward`].
pub fn forward_with(
    variant: Variant,
    conv: &DepthwiseConv,
    shape: ImageShape,
    x: &[f32],
    theta: &[f32],
    bias: Bias<&[f32]>,
    y: &mut [f32],
) -> Result<(), ShapeError> {
    const OPERATOR: &str = "box convolution";
    check(conv, OPERATOR, shape, &[("x", x.len()), ("y", y.len())], &[("theta", theta.len())])?;
    match bias {
        Bias::None => {}
        Bias::Channel(bias) => expect_len(OPERATOR, "bias", bias.len(), shape.c)?,
        Bias::Map(bias) => expect_len(OPERATOR, "bias map", bias.len(), shape.h * shape.w * shape.c)?,
    }
    let convolve = Convolve { theta, flipped: false, bias, output: Shared::new(y) };
    run(variant, conv, shape, x, Some(convolve), None);
    Ok(())
}

/// Where [`backward`] writes gradients; `None` for one that is not needed.
#[derive(Debug, Default)]
pub struct Gradients<'a> {
    /// The input's, `[N, H, W, C]`.
    pub x: Option<&'a mut [f32]>,
    /// The parameters', `[C, k', l']`.
    pub theta: Option<&'a mut [f32]>,
}

/// The gradients that are needed, from `gy`, that of the output. (The gradient of a bias is the sum of `gy`.)
///
/// `x` and `gy` are `[N, H, W, C]`, `theta` is `[C, k', l']`; the gradients are overwritten.
///
/// # Errors
/// Same as [`forward`].
pub fn backward(
    level: Level,
    conv: &DepthwiseConv,
    shape: ImageShape,
    x: &[f32],
    theta: &[f32],
    gy: &[f32],
    gradients: Gradients<'_>,
) -> Result<(), ShapeError> {
    backward_with(choose(level, conv, shape), conv, shape, x, theta, gy, gradients)
}

/// [`backward`] by the given variant.
///
/// # Errors
/// Same as [`forward`].
pub fn backward_with(
    variant: Variant,
    conv: &DepthwiseConv,
    shape: ImageShape,
    x: &[f32],
    theta: &[f32],
    gy: &[f32],
    gradients: Gradients<'_>,
) -> Result<(), ShapeError> {
    let Gradients { x: gx, theta: gtheta } = gradients;
    let mut images = vec![("x", x.len()), ("gy", gy.len())];
    images.extend(gx.as_ref().map(|gx| ("gx", gx.len())));
    let mut kernels = vec![("theta", theta.len())];
    kernels.extend(gtheta.as_ref().map(|gtheta| ("gtheta", gtheta.len())));
    check(conv, "box convolution backward", shape, &images, &kernels)?;
    if gx.is_none() && gtheta.is_none() {
        return Ok(());
    }

    let convolve = gx.map(|gx| Convolve { theta, flipped: true, bias: Bias::None, output: Shared::new(gx) });
    let correlate = gtheta.is_some().then_some(x);
    let done = run(variant, conv, shape, gy, convolve, correlate);
    if let Some(gtheta) = gtheta {
        let len = layout(conv).len();
        // Blocks come in ascending order, those of the first images first: these write, the others add.
        let mut written = 0;
        for Done { block, correlation } in done {
            let channels = &mut gtheta[block.first * len..][..block.channels * len];
            if block.first == written {
                channels.copy_from_slice(&correlation);
                written += block.channels;
                continue;
            }
            for (sum, part) in channels.iter_mut().zip(correlation) {
                *sum += part;
            }
        }
    }
    Ok(())
}

/// Multiply-adds of the sum over boxes: one for each parameter and output, without those whose box lies
/// entirely outside the image. The additions that build the boxes (one for each size and pixel) are not
/// counted, nor the savings of spectra.
pub fn multiply_adds(conv: &DepthwiseConv, shape: ImageShape) -> u64 {
    let (rows, columns) = (Axis::new(&conv.rows, shape.h), Axis::new(&conv.columns, shape.w));
    (shape.n * shape.c) as u64 * rows.meetings() as u64 * columns.meetings() as u64
}

fn layout(conv: &DepthwiseConv) -> ThetaLayout {
    ThetaLayout { rows: conv.rows.cells(), columns: conv.columns.cells() }
}

fn run(
    variant: Variant,
    conv: &DepthwiseConv,
    shape: ImageShape,
    source: &[f32],
    convolve: Option<Convolve<'_>>,
    correlate: Option<&[f32]>,
) -> Vec<Done> {
    let pass = Pass { shape, layout: layout(conv), source, convolve, correlate };
    match variant.method {
        Method::Boxes => {
            pass.run(variant.level, &boxes::Plan::new(&conv.rows, &conv.columns, shape.h, shape.w))
        }
        Method::Narrow => pass.run(variant.level, &narrow::Plan::new(&conv.rows, &conv.columns, shape)),
        Method::Spectra { lines } => {
            pass.run(variant.level, &spectral::Plan::new(&conv.rows, &conv.columns, shape, lines))
        }
    }
}

fn check(
    conv: &DepthwiseConv,
    operator: &'static str,
    shape: ImageShape,
    images: &[(&'static str, usize)],
    kernels: &[(&'static str, usize)],
) -> Result<(), ShapeError> {
    conv.check_every_pixel(operator)?;
    shape.check(operator)?;
    let dimensions = [
        ("the channels", shape.c),
        ("the kernel's rows", conv.rows.cells()),
        ("the kernel's columns", conv.columns.cells()),
    ];
    let parameters = checked_len(operator, &dimensions)?;
    for &(name, len) in images {
        expect_len(operator, name, len, shape.len())?;
    }
    for &(name, len) in kernels {
        expect_len(operator, name, len, parameters)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
