//! PeLK and its rivals, defined once for training, inference and counting.
//!
//! A [`Network`] is a checked configuration with one definition, a function over an
//! [`Executor`](pelk_autodiff::Executor). The tape runs it for training, the eager executor for inference;
//! [`cost::count`] and [`Network::parameters`] run it with shapes as values.
//!
//! ```
//! use pelk_autodiff::{CpuBackend, Eager, Parameters, Shape, Storage};
//! use pelk_models::{Network, initialize, zoo};
//!
//! # fn main() -> Result<(), pelk_models::ModelError> {
//! let config = zoo::model("pelk_atto")?.configure(1, 10)?;
//! let network = Network::new(config)?;
//! let backend = CpuBackend::new()?;
//! let parameters = Parameters::upload(&backend, &initialize(&network, 0)?)?;
//!
//! let images = backend.zeros(&Shape::from([2, 28, 28, 1]))?;
//! let logits = network.logits(&mut Eager::new(&backend, &parameters), &images)?;
//! assert_eq!(*backend.shape(&logits), Shape::from([2, 1, 1, 10]));
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod collect;
mod config;
pub mod cost;
pub mod detection;
mod error;
mod families;
mod fold;
pub mod heads;
mod init;
pub mod layers;
pub mod mixers;
mod nearest;
mod network;
pub mod receptive_field;
mod scope;
mod weights;
pub mod zoo;

pub use config::{
    CascadeConfig, DenseInit, Family, Head, InceptionConfig, MixerConfig, NetworkConfig, PeripheralConfig,
    Position, ProposalConfig, StageConfig, StripeConfig, ThetaScale, UperNetConfig,
};
pub use error::{ModelError, Result};
pub use fold::fold;
pub use heads::Outputs;
pub use init::initialize;
pub use nearest::nearest;
pub use network::Network;
pub use scope::Scope;
pub use weights::{HostMasks, WeightsFile};
pub use zoo::ModelSpec;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
