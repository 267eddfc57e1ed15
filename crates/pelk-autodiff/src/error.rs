//! What can go wrong when an operator runs.

use crate::Shape;

/// An operator, a tensor or a parameter that does not fit.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Inputs whose shapes the operator cannot take.
    #[error("{operator}: {reason}")]
    Shape {
        /// The operator's name.
        operator: &'static str,
        /// What was given and what would fit.
        reason: String,
    },
    /// Data that does not fill the shape it was given with.
    #[error("{actual} values were given for a tensor of shape {shape}, which holds {}", shape.elements())]
    Length {
        /// The shape asked for.
        shape: Shape,
        /// The number of values given.
        actual: usize,
    },
    /// The network asks for a parameter that the weights do not hold.
    #[error(
        "the weights hold no parameter {name:?} (wanted with shape {shape}); are they of another network?"
    )]
    MissingParameter {
        /// The parameter's dotted name.
        name: String,
        /// The shape the network wants.
        shape: Shape,
    },
    /// A parameter whose shape differs from what the network asks for.
    #[error(
        "parameter {name:?} has shape {actual}, but the network wants {expected}; are the weights of another network?"
    )]
    ParameterShape {
        /// The parameter's dotted name.
        name: String,
        /// The shape the network wants.
        expected: Shape,
        /// The shape the weights have.
        actual: Shape,
    },
    /// A gradient was asked for of a value that no parameter leads to.
    #[error("no parameter leads to this value, so it has no gradient")]
    NoGradient,
    /// A value was given to another tape or recording than the one that made it.
    #[error("the value belongs to another tape or recording")]
    OtherTape,
    /// The backend has no 16-bit floats.
    #[error(
        "{backend} stores float32 only: set batch.float16 = false, or compute on a GPU that has SHADER_F16"
    )]
    NoFloat16 {
        /// The backend's name.
        backend: String,
    },
    /// The CPU kernels refused the call.
    #[error(transparent)]
    Cpu(#[from] pelk_ops::ShapeError),
    /// The loss has no value for these labels.
    #[error(transparent)]
    Loss(#[from] pelk_ops::LossError),
    /// The GPU failed, or refused the call.
    #[cfg(feature = "gpu")]
    #[error(transparent)]
    Gpu(#[from] pelk_wgpu::GpuError),
    /// The SIMD level that was asked for is not there.
    #[error(transparent)]
    Level(#[from] pelk_simd::LevelError),
}

/// The result of a tensor operation.
pub type Result<T> = std::result::Result<T, Error>;
