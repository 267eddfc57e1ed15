//! The kernel-wise position embedding (Eq. 3 of the paper) as a bias of the convolution.

use pelk_grid::SharingGrid;

/// Where a tap of the embedding counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PositionForm {
    /// Only where it lies inside the image: the bias is a map `[H, W, C]`, which varies with the position.
    InBounds,
    /// Everywhere, zero padding included, as Eq. 3 reads: the bias is one constant per channel, `[C]`, which
    /// a BatchNorm after the convolution removes.
    Literal,
}

/// The position term of a peripheral convolution. Inputs: theta `[C, k', k']`, h `[1, k, k]`, optionally a
/// bias `[C]` to add. Output: the bias of the convolution, `[H, W, C]` in bounds, `[C]` in the literal form.
///
/// `Y(p) = sum_t w(t) (X(p + t) + h(t))` (Eq. 3) splits into the plain convolution and a term that does not
/// depend on the image. Which term depends on what happens at the border, which the paper does not state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionBias {
    /// The kernel's sharing grid.
    pub grid: SharingGrid,
    /// In bounds or literal.
    pub form: PositionForm,
    /// Height and width of the image that the convolution works on.
    pub size: [usize; 2],
}
