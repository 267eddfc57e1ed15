//! What can go wrong on a GPU.

use pelk_ops::{LossError, ShapeError};

/// A missing or failed adapter, or an operator whose arguments do not fit.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum GpuError {
    /// This crate was built without its feature `drivers`, or wgpu has no backend for this system.
    #[error("pelk-wgpu was built without GPU drivers: turn on its feature `drivers`")]
    NoDrivers,
    /// No adapter at all.
    #[error(
        "no GPU was found: there is no adapter for Vulkan, Metal or DX12, or no driver for it is installed"
    )]
    NoAdapter,
    /// No adapter of this name.
    #[error("no adapter matches {wanted:?}; the adapters of this machine are {found}")]
    NoSuchAdapter {
        /// The name or number that was given.
        wanted: String,
        /// The numbers and names of all adapters.
        found: String,
    },
    /// The adapter exists, but its driver cannot open a device.
    #[error("{adapter} cannot be opened: {reason}")]
    Open {
        /// The adapter's name.
        adapter: String,
        /// The driver's message, or the feature that is missing.
        reason: String,
    },
    /// The adapter has no 16-bit floats.
    #[error("{adapter} cannot store 16-bit floats: it lacks the feature SHADER_F16")]
    NoFloat16 {
        /// The adapter's name.
        adapter: String,
    },
    /// The device is gone: the driver reset it, or it was unplugged.
    #[error("{adapter} was lost ({reason}), with everything that was on it")]
    Lost {
        /// The adapter's name.
        adapter: String,
        /// The driver's message.
        reason: String,
    },
    /// The device is out of memory.
    #[error("{adapter} has no memory left for {bytes} more bytes, with {in_use} in use")]
    OutOfMemory {
        /// The adapter's name.
        adapter: String,
        /// Bytes of the buffer that could not be created.
        bytes: u64,
        /// Bytes of all live buffers.
        in_use: u64,
    },
    /// A tensor that cannot be cut into parts within the adapter's limits.
    #[error("{adapter}: {what} needs {bytes} bytes in one piece, but {limit_name} is {limit}")]
    TooLarge {
        /// The adapter's name.
        adapter: String,
        /// The tensor and the operator that needs it.
        what: String,
        /// Bytes needed in one piece.
        bytes: u64,
        /// The limit's name in WebGPU.
        limit_name: &'static str,
        /// Its value.
        limit: u64,
    },
    /// The driver or the API refused a call: a bug in this crate or in the driver.
    #[error("{adapter} refused a call: {reason}")]
    Refused {
        /// The adapter's name.
        adapter: String,
        /// The message of the driver or the API.
        reason: String,
    },
    /// Arguments that do not fit together.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The loss has no value for these labels.
    #[error(transparent)]
    Loss(#[from] LossError),
}

/// The result of work on a GPU.
pub type Result<T> = std::result::Result<T, GpuError>;
