//! The variants of the convolution, the choice between them, and the shapes that the choice was tuned on.

use std::fmt;

use pelk_grid::SharingGrid;
use pelk_ops::DepthwiseConv;

use super::narrow::WIDEST;
use super::pack::narrower;
use super::spectral::Lines;
use crate::shape::ImageShape;
use pelk_simd::Level;

/// An algorithm for a [`DepthwiseConv`] on one level: [`variants`] lists them.
///
/// All give the same results up to float32 rounding, and each gives the same bits with any number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Variant {
    /// The vectors of full blocks of channels.
    pub(super) level: Level,
    /// How boxes are summed.
    pub(super) method: Method,
}

/// How a convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Method {
    /// Boxes along both axes.
    Boxes,
    /// A row of outputs in registers, boxes across.
    Narrow,
    /// Spectra along these lines, boxes across them.
    Spectra { lines: Lines },
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = match self.method {
            Method::Boxes => "boxes",
            Method::Narrow => "narrow",
            Method::Spectra { lines: Lines::Rows } => "spectra of rows",
            Method::Spectra { lines: Lines::Columns } => "spectra of columns",
        };
        write!(f, "{}, {method}", self.level)
    }
}

const METHODS: [Method; 4] = [
    Method::Boxes,
    Method::Narrow,
    Method::Spectra { lines: Lines::Rows },
    Method::Spectra { lines: Lines::Columns },
];

/// Every variant for images of this shape on this level, the plainest first.
pub fn variants(level: Level, shape: ImageShape) -> Vec<Variant> {
    let levels = [Some(level), narrower(level)].into_iter().flatten();
    let methods = METHODS.into_iter().filter(|method| *method != Method::Narrow || shape.w <= WIDEST);
    levels.flat_map(|level| methods.clone().map(move |method| Variant { level, method })).collect()
}

/// The variant that [`forward`](super::forward) and [`backward`](super::backward) use: one of [`variants`],
/// chosen by the level and the shape alone. Tuned on [`DISPATCH_SHAPES`], with AVX2 on a Zen 3 core.
pub fn choose(level: Level, conv: &DepthwiseConv, shape: ImageShape) -> Variant {
    let (rows, columns) = (conv.rows.cells(), conv.columns.cells());
    let method = if shape.w <= WIDEST {
        Method::Narrow
    } else if rows.max(columns) <= 5 && shape.w > 28 {
        Method::Boxes
    } else if rows > 2 * columns {
        Method::Spectra { lines: Lines::Columns }
    } else {
        Method::Spectra { lines: Lines::Rows }
    };
    Variant { level, method }
}

/// One side of a kernel: an exponential grid of base 2, or a dense one if the center covers the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Side {
    /// Taps.
    pub kernel: usize,
    /// Taps of the fine center.
    pub center: usize,
}

impl Side {
    fn grid(self) -> SharingGrid {
        SharingGrid::exponential(self.kernel, self.center, 2).expect("the sides of the table are odd")
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.center == self.kernel {
            true => write!(f, "{} dense", self.kernel),
            false => write!(f, "{}/{}", self.kernel, self.center),
        }
    }
}

/// A convolution of the table that the choice of variants is tuned and checked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DispatchShape {
    /// The kernel's rows.
    pub rows: Side,
    /// The kernel's columns.
    pub columns: Side,
    /// Number of images.
    pub images: usize,
    /// Height and width of the images.
    pub map: usize,
    /// Number of channels.
    pub channels: usize,
}

impl DispatchShape {
    /// The convolution.
    pub fn conv(&self) -> DepthwiseConv {
        DepthwiseConv::new(self.rows.grid(), self.columns.grid())
    }

    /// The shape of the images.
    pub fn shape(&self) -> ImageShape {
        ImageShape { n: self.images, h: self.map, w: self.map, c: self.channels }
    }
}

impl fmt::Display for DispatchShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, columns, images, map, channels } = self;
        write!(f, "{images} x {channels} x {map} x {map}, kernel {rows} x {columns}")
    }
}

const fn shared(kernel: usize, center: usize) -> Side {
    Side { kernel, center }
}

const fn dense(kernel: usize) -> Side {
    Side { kernel, center: kernel }
}

const fn entry(channels: usize, map: usize, rows: Side, columns: Side) -> DispatchShape {
    DispatchShape { rows, columns, images: 1, map, channels }
}

const fn square(channels: usize, map: usize, side: Side) -> DispatchShape {
    entry(channels, map, side, side)
}

/// What [`choose`] is tuned and checked on: maps of 7 to 256, kernels of 5 to 151, shared, dense and stripes.
/// The first four are the stages of PeLK-T on 224 x 224 pixels; no more channels than timing needs.
pub const DISPATCH_SHAPES: &[DispatchShape] = &[
    square(36, 56, shared(51, 5)),
    square(72, 28, shared(49, 5)),
    square(144, 14, shared(47, 5)),
    square(288, 7, shared(13, 5)),
    square(32, 96, shared(51, 5)),
    square(16, 128, shared(51, 5)),
    square(16, 128, shared(101, 7)),
    square(16, 192, shared(51, 5)),
    square(8, 256, shared(51, 5)),
    square(8, 256, shared(151, 11)),
    square(36, 56, dense(5)),
    square(36, 56, dense(7)),
    square(36, 56, dense(13)),
    square(36, 56, dense(31)),
    square(16, 56, dense(51)),
    square(72, 28, dense(7)),
    square(72, 28, dense(27)),
    square(144, 14, dense(5)),
    square(144, 14, dense(13)),
    square(288, 7, dense(5)),
    square(288, 7, dense(7)),
    square(16, 128, dense(7)),
    square(8, 256, dense(5)),
    entry(36, 56, dense(51), dense(5)),
    entry(36, 56, dense(5), dense(51)),
    entry(72, 28, dense(49), dense(5)),
    entry(72, 28, dense(5), dense(49)),
    entry(144, 14, dense(5), dense(13)),
    entry(16, 128, dense(5), dense(51)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_variant_is_one_of_the_listed() {
        for shape in DISPATCH_SHAPES {
            let conv = shape.conv();
            for level in Level::available() {
                let found = variants(level, shape.shape());
                assert_eq!(found[0].to_string(), format!("{level}, boxes"));
                assert!(found.contains(&choose(level, &conv, shape.shape())), "{shape}");
            }
        }
    }

    #[test]
    fn names_say_what_differs() {
        let shape = &DISPATCH_SHAPES[0];
        assert_eq!(shape.to_string(), "1 x 36 x 56 x 56, kernel 51/5 x 51/5");
        let stripe = entry(8, 14, dense(13), shared(51, 5));
        assert_eq!(stripe.to_string(), "1 x 8 x 14 x 14, kernel 13 dense x 51/5");
        assert_eq!(stripe.conv().rows, SharingGrid::dense(13).unwrap());
        let names = |w| {
            let found = variants(Level::PORTABLE, ImageShape { w, ..stripe.shape() });
            found.iter().map(Variant::to_string).collect::<Vec<_>>()
        };
        let spectra = ["portable, spectra of rows", "portable, spectra of columns"];
        assert_eq!(names(9), ["portable, boxes", spectra[0], spectra[1]]);
        assert_eq!(names(8), ["portable, boxes", "portable, narrow", spectra[0], spectra[1]]);
    }
}
