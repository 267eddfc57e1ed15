//! The configuration of a network: everything that its definition needs, and nothing that training adds.

mod cascade;
mod head;
mod mixer;
mod network;

pub use cascade::{CascadeConfig, ProposalConfig};
pub use head::{Head, UperNetConfig};
pub use mixer::{InceptionConfig, MixerConfig, PeripheralConfig, Position, StripeConfig, ThetaScale};
pub use network::{DenseInit, Family, NetworkConfig, StageConfig};
