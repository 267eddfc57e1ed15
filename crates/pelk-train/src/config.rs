//! The configuration of a run: `types.rs` has its values, `parse.rs` reads and writes it, `keys.rs` lists its
//! keys.

pub(crate) mod error;
mod keys;
mod kind;
mod names;
mod parse;
mod refusal;
mod settings;
mod types;

pub use error::{ConfigError, Origin};
pub use keys::{Key, keys};
pub use kind::Kind;
pub use names::suggestions;
pub use types::{BatchConfig, CanvasConfig, DataConfig, LossConfig, TrainConfig};
