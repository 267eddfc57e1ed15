//! Backends, operators with their gradients, and the tape.
//!
//! Three interfaces, from the device up:
//! - [`Backend`]: a device's tensors and the computation of each operator, forward and backward.
//!   [`CpuBackend`] computes on the processor, `GpuBackend` (feature `gpu`) on a GPU; [`ReferenceBackend`]
//!   computes in plain float64 loops, to test the others against. [`device`] chooses one at run time;
//! - [`Operator`]: an operator's shape rule, cost and gradient, written once for all backends;
//! - [`Executor`]: what a network's definition calls. [`Tape`] runs it for training, [`Eager`] once for
//!   inference, [`Session`] records it to run it many times.
//!
//! ```
//! use pelk_autodiff::operators::{CrossEntropy, Linear};
//! use pelk_autodiff::{
//!     CpuBackend, Executor, Init, ParameterSpec, Parameters, Pass, Place, Role, Shape, Storage, Tape, Var,
//! };
//! use ndarray::ArrayD;
//!
//! # fn main() -> Result<(), pelk_autodiff::Error> {
//! let backend = CpuBackend::new()?;
//! let weights = [("weight".to_string(), ArrayD::zeros(vec![2, 3]))].into();
//! let parameters = Parameters::upload(&backend, &weights)?;
//!
//! let mut tape = Tape::new(&backend, &parameters, Pass { seed: 0, index: 0 });
//! let x = Var::constant(backend.upload(&Shape::from([1, 3]), &[1.0, 2.0, 3.0])?);
//! let weight = tape.parameter(ParameterSpec {
//!     name: "weight".into(), shape: Shape::from([2, 3]), init: Init::Constant(0.0), role: Role::Weight,
//!     place: Place::default(),
//! })?;
//! let logits = tape.apply_one(Linear, &[&x, &weight])?;
//! let loss = CrossEntropy { labels: [1].into(), ..CrossEntropy::default() };
//! let loss = tape.apply_one(loss, &[&logits])?;
//! assert!((backend.download(loss.tensor())?[0] - 2f32.ln()).abs() < 1e-6);
//!
//! let one = backend.upload(&Shape::from([1]), &[1.0])?;
//! let gradients = tape.backward(&loss, one)?.gradients;
//! assert_eq!(backend.download(&gradients["weight"])?, [0.5, 1.0, 1.5, -0.5, -1.0, -1.5]);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod backend;
mod cpu;
pub mod device;
mod eager;
mod error;
mod executor;
#[cfg(feature = "gpu")]
mod gpu;
mod kernels;
pub mod operators;
mod parameters;
mod reference;
mod session;
mod shape;
mod tape;

pub use backend::{Backend, Gradients, Storage};
pub use cpu::{CpuBackend, CpuTensor};
pub use eager::Eager;
pub use error::{Error, Result};
pub use executor::{Executor, Init, Layer, ParameterSpec, Place, Role, Section};
#[cfg(feature = "gpu")]
pub use gpu::{GpuBackend, GpuTensor};
pub use operators::{Cost, Op, Operator};
pub use parameters::{HostParameters, Parameters, from_host, to_host};
pub use pelk_ops::{AdamW, LossError, Sgd};
pub use reference::{ReferenceBackend, ReferenceTensor};
pub use session::{Recorded, Recorder, Session};
pub use shape::Shape;
pub use tape::{Backward, Pass, Tape, Var};

/// Runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
