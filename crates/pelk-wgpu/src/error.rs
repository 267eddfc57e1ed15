//! What can go wrong on a GPU.

use pelk_cpu::loss::LossError;
use pelk_cpu::shape::ShapeError;

/// An adapter that is missing or failed, or an operator that does not fit.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GpuError {
    /// No adapter at all.
    #[error(
        "no GPU was found: none of Vulkan, Metal and DX12 has an adapter. Install the vendor's driver (on Debian \
         mesa-vulkan-drivers, which has a software adapter too), or compute on the processor"
    )]
    NoAdapter,
    /// No adapter of this name.
    #[error("no adapter matches {wanted:?}; there are: {found}")]
    NoSuchAdapter {
        /// What was asked for.
        wanted: String,
        /// The names of those that there are.
        found: String,
    },
    /// The adapter is there, but gives no device.
    #[error("{adapter} cannot be opened: {reason}")]
    Open {
        /// The adapter's name.
        adapter: String,
        /// What the driver said, or what is missing.
        reason: String,
    },
    /// The adapter has no 16-bit floats.
    #[error(
        "{adapter} cannot store 16-bit floats, since it lacks SHADER_F16: use float32 (batch.float16 = false)"
    )]
    NoFloat16 {
        /// The adapter's name.
        adapter: String,
    },
    /// The device went away: the driver reset it, or it was unplugged.
    #[error(
        "{adapter} was lost ({reason}); all that was on it is gone. Go on from the last checkpoint; if it happens again, \
         make batch.size smaller"
    )]
    Lost {
        /// The adapter's name.
        adapter: String,
        /// What the driver said.
        reason: String,
    },
    /// The device's memory is used up.
    #[error(
        "{adapter} has no memory left for {bytes} bytes more, with {in_use} in use: make batch.size smaller (with \
         batch.accumulation larger for the same result), or set batch.recompute = true"
    )]
    OutOfMemory {
        /// The adapter's name.
        adapter: String,
        /// The size that was asked for.
        bytes: u64,
        /// Bytes of all live buffers.
        in_use: u64,
    },
    /// A tensor that cannot be cut into parts that the adapter's limits allow.
    #[error(
        "{adapter}: {what} needs {bytes} bytes at once, and {limit_name} is {limit}: use smaller images or a smaller batch"
    )]
    TooLarge {
        /// The adapter's name.
        adapter: String,
        /// The tensor, and the operator that wants it.
        what: String,
        /// The bytes that must be in one piece.
        bytes: u64,
        /// The limit's name in WebGPU.
        limit_name: &'static str,
        /// Its value.
        limit: u64,
    },
    /// The driver or the API refused a call; a fault of this crate or of the driver.
    #[error("{adapter} refused: {reason}")]
    Refused {
        /// The adapter's name.
        adapter: String,
        /// What was said.
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
