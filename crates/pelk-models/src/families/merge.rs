//! Which BatchNorms a layer absorbs in the inference form.

use crate::config::NetworkConfig;
use crate::scope::Scope;

/// A BatchNorm that a layer absorbs; the layer then has a bias. A layer after its BatchNorm has no padding:
/// the zeros around an image are not normalized, and no bias could make up for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Merge {
    /// The BatchNorm's path.
    pub norm: String,
    /// The path of the layer beside it.
    pub layer: String,
    /// On which side of the layer the BatchNorm is.
    pub side: Side,
}

/// On which side of its layer a BatchNorm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    After,
}

impl Merge {
    pub fn before(norm: &Scope, layer: &Scope) -> Merge {
        Merge { norm: norm.path().to_owned(), layer: layer.path().to_owned(), side: Side::Before }
    }

    pub fn after(layer: &Scope, norm: &Scope) -> Merge {
        Merge { norm: norm.path().to_owned(), layer: layer.path().to_owned(), side: Side::After }
    }

    /// The BatchNorm of [`conv2d_bn`](crate::layers::conv2d_bn).
    pub fn conv_bn(scope: &Scope) -> Merge {
        Merge::after(&scope.child("conv"), &scope.child("bn"))
    }
}

/// Stage and index of every block.
pub(super) fn blocks(config: &NetworkConfig) -> impl Iterator<Item = [usize; 2]> {
    config.stages.iter().enumerate().flat_map(|(i, stage)| (0..stage.depth).map(move |j| [i, j]))
}
