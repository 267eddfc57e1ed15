//! Errors of operators, tensors and parameters.

use crate::Shape;

/// An operator, a tensor or a parameter that does not fit.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Inputs whose shapes the operator cannot take.
    #[error("{operator}: {reason}")]
    Shape {
        /// The operator's name.
        operator: &'static str,
        /// What was given and what is expected.
        reason: String,
    },
    /// Data whose number of values does not match the shape.
    #[error("{actual} values were given for a tensor of shape {shape}, which holds {}", shape.elements())]
    Length {
        /// The shape that was given.
        shape: Shape,
        /// The number of values that were given.
        actual: usize,
    },
    /// The network needs a parameter that the weights do not have.
    #[error("the weights have no parameter {name:?} of shape {shape}; do they belong to another network?")]
    MissingParameter {
        /// The parameter's dotted name.
        name: String,
        /// The shape that the network needs.
        shape: Shape,
    },
    /// A parameter whose shape differs from the one that the network needs.
    #[error(
        "parameter {name:?} has shape {actual}, but the network needs {expected}; do the weights belong to \
         another network?"
    )]
    ParameterShape {
        /// The parameter's dotted name.
        name: String,
        /// The shape that the network needs.
        expected: Shape,
        /// The shape in the weights.
        actual: Shape,
    },
    /// The gradient of a value that depends on no parameter.
    #[error("this value depends on no parameter, so it has no gradient")]
    NoGradient,
    /// A value of another tape or recording.
    #[error("the value belongs to another tape or recording")]
    OtherTape,
    /// The backend has no 16-bit floats.
    #[error("{backend} stores float32 only; 16-bit floats need a GPU with SHADER_F16")]
    NoFloat16 {
        /// The backend's name.
        backend: String,
    },
    /// Arguments of an operator do not fit together.
    #[error(transparent)]
    Cpu(#[from] pelk_ops::ShapeError),
    /// The build has no GPU backend: the feature `gpu` is off.
    #[error("this build computes on the processor only: the feature `gpu` is off")]
    NoGpuSupport,
    /// The loss has no value for these labels.
    #[error(transparent)]
    Loss(#[from] pelk_ops::LossError),
    /// The GPU failed, or returned an error.
    #[cfg(feature = "gpu")]
    #[error(transparent)]
    Gpu(#[from] pelk_wgpu::GpuError),
    /// The SIMD level does not exist, or the processor does not have it.
    #[error(transparent)]
    Level(#[from] pelk_simd::LevelError),
}

/// The result of a tensor operation.
pub type Result<T> = std::result::Result<T, Error>;
