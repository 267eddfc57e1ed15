//! Dynamic sparsity as in SLaK (arXiv 2207.03620), whose rules PeLK follows: some weights are absent, and
//! training changes which.
//!
//! Masks cover all weights: kernels and matrices of any number of dimensions, and the parameters of
//! peripheral kernels (theta) in their shared form; never biases, norms, layer scales or position embeddings.
//! The density of each tensor is decided once ([`scores`]); which of its weights are present is drawn at
//! random, and part of it again at regular intervals ([`mask`]).

mod config;
mod draw;
mod mask;
mod masks;
mod scores;

pub use config::{Densities, SparsityConfig};
pub(crate) use draw::{Weights, draw};
pub(crate) use masks::Masks;
