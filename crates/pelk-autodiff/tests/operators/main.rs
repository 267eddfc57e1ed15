//! Every operator on every backend: one list of cases, and what must hold for each.
//!
//! - [`case`]: what a case is.
//! - [`cases`]: the cases. An operator that is missing in the list does not compile. Those of a detector's
//!   operators are in [`detection_cases`].
//! - [`evaluation`]: a case's outputs and gradients on a backend.
//! - [`gradients`]: the reference backend's gradients match finite differences.
//! - [`backends`]: the other backends agree with the reference. A new backend is added there.
//! - [`digests`]: on the CPU, the bits of every case are those that they always were, on every architecture.
//! - [`errors`]: what does not fit is an error everywhere, and never a panic.

mod backends;
mod case;
mod cases;
mod detection_cases;
mod digests;
mod errors;
mod evaluation;
mod gradients;
