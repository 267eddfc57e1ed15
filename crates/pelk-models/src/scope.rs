//! The names of parameters and their places in the network.

use pelk_autodiff::{Layer, Place, Section};
use std::fmt::Display;

/// The dotted path of a layer's parameters, as in PyTorch, together with their place. Every parameter gets
/// both from its scope, so that nothing has to parse a place from a name.
///
/// ```
/// use pelk_autodiff::Section;
/// use pelk_models::Scope;
///
/// let block = Scope::new("stages.0.1", Section::Block(0, 1));
/// assert_eq!(block.child("large_bn").name("bias"), "stages.0.1.large_bn.bias");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    path: String,
    place: Place,
}

impl Scope {
    /// The scope at `path` in a section of the network, for dense layers.
    pub fn new(path: impl Into<String>, section: Section) -> Scope {
        Scope { path: path.into(), place: Place { section, layer: Layer::Dense } }
    }

    /// The scope `name` within this one, in the same place.
    pub fn child(&self, name: impl Display) -> Scope {
        Scope { path: format!("{}.{name}", self.path), place: self.place }
    }

    /// This scope for another kind of layer.
    pub fn of(self, layer: Layer) -> Scope {
        Scope { place: Place { layer, ..self.place }, ..self }
    }

    /// The full name of the parameter `leaf`.
    pub fn name(&self, leaf: &str) -> String {
        format!("{}.{leaf}", self.path)
    }

    /// The dotted path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The place of the layer's parameters.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The place of the parameters of a normalization or layer scale here. A small kernel's normalization
    /// belongs to the kernel, since folding removes both.
    pub(crate) fn normalization(&self) -> Place {
        match self.place.layer {
            Layer::SmallKernel => self.place,
            _ => Place { layer: Layer::Normalization, ..self.place },
        }
    }
}
