//! Every operator on every backend: one list of problems, and what must hold for each.
//!
//! - [`cases`]: the problems. An operator that is not in the list does not compile.
//! - [`evaluation`]: a problem's outputs and gradients on a backend.
//! - [`gradients`]: the reference backend's gradients are differences of its values.
//! - [`backends`]: the other backends give what the reference gives. A new backend is added there.
//! - [`errors`]: what does not fit is an error everywhere, and never a panic.

mod backends;
mod cases;
mod errors;
mod evaluation;
mod gradients;
