//! GPU operators of large-kernel ConvNets, forward and backward, in WGSL.
#![forbid(unsafe_code)]

mod adapter;
mod batch_norm;
mod check;
mod conv2d;
pub mod depthwise;
mod elementwise;
mod error;
mod gemm;
mod gpu;
mod kernel;
mod layer_norm;
mod loss;
mod memory;
mod optimizer;
pub mod pixel_mlp;
mod position;
mod reduce;
mod resample;
mod rows;
mod stream;

pub use adapter::{Adapter, AdapterKind};
pub use error::{GpuError, Result};
pub use gpu::{Gpu, Options};
pub use layer_norm::Normalized;
pub use memory::{Buffer, Element, MemoryUse};
pub use stream::KernelTime;
