//! Depthwise convolution on sharing grids: peripheral, dense and stripe kernels are one operator.

use crate::ShapeError;
use pelk_grid::SharingGrid;

/// Depthwise convolution, padded with half a kernel of zeros. Inputs: x `[N, H, W, C]`, theta `[C, k', l']`
/// (or `[C, 1, k', l']`, as PyTorch stores depthwise weights), optionally a bias, `[C]` or a map `[H, W, C]`.
/// Output: `[N, H', W', C]`, `H' = ceil(H / stride)`.
///
/// The kernel of k x l taps is constant on the regions of the two grids (Eq. 1 of the paper). On dense grids
/// this is the ordinary depthwise convolution.
///
/// With a stride the operator computes every pixel and keeps some of them. Neighbors share box sums and
/// spectra, so skipping pixels would save nothing; strides are for a few small kernels between stages. The
/// kernels of a device compute stride 1 only ([`DepthwiseConv::check_every_pixel`]).
///
/// Grids share their memory, so a clone costs no allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepthwiseConv {
    /// The grid of the kernel's rows: k taps, k' cells.
    pub rows: SharingGrid,
    /// The grid of the kernel's columns: l taps, l' cells.
    pub columns: SharingGrid,
    /// Step between outputs, in both directions.
    pub stride: usize,
}

impl DepthwiseConv {
    /// An output at every pixel.
    pub fn new(rows: SharingGrid, columns: SharingGrid) -> DepthwiseConv {
        DepthwiseConv { rows, columns, stride: 1 }
    }

    /// The same grid in both directions, as in the paper.
    pub fn square(grid: SharingGrid) -> DepthwiseConv {
        DepthwiseConv::new(grid.clone(), grid)
    }

    /// Parameters of one channel, `k' l'`.
    pub fn cells(&self) -> usize {
        self.rows.cells() * self.columns.cells()
    }

    /// The convolution with stride 1.
    #[must_use]
    pub fn at_every_pixel(&self) -> DepthwiseConv {
        DepthwiseConv { stride: 1, ..self.clone() }
    }

    /// Checks that the stride is 1, the only one that the kernels of a device compute.
    ///
    /// # Errors
    /// When the stride is not 1.
    pub fn check_every_pixel(&self, operator: &'static str) -> Result<(), ShapeError> {
        if self.stride == 1 {
            return Ok(());
        }
        let reason = format!("the stride is {}, and must be 1: subsample the output instead", self.stride);
        Err(ShapeError::Invalid { operator, reason })
    }
}

/// What is added to the output of a convolution, in buffers `T`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bias<T> {
    /// Nothing.
    None,
    /// One value for each channel, `[C]`.
    Channel(T),
    /// One value for each position and channel, the same for every image, `[H, W, C]`.
    Map(T),
}

impl<T> Bias<T> {
    /// The bias in a tensor with this number of axes: one is `[C]`, three are `[H, W, C]`.
    pub fn of_rank(bias: Option<(usize, T)>) -> Bias<T> {
        match bias {
            None => Bias::None,
            Some((1, bias)) => Bias::Channel(bias),
            Some((_, bias)) => Bias::Map(bias),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stride_is_named_where_it_cannot_be_computed() {
        let conv = DepthwiseConv { stride: 2, ..DepthwiseConv::square(SharingGrid::dense(3).unwrap()) };
        let error = conv.check_every_pixel("depthwise").unwrap_err().to_string();
        assert!(error.contains("the stride is 2"), "{error}");
        assert_eq!(conv.at_every_pixel().check_every_pixel("depthwise"), Ok(()));
    }

    #[test]
    fn the_rank_of_a_bias_says_what_it_is() {
        assert_eq!(Bias::<u8>::of_rank(None), Bias::None);
        assert_eq!(Bias::of_rank(Some((1, 7))), Bias::Channel(7));
        assert_eq!(Bias::of_rank(Some((3, 7))), Bias::Map(7));
    }
}
