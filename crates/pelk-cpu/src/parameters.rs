//! Parameters and statistics that go together, so that a call names each of them.
//!
//! All are generic over the buffer: `&[f32]` where an operator reads, `&mut [f32]` where it writes, and
//! `Option<&mut [f32]>` where it writes only what is needed.

/// The weight and the bias of an affine map, or their gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Affine<T> {
    /// What values are multiplied by.
    pub weight: T,
    /// What is added.
    pub bias: T,
}

/// The gradients of an [`Affine`] map; `None` where one is not needed.
pub type AffineGradients<'a> = Affine<Option<&'a mut [f32]>>;

/// What values were normalized by, which the gradient needs: one number for each row ([`layer_norm`]) or each
/// channel ([`batch_norm`]).
///
/// [`layer_norm`]: crate::layer_norm
/// [`batch_norm`]: crate::batch_norm
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments<T> {
    /// The mean.
    pub mean: T,
    /// `1 / sqrt(variance + eps)`, with the biased variance.
    pub inv_std: T,
}

/// The running statistics of [`batch_norm`](crate::batch_norm), one number for each channel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Running<T> {
    /// The mean.
    pub mean: T,
    /// The unbiased variance.
    pub variance: T,
    /// Added to every variance, including that of a batch, before taking the root.
    pub eps: f32,
}

impl AffineGradients<'_> {
    /// The number of values of each gradient that is needed.
    pub(crate) fn lens(&self) -> Affine<Option<usize>> {
        let len = |gradient: &Option<&mut [f32]>| gradient.as_deref().map(<[f32]>::len);
        Affine { weight: len(&self.weight), bias: len(&self.bias) }
    }
}
