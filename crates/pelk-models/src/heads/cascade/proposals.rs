//! The region proposal network: for each anchor of each map, whether it holds a thing, and where its box is.

use crate::config::CascadeConfig;
use crate::layers::{Convolution, conv2d_with};
use crate::scope::Scope;
use pelk_autodiff::operators::Relu;
use pelk_autodiff::{Executor, Init, Result, Section};

/// Standard deviation of all initial weights, as in MMDetection.
const INIT: Init = Init::Normal(0.01);

/// The outputs of the region proposal network, a value a map.
#[derive(Debug, Clone)]
pub struct Proposals<V> {
    /// Logits of "this anchor holds a thing", `[N, H_l, W_l, A]`.
    pub objectness: Vec<V>,
    /// The box of each anchor by four deltas, `[N, H_l, W_l, 4 A]`.
    pub deltas: Vec<V>,
}

impl<V> Proposals<V> {
    /// The same outputs as other values.
    pub fn map<T>(&self, value: impl Fn(&V) -> T) -> Proposals<T> {
        Proposals {
            objectness: self.objectness.iter().map(&value).collect(),
            deltas: self.deltas.iter().map(&value).collect(),
        }
    }
}

/// The proposals of all maps, by one head that they share.
///
/// # Errors
/// When a parameter is missing, or the executor's backend returns an error.
pub fn propose<E: Executor>(
    e: &mut E,
    config: &CascadeConfig,
    maps: &[E::Value],
) -> Result<Proposals<E::Value>> {
    let scope = Scope::new("rpn_head", Section::RegionProposal);
    let anchors = config.anchors();
    let mut proposals = Proposals { objectness: Vec::new(), deltas: Vec::new() };
    for map in maps {
        let hidden = Convolution::same(config.channels, 3, INIT);
        let x = conv2d_with(e, &scope.child("rpn_conv"), map, hidden, true)?;
        let x = e.apply_one(Relu, &[&x])?;
        let mut output = |name: &str, outputs| {
            conv2d_with(e, &scope.child(name), &x, Convolution::same(outputs, 1, INIT), true)
        };
        proposals.objectness.push(output("rpn_cls", anchors)?);
        proposals.deltas.push(output("rpn_reg", 4 * anchors)?);
    }
    Ok(proposals)
}
