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
//! and `r`, `s` are the radii. That is exact, and costs k' x l' multiply-adds an output instead of k x l: 169
//! instead of 2601 for the paper's 51 x 51 kernel. On two dense grids every box is a pixel, and this is the
//! ordinary depthwise convolution.
//!
//! Both gradients are walks over the boxes of the output gradient: the input's is the same operator with the
//! kernel turned by 180 degrees (grids are symmetric), and a parameter's is the sum, over all pixels, of the
//! input times the box that the turned parameter would multiply. One pass yields both.
//!
//! There are three ways to sum boxes, and `variant` says which is taken:
//!
//! - `boxes` builds runs along both axes and multiplies each into all outputs that need it, for few cells on any map;
//! - `spectral` builds runs along one axis only: along the other, a kernel of any width is one product for each point of
//!   the Fourier spectrum of a line, so that an output costs about `2 k'` multiply-adds and two transforms instead of `k'^2`;
//! - `narrow` has a whole row of outputs in registers, for images a few pixels wide.
//!
//! All cut the batch into the same tasks (`pass`): some images, a block of channels. Vectors run over channels (`pack`).
//! `axis` says which intervals of a grid ever meet the image, and `runs` where sums over neighboring lines lie.

mod axis;
mod boxes;
mod narrow;
mod pack;
mod pass;
mod runs;
mod spectral;
mod variant;

use pelk_grid::SharingGrid;

use crate::shape::{ImageShape, ShapeError, checked_len, expect_len};
use crate::shared::Shared;
use axis::Axis;
use pack::ThetaLayout;
use pass::{Convolve, Done, Pass};
use pelk_simd::Level;
use variant::Method;

pub use variant::{DISPATCH_SHAPES, DispatchShape, Side, Variant};

/// Depthwise convolution whose kernel is shared on `rows` x `columns`: stride 1, zero padding of half a kernel,
/// so that the output has the size of the input.
///
/// ```
/// use pelk_cpu::depthwise::{Bias, BoxConv};
/// use pelk_cpu::shape::ImageShape;
/// use pelk_simd::Level;
/// use pelk_grid::SharingGrid;
///
/// let conv = BoxConv::square(SharingGrid::exponential(13, 5, 2)?); // 9 x 9 parameters a channel
/// let shape = ImageShape::checked("example", 1, 7, 7, 3)?;
/// let theta = vec![0.01; 3 * conv.rows().cells() * conv.columns().cells()];
/// let x = vec![1.0; shape.len()];
/// let mut y = vec![0.0; shape.len()];
/// conv.forward(Level::best(), shape, &x, &theta, Bias::None, &mut y)?;
/// assert!((y[0] - 0.49).abs() < 1e-6); // the 7 x 7 image lies wholly under the kernel
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxConv {
    rows: SharingGrid,
    columns: SharingGrid,
}

/// What is added to the output of a convolution.
#[derive(Debug, Clone, Copy)]
pub enum Bias<'a> {
    /// Nothing.
    None,
    /// One value for each channel, `[C]`.
    Channel(&'a [f32]),
    /// One value for each position and channel, the same for every image, `[H, W, C]`.
    Map(&'a [f32]),
}

impl BoxConv {
    /// The convolution with `rows.kernel()` x `columns.kernel()` taps.
    pub fn new(rows: SharingGrid, columns: SharingGrid) -> Self {
        Self { rows, columns }
    }

    /// The convolution with the same grid on both axes.
    pub fn square(grid: SharingGrid) -> Self {
        Self { rows: grid.clone(), columns: grid }
    }

    /// The grid of the kernel's rows.
    pub fn rows(&self) -> &SharingGrid {
        &self.rows
    }

    /// The grid of the kernel's columns.
    pub fn columns(&self) -> &SharingGrid {
        &self.columns
    }

    /// The convolution of `x` with the kernel `theta`, plus `bias`.
    ///
    /// `x` and `y` are `[N, H, W, C]`, `theta` is `[C, k', l']`; `y` is overwritten.
    ///
    /// # Errors
    /// When a dimension is zero, or a slice has not the length that its shape asks for.
    pub fn forward(
        &self,
        level: Level,
        shape: ImageShape,
        x: &[f32],
        theta: &[f32],
        bias: Bias<'_>,
        y: &mut [f32],
    ) -> Result<(), ShapeError> {
        self.forward_with(self.choose(level, shape), shape, x, theta, bias, y)
    }

    /// [`forward`](Self::forward) in the way that is given.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_with(
        &self,
        variant: Variant,
        shape: ImageShape,
        x: &[f32],
        theta: &[f32],
        bias: Bias<'_>,
        y: &mut [f32],
    ) -> Result<(), ShapeError> {
        const OPERATOR: &str = "box convolution";
        self.check(OPERATOR, shape, &[("x", x.len()), ("y", y.len())], &[("theta", theta.len())])?;
        match bias {
            Bias::None => {}
            Bias::Channel(bias) => expect_len(OPERATOR, "bias", bias.len(), shape.c)?,
            Bias::Map(bias) => expect_len(OPERATOR, "bias map", bias.len(), shape.h * shape.w * shape.c)?,
        }
        let convolve = Convolve { theta, flipped: false, bias, output: Shared::new(y) };
        self.run(variant, shape, x, Some(convolve), None);
        Ok(())
    }

    /// The gradients of a loss from `gy`, its gradient by the output: `gx` by the input, and `gtheta` by the
    /// parameters. Pass `None` for one that is not needed. (A bias has the sum of `gy` for a gradient.)
    ///
    /// `x`, `gy`, `gx` are `[N, H, W, C]`, `theta`, `gtheta` are `[C, k', l']`; `gx` and `gtheta` are
    /// overwritten.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn backward(
        &self,
        level: Level,
        shape: ImageShape,
        x: &[f32],
        theta: &[f32],
        gy: &[f32],
        gx: Option<&mut [f32]>,
        gtheta: Option<&mut [f32]>,
    ) -> Result<(), ShapeError> {
        self.backward_with(self.choose(level, shape), shape, x, theta, gy, gx, gtheta)
    }

    /// [`backward`](Self::backward) in the way that is given.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn backward_with(
        &self,
        variant: Variant,
        shape: ImageShape,
        x: &[f32],
        theta: &[f32],
        gy: &[f32],
        gx: Option<&mut [f32]>,
        gtheta: Option<&mut [f32]>,
    ) -> Result<(), ShapeError> {
        let mut images = vec![("x", x.len()), ("gy", gy.len())];
        images.extend(gx.as_ref().map(|gx| ("gx", gx.len())));
        let mut kernels = vec![("theta", theta.len())];
        kernels.extend(gtheta.as_ref().map(|gtheta| ("gtheta", gtheta.len())));
        self.check("box convolution backward", shape, &images, &kernels)?;
        if gx.is_none() && gtheta.is_none() {
            return Ok(());
        }

        let convolve =
            gx.map(|gx| Convolve { theta, flipped: true, bias: Bias::None, output: Shared::new(gx) });
        let correlate = gtheta.is_some().then_some(x);
        let done = self.run(variant, shape, gy, convolve, correlate);
        if let Some(gtheta) = gtheta {
            let len = self.layout().len();
            // Blocks come in ascending order, those of the first images first: what they write, the others add to.
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

    /// Multiply-adds of the sum over boxes: one for each parameter and output, without those whose box lies wholly
    /// outside the image. The additions that build the boxes (one for each size and pixel) are not counted, nor what
    /// spectra save.
    pub fn multiply_adds(&self, shape: ImageShape) -> u64 {
        let (rows, columns) = (Axis::new(&self.rows, shape.h), Axis::new(&self.columns, shape.w));
        (shape.n * shape.c) as u64 * rows.meetings() as u64 * columns.meetings() as u64
    }

    fn layout(&self) -> ThetaLayout {
        ThetaLayout { rows: self.rows.cells(), columns: self.columns.cells() }
    }

    fn run(
        &self,
        variant: Variant,
        shape: ImageShape,
        source: &[f32],
        convolve: Option<Convolve<'_>>,
        correlate: Option<&[f32]>,
    ) -> Vec<Done> {
        let pass = Pass { shape, layout: self.layout(), source, convolve, correlate };
        match variant.method {
            Method::Boxes => {
                pass.run(variant.level, &boxes::Plan::new(&self.rows, &self.columns, shape.h, shape.w))
            }
            Method::Narrow => pass.run(variant.level, &narrow::Plan::new(&self.rows, &self.columns, shape)),
            Method::Spectra { lines } => {
                pass.run(variant.level, &spectral::Plan::new(&self.rows, &self.columns, shape, lines))
            }
        }
    }

    fn check(
        &self,
        operator: &'static str,
        shape: ImageShape,
        images: &[(&'static str, usize)],
        kernels: &[(&'static str, usize)],
    ) -> Result<(), ShapeError> {
        shape.check(operator)?;
        let dimensions = [
            ("the channels", shape.c),
            ("the kernel's rows", self.rows.cells()),
            ("the kernel's columns", self.columns.cells()),
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
}

#[cfg(test)]
mod tests;
