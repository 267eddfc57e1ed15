//! GPU operators of large-kernel ConvNets, forward and backward, in WGSL: on Vulkan, Metal and DX12, through
//! [wgpu](https://wgpu.rs).
//!
//! The operators that [`pelk_ops`] describes, on buffers of a device. A [`Gpu`] is an open device. Its
//! methods record operators and return their outputs at once. The device runs them in the recorded order,
//! many in one submission; [`Gpu::download`] waits for a result.
//!
//! ```
//! use pelk_wgpu::{Adapter, Gpu, GpuError, Options};
//!
//! let adapter = match Adapter::best() {
//!     Err(GpuError::NoAdapter) => return Ok(()), // this machine has none
//!     adapter => adapter?,
//! };
//! let gpu = Gpu::open(&adapter, Options::default())?;
//! let x = gpu.upload(&[1.0, 2.0, 3.0, 4.0])?;
//! let y = gpu.add(&x, &x)?;
//! assert_eq!(gpu.download(&gpu.column_sum(&y, 2)?)?, [8.0, 12.0]);
//! # Ok::<(), GpuError>(())
//! ```
//!
//! - Sums are taken in an order that depends only on the shape, without atomics: a result has the same bits
//!   every time on one adapter. Another adapter may round differently.
//! - Tensors larger than an adapter can bind at once are processed in parts, with the same bits, and so is
//!   work that a driver would mistake for a hang. What cannot be split is [`GpuError::TooLarge`].
//! - Memory is recycled: a loop allocates nothing after its first iteration ([`Gpu::memory_use`]).
//! - Activations are stored as float32, or as float16 if the adapter supports it ([`Gpu::storing_float16`]);
//!   arithmetic is always float32.
//! - Losing the device or running out of memory is an error, never a panic, and nothing falls back to the
//!   processor.
//!
//! | folder | kernels |
//! | --- | --- |
//! | `depthwise`, `position` | peripheral and depthwise convolution, position embedding |
//! | `gemm`, `conv2d` | fused matrix products in tiles; dense convolution |
//! | `pixel_mlp` | LayerNorm, linear, GELU, linear, scale and residual |
//! | `layer_norm`, `batch_norm`, `rows`, `reduce` | normalization, and sums across rows and columns |
//! | `roi_align` | features of regions at one size |
//! | `elementwise`, `resample`, `max_pool`, `loss`, `detection_loss`, `optimizer` | the rest |
//!
//! To add a kernel, make a folder with its `.wgsl`, which holds only arithmetic, and its host code. The
//! tables in `pipeline.rs` list what a shader may define and use.
#![forbid(unsafe_code)]

mod adapter;
mod batch_norm;
mod check;
mod conv2d;
mod depthwise;
mod detection_loss;
mod dispatch;
mod elementwise;
mod error;
mod gemm;
mod gpu;
mod kernel;
mod layer_norm;
mod loss;
mod max_pool;
mod memory;
mod optimizer;
mod pipeline;
mod pixel_mlp;
mod position;
mod reduce;
mod resample;
mod roi_align;
mod rows;
mod stream;

pub use adapter::{Adapter, AdapterKind};
pub use error::{GpuError, Result};
pub use gpu::{Gpu, Options};
pub use memory::{Buffer, Element, MemoryUse};
pub use pixel_mlp::Kept;
pub use stream::KernelTime;
